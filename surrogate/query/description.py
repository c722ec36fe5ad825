"""What a bundle says of itself: planet, ranges, limits, measures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.fields import SPLITS, annulus_of, parameter_table, select_split
from surrogate.parameters import PARAMETERS
from surrogate.planet import Isotope, PhaseTransition, Planet


def planet_to_dict(planet: Planet) -> dict[str, Any]:
    """Return the constants of a planet as JSON can hold them."""
    content = dataclasses.asdict(planet)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in content.items()}


def planet_from_dict(content: Mapping[str, Any]) -> Planet:
    """Rebuild a planet from :func:`planet_to_dict`.

    >>> from surrogate.planet import MARS
    >>> planet_from_dict(planet_to_dict(MARS)) == MARS
    True
    """
    values = dict(content)
    values["isotopes"] = tuple(Isotope(**entry) for entry in values["isotopes"])
    values["phase_transitions"] = tuple(PhaseTransition(**entry) for entry in values["phase_transitions"])
    return Planet(**values)


def describe_corpus(corpus: xr.Dataset) -> dict[str, Any]:
    """Ranges, times, grid and size of the training runs, as ``bundle.json`` holds them."""
    training = select_split(corpus, "train")
    table = parameter_table(training)
    times = training["snapshot_time"].values
    annulus = annulus_of(corpus)
    ends = np.nanmax(times, axis=1)
    return {
        "parameters": {
            parameter.name: {
                "low": float(table[:, column].min()),
                "high": float(table[:, column].max()),
                "units": parameter.unit,
                "symbol": parameter.symbol,
                "logarithmic": parameter.logarithmic,
            }
            for column, parameter in enumerate(PARAMETERS)
        },
        "time": {
            "first": float(np.nanmin(times)),
            "last": float(np.nanmax(times)),
            "count": int(np.median(training["snapshot_count"].values)),
            "units": "Gyr",
        },
        "grid": {"radius_faces": annulus.radius_faces.tolist(), "angle_faces": annulus.angle_faces.tolist()},
        "runs": {name: int((corpus["split"].values == number).sum()) for number, name in enumerate(SPLITS)},
        "snapshots": int(training["snapshot_count"].values.sum()),
        "shorter_runs": int((ends < ends.max() - 0.5 * np.nanmedian(np.diff(times, axis=1))).sum()),
    }


def limits(content: Mapping[str, Any]) -> list[str]:
    """Say in sentences where the surrogate stops."""
    annulus = content["grid"]
    cells = f"{len(annulus['radius_faces']) - 1} x {len(annulus['angle_faces']) - 1}"
    width = np.degrees(annulus["angle_faces"][-1] - annulus["angle_faces"][0])
    lines = [
        f"Trained on {content['runs']['train']} runs ({content['snapshots']} snapshots) on {cells} cells of a sector "
        f"of {width:.0f} degrees; nothing smaller than a cell is resolved, and no other geometry.",
        f"Parameters and times ({content['time']['first']:g} .. {content['time']['last']:g} Gyr) outside the trained "
        "ranges are extrapolated and flagged.",
        "The physics, the planet and the law of the initial perturbation are those of the training runs; other values "
        "need other runs.",
        "Chaotic detail (where a plume stands late in a vigorous run) is an estimate of the mean over what could "
        "happen, smoother than any single simulation.",
    ]
    if content["shorter_runs"]:
        lines.append(f"{content['shorter_runs']} of the training runs end early: late times rest on fewer runs.")
    return lines


def summary(description: Mapping[str, Any], source: Path) -> dict[str, Any]:
    """Select of ``bundle.json`` what a person wants to know."""
    grid = description["grid"]
    kept = (
        "name",
        "parameters",
        "time",
        "runs",
        "snapshots",
        "conductivity",
        "limits",
        "metrics",
        "calibration",
        "provenance",
    )
    return {
        "bundle": str(source),
        "digest": description["digest"],
        **{name: description.get(name) for name in kept},
        "cells": [len(grid["radius_faces"]) - 1, len(grid["angle_faces"]) - 1],
        "methods": ["fnn", "lstm", "ensemble"],
        "bytes": int(sum(entry["bytes"] for entry in description["files"].values())),
    }
