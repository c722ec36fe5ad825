"""The state of a run in progress, on disk: what is needed to go on with the same result, bit for bit."""

from __future__ import annotations

import json
import os
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from surrogate.files import atomic

if TYPE_CHECKING:
    from surrogate.simulator.simulation import Simulation

_LAYER_ARRAYS = ("temperature", "counted", "flow", "previous_flow", "previous_load", "tally")
_LAYER_NUMBERS = (
    "inner",
    "time_step",
    "dissipated",
    "phase_worked",
    "stokes_solutions",
    "iterations",
    "direct_solutions",
)
_RUN_NUMBERS = ("time", "interval", "steps", "cpu_seconds", "initial_heat", "melted", "status", "reason")


def save_state(simulation: Simulation, path: str | os.PathLike[str]) -> None:
    """Write the state of a run as an .npz file without pickles, atomically."""
    layer = simulation.layer
    arrays = {name: getattr(layer, name) for name in _LAYER_ARRAYS if getattr(layer, name) is not None}
    numbers: dict[str, Any] = {
        "key": simulation.key,
        "layer": {name: getattr(layer, name) for name in _LAYER_NUMBERS},
        "run": {name: getattr(simulation, name) for name in _RUN_NUMBERS},
        "series": simulation.series,
    }
    snapshots = np.array(simulation.snapshots, dtype=np.float32)
    # JSON writes a float so that reading it gives the same bits.
    with atomic(path) as temporary:
        np.savez(temporary, numbers=np.array(json.dumps(numbers)), snapshots=snapshots, **arrays)


def restore_state(simulation: Simulation, path: str | os.PathLike[str]) -> bool:
    """Bring a new run to a saved state.

    Returns
    -------
    bool
        False where there is no such file, it cannot be read, or it belongs to a run with other settings; the run
        is then untouched.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            stored = {name: content[name] for name in content.files}
        numbers = json.loads(str(stored["numbers"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return False
    if numbers.get("key") != simulation.key:
        return False
    for name in _LAYER_ARRAYS:
        setattr(simulation.layer, name, stored.get(name))
    for name in _LAYER_NUMBERS:
        setattr(simulation.layer, name, numbers["layer"][name])
    for name in _RUN_NUMBERS:
        setattr(simulation, name, numbers["run"][name])
    simulation.series = numbers["series"]
    simulation.snapshots = list(stored["snapshots"])
    return True
