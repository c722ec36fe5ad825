"""What a bundle says of itself: planet, parameters and their ranges, limits, measures."""

from __future__ import annotations

import dataclasses
import os
import shutil
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.fields import SPLITS, geometry_of, parameter_table, select_split, space_of, units_of
from surrogate.geometry import Geometry
from surrogate.parameters import Parameter, ParameterSpace
from surrogate.planet import MARS, Isotope, PhaseTransition, Planet
from surrogate.quantities import Units, units_by
from surrogate.query.bundle.files import open_folder, read_bundle
from surrogate.query.errors import BundleError, QueryError
from surrogate.query.extrapolation import TRAINING_FILE, Nearness


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
    """Parameters, times, grid, temperatures and size of the training runs, as ``bundle.json`` holds them."""
    training = select_split(corpus, "train")
    times = training["snapshot_time"].values
    geometry, space, units = geometry_of(corpus), space_of(corpus), units_of(corpus)
    ends = np.nanmax(times, axis=1)
    low, high = _temperature_range(training)
    return {
        "parameters": space.spanned_by(parameter_table(training)).as_dict(),
        "time": {
            "first": float(np.nanmin(times)),
            "last": float(np.nanmax(times)),
            "count": int(np.median(training["snapshot_count"].values)),
            "units": units.unit("time"),
        },
        "temperature": {"low": low, "high": high, "units": units.unit("temperature")},
        "grid": geometry.record(),
        "runs": {name: int((corpus["split"].values == number).sum()) for number, name in enumerate(SPLITS)},
        "snapshots": int(training["snapshot_count"].values.sum()),
        "shorter_runs": int((ends < ends.max() - 0.5 * np.nanmedian(np.diff(times, axis=1))).sum()),
    }


def _temperature_range(training: xr.Dataset) -> tuple[float, float]:
    """Lowest and highest temperature in some snapshots of some training runs."""
    ends = []
    for run in np.unique(np.linspace(0, training.sizes["simulation"] - 1, 128).round().astype(int)):
        count = int(training["snapshot_count"].values[run])
        times = np.unique(np.linspace(0, count - 1, 5).round().astype(int))
        values = training["temperature"].isel(simulation=run, time=times).values
        ends.append((float(values.min()), float(values.max())))
    return min(low for low, _ in ends), max(high for _, high in ends)


def limits(content: Mapping[str, Any]) -> list[str]:
    """Say in sentences where the surrogate stops."""
    geometry = Geometry.from_record(content["grid"])
    cells, units = f"{geometry.shape[0] - 2} x {geometry.shape[1]}", units_by(content["time"]["units"])
    first, last = (units.time.text(content["time"][end]) for end in ("first", "last"))
    lines = [
        f"Trained on {content['runs']['train']} runs ({content['snapshots']} snapshots) on {cells} cells of a domain: "
        f"{geometry.domain}; nothing smaller than a cell is resolved, and no other geometry.",
        f"Parameters and times ({first} .. {last}) outside the trained ranges are extrapolated and flagged.",
        f"The physics{', the planet' if units.dimensional else ''} and the law of the initial perturbation are those "
        "of the training runs; other values need other runs.",
        "Chaotic detail (where a plume stands late in a vigorous run) is an estimate of the mean over what could "
        "happen, smoother than any single simulation.",
    ]
    if content["shorter_runs"]:
        lines.append(f"{content['shorter_runs']} of the training runs end early: late times rest on fewer runs.")
    return lines


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: where it lies, and what it says, in records.

    Attributes
    ----------
    folder, source : Path
        Where its files are, and what was opened: they differ for a zip file.
    description : dict
        Content of ``bundle.json``.
    geometry : Geometry
        Grid of the answers.
    units : Units
    planet : Planet
        Of no meaning where the units are dimensionless.
    conductivity : str
        Law of the simulations, "olivine" or "constant".
    crust_heating : str
        Whether the heat of the crust is in the fields: "none", "enriched", or "unknown" in an older bundle.
    space : ParameterSpace
        Its ranges are those of the training runs.
    time_range : tuple of float
        First and last trained time.
    default_times : array, shape (time,)
    temperature_range : tuple of float
        Of the training runs; infinite where it is not known.
    """

    folder: Path
    source: Path
    description: dict[str, Any]
    geometry: Geometry
    units: Units
    planet: Planet
    conductivity: str
    crust_heating: str
    space: ParameterSpace
    time_range: tuple[float, float]
    default_times: np.ndarray
    temperature_range: tuple[float, float]

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Bundle:
        """Find, unpack and check a bundle; an unpacked zip file goes with the record."""
        with open_folder(path) as (folder, source):
            bundle = cls._described(folder, source, read_bundle(folder))
        if folder != source:
            weakref.finalize(bundle, shutil.rmtree, folder, ignore_errors=True)
        return bundle

    @classmethod
    def _described(cls, folder: Path, source: Path, description: dict[str, Any]) -> Bundle:
        try:
            grid, time = description["grid"], description["time"]
            temperature = description.get("temperature") or {"low": -np.inf, "high": np.inf}
            span = float(time["first"]), float(time["last"])
            return cls(
                folder,
                source,
                description,
                Geometry.from_record(grid),
                units_by(time.get("units", "Gyr")),
                planet_from_dict(description["planet"]) if description["planet"] else MARS,  # nothing asks it then
                description["conductivity"],
                description.get("crust_heating", "unknown"),
                ParameterSpace.from_dict(description["parameters"]),
                span,
                np.linspace(*span, int(time["count"])),
                (float(temperature["low"]), float(temperature["high"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"{source}: bundle.json lacks or misspells {error}") from None

    @property
    def time_parameter(self) -> Parameter:
        """Time as one of the things that are asked, with its trained range."""
        return Parameter("time", "Gyr" if self.units.dimensional else "dimensionless", *self.time_range)

    @property
    def digest(self) -> str:
        """Digest of the whole bundle: two with the same digest give the same answers."""
        return str(self.description["digest"])

    @cached_property
    def nearness(self) -> Nearness:
        """Where the training runs lie."""
        return Nearness.read(self.folder / TRAINING_FILE, self.space)

    def calibrated(self, method: str) -> bool:
        """Tell whether the bundle holds intervals for a method."""
        return (self.folder / f"calibration_{method}.nc").is_file()

    def calibration(self, method: str) -> xr.Dataset:
        """Return the intervals of a method; see :func:`surrogate.query.intervals.calibrate`.

        Raises
        ------
        QueryError
            If the bundle holds none.
        """
        if not self.calibrated(method):
            raise QueryError(f"interval: {self.source} holds no calibration of {method!r} (no validation runs)")
        return xr.load_dataset(self.folder / f"calibration_{method}.nc", engine="h5netcdf")

    def summary(self) -> dict[str, Any]:
        """Select of ``bundle.json`` what a person wants to know."""
        kept = ("name", "parameters", "time", "runs", "snapshots", "conductivity", "limits", "metrics", "calibration")
        return {
            "bundle": str(self.source),
            "digest": self.digest,
            **{name: self.description.get(name) for name in (*kept, "provenance")},
            "cells": [self.geometry.shape[0] - 2, self.geometry.shape[1]],
            "bytes": int(sum(entry["bytes"] for entry in self.description["files"].values())),
        }
