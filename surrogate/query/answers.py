"""From a question to its answer: a dataset of the field convention, with what a reader of the file must know of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import xarray as xr

from surrogate.fields import make_corpus, make_run
from surrogate.files import code_version
from surrogate.methods import methods, title_of
from surrogate.parameters import Parameters
from surrogate.query.arguments import Sets, read_sets, read_times
from surrogate.query.bundle.content import Bundle
from surrogate.query.engine import ENSEMBLE, MOST_SPANS, Engine, Progress
from surrogate.query.errors import OutOfRangeWarning, QueryError
from surrogate.query.extrapolation import beyond, describe_extrapolation
from surrogate.query.intervals.widths import LEVELS, features_of, half_width
from surrogate.query.series import SERIES, SeriesReader, Variables

LAZY_PIECE = 0.1
"""Gigabytes of fields that are decoded at once in a lazy answer."""

MARGIN = 0.5
"""Share of the trained span of temperatures by which an answer may leave it."""

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


class Answers:
    """How a question becomes an answer: read, checked, predicted, and wrapped as a dataset.

    To make and validate a dataset costs as much as the networks take for a small answer; of what is validated, only the
    grid could be wrong, and that is the same for all answers of a bundle. So a run is spelled and checked once, and
    filled in for each answer.

    Parameters
    ----------
    bundle : Bundle
    engine : Engine

    Attributes
    ----------
    series : SeriesReader
    field_size : int
        Nodes of a field.
    """

    def __init__(self, bundle: Bundle, engine: Engine) -> None:
        self._bundle, self._engine = bundle, engine
        self._geometry, self._space, self._names = bundle.geometry, bundle.space, bundle.space.names
        self.series = SeriesReader(bundle.geometry, bundle.planet, bundle.conductivity, bundle.space, bundle.units)
        self.field_size = int(np.prod(bundle.geometry.shape))
        any_field = np.full((1, *bundle.geometry.shape), np.mean(bundle.units.plausible), dtype=np.float32)
        any_set = Parameters(*(entry.low for entry in bundle.space.parameters), space=bundle.space)
        self._run = make_run(any_field, [0.0], bundle.geometry, any_set, units=bundle.units)
        self._time = bundle.units.described("time")
        self._origins: dict[str, dict[str, Any]] = {}
        self._calibrations: dict[str, xr.Dataset] = {}

    def _origin(self, method: str) -> dict[str, Any]:
        """Say where an answer of a method comes from."""
        unit = " Gyr" if self._bundle.units.dimensional else ""
        steps = [
            f"the {title_of(name)} advances in steps of {predictor.cadence:g}{unit} from "
            f"{predictor.first_time:g}{unit}; latents are linear in time between its steps"
            for name in (self._engine.means if method == ENSEMBLE else (method,))
            if not self._engine.direct(name) and hasattr(predictor := self._engine.predictor(name), "cadence")
        ]
        self._origins[method] = {
            "title": "Temperature, predicted by a surrogate",
            "method": method,
            "surrogate": str(self._bundle.description.get("name", "")),
            "bundle_digest": self._bundle.digest,
            "code_version": code_version(),
            "conductivity": self._bundle.conductivity,
            **({"time_interpolation": "; ".join(steps)} if steps else {}),
        }
        return self._origins[method]

    def read(
        self, parameters: Any, time: Any, values: Mapping[str, Any], extrapolate: bool
    ) -> tuple[Sets, np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[str]]:
        """Read and scale what was asked; refuse what is far outside the training runs.

        Returns
        -------
        Sets
        times : array, shape (time,), Gyr
        scaled : array, shape (simulation, n)
        inside, far : array of bool, shape (simulation, time)
        complaints : list of str
        """
        sets, times = (
            read_sets(parameters, values, self._space),
            read_times(time, self._bundle.default_times, self._bundle.units),
        )
        scaled = self._bundle.nearness.scale(sets.values)
        outside, late = beyond(scaled), beyond(times, *self._bundle.time_range)
        inside = (outside == 0).all(axis=1)[:, None] & (late == 0)[None]
        if inside.all():
            return sets, times, scaled, inside, ~inside, []
        found = describe_extrapolation(self._space, self._bundle.time_parameter, sets.values, times, outside, late)
        if found.refused and not extrapolate:
            raise QueryError(f"{'; '.join(found.refused)}; extrapolate=True (--extrapolate) answers all the same")
        return sets, times, scaled, inside, found.far, found.lines

    def ask(
        self,
        parameters: Any,
        time: Any,
        method: str,
        values: Mapping[str, Any],
        extrapolate: bool,
        own: str | None = None,
    ) -> Question:
        """Read a question and predict the latents of its answer; `own` names the method if another one completes it."""
        if method not in self._engine.methods:
            refuse_method(method, self._engine.methods)
        if not isinstance(extrapolate, bool | np.bool_):
            raise QueryError(f"extrapolate: expected True or False, got {extrapolate!r}")
        sets, times, scaled, inside, far, complaints = self.read(parameters, time, values, extrapolate)
        origin = self._origins.get(own or method) or self._origin(own or method)
        if "time_interpolation" in origin and beyond(times[-1], *self._bundle.time_range) > MOST_SPANS:
            raise QueryError(f"time: {own or method} advances step by step; {times[-1]:g} is too many of them")
        latents = self._engine.latents(method, sets.values, times, scaled)
        nearby, distance = self._bundle.nearness.relative_distances(scaled, times, latents)
        in_range = inside & (distance <= 1)
        if not complaints and not in_range.all():
            complaints = [f"far from every training run (up to {distance.max():.2g} times the threshold)"]
        if complaints:
            warnings.warn("extrapolation: " + "; ".join(complaints), OutOfRangeWarning, stacklevel=3)
        return Question(sets, times, method, latents, scaled, nearby, distance, in_range, far, origin)

    def expand(
        self,
        question: Question,
        what: str,
        extrapolate: bool,
        part: slice = slice(None),
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Decode the latents of a question, or of a part of its sets."""
        values, inside = self._engine.expand(question.latents[part], what, progress), question.in_range[part]
        if not inside.all():
            self.refuse_impossible(values[~inside], extrapolate)
        return values

    def complete(self, answer: xr.Dataset, question: Question, interval: float | None, band: str) -> xr.Dataset:
        """Add half-widths if they were asked for."""
        if interval is None:
            return answer
        method = question.method
        if method not in self._calibrations:
            self._calibrations[method] = self._bundle.calibration(method)
        return add_half_widths(answer, question, self._calibrations[method], interval, band)

    def refuse_impossible(self, temperature: np.ndarray, extrapolate: bool) -> None:
        """Refuse temperatures of an extrapolation that cannot be."""
        low, high = float(temperature.min()), float(temperature.max())
        trained, margin = self._bundle.temperature_range, MARGIN * np.ptp(self._bundle.temperature_range)
        units = self._bundle.units
        least, most = max(units.plausible[0], trained[0] - margin), min(units.plausible[1], trained[1] + margin)
        if not np.isfinite([low, high]).all():
            raise QueryError("the question is so far outside the training runs that its answer is not finite")
        if not extrapolate and not least <= low <= high <= most:
            raise QueryError(
                f"the answer, {low:.4g} .. {units.temperature.text(high)}, cannot be: expected {least:.4g} .. "
                f"{units.temperature.text(most)}; the question "
                "is too far from the training runs; extrapolate=True (--extrapolate) answers all the same"
            )

    def of_fields(self, temperature: Any, question: Question) -> xr.Dataset:
        """Wrap temperatures, shape (simulation, time, radius, angle), K, as a run (one set) or a corpus (many)."""
        sets, times, attributes = question.sets, question.times, question.attributes
        if not sets.single:
            every = np.broadcast_to(times, (len(sets.values), len(times)))
            corpus = make_corpus(
                temperature,
                every,
                self._geometry,
                sets.values,
                attributes=attributes,
                space=self._space,
                units=self._bundle.units,
            )
            return corpus.assign_coords(
                time=("time", times, self._time), simulation=("simulation", sets.labels, corpus.simulation.attrs)
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
        coordinates: dict[str, Any] = {"time": ("time", question.times, self._time)}
        if not sets.single:
            coordinates["simulation"] = ("simulation", sets.labels, {"long_name": "label of the set"})
        for column, name in enumerate(self._names):
            coordinates[name] = (leading[:-1], sets.values[first, column], self._run[name].attrs)
        data: dict[str, Any] = {}
        for name, (dimensions, values, about) in variables.items():
            data[name] = ((*leading, *dimensions), values[first], about)
            coordinates |= {dimension: self._run[dimension].variable for dimension in dimensions}
        return xr.Dataset({**data, **_trust(question)}, coordinates, dict(question.attributes))


def refuse_method(method: object, known: tuple[str, ...], remedy: str = "") -> None:
    """Refuse a method that cannot answer."""
    if not known:
        wanted = " or ".join(entry.key for entry in methods("sample"))
        raise QueryError(f"sample: this bundle holds no {wanted}{remedy}")
    near = get_close_matches(str(method), known, 1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise QueryError(f"method {method!r}: expected one of {', '.join(known)}{hint}")


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
        leading = ("simulation",) if question.sets.single else ()
        dimensions = (*leading, *map(str, answer[variable].dims))[: width.ndim]
        values = (dimensions[1:], width[0], about) if question.sets.single else (dimensions, width, about)
        added[f"{variable}_half_width"] = values
    return answer.assign(added)
