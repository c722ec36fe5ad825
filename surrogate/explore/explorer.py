"""What all sessions of the explorer share: a surrogate that answers, and the simulations beside it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.diagnostics import check, core_mantle_boundary_heat_flux, lateral_mean, surface_heat_flux
from surrogate.diagnostics.report_card import TOLERANCES
from surrogate.explore.spelling import written
from surrogate.fields import (
    SPLITS,
    geometry_of,
    parameter_table,
    select_run,
    select_split,
    space_of,
    units_of,
    write_netcdf,
)
from surrogate.files import code_version
from surrogate.geometry import Geometry
from surrogate.methods import METHODS, title_of
from surrogate.parameters import Parameters
from surrogate.quantities import Units
from surrogate.query import Surrogate

NEAR = 0.05
"""Distance up to which a simulation is shown beside an answer.

In units of the trained ranges, root mean square over the parameters. Two runs so far apart differ by about as much as a
prediction differs from its simulation; further away, one would compare parameters, not methods.
"""

SAME = 1e-6
"""Distance below which a simulation has the parameters of the question."""

CARD_ENTRIES = {
    "surface_temperature_deviation": True,
    "core_mantle_boundary_spread": True,
    "minimum_temperature": True,
    "maximum_temperature": True,
    "fraction_out_of_range": False,
    "largest_excursion": True,
    "budget_residual": False,
    "budget_drift": True,
    "core_drift": True,
    "plumes": False,
    "downwellings": False,
    "parameters_outside_range": False,
}
"""Entries of the report card, and whether they are temperatures."""


class ExploreError(ValueError):
    """The explorer cannot open; the message says what was expected and what to do."""


@dataclass(frozen=True)
class Question:
    """What a page wants to know.

    Attributes
    ----------
    parameters : Parameters
    level : float
        Of the intervals.
    """

    parameters: Parameters
    level: float


@dataclass(frozen=True)
class NearRun:
    """A simulation seen from a question.

    Attributes
    ----------
    position : int
        Row of the corpus.
    simulation : int
        Number of the run.
    split : str
        ``train``, ``validation`` or ``test``; empty if it is not known.
    distance : float
        In units of the trained ranges, root mean square over the parameters.
    farthest : str
        Name of the parameter that differs most, in units of its range.
    """

    position: int
    simulation: int
    split: str
    distance: float
    farthest: str

    @property
    def near(self) -> bool:
        """Whether it may stand beside the answer."""
        return self.distance <= NEAR


@dataclass(frozen=True)
class Evolution:
    """An answer.

    Attributes
    ----------
    question : Question
    fields : dict of xarray.Dataset
        By method, as :meth:`surrogate.Surrogate.predict` returns them.
    near : NearRun or None
        The nearest simulation, if there is a corpus.
    run : xarray.Dataset or None
        That simulation, if it is near.
    milliseconds : float
        That the predictions took.
    """

    question: Question
    fields: dict[str, xr.Dataset]
    near: NearRun | None
    run: xr.Dataset | None
    milliseconds: float


class Explorer:
    """A surrogate, and the simulations beside it, ready to answer what the page asks.

    Parameters
    ----------
    surrogate : Surrogate
    corpus : xarray.Dataset, optional
        Simulations to compare with.

    Attributes
    ----------
    methods : tuple of str
        Predictors of the bundle, shown side by side.
    times : array, shape (time,), Gyr
        Of every answer.
    simulations : Simulations or None
    """

    def __init__(self, surrogate: Surrogate, corpus: xr.Dataset | None = None) -> None:
        self.surrogate = surrogate
        self.methods = tuple(name for name in surrogate.methods if name in METHODS)
        self.times = np.asarray(surrogate.default_times, dtype=float)
        self.simulations = None if corpus is None else Simulations(surrogate, corpus)

    @cached_property
    def centre(self) -> Parameters:
        """The middle of the trained ranges, on the natural axes."""
        space = self.surrogate.space
        return Parameters.from_array(space.unscale(np.full(len(space), 0.5)), space)

    def evolution(self, question: Question) -> Evolution:
        """Predict the whole history with every predictor, and find the simulation beside it.

        Raises
        ------
        QueryError
            If the surrogate does not answer so far outside the training runs.
        """
        started = time.perf_counter()
        fields = {method: self.fields(question, method) for method in self.methods}
        milliseconds = 1e3 * (time.perf_counter() - started)
        near, simulations = self.nearest(question.parameters), self.simulations
        run = simulations.run(near.position) if simulations is not None and near is not None and near.near else None
        return Evolution(question, fields, near, run, milliseconds)

    def fields(self, question: Question, method: str) -> xr.Dataset:
        """Predict temperatures, as :meth:`surrogate.Surrogate.predict`, with half-widths where they are calibrated."""
        return self.surrogate.predict(question.parameters, **self._asked(question, method))

    def lines(self, question: Question) -> dict[str, xr.Dataset]:
        """Predict lateral means and heat fluxes with every predictor, with half-widths where they are calibrated."""
        return {method: self._lines(question, method) for method in self.methods}

    def _lines(self, question: Question, method: str) -> xr.Dataset:
        asked = self._asked(question, method)
        profile = self.surrogate.profile(question.parameters, **asked)
        fluxes = self.surrogate.heat_flux(question.parameters, **asked)
        return profile.merge(fluxes, compat="override", combine_attrs="override")

    def _asked(self, question: Question, method: str) -> dict[str, Any]:
        # Intervals are calibrated on runs within the trained ranges; they say nothing outside.
        banded = self.surrogate.calibrated(method) and not self.beyond(question.parameters)
        return {"time": self.times, "method": method, "interval": question.level if banded else None}

    def beyond(self, parameters: Parameters) -> list[str]:
        """Say which parameters leave their trained range, one line each."""
        lines = []
        for entry in self.surrogate.space.parameters:
            value, slack = parameters[entry.name], 1e-9 * max(abs(entry.low), abs(entry.high))
            if not entry.low - slack <= value <= entry.high + slack:
                side, end = ("below", entry.low) if value < entry.low else ("above", entry.high)
                lines.append(f"{entry.title} {written(entry, value)} is {side} the trained {written(entry, end)}")
        return lines

    def outside(self, evolution: Evolution) -> list[str]:
        """Say why an answer is not within what was trained, one line per reason; empty if it is."""
        lines = self.beyond(evolution.question.parameters)
        if lines:
            return lines
        for method, answer in evolution.fields.items():
            inside, distance = answer["in_range"].values.astype(bool), answer["training_distance"].values
            if not inside.all():
                share = f"at {100 * (1 - inside.mean()):.0f} % of the times"
                far = f"distance up to {distance.max():.2g} thresholds"
                lines.append(f"{title_of(method)}: unlike the training runs {share} ({far})")
        return lines

    def nearest(self, parameters: Parameters) -> NearRun | None:
        """Find the nearest simulation; None without a corpus."""
        return None if self.simulations is None else self.simulations.nearest(parameters.as_array())

    def report_cards(self, parameters: Parameters) -> dict[str, Mapping[str, Any]]:
        """Hold every predictor, and the simulation if one is near, against what a thermal evolution must keep."""
        cards: dict[str, Mapping[str, Any]] = {
            method: self.surrogate.check(parameters, method=method) for method in self.methods
        }
        near = self.nearest(parameters)
        if near is not None and near.near and self.simulations is not None:
            law: Any = self.surrogate.conductivity
            cards["simulation"] = check(self.simulations.run(near.position), self.surrogate.planet, law)
        return cards

    def netcdf(self, question: Question, method: str) -> bytes:
        """Return an answer as a NetCDF4 file of the field convention: fields, half-widths, heat fluxes."""
        answer, lines = self.fields(question, method), self._lines(question, method)
        answer = answer.assign({name: lines[name] for name in lines.data_vars if name not in answer})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "evolution.nc"
            write_netcdf(answer, path)
            return path.read_bytes()

    def file_name(self, parameters: Parameters, method: str) -> str:
        """Name of the downloaded file: method and parameters."""
        values = "_".join(f"{value:.3g}" for value in parameters.as_array())
        return f"evolution_{method}_{values}.nc"

    @cached_property
    def provenance(self) -> str:
        """One line that says what answers: bundle, digest, training runs, code."""
        about = self.surrogate.inspect()
        runs = about["runs"]
        made = (about["provenance"] or {}).get("code_version", "?")
        parts = [
            f"bundle {about['bundle']}",
            f"digest {str(about['digest'])[:12]}",
            f"{runs['train']} training, {runs['validation']} validation and {runs['test']} test runs on "
            f"{about['cells'][0]} x {about['cells'][1]} cells",
            f"trained with surrogate {made}, answering with {code_version()}",
        ]
        if self.simulations is not None:
            parts.append(f"simulations from {self.simulations.corpus.encoding.get('source', 'memory')}")
        return " · ".join(parts)

    def warm_up(self) -> None:
        """Read and compile the networks, so that the first visitor does not wait."""
        question = Question(self.centre, 0.9)
        self.evolution(question)
        self.lines(question)


class Simulations:
    """The runs of a corpus, found by their parameters.

    Parameters
    ----------
    surrogate : Surrogate
    corpus : xarray.Dataset
        A corpus dataset (:mod:`surrogate.fields`) of the same planet, lazy or in memory; its grid may be another.

    Raises
    ------
    ExploreError
        If the corpus has other parameters, is of another planet or sector, or has no runs.
    """

    def __init__(self, surrogate: Surrogate, corpus: xr.Dataset) -> None:
        self.corpus, self.surrogate = corpus, surrogate
        self.geometry = geometry_of(corpus)
        _check(surrogate, corpus, self.geometry)
        self.parameters = parameter_table(corpus)
        self._scaled = surrogate.space.scale(self.parameters)
        self._known_splits = "split" in corpus.coords and _trained_on(surrogate, corpus)
        # One instance serves many sessions: the last few runs stay in memory for all of them.
        self.run = lru_cache(maxsize=4)(self._run)

    def nearest(self, parameters: np.ndarray) -> NearRun:
        """Find the run nearest to parameters, shape (n,), in their units."""
        apart = np.abs(self._scaled - self.surrogate.space.scale(parameters))
        distance = np.sqrt(np.mean(apart**2, axis=1))
        position = int(np.argmin(distance))
        return NearRun(
            position,
            int(self.corpus["simulation"].values[position]),
            self.split(position),
            float(distance[position]),
            self.surrogate.space.names[int(np.argmax(apart[position]))],
        )

    def split(self, position: int) -> str:
        """Name of the split that a run belongs to; empty if the surrogate was trained on another corpus."""
        return SPLITS[int(self.corpus["split"].values[position])] if self._known_splits else ""

    def unseen(self) -> list[int]:
        """Rows of the runs that neither training nor calibration saw; all rows if that is not known."""
        count = self.corpus.sizes["simulation"]
        return [row for row in range(count) if self.split(row) in ("test", "")] or list(range(count))

    def _run(self, position: int) -> xr.Dataset:
        """Return a run in memory, with its profile and, by the formula used for a prediction, its heat fluxes."""
        run = select_run(self.corpus, position).load()
        law: Any = self.surrogate.conductivity
        fluxes = [flux(run, self.surrogate.planet, law) for flux in (surface_heat_flux, core_mantle_boundary_heat_flux)]
        return run.assign({"lateral_mean_temperature": lateral_mean(run), **{str(f.name): f for f in fluxes}})

    def snapshots(self, position: int, times: np.ndarray) -> np.ndarray:
        """Index of the snapshot of a run nearest to each time, shape (time,); -1 beyond its end.

        A snapshot stands for the times up to half a step away.
        """
        known = self.run(position)["time"].values
        index = np.abs(known[None, :] - np.asarray(times)[:, None]).argmin(axis=1)
        step = np.median(np.diff(known)) if known.size > 1 else 0.0
        return np.where(np.abs(known[index] - times) <= 0.501 * step + 1e-9, index, -1)


def _trained_on(surrogate: Surrogate, corpus: xr.Dataset) -> bool:
    """Tell whether the training runs of a corpus span exactly the ranges of the surrogate."""
    training = parameter_table(select_split(corpus, "train"))
    if not len(training):
        return False
    ours, theirs = surrogate.space, surrogate.space.spanned_by(training)
    return np.allclose([ours.low, ours.high], [theirs.low, theirs.high], rtol=1e-9)


def _check(surrogate: Surrogate, corpus: xr.Dataset, geometry: Geometry) -> None:
    where = str(corpus.encoding.get("source", "corpus"))
    if not corpus.sizes.get("simulation"):
        raise ExploreError(f"{where}: holds no run")
    names = space_of(corpus).names
    if names != surrogate.space.names:
        raise ExploreError(
            f"{where}: a corpus of other parameters: {', '.join(names)}; those of the surrogate are "
            f"{', '.join(surrogate.space.names)}"
        )
    if not geometry.domain.matches(surrogate.geometry.domain):
        raise ExploreError(
            f"{where}: a corpus of another domain: {geometry.domain}; that of the surrogate is "
            f"{surrogate.geometry.domain}"
        )
    if units_of(corpus) != surrogate.units:
        raise ExploreError(f"{where}: is {units_of(corpus).name}, the surrogate {surrogate.units.name}")
    surface = float(corpus["temperature"][0, 0, -1].mean())
    if surrogate.units.dimensional and abs(surface - surrogate.planet.surface_temperature) > 1.0:
        raise ExploreError(
            f"{where}: a corpus of another planet: its surface has {surface:.1f} K, that of the surrogate "
            f"{surrogate.planet.surface_temperature:.1f} K"
        )


def card_rows(
    cards: Mapping[str, Mapping[str, Any]], units: Units
) -> list[tuple[str, str, list[tuple[str, bool | None]]]]:
    """Rows of the table of report cards.

    Returns
    -------
    list of (label, tolerance, cells)
        Label with its unit; the tolerance as text, empty where there is none; per card the value as text, and
        whether it passed (None where nothing is asked).
    """
    rows = []
    for name, warm in CARD_ENTRIES.items():
        cells: list[tuple[str, bool | None]] = []
        for card in cards.values():
            value = card.get(name)
            cells.append(("-" if value is None else f"{value:.4g}", card["passed"].get(name)))
        limit = f"{TOLERANCES[name] * (units.degree if warm else 1.0):g}" if name in TOLERANCES else ""
        title = name.replace("_", " ")
        rows.append((units.temperature.label(title) if warm else title, limit, cells))
    return rows
