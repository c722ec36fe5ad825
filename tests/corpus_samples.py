"""Small synthetic runs for the tests of the corpus."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from surrogate.config import DesignSettings
from surrogate.corpus import make_design, parameters_of_run
from surrogate.fields import make_run, write_netcdf
from surrogate.geometry import Geometry

DESIGN = make_design(DesignSettings(runs=64))


def sample_run(number: int, geometry: Any = None, snapshots: Any = 12, end: Any = 4.5, **attributes: Any) -> Any:
    """A run that looks like a cooling mantle with plumes, different for every number."""
    geometry = geometry or Geometry.quarter(10, 16)
    generator = np.random.default_rng(number)
    time = np.linspace(0.0, end, snapshots)
    z = ((geometry.vertical - geometry.vertical[0]) / geometry.thickness)[None, :, None]
    angle = geometry.lateral[None, None, :]
    phase = 2 * np.pi * generator.random()
    cooling = np.exp(-time / 9.0)[:, None, None]
    bump = np.sin(np.pi * z) * np.cos(6 * angle + phase + 3 * time[:, None, None])
    temperature = 250.0 + 2000.0 * cooling * (1 - z**4) + 120.0 * bump
    temperature[:, -1] = 250.0
    temperature[:, 0] = temperature[:, 0].mean(axis=-1, keepdims=True)
    return make_run(
        temperature.astype(np.float32),
        time,
        geometry,
        parameters_of_run(DESIGN, number),
        {"mean_temperature": geometry.average(temperature)},
        {"number": number, "status": "done", "budget_relative_error": 1e-4, **attributes},
    )


def write_runs(folder: Path, numbers: Any, **keywords: Any) -> Any:
    """Write runs as NetCDF and return their paths."""
    paths = []
    for number in numbers:
        path = Path(folder) / f"run_{number:05d}.nc"
        write_netcdf(sample_run(number, **keywords), path)
        paths.append(path)
    return paths


def tree_digest(folder: Path) -> Any:
    """Checksums of all files below a folder by relative path."""
    folder = Path(folder)
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
