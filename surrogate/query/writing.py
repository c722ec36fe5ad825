"""Making a bundle from trained networks and the corpus that they were trained on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.fields import annulus_of, make_run, parameter_table, select_split
from surrogate.files import atomic, provenance
from surrogate.parameters import Parameters
from surrogate.planet import MARS, Planet
from surrogate.query.bundle import MODELS, BundleError, seal
from surrogate.query.description import describe_corpus, limits, planet_to_dict
from surrogate.query.engine import METHODS, Engine
from surrogate.query.intervals import calibrate, coverage, natural_ranges
from surrogate.query.residuals import collect, collect_unseen

EXAMPLE_TOLERANCE = 0.1
"""K by which a recomputed example may differ: other processors and libraries round differently."""


def write_bundle(
    folder: str | os.PathLike[str],
    models: str | os.PathLike[str],
    corpus: xr.Dataset,
    *,
    metrics: Mapping[str, Any] | None = None,
    planet: Planet = MARS,
    conductivity: str = "olivine",
    name: str = "",
    origin: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a bundle folder, atomically.

    Parameters
    ----------
    folder : path
        Replaced if it exists.
    models : path
        Folder that holds the trained ``autoencoder``, ``feedforward`` and ``recurrent``.
    corpus : xarray.Dataset
        The corpus they were trained on, with its coordinate ``split``; lazy or in memory.
    metrics : mapping, optional
        What the evaluation on unseen runs gave, JSON-ready.
    planet : Planet
    conductivity : {"constant", "olivine"}
        Law of the simulations.
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
    for model in MODELS:
        if not (models / model / "manifest.json").is_file():
            raise BundleError(f"{models / model}: manifest.json is missing; expected a trained {model}")
    with atomic(folder) as temporary:
        for model in MODELS:
            # Checkpoints of the training stay behind.
            shutil.copytree(
                models / model, temporary / model, ignore=lambda _, names: [n for n in names if not _belongs(n)]
            )
        content = {
            "name": name,
            **describe_corpus(corpus),
            "planet": planet_to_dict(planet),
            "conductivity": conductivity,
            "metrics": dict(metrics or {}),
            "provenance": provenance(**(origin or {})),
        }
        content["limits"] = limits(content)
        engine = Engine(temporary)
        if engine.autoencoder.shape != annulus_of(corpus).shape:
            raise BundleError(
                f"{models}/autoencoder: takes fields of {engine.autoencoder.shape}, the corpus has "
                f"{annulus_of(corpus).shape}"
            )
        content["calibration"] = _calibrate(engine, corpus, content, planet, conductivity, temporary)
        example = _example(engine, corpus)
        example.to_netcdf(temporary / "example.nc", engine="h5netcdf")
        content["example"] = {"tolerance": EXAMPLE_TOLERANCE, "methods": [str(m) for m in example["predictor"].values]}
        seal(temporary, content)
    return content


def _calibrate(
    engine: Engine, corpus: xr.Dataset, content: dict[str, Any], planet: Planet, conductivity: str, folder: Path
) -> dict[str, dict[str, Any]]:
    """Write the intervals of each method; say on how many unseen runs they rest, and how they fare on the test runs."""
    ranges = natural_ranges({name: (entry["low"], entry["high"]) for name, entry in content["parameters"].items()})
    test = select_split(corpus, "test")
    result: dict[str, dict[str, Any]] = {}
    for method in METHODS:
        residuals = collect(engine, corpus, method, planet, conductivity)
        if residuals is None:
            continue
        calibration = calibrate(residuals, ranges)
        calibration.to_netcdf(folder / f"calibration_{method}.nc", engine="h5netcdf")
        result[method] = {"runs": len(residuals.times)}
        if test.sizes["simulation"]:
            unseen = collect_unseen(engine, test, method, planet, conductivity)
            result[method] |= {"test_runs": len(unseen.times), "coverage": coverage(calibration, unseen, ranges)}
    return result


def _belongs(name: str) -> bool:
    return name.endswith((".keras", ".csv")) or name == "manifest.json"


def _example(engine: Engine, corpus: xr.Dataset) -> xr.Dataset:
    """Answers of each predictor for the training run nearest to the middle of parameter space."""
    training = select_split(corpus, "train")
    table = parameter_table(training)
    scaled = engine.feedforward.parameter_scaler.transform(table)
    values = table[np.argmin((scaled**2).sum(axis=1))]
    first, last = float(np.nanmin(training["snapshot_time"])), float(np.nanmax(training["snapshot_time"]))
    times = np.linspace(first, last, 4)
    fields = np.stack([engine.answer(method, values[None], times)[0] for method in ("fnn", "lstm")])
    run = make_run(fields[0], times, annulus_of(corpus), Parameters.from_array(values))
    both = (("predictor", "time", "radius", "angle"), fields, run["temperature"].attrs)
    return run.assign(temperature=both).assign_coords(predictor=["fnn", "lstm"])
