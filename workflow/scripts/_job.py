"""What every job does first: its output goes to its log and, line by line, to the terminal."""

import os
import sys
from typing import Any, TextIO


class _Tee:
    """A stream that writes to the log and repeats whole lines on the terminal under the name of the job."""

    def __init__(self, log: TextIO, terminal: TextIO, name: str) -> None:
        self.log, self.terminal, self.name, self.line = log, terminal, name, ""

    def write(self, text: str) -> int:
        self.log.write(text)
        self.log.flush()
        *lines, self.line = (self.line + text).split("\n")
        for line in lines:
            if line.strip():
                self.terminal.write(f"[{self.name}] {line}\n")
        self.terminal.flush()
        return len(text)

    def flush(self) -> None:
        self.log.flush()

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self.log.fileno()


def start(snakemake: Any) -> None:
    """Redirect output and hold the thread pools to the cores that the job was given; call before other imports."""
    threads = str(snakemake.threads)
    for variable in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
    ):
        os.environ[variable] = threads
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    log = open(snakemake.log[0], "w", encoding="utf-8")  # noqa: SIM115 (it stays open as long as the job)
    terminal = os.fdopen(os.dup(2), "w", encoding="utf-8")
    # What libraries and child processes write past Python's streams goes to the log alone.
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    name = " ".join([snakemake.rule, *map(str, snakemake.wildcards)])
    sys.stdout = _Tee(log, terminal, name)
    sys.stderr = _Tee(log, terminal, name)
