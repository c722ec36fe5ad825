"""Errors of the predictors on runs that they did not see: what the intervals are calibrated with.

Cross-conformal: every member of an ensemble sat out its share of the training runs, and there its error is that on an
unseen run. The mean of all members is better than one of them: how members scatter about it (:class:`Scatter`), and by
how much it is better on the validation runs (:class:`Pairs`), is collected with the errors, and
:mod:`surrogate.query.intervals.averaging` makes of all three the errors of the mean.

The errors on validation runs themselves do not calibrate: these runs chose the epochs. Only where no member sat out any
run (a network on its own) is there nothing better.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from surrogate.fields import parameter_table, select_split
from surrogate.query.engine import Engine
from surrogate.query.extrapolation import kept_runs
from surrogate.query.series import SeriesReader

COLUMNS = 16
"""Columns of the grid, equally spaced, on which errors of fields are collected."""

SNAPSHOTS = 30
"""Snapshots per run, equally spaced, at which errors are collected: neighbours say almost the same."""

POINTS = 64
"""New points of parameter space at which the members of an ensemble are compared with their mean."""

AGES = 13
"""Times at which they are compared."""

PAIRED = 128
"""Validation runs on which members are compared with their mean, at most, equally spaced."""

SINGLE = 4
"""Members that are compared there."""


@dataclass(frozen=True)
class Scatter:
    """Members of an ensemble minus their mean, at points that no member saw; no truth is needed for it.

    Attributes
    ----------
    parameters : array, shape (point, 5), SI units
    times : array, shape (time,), Gyr
    values : dict of array
        As :attr:`Residuals.values`, with the axes (point, member, time, ...).
    """

    parameters: np.ndarray
    times: np.ndarray
    values: dict[str, np.ndarray]


@dataclass(frozen=True)
class Pairs:
    """Errors of single members, and of the mean of all, on the same runs that none of them saw.

    Attributes
    ----------
    parameters : array, shape (run, 5), SI units
    times : array, shape (run, time), Gyr
        NaN where a run has no further snapshot.
    single : dict of list of array
        As :attr:`Residuals.values`, for each run an array with the axes (member, time, ...).
    mean : dict of list of array
        The same with one member.
    """

    parameters: np.ndarray
    times: np.ndarray
    single: dict[str, list[np.ndarray]]
    mean: dict[str, list[np.ndarray]]


@dataclass(frozen=True)
class Residuals:
    """Errors on unseen runs, prediction minus truth; NaN where a run has no further snapshot.

    Attributes
    ----------
    parameters : array, shape (run, 5), SI units
    times : array, shape (run, time), Gyr
    values : dict of array
        ``temperature`` (run, time, radius, column), ``profile`` (run, time, radius), each of
        :attr:`surrogate.query.series.SeriesReader.names` (run, time).
    largest : array, shape (run, time, radius), K, optional
        Largest absolute error of the temperature over all columns, not only those in `values`.
    own : array of int, shape (run,), optional
        Number of each run among the training runs, if they are training runs.
    scatter : Scatter, optional
        If the errors are those of single members and the mean of all members answers.
    pairs : Pairs, optional
        Then, too.
    """

    parameters: np.ndarray
    times: np.ndarray
    values: dict[str, np.ndarray]
    largest: np.ndarray | None = None
    own: np.ndarray | None = None
    scatter: Scatter | None = None
    pairs: Pairs | None = None


def collect(engine: Engine, corpus: xr.Dataset, method: str, reader: SeriesReader) -> Residuals | None:
    """Predict every run that some predictor did not see and compare; `reader` takes time series from fields.

    Returns
    -------
    Residuals or None
        None if there are no such runs.
    """
    validation, training = select_split(corpus, "validation"), select_split(corpus, "train")
    folds = engine.folds(method, training.sizes["simulation"])
    if folds is None:
        if not validation.sizes["simulation"]:
            return None
        return collect_unseen(engine, validation, method, reader)
    rows = kept_runs(training.sizes["simulation"])
    training = _thinned(training.isel(simulation=rows))
    sat_out = tuple(fold[rows] for fold in folds)
    latents = engine.blind_latents(method, parameter_table(training), _times(training), sat_out)
    blind = _errors(engine, training, reader, latents)
    span = float(np.nanmin(training["snapshot_time"])), float(np.nanmax(training["snapshot_time"]))
    scatter = _scatter(engine, method, span, reader)
    pairs = _pairs(engine, validation, method, reader)
    return replace(blind, own=np.arange(len(rows)), scatter=scatter, pairs=pairs)


def collect_unseen(engine: Engine, runs: xr.Dataset, method: str, reader: SeriesReader) -> Residuals:
    """Errors of the mean of all members on runs that none of them saw."""
    runs = _thinned(runs)
    return _errors(engine, runs, reader, engine.mean_latents(method, parameter_table(runs), _times(runs)))


def _scatter(engine: Engine, method: str, span: tuple[float, float], reader: SeriesReader) -> Scatter:
    """Compare the members with their mean all over the trained ranges."""
    parameters, times = engine.space.draw(POINTS, 0), np.linspace(*span, AGES)
    latents = engine.member_latents(method, parameters, times)
    values: dict[str, np.ndarray] = {}
    for point, of_members in enumerate(latents):
        parts = [_quantities(engine.expand(member), parameters[point], reader) for member in of_members]
        for name in parts[0]:
            deviation = np.stack([part[name] for part in parts])
            deviation -= deviation.mean(axis=0)
            values.setdefault(name, np.empty((POINTS, *deviation.shape), dtype=np.float32))[point] = deviation
    return Scatter(parameters, times, values)


def _pairs(engine: Engine, runs: xr.Dataset, method: str, reader: SeriesReader) -> Pairs:
    """Errors of some members, and of the mean of all, on runs that none of them saw."""
    count = runs.sizes["simulation"]
    runs = _thinned(runs.isel(simulation=np.unique(np.linspace(0, count - 1, min(PAIRED, count)).round().astype(int))))
    times, parameters = runs["snapshot_time"].values.astype(float), parameter_table(runs)
    pairs = Pairs(parameters, times, {}, {})
    if not count:
        return pairs
    latents = engine.member_latents(method, parameters, _times(runs))
    means = engine.mean_latents(method, parameters, _times(runs))
    some = np.unique(np.linspace(0, latents.shape[1] - 1, SINGLE).round().astype(int))
    for run in range(len(times)):
        kept = int(np.isfinite(times[run]).sum())
        fields = runs["temperature"].isel(simulation=run, time=slice(0, kept)).values
        truth = _quantities(fields, parameters[run], reader)
        for found, of_run in ((pairs.single, latents[run, some, :kept]), (pairs.mean, means[run, None, :kept])):
            parts = [_quantities(engine.expand(member), parameters[run], reader) for member in of_run]
            for name, values in truth.items():
                errors = np.stack([part[name] - values for part in parts]).astype(np.float32)
                found.setdefault(name, []).append(errors)
    return pairs


def _thinned(runs: xr.Dataset) -> xr.Dataset:
    if runs.sizes["time"] <= SNAPSHOTS:
        return runs
    return runs.isel(time=np.linspace(0, runs.sizes["time"] - 1, SNAPSHOTS).round().astype(int))


def _times(runs: xr.Dataset) -> np.ndarray:
    """Return the times of the snapshots, shape (run, time), Gyr; beyond the end of a run its last one."""
    times = runs["snapshot_time"].values.astype(float)
    return np.where(np.isfinite(times), times, np.nanmax(times, axis=1, keepdims=True))


def _errors(engine: Engine, runs: xr.Dataset, reader: SeriesReader, latents: Iterable[np.ndarray]) -> Residuals:
    """Compare runs with predictions, latents of shape (time, latent) for each; one run is in memory at a time."""
    times, parameters = runs["snapshot_time"].values.astype(float), parameter_table(runs)
    values: dict[str, np.ndarray] = {}
    largest = np.full((*times.shape, runs["temperature"].shape[-2]), np.nan, dtype=np.float32)
    for run, predicted in enumerate(latents):
        count = int(np.isfinite(times[run]).sum())
        truth = runs["temperature"].isel(simulation=run, time=slice(0, count)).values
        field = engine.expand(predicted[:count])
        largest[run, :count] = np.abs(field - truth).max(axis=-1)
        mine = _quantities(field, parameters[run], reader)
        theirs = _quantities(truth, parameters[run], reader)
        for name in mine:
            errors = mine[name] - theirs[name]
            values.setdefault(name, np.full((*times.shape, *errors.shape[1:]), np.nan, dtype=np.float32))
            values[name][run, :count] = errors
    return Residuals(parameters, times, values, largest)


def _quantities(field: np.ndarray, parameters: np.ndarray, reader: SeriesReader) -> dict[str, np.ndarray]:
    """Compute what is calibrated from fields of shape (time, radius, angle), K, of a run of these parameters."""
    field = field.astype(float)
    columns = np.unique(np.linspace(0, field.shape[2] - 1, COLUMNS).astype(int))
    walls, profile = np.concatenate([field[:, :2], field[:, -2:]], axis=1), field.mean(axis=-1)
    rows = np.concatenate([walls.reshape(len(field), -1), profile], axis=1)
    return {"temperature": field[..., columns], "profile": profile, **reader.read(rows, parameters)}
