"""Time until the package answers in a new process: `python -m pytest benchmarks/bench_start.py --benchmark-only`.

CPU seconds of whole processes, each beside `import xarray`; read the ratios.
"""

import resource
import subprocess
import sys
from typing import Any

import pytest

POINT = {
    "reference-viscosity": "1e21",
    "activation-energy": "3e5",
    "activation-volume": "6e-6",
    "crustal-enrichment": "10",
    "initial-temperature": "1700",
    "time": "4.5",
}
QUESTION = ["-m", "surrogate.cli", "predict", "demo", *(f"--{name}={value}" for name, value in POINT.items())]
PROCESSES = {
    "import surrogate": ["-c", "import surrogate"],
    "surrogate --help": ["-m", "surrogate.cli", "--help"],
    "surrogate predict demo": QUESTION,
    "surrogate predict demo --method lstm": [*QUESTION, "--method", "lstm"],
}


def cpu_seconds() -> float:
    """Of all processes that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("what", ["it", "import xarray"])
@pytest.mark.benchmark(timer=cpu_seconds)
def test_start(benchmark: Any, process: str, what: str) -> None:
    benchmark.group = process
    command = [sys.executable, *(PROCESSES[process] if what == "it" else ["-c", "import xarray"])]
    benchmark.pedantic(subprocess.run, (command,), {"check": True, "capture_output": True}, rounds=5, warmup_rounds=1)
