"""The stored example of a bundle: answers that any later reader can compute again and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.fields import annulus_of, make_run, parameter_table, parameters_of, select_split
from surrogate.parameters import Parameters
from surrogate.query.engine import Engine

TOLERANCE = 0.1
"""K by which a recomputed example may differ: other processors and libraries round differently."""

_FILE = "example.nc"
_METHODS = ("fnn", "lstm")


def write_example(folder: Path, engine: Engine, corpus: xr.Dataset) -> dict[str, Any]:
    """Store answers for the training run nearest to the middle of parameter space; return what the bundle says."""
    training = select_split(corpus, "train")
    table = parameter_table(training)
    scaled = engine.fnn.parameter_scaler.transform(table)
    values = table[np.argmin((scaled**2).sum(axis=1))]
    first, last = float(np.nanmin(training["snapshot_time"])), float(np.nanmax(training["snapshot_time"]))
    times = np.linspace(first, last, 4)
    fields = np.stack([engine.answer(method, values[None], times)[0] for method in _METHODS])
    run = make_run(fields[0], times, annulus_of(corpus), Parameters.from_array(values))
    both = (("predictor", "time", "radius", "angle"), fields, run["temperature"].attrs)
    example = run.assign(temperature=both).assign_coords(predictor=list(_METHODS))
    example.to_netcdf(folder / _FILE, engine="h5netcdf")
    return {"tolerance": TOLERANCE, "methods": list(_METHODS)}


def compare_example(folder: Path, engine: Engine, replace: bool = False) -> dict[str, float]:
    """Compute the example of a bundle folder again; return the largest difference of each method, K.

    Parameters
    ----------
    folder : Path
    engine : Engine
    replace : bool
        Whether the new answers take the place of the stored ones.
    """
    stored = xr.load_dataset(folder / _FILE, engine="h5netcdf")
    values, times = parameters_of(stored).as_array()[None], stored["time"].values
    again = np.stack([engine.answer(str(method), values, times)[0] for method in stored["predictor"].values])
    differences = np.abs(again - stored["temperature"].values).max(axis=(1, 2, 3))
    if replace:
        stored["temperature"] = stored["temperature"].copy(data=again)
        # This engine writes no time of day into the file: equal answers give equal bytes.
        encoding = {"temperature": {"zlib": True, "shuffle": True}}
        stored.to_netcdf(folder / _FILE, engine="netcdf4", encoding=encoding)
    return {str(method): float(value) for method, value in zip(stored["predictor"].values, differences, strict=True)}
