"""Answers as datasets of the field convention, with what a reader of the file must know about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from surrogate.annulus import Annulus
from surrogate.fields import make_corpus, make_run
from surrogate.parameters import Parameters, ParameterSpace
from surrogate.query.arguments import Sets
from surrogate.query.errors import QueryError
from surrogate.query.intervals.widths import LEVELS, features_of, half_width
from surrogate.query.series import SERIES, Variables

LAZY_PIECE = 0.1
"""Gigabytes of fields that are decoded at once in a lazy answer."""

TIME = {"units": "Gyr", "long_name": "time since the start of the thermal evolution"}
IN_RANGE = {
    "long_name": "whether question and answer lie within the training runs",
    "flag_values": np.array([0, 1], dtype=np.int8),
    "flag_meanings": "extrapolated trained",
}
DISTANCE = {"units": "1", "long_name": "distance to the nearest training runs over its threshold"}

CALIBRATED = {"temperature": "temperature", "lateral_mean_temperature": "profile", **{name: name for name in SERIES}}
"""Variables of answers, and the calibrated quantity of each."""


@dataclass(frozen=True)
class Question:
    """What was asked, read and checked.

    Attributes
    ----------
    sets : Sets
    times : array, shape (time,), Gyr
    method : str
    latents : array, shape (simulation, time, latent)
        The answer before it is decoded.
    scaled : array, shape (simulation, n)
        Parameters, the trained ranges scaled to [-1, 1].
    nearby : array, shape (simulation,)
        Distance of the parameters to the training runs over its threshold.
    distance : array, shape (simulation, time)
        Of question and answer to the training runs over the threshold, the larger of both.
    in_range : array of bool, shape (simulation, time)
        Whether question and answer lie within the training runs.
    far : array of bool, shape (simulation, time)
        Whether the question is so far outside that half-widths would mean nothing.
    attributes : mapping
        Of the answer: where it comes from.
    """

    sets: Sets
    times: np.ndarray
    method: str
    latents: np.ndarray
    scaled: np.ndarray
    nearby: np.ndarray
    distance: np.ndarray
    in_range: np.ndarray
    far: np.ndarray
    attributes: Mapping[str, Any]


class AnswerForm:
    """A run of the field convention, spelled and checked once, that is filled in for each answer.

    To make and validate a dataset costs as much as the networks take for a small answer; of what is validated, only the
    grid could be wrong, and that is the same for all answers of a bundle.

    Parameters
    ----------
    annulus : Annulus
    space : ParameterSpace
    """

    def __init__(self, annulus: Annulus, space: ParameterSpace) -> None:
        any_field = np.full((1, *annulus.shape), 1000.0, dtype=np.float32)
        self._run = make_run(any_field, [0.0], annulus, Parameters(*np.ones(len(space)), space=space))
        self._annulus, self._space, self._names = annulus, space, space.names

    def of_fields(self, temperature: Any, question: Question) -> xr.Dataset:
        """Wrap temperatures, shape (simulation, time, radius, angle), K, as a run (one set) or a corpus (many)."""
        sets, times, attributes = question.sets, question.times, question.attributes
        if not sets.single:
            every = np.broadcast_to(times, (len(sets.values), len(times)))
            corpus = make_corpus(
                temperature, every, self._annulus, sets.values, attributes=attributes, space=self._space
            )
            return corpus.assign_coords(
                time=("time", times, TIME), simulation=("simulation", sets.labels, corpus.simulation.attrs)
            ).assign(_trust(question))
        given = {"temperature": temperature[0], "time": times}
        given |= dict(zip(self._names, sets.values[0], strict=True))
        variables: dict[Any, Any] = {}
        for name, blank in self._run.variables.items():
            if name in given:
                variables[name] = xr.Variable(blank.dims, given[str(name)], blank.attrs)
            else:  # an answer belongs to who asked; indexes cannot be changed
                variables[name] = blank if isinstance(blank, xr.IndexVariable) else blank.copy()
        data = {"temperature": variables.pop("temperature"), **_trust(question)}
        return xr.Dataset(data, variables, {**self._run.attrs, **attributes})

    def of_series(self, variables: Variables, question: Question) -> xr.Dataset:
        """Wrap values on (simulation, time, ...); ``simulation`` is left out if one set was asked for."""
        sets = question.sets
        leading: tuple[str, ...] = ("time",) if sets.single else ("simulation", "time")
        first: Any = 0 if sets.single else slice(None)
        coordinates: dict[str, Any] = {"time": ("time", question.times, TIME)}
        if not sets.single:
            coordinates["simulation"] = ("simulation", sets.labels, {"long_name": "label of the set"})
        for column, name in enumerate(self._names):
            coordinates[name] = (leading[:-1], sets.values[first, column], self._run[name].attrs)
        data: dict[str, Any] = {}
        for name, (dimensions, values, about) in variables.items():
            data[name] = ((*leading, *dimensions), values[first], about)
            if "radius" in dimensions:
                coordinates["radius"] = self._run["radius"].variable
        return xr.Dataset({**data, **_trust(question)}, coordinates, dict(question.attributes))


def _trust(question: Question) -> dict[str, Any]:
    """Variables that say how far the answer may be trusted."""
    flag, distance = question.in_range.astype(np.int8), question.distance.astype(np.float32)
    if question.sets.single:
        return {"in_range": ("time", flag[0], IN_RANGE), "training_distance": ("time", distance[0], DISTANCE)}
    dimensions = ("simulation", "time")
    return {"in_range": (dimensions, flag, IN_RANGE), "training_distance": (dimensions, distance, DISTANCE)}


def lazy_fields(expand: Callable[[np.ndarray], np.ndarray], latents: np.ndarray, shape: tuple[int, int]) -> Any:
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

    array: Any = dask.array

    rows = max(1, int(LAZY_PIECE * 1e9 / (4 * latents.shape[1] * np.prod(shape))))
    sources = array.from_array(latents, chunks=(rows, -1, -1))
    return array.map_blocks(
        expand,
        sources,
        dtype=np.float32,
        drop_axis=2,
        new_axis=[2, 3],
        chunks=(*sources.chunks[:2], *((size,) for size in shape)),
        meta=np.empty((0,) * 4, np.float32),
    )


def add_half_widths(
    answer: xr.Dataset, question: Question, calibration: xr.Dataset, level: float, band: str
) -> xr.Dataset:
    """Add ``{variable}_half_width`` for each calibrated variable of an answer; NaN where the question is far out."""
    if band not in ("pointwise", "simultaneous"):
        raise QueryError(f"band {band!r}: expected 'pointwise' or 'simultaneous'")
    if isinstance(level, bool) or not isinstance(level, float | int | np.number) or not 0 < level <= LEVELS[-1]:
        raise QueryError(f"interval: expected a level above 0 and at most {LEVELS[-1]:g}, got {level!r}")
    added, features = {}, features_of(question.scaled, question.nearby)
    for variable, quantity in CALIBRATED.items():
        if variable not in answer:
            continue
        width = half_width(calibration, quantity, features, question.times, float(level), band == "simultaneous")
        width[question.far] = np.nan
        about = {
            "units": answer[variable].attrs["units"],
            "long_name": f"half-width of the {level:.0%} interval of {variable.replace('_', ' ')}",
            "level": float(level),
            "band": band,
            "calibrated_on_runs": int(calibration.attrs["runs"]),
        }
        dimensions = ("simulation", "time", "radius")[: width.ndim]
        values = (dimensions[1:], width[0], about) if question.sets.single else (dimensions, width, about)
        added[f"{variable}_half_width"] = values
    return answer.assign(added)
