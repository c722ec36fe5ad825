"""Compiling before simulating, in a process of its own.

Code that Numba has just compiled and the same code from its cache on disk round differently (inlined otherwise), and
convection is chaotic: a run would depend on whether it was the first on its machine. What compiles does not simulate.
"""

from __future__ import annotations

import subprocess
import sys

from pydantic import TypeAdapter

from surrogate.kernels import cache_misses
from surrogate.parameters import MODEL_PARAMETERS, Parameters
from surrogate.settings import SimulatorSettings
from surrogate.simulator.run import simulate

_COARSE = {
    "evolution": {"radial_cells": 12, "angular_cells": 16, "snapshots": 2, "end_time": 0.1, "maximum_steps": 100},
    "convection": {"vertical_cells": 12, "lateral_cells": 16, "snapshots": 2, "end_time": 0.01, "maximum_steps": 100},
}
_POINT = {"evolution": (1e22, 3e5, 6e-6, 10.0, 1700.0), "convection": (1e4, 0.0)}
_CHILD = f"from {__name__} import _compile; _compile()"


def compile_kernels(settings: SimulatorSettings) -> int:
    """Have another process compile what a simulation needs, and leave it in Numba's cache for this one.

    Call it before anything is simulated. Where Numba finds no folder to write its cache to, it has no effect.

    Parameters
    ----------
    settings : SimulatorSettings
        The physics and numerics decide which functions are compiled. Nothing is done for ``engine: jax``.

    Returns
    -------
    int
        Functions that were not in the cache.

    Raises
    ------
    RuntimeError
        If the other process fails, with the end of what it said.
    """
    if settings.engine != "numba":
        return 0
    child = subprocess.run(
        [sys.executable, "-c", _CHILD], input=settings.model_dump_json(), encoding="utf-8", capture_output=True
    )
    if child.returncode != 0:
        said = " ".join(child.stderr.strip().splitlines()[-1:])
        raise RuntimeError(f"compiling the simulator failed (exit code {child.returncode}): {said}")
    return int(child.stdout.split()[-1])


def _compile() -> None:
    """Run a few steps on a coarse grid with the settings on stdin; print what was compiled."""
    settings: SimulatorSettings = TypeAdapter(SimulatorSettings).validate_json(sys.stdin.read())
    point = Parameters(*_POINT[settings.model], space=MODEL_PARAMETERS[settings.model])
    simulate(point, settings.model_copy(update=_COARSE[settings.model]))
    print(cache_misses())
