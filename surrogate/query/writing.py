"""Making a bundle from trained networks and the corpus that they were trained on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from surrogate.fields import annulus_of, select_split
from surrogate.files import atomic, provenance
from surrogate.planet import MARS, Planet
from surrogate.query.bundle import FLOW, MODELS, BundleError, seal
from surrogate.query.description import describe_corpus, limits, planet_to_dict
from surrogate.query.engine import METHODS, Engine
from surrogate.query.example import write_example
from surrogate.query.intervals import calibrate, coverage, whole_coverage
from surrogate.query.nearness import NEARNESS_FILE, natural_ranges
from surrogate.query.residuals import collect, collect_unseen
from surrogate.query.trust import locate_training


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
        Folder that holds the trained ``autoencoder``, ``fnn`` and ``lstm``, and ``flow`` if the
        bundle is to draw samples.
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
    flow = [FLOW] if (models / FLOW / "manifest.json").is_file() else []
    with atomic(folder) as temporary:
        for model in (*MODELS, *flow):
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
        content["example"] = write_example(temporary, engine, corpus)
        seal(temporary, content)
    return content


def _calibrate(
    engine: Engine, corpus: xr.Dataset, content: dict[str, Any], planet: Planet, conductivity: str, folder: Path
) -> dict[str, dict[str, Any]]:
    """Write the intervals of each method; say on how many unseen runs they rest, and how they fare on the test runs."""
    ranges = natural_ranges({name: (entry["low"], entry["high"]) for name, entry in content["parameters"].items()})
    nearness = locate_training(engine, corpus, ranges)
    nearness.write(folder / NEARNESS_FILE)
    test = select_split(corpus, "test")
    result: dict[str, dict[str, Any]] = {}
    for method in METHODS:
        residuals = collect(engine, corpus, method, planet, conductivity)
        if residuals is None:
            continue
        calibration = calibrate(residuals, nearness)
        compressed = {name: {"zlib": True, "shuffle": True} for name in calibration.data_vars}
        calibration.to_netcdf(folder / f"calibration_{method}.nc", engine="h5netcdf", encoding=compressed)
        result[method] = {"runs": len(residuals.times)}
        if test.sizes["simulation"]:
            unseen = collect_unseen(engine, test, method, planet, conductivity)
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
