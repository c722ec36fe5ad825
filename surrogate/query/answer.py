"""Answers as datasets of the field convention, with what a reader of the file must know about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from surrogate.annulus import Annulus
from surrogate.fields import make_corpus, make_run
from surrogate.parameters import PARAMETER_NAMES, PARAMETERS, Parameters
from surrogate.query.arguments import QueryError
from surrogate.query.asking import Question, Variables
from surrogate.query.intervals import LEVELS, half_width
from surrogate.query.nearness import Nearness
from surrogate.query.reductions import SERIES

PIECE = 0.1
"""Gigabytes of fields that are decoded at once in a lazy answer."""

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


class Form:
    """A run of the field convention, spelled and checked once, that is filled in for each answer.

    To make and validate a dataset costs as much as the networks take for a small answer; of what is validated, only the
    grid could be wrong, and that is the same for all answers of a bundle.

    Parameters
    ----------
    annulus : Annulus
    """

    def __init__(self, annulus: Annulus) -> None:
        any_field = np.full((1, *annulus.shape), 1000.0, dtype=np.float32)
        self._run = make_run(any_field, [0.0], annulus, Parameters(*np.ones(len(PARAMETERS))))

    def filled(self, values: Mapping[str, Any], added: Mapping[str, Any], attributes: Mapping[str, Any]) -> xr.Dataset:
        """Fill in `values` by name and add variables; what is not given, the grid, stays."""
        variables = {
            name: xr.Variable(blank.dims, values[str(name)], blank.attrs) if name in values else _own(blank)
            for name, blank in self._run.variables.items()
        }
        data = {str(name): variables.pop(name) for name in self._run.data_vars}
        return xr.Dataset({**data, **added}, variables, {**self._run.attrs, **attributes})


def _own(variable: xr.Variable) -> xr.Variable:
    """Return a variable that its owner may change; indexes cannot be changed."""
    return variable if isinstance(variable, xr.IndexVariable) else variable.copy()


def field_answer(
    temperature: Any, question: Question, annulus: Annulus, form: Form, attributes: Mapping[str, Any]
) -> xr.Dataset:
    """Wrap temperatures, shape (simulation, time, radius, angle), K, as a run (one set) or a corpus (many)."""
    sets, times = question.sets, question.times
    if sets.single:
        parameters = dict(zip(PARAMETER_NAMES, sets.values[0], strict=True))
        return form.filled({"temperature": temperature[0], "time": times, **parameters}, _trust(question), attributes)
    every = np.broadcast_to(times, (len(sets.values), len(times)))
    dataset = make_corpus(temperature, every, annulus, sets.values, simulation=sets.simulation, attributes=attributes)
    return dataset.assign_coords(time=("time", times, TIME)).assign(_trust(question))


def large_fields(expand: Callable[[np.ndarray], np.ndarray], latents: np.ndarray, shape: tuple[int, int]) -> Any:
    """Decode later, in pieces of whole simulations; the latents are in memory, smaller by the compression.

    Parameters
    ----------
    expand : callable
        From latents, shape (..., latent), to fields, shape (..., radius, angle).
    latents : array, shape (simulation, time, latent)
    shape : tuple of int
        Of a field.

    Returns
    -------
    dask.array.Array, shape (simulation, time, radius, angle), K
    """
    import dask.array

    rows = max(1, int(PIECE * 1e9 / (4 * latents.shape[1] * np.prod(shape))))
    sources = dask.array.from_array(latents, chunks=(rows, -1, -1))
    return dask.array.map_blocks(
        expand, sources, dtype=np.float32, drop_axis=2, new_axis=[2, 3],
        chunks=(*sources.chunks[:2], *((size,) for size in shape)), meta=np.empty((0,) * 4, np.float32),
    )  # fmt: skip


def series_answer(
    variables: Variables, question: Question, annulus: Annulus, attributes: Mapping[str, Any]
) -> xr.Dataset:
    """Wrap values on (simulation, time, ...); the dimension ``simulation`` is left out if one set was asked for."""
    sets = question.sets
    leading = ("time",) if sets.single else ("simulation", "time")
    coordinates: dict[str, Any] = {"time": ("time", question.times, TIME)}
    if not sets.single:
        coordinates["simulation"] = ("simulation", sets.simulation, {"long_name": "number of the set"})
    for column, parameter in enumerate(PARAMETERS):
        about = {"units": parameter.unit.replace("**", "").replace("dimensionless", "1")}
        coordinates[parameter.name] = (leading[:-1], _single(sets.values[:, column], question), about)
    if any("radius" in dimensions for dimensions, _, _ in variables.values()):
        about = {"units": "m", "long_name": "radius in the rescaled cylinder"}
        coordinates["radius"] = ("radius", annulus.radius, about)
    data = {
        name: ((*leading, *dimensions), _single(values, question), attrs)
        for name, (dimensions, values, attrs) in variables.items()
    }
    return xr.Dataset({**data, **_trust(question)}, coordinates, dict(attributes))


def _single(values: np.ndarray, question: Question) -> Any:
    """Drop the axis of the sets if one set was asked for."""
    return values[0] if question.sets.single else values


def _trust(question: Question) -> dict[str, Any]:
    """Variables that say how far the answer may be trusted."""
    dimensions = ("time",) if question.sets.single else ("simulation", "time")
    flag, distance = question.in_range.astype(np.int8), question.distance.astype(np.float32)
    return {
        "in_range": (dimensions, _single(flag, question), IN_RANGE),
        "training_distance": (dimensions, _single(distance, question), DISTANCE),
    }


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
