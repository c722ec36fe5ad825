"""What all sessions of the explorer share, and none of them changes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.diagnostics.report_card import TOLERANCES
from surrogate.explore.simulations import NearRun, Simulations
from surrogate.explore.spelling import SPELLINGS, written
from surrogate.fields import write_netcdf
from surrogate.files import code_version
from surrogate.parameters import PARAMETERS, Parameters
from surrogate.query import Surrogate

METHODS = ("fnn", "lstm")
"""Predictors shown side by side."""

NAMES = {"fnn": "FNN", "lstm": "LSTM", "simulation": "simulation"}
"""What they, and the simulation, are called on the page."""

CARD_UNITS = {
    "surface_temperature_deviation": "K",
    "core_mantle_boundary_spread": "K",
    "minimum_temperature": "K",
    "maximum_temperature": "K",
    "fraction_out_of_range": "",
    "largest_excursion": "K",
    "budget_residual": "",
    "budget_drift": "K",
    "plumes": "",
    "downwellings": "",
}
"""Entries of the report card, and their units."""


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
    times : array, shape (time,), Gyr
        Of every answer.
    simulations : Simulations or None
    """

    def __init__(self, surrogate: Surrogate, corpus: xr.Dataset | None = None) -> None:
        self.surrogate = surrogate
        self.times = np.asarray(surrogate.default_times, dtype=float)
        self.simulations = None if corpus is None else Simulations(surrogate, corpus)

    @cached_property
    def centre(self) -> Parameters:
        """The middle of the trained ranges, on the natural axes."""
        middle = {}
        for entry in PARAMETERS:
            low, high = (float(entry.transform(value)) for value in self.surrogate.parameter_ranges[entry.name])
            middle[entry.name] = float(entry.inverse(0.5 * (low + high)))
        return Parameters(**middle)

    def evolution(self, question: Question) -> Evolution:
        """Predict the whole history with both predictors, and find the simulation beside it."""
        started = time.perf_counter()
        fields = {method: self.fields(question, method) for method in METHODS}
        milliseconds = 1e3 * (time.perf_counter() - started)
        near, simulations = self.nearest(question.parameters), self.simulations
        run = simulations.run(near.position) if simulations is not None and near is not None and near.near else None
        return Evolution(question, fields, near, run, milliseconds)

    def fields(self, question: Question, method: str) -> xr.Dataset:
        """Predict temperatures, as :meth:`surrogate.Surrogate.predict`, with half-widths if calibrated."""
        return self.surrogate.predict(question.parameters, **self._asked(question, method))

    def lines(self, question: Question) -> dict[str, xr.Dataset]:
        """Predict lateral means and heat fluxes with both predictors, with half-widths if calibrated."""
        return {method: self._lines(question, method) for method in METHODS}

    def _lines(self, question: Question, method: str) -> xr.Dataset:
        asked = self._asked(question, method)
        profile = self.surrogate.profile(question.parameters, **asked)
        fluxes = self.surrogate.heat_flux(question.parameters, **asked)
        return profile.merge(fluxes, compat="override", combine_attrs="override")

    def _asked(self, question: Question, method: str) -> dict[str, Any]:
        level = question.level if self.surrogate.calibrated(method) else None
        return {"time": self.times, "method": method, "interval": level}

    def outside(self, evolution: Evolution) -> list[str]:
        """Say why an answer is not within what was trained, one line per reason; empty if it is."""
        lines = []
        for parameter in PARAMETERS:
            value = getattr(evolution.question.parameters, parameter.name)
            low, high = self.surrogate.parameter_ranges[parameter.name]
            if not low * (1 - 1e-9) <= value <= high * (1 + 1e-9):
                side, end = ("below", low) if value < low else ("above", high)
                lines.append(
                    f"{SPELLINGS[parameter.name].label.lower()} {written(parameter, value, unit=True)} is {side} the "
                    f"trained {written(parameter, end, unit=True)}"
                )
        for method, answer in evolution.fields.items():
            inside, distance = answer["in_range"].values.astype(bool), answer["training_distance"].values
            if not lines and not inside.all():
                share = f"at {100 * (1 - inside.mean()):.0f} % of the times"
                far = f"distance up to {distance.max():.2g} thresholds"
                lines.append(f"{NAMES[method]}: unlike the training runs {share} ({far})")
        return lines

    def nearest(self, parameters: Parameters) -> NearRun | None:
        """Find the nearest simulation; None without a corpus."""
        return None if self.simulations is None else self.simulations.nearest(parameters.as_array())

    def report_cards(self, parameters: Parameters) -> dict[str, Mapping[str, Any]]:
        """Hold both predictors, and the simulation if one is near, against what a thermal evolution must keep."""
        from surrogate.diagnostics import check

        cards: dict[str, Mapping[str, Any]] = {
            method: self.surrogate.check(parameters, method=method)  # type: ignore[arg-type]
            for method in METHODS
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


def card_rows(cards: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, list[tuple[str, bool | None]]]]:
    """Rows of the table of report cards.

    Returns
    -------
    list of (label, tolerance, cells)
        Label with its unit; the tolerance as text, empty where there is none; per card the value as text, and
        whether it passed (None where nothing is asked).
    """
    rows = []
    for name, unit in CARD_UNITS.items():
        cells: list[tuple[str, bool | None]] = []
        for card in cards.values():
            value = card.get(name)
            cells.append(("-" if value is None else f"{value:.4g}", card["passed"].get(name)))
        limit = f"{TOLERANCES[name]:g}" if name in TOLERANCES else ""
        rows.append((name.replace("_", " ") + (f" [{unit}]" if unit else ""), limit, cells))
    return rows
