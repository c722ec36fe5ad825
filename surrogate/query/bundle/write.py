"""Making a bundle from trained networks and the corpus that they were trained on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.fields import geometry_of, make_run, parameter_table, parameters_of, select_split, units_of
from surrogate.files import atomic, provenance
from surrogate.methods import METHODS, methods
from surrogate.parameters import Parameters, ParameterSpace
from surrogate.planet import MARS, Planet
from surrogate.query.bundle.content import describe_corpus, limits, planet_to_dict
from surrogate.query.bundle.files import seal
from surrogate.query.engine import Engine
from surrogate.query.errors import BundleError
from surrogate.query.extrapolation import TRAINING_FILE, locate_training
from surrogate.query.intervals.calibration import calibrate, coverage, whole_coverage
from surrogate.query.intervals.residuals import collect, collect_unseen
from surrogate.query.series import SeriesReader

EXAMPLE_TOLERANCE = 0.1
"""K by which a recomputed example may differ: other processors and libraries round differently."""

_EXAMPLE_FILE = "example.nc"


def write_bundle(
    folder: str | os.PathLike[str],
    models: str | os.PathLike[str],
    corpus: xr.Dataset,
    *,
    metrics: Mapping[str, Any] | None = None,
    planet: Planet = MARS,
    conductivity: str = "olivine",
    crust_heating: str = "none",
    name: str = "",
    origin: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a bundle folder, atomically.

    Parameters
    ----------
    folder : path
        Replaced if it exists.
    models : path
        Folder that holds the trained ``autoencoder`` and at least one predictor; every method that is there by its key
        (:data:`surrogate.methods.METHODS`) goes into the bundle.
    corpus : xarray.Dataset
        The corpus they were trained on, with its coordinate ``split``; lazy or in memory.
    metrics : mapping, optional
        What the evaluation on unseen runs gave, JSON-ready.
    planet : Planet
    conductivity : {"constant", "olivine"}
        Law of the simulations.
    crust_heating : {"none", "enriched"}
        Whether the heat produced in the crust is in the fields.
    name : str
        Of the pipeline run.
    origin : mapping, optional
        Kept in the provenance: configuration, corpus.

    Returns
    -------
    dict
        Content of ``bundle.json``.

    Raises
    ------
    BundleError
        If a model is missing or of another grid than the corpus.
    """
    models = Path(models)
    trained = [method.key for method in METHODS.values() if (models / method.key / "manifest.json").is_file()]
    for needed, what in (("autoencoder", "autoencoder"), (next(methods("mean")).key, "predictor")):
        if needed not in trained and not (what == "predictor" and any(m.key in trained for m in methods("mean"))):
            raise BundleError(f"{models / needed}: manifest.json is missing; expected a trained {what}")
    units = units_of(corpus)
    with atomic(folder) as temporary:
        for model in trained:
            # Checkpoints of the training stay behind.
            shutil.copytree(
                models / model, temporary / model, ignore=lambda _, names: [n for n in names if not _belongs(n)]
            )
        content = {
            "name": name,
            **describe_corpus(corpus),
            "planet": planet_to_dict(planet) if units.dimensional else None,
            "conductivity": conductivity if units.dimensional else "constant",
            "crust_heating": crust_heating,
            "metrics": dict(metrics or {}),
            "provenance": provenance(**(origin or {})),
        }
        content["limits"] = limits(content)
        engine = Engine(temporary, ParameterSpace.from_dict(content["parameters"]))
        if engine.autoencoder.shape != geometry_of(corpus).shape:
            raise BundleError(
                f"{models}/autoencoder: takes fields of {engine.autoencoder.shape}, the corpus has "
                f"{geometry_of(corpus).shape}"
            )
        reader = SeriesReader(geometry_of(corpus), planet, conductivity, engine.space, units)
        content["calibration"] = _calibrate(engine, corpus, reader, temporary)
        content["example"] = _write_example(temporary, engine, corpus)
        seal(temporary, content)
    return content


def _calibrate(engine: Engine, corpus: xr.Dataset, reader: SeriesReader, folder: Path) -> dict[str, dict[str, Any]]:
    """Write the intervals of each method; say on how many unseen runs they rest, and how they fare on the test runs."""
    nearness = locate_training(engine, corpus, engine.space)
    nearness.write(folder / TRAINING_FILE)
    test = select_split(corpus, "test")
    result: dict[str, dict[str, Any]] = {}
    for method in engine.methods:
        residuals = collect(engine, corpus, method, reader)
        if residuals is None:
            continue
        calibration = calibrate(residuals, nearness)
        compressed = {name: {"zlib": True, "shuffle": True} for name in calibration.data_vars}
        calibration.to_netcdf(folder / f"calibration_{method}.nc", engine="h5netcdf", encoding=compressed)
        result[method] = {"runs": len(residuals.times)}
        if test.sizes["simulation"]:
            unseen = collect_unseen(engine, test, method, reader)
            shares, errors = coverage(calibration, unseen, nearness)
            result[method] |= {
                "test_runs": len(unseen.times),
                "coverage": shares,
                "coverage_error": errors,
                "whole_coverage": whole_coverage(calibration, unseen, nearness),
            }
    return result


def _belongs(name: str) -> bool:
    return name.endswith((".keras", ".csv")) or name == "manifest.json"


def _write_example(folder: Path, engine: Engine, corpus: xr.Dataset) -> dict[str, Any]:
    """Store answers for the training run nearest to the middle of parameter space; return what the bundle says."""
    training = select_split(corpus, "train")
    table = parameter_table(training)
    values = table[np.argmin(((engine.space.scale(table) - 0.5) ** 2).sum(axis=1))]
    first, last = float(np.nanmin(training["snapshot_time"])), float(np.nanmax(training["snapshot_time"]))
    times = np.linspace(first, last, 4)
    engine.few_rows = 0
    fields = np.stack([engine.answer(method, values[None], times)[0] for method in engine.means])
    geometry, units, point = geometry_of(corpus), units_of(corpus), Parameters.from_array(values, engine.space)
    run = make_run(fields[0], times, geometry, point, units=units)
    both = (("predictor", "time", *geometry.dimensions), fields, run["temperature"].attrs)
    example = run.assign(temperature=both).assign_coords(predictor=list(engine.means))
    example.to_netcdf(folder / _EXAMPLE_FILE, engine="h5netcdf")
    return {"tolerance": EXAMPLE_TOLERANCE * units.degree, "methods": list(engine.means)}


def compare_example(folder: Path, engine: Engine, replace: bool = False) -> dict[str, float]:
    """Compute the example of a bundle folder again; return the largest difference of each method, K.

    Parameters
    ----------
    folder : Path
    engine : Engine
    replace : bool
        Whether the new answers take the place of the stored ones.
    """
    stored = xr.load_dataset(folder / _EXAMPLE_FILE, engine="h5netcdf")
    values, times = parameters_of(stored).as_array()[None], stored["time"].values

    def answered() -> np.ndarray:
        return np.stack([engine.answer(str(method), values, times)[0] for method in stored["predictor"].values])

    few_rows, again = engine.few_rows, answered()
    differences = np.abs(again - stored["temperature"].values)
    engine.few_rows = 0  # both ways: in NumPy where that can be, and all by Keras
    again = answered()
    engine.few_rows = few_rows
    differences = np.maximum(differences, np.abs(again - stored["temperature"].values)).max(axis=(1, 2, 3))
    if replace:
        stored["temperature"] = stored["temperature"].copy(data=again)
        # This engine writes no time of day into the file: equal answers give equal bytes.
        encoding = {"temperature": {"zlib": True, "shuffle": True}}
        stored.to_netcdf(folder / _EXAMPLE_FILE, engine="netcdf4", encoding=encoding)
    return {str(method): float(value) for method, value in zip(stored["predictor"].values, differences, strict=True)}
