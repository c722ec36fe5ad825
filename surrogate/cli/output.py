"""How the command speaks: results on stdout, everything else on stderr, one line per error."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer
from typing import Annotated, Any

import typer

OK, FAILED, BAD_INPUT, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
"""Exit codes: all is well; a check failed; the input cannot be used; Ctrl+C; SIGTERM."""

NOTICE_AFTER = 2.0
"""Seconds after which a command that still imports its networks says so."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine to read.")]


def say(text: str) -> None:
    """Print for a person, on stderr."""
    typer.echo(text, err=True)


def emit_json(content: Any) -> None:
    """Print JSON; a number that is not finite becomes null, which JSON has."""
    typer.echo(json.dumps(_plain(content), indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Align columns of text.

    >>> print(table(["time", "name"], [[1.0, "a"], [4.25, "bc"]]))
    time  name
    1     a
    4.25  bc
    """
    cells = [list(map(str, header))] + [
        [f"{entry:.6g}" if isinstance(entry, float) else str(entry) for entry in row] for row in rows
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def ready_for(path: Path, *suffixes: str) -> Path:
    """Make sure that a file can be written, before long work and not after it.

    Parameters
    ----------
    path : Path
    *suffixes : str
        Of which the name must have one; any will do if none is given.

    Raises
    ------
    ValueError, OSError
        Naming the file and the reason.
    """
    if suffixes and path.suffix.lower() not in suffixes:
        raise ValueError(f"{path}: expected a name that ends in {' or '.join(suffixes)}")
    try:
        if path.is_dir():
            raise OSError("it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent):
            return path
    except OSError as error:
        raise OSError(f"{path}: cannot be written: {error.strerror or error}") from error


def parameter_options(words: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Part what a command does not know into arguments and options of parameters, which each model has its own.

    >>> parameter_options(["demo", "--internal-heating", "5", "--rayleigh-number=1e6"])
    (['demo'], {'internal_heating': '5', 'rayleigh_number': '1e6'})
    """
    arguments, values, rest = [], {}, iter(words)
    for word in rest:
        if not word.startswith("-"):
            arguments.append(word)
            continue
        name, given, value = word.lstrip("-").partition("=")
        name = name.replace("-", "_")
        value = value if given else next(rest, "")
        if not name.isidentifier() or not value:
            raise ValueError(f"{word}: expected the name of a parameter, and its value")
        values[name] = value
    return arguments, values


def load_networks_quietly() -> None:
    """Import Keras with stderr closed: TensorFlow announces itself there before it can be told not to.

    Where that takes long, a line says why: the first answer of a process waits for it, and for the graphs.

    Raises
    ------
    EnvironmentFault
        If the user's settings of Keras would change the answers.
    """
    from surrogate.environment import check_keras

    check_keras()
    if "keras" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    try:
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # no stderr at all
        return
    line = b"reading and compiling the networks, once per command\n"
    notice = Timer(NOTICE_AFTER, os.write, (kept, line))
    try:
        os.dup2(nowhere, 2)
        notice.start()
        import_module("keras")
    finally:
        notice.cancel()
        notice.join()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def progress(label: str) -> Callable[[str, float, float], None]:
    """Return a callback (stage, done, total): on a terminal it keeps one line up to date, elsewhere it adds few."""
    terminal, last = sys.stderr.isatty(), ("", -1)

    def show(stage: str, done: float, total: float) -> None:
        nonlocal last
        before, last = last, (stage, int(10 * done / total) if total else 10)
        amounts = "/".join(f"{amount:.3f}" if isinstance(amount, float) else str(amount) for amount in (done, total))
        if terminal:
            typer.echo(f"\r{label}: {stage} {amounts}", nl=done >= total, err=True)
        elif last != before:
            say(f"{label}: {stage} {amounts}")

    return show
