"""Answers as datasets of the field convention, with what a reader of the file must know about them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from surrogate.annulus import Annulus
from surrogate.fields import make_corpus, make_run
from surrogate.parameters import PARAMETER_NAMES, PARAMETERS, Parameters
from surrogate.query.arguments import OutOfRangeWarning, QueryError, Sets
from surrogate.query.asking import Question
from surrogate.query.intervals import LEVELS, half_width
from surrogate.query.reductions import SERIES

QUANTITIES = {
    "temperature": "temperature",
    "lateral_mean_temperature": "profile",
    **{name: name for name in SERIES},
}
"""Variables of answers, and the calibrated quantity of each."""


def out_of_range(
    sets: Sets, times: np.ndarray, ranges: Mapping[str, tuple[float, float]], time_range: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Compare a query with the range of the training runs.

    Returns
    -------
    array of bool, shape (simulation,)
        Whether every parameter of the set is in range.
    array of bool, shape (time,)
        Whether the time is in range.
    list of str
        One line per parameter (and time) that leaves its range.
    """
    inside = np.ones(len(sets.values), dtype=bool)
    lines = []
    for column, parameter in enumerate(PARAMETERS):
        low, high = ranges[parameter.name]
        values = sets.values[:, column]
        good = (values >= low * (1 - 1e-9)) & (values <= high * (1 + 1e-9))
        inside &= good
        if not good.all():
            worst = values[~good]
            shown = f"{worst[0]:g}" if worst.size == 1 else f"{worst.min():g} .. {worst.max():g} ({worst.size} sets)"
            lines.append(f"{parameter.name} = {shown} {parameter.unit} is outside the trained {low:g} .. {high:g}")
    low, high = time_range
    in_time = (times >= low - 1e-9) & (times <= high + 1e-9)
    if not in_time.all():
        lines.append(
            f"time = {times[~in_time].min():g} .. {times[~in_time].max():g} Gyr is outside the trained "
            f"{low:g} .. {high:g}"
        )
    return inside, in_time, lines


def warn_out_of_range(lines: list[str], level: int = 3) -> None:
    """Issue one :class:`OutOfRangeWarning` for all `lines`, if there are any."""
    if lines:
        warnings.warn("extrapolation: " + "; ".join(lines), OutOfRangeWarning, stacklevel=level + 1)


def field_answer(temperature: Any, question: Question, annulus: Annulus, attributes: Mapping[str, Any]) -> xr.Dataset:
    """Wrap temperatures, shape (simulation, time, radius, angle), K, as a run (one set) or a corpus (many)."""
    sets, times = question.sets, question.times
    if sets.single:
        parameters = Parameters.from_array(sets.values[0])
        dataset = make_run(temperature[0], times, annulus, parameters, attributes=attributes)
    else:
        every = np.broadcast_to(times, (len(sets.values), len(times)))
        dataset = make_corpus(
            temperature, every, annulus, sets.values, simulation=sets.simulation, attributes=attributes
        )
    return _with_coordinates(dataset, question)


def series_answer(
    variables: Mapping[str, tuple[tuple[str, ...], Any, Mapping[str, Any]]],
    coordinates: Mapping[str, Any],
    question: Question,
    attributes: Mapping[str, Any],
) -> xr.Dataset:
    """Wrap values on (simulation, time, ...); the dimension ``simulation`` goes if one set was asked for."""
    sets = question.sets
    units = {parameter.name: parameter.unit.replace("**", "") for parameter in PARAMETERS}
    dataset = xr.Dataset(
        {name: (("simulation", "time", *dimensions), values, attrs)
         for name, (dimensions, values, attrs) in variables.items()},
        {
            "simulation": ("simulation", sets.simulation, {"long_name": "number of the set"}),
            **{
                name: ("simulation", sets.values[:, column], {"units": units[name].replace("dimensionless", "1")})
                for column, name in enumerate(PARAMETER_NAMES)
            },
            **coordinates,
        },
        dict(attributes),
    )  # fmt: skip
    if sets.single:
        dataset = dataset.isel(simulation=0, drop=True)
    return _with_coordinates(dataset, question)


def _with_coordinates(dataset: xr.Dataset, question: Question) -> xr.Dataset:
    """Add the common times and the in-range flag."""
    inside, in_time = question.in_range
    described = {
        "long_name": "whether the parameters and the time lie within those of the training runs",
        "flag_values": np.array([0, 1], dtype=np.int8),
        "flag_meanings": "extrapolated trained",
    }
    flag = (inside[:, None] & in_time[None, :]).astype(np.int8)
    dimensions = ("time",) if question.sets.single else ("simulation", "time")
    if "time" not in dataset.coords:
        about_time = {"units": "Gyr", "long_name": "time since the start of the thermal evolution"}
        dataset = dataset.assign_coords(time=("time", question.times, about_time))
    return dataset.assign(in_range=(dimensions, flag[0] if question.sets.single else flag, described))


def add_half_widths(answer: xr.Dataset, question: Question, calibration: xr.Dataset, ranges: np.ndarray) -> xr.Dataset:
    """Add ``{variable}_half_width``, the half-width of the interval, for each calibrated variable of an answer.

    Parameters
    ----------
    answer : xarray.Dataset
    question : Question
        With a level in `interval`.
    calibration, ranges
        As for :func:`surrogate.query.intervals.half_width`.
    """
    level, band, sets = question.interval, question.band, question.sets
    if band not in ("pointwise", "simultaneous"):
        raise QueryError(f"band {band!r}: expected 'pointwise' or 'simultaneous'")
    if level is None or not 0 < level <= LEVELS[-1]:
        raise QueryError(f"interval: expected a level above 0 and at most {LEVELS[-1]:g}, got {level}")
    added = {}
    for variable in (name for name in QUANTITIES if name in answer.data_vars):
        width = half_width(
            calibration, QUANTITIES[variable], sets.values, ranges, question.times, level, band == "simultaneous"
        )
        about = {
            "units": answer[variable].attrs["units"],
            "long_name": f"half-width of the {level:.0%} interval of {variable.replace('_', ' ')}",
            "level": float(level),
            "band": band,
            "calibrated_on_runs": int(calibration.attrs["runs"]),
        }
        dimensions = ("simulation", "time", "radius")[: width.ndim]
        values = (dimensions[1:], width[0], about) if sets.single else (dimensions, width, about)
        added[f"{variable}_half_width"] = values
    return answer.assign(added)
