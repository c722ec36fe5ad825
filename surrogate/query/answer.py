"""Answers as datasets of the field convention, with what a reader of the file must know about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from surrogate.annulus import Annulus
from surrogate.fields import make_corpus, make_run
from surrogate.parameters import PARAMETER_NAMES, PARAMETERS, Parameters
from surrogate.query.arguments import QueryError
from surrogate.query.asking import Question
from surrogate.query.intervals import LEVELS, half_width
from surrogate.query.nearness import Nearness
from surrogate.query.reductions import SERIES

TIME = {"units": "Gyr", "long_name": "time since the start of the thermal evolution"}
IN_RANGE = {
    "long_name": "whether question and answer lie within the training runs",
    "flag_values": np.array([0, 1], dtype=np.int8),
    "flag_meanings": "extrapolated trained",
}
DISTANCE = {"units": "1", "long_name": "distance to the nearest training runs over its threshold"}

QUANTITIES = {
    "temperature": "temperature",
    "lateral_mean_temperature": "profile",
    **{name: name for name in SERIES},
}
"""Variables of answers, and the calibrated quantity of each."""


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
    """Add the common times and what says how far the answer may be trusted."""
    single = question.sets.single
    dimensions = ("time",) if single else ("simulation", "time")
    flag, distance = question.in_range.astype(np.int8), question.distance.astype(np.float32)
    added = {
        "in_range": (dimensions, flag[0] if single else flag, IN_RANGE),
        "training_distance": (dimensions, distance[0] if single else distance, DISTANCE),
    }
    if "time" not in dataset.coords:
        dataset = dataset.assign_coords(time=("time", question.times, TIME))
    return dataset.assign(added)


def add_half_widths(answer: xr.Dataset, question: Question, calibration: xr.Dataset, nearness: Nearness) -> xr.Dataset:
    """Add ``{variable}_half_width``, the half-width of the interval, for each calibrated variable of an answer.

    Parameters
    ----------
    answer : xarray.Dataset
    question : Question
        With a level in `interval`.
    calibration, nearness
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
            calibration, QUANTITIES[variable], sets.values, nearness, question.times, level, band == "simultaneous"
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
