"""Errors of the predictors on runs that they did not see: what the intervals are calibrated with.

Cross-conformal: every member of an ensemble sat out its share of the training runs, and there its error is that on an
unseen run. Two things still differ between such a blind error and the error of the whole surrogate on a new run.

- The mean of all members is better than one member. By how much needs no truth: the mean square error of a member is
  that of the mean plus the variance of the members, exactly. That variance is taken at new points of parameter space.
  (The ratio of the two errors on a dozen validation runs is no substitute: it was off by a factor of 1.2 for mean
  temperatures, both because a dozen runs are few and because the epoch was chosen by the error of the mean on them.)
- The autoencoder saw all training runs. What it loses on validation runs beyond what it loses there is added.

Both make one factor per quantity on all blind errors, that of a typical run: the hardest tenth of the runs would decide
for all others. Validation runs chose the epochs and so do not calibrate; only where no member sat out any run (a
network on its own) is there nothing better.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import qmc

from surrogate.annulus import Annulus
from surrogate.fields import annulus_of, parameter_table, select_split
from surrogate.parameters import PARAMETERS
from surrogate.planet import Planet
from surrogate.query.engine import Engine
from surrogate.query.nearness import kept_runs
from surrogate.query.reductions import series_of

COLUMNS = 16
"""Columns of the grid, equally spaced, on which errors of fields are collected."""


SNAPSHOTS = 30
"""Snapshots per run, equally spaced, at which errors are collected: neighbours say almost the same."""

HARDEST = 0.1
"""Share of the runs that has no say in how much the mean of all members is better than one."""

POINTS = 64
"""New points of parameter space at which the members of an ensemble are compared with their mean."""

AGES = 19
"""Times at which they are compared."""


@dataclass(frozen=True)
class Residuals:
    """Absolute errors on unseen runs; NaN where a run has no further snapshot.

    Attributes
    ----------
    parameters : array, shape (run, 5), SI units
    times : array, shape (run, time), Gyr
    values : dict of array
        ``temperature`` (run, time, radius, column), ``profile`` (run, time, radius), each of
        :data:`surrogate.query.reductions.SERIES` (run, time).
    own : array of int, shape (run,), optional
        Number of each run among the training runs, if they are training runs.
    """

    parameters: np.ndarray
    times: np.ndarray
    values: dict[str, np.ndarray]
    own: np.ndarray | None = None


def collect(engine: Engine, corpus: xr.Dataset, method: str, planet: Planet, conductivity: Any) -> Residuals | None:
    """Predict every run that some predictor did not see and compare.

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
        return collect_unseen(engine, validation, method, planet, conductivity)
    rows = kept_runs(training.sizes["simulation"])
    training = _thinned(training.isel(simulation=rows))
    sat_out = tuple(fold[rows] for fold in folds)
    blind = _errors(
        engine, training, planet, conductivity,
        engine.blind_latents(method, parameter_table(training), _times(training), sat_out),
    )  # fmt: skip
    blind = replace(blind, own=np.arange(len(rows)))
    others = [(_spread(engine, method, training, planet, conductivity), -1)]
    if validation.sizes["simulation"]:
        some = training.isel(simulation=slice(None, None, max(1, len(rows) // 100)))
        others.append((_encoded(engine, some, planet, conductivity), -1))
        others.append((_encoded(engine, _thinned(validation), planet, conductivity), 1))
    return _as_new(blind, others)


def _as_new(blind: Residuals, others: list[tuple[Residuals, int]]) -> Residuals:
    """Scale blind errors so that their mean squares are those of the whole surrogate on a typical new run."""
    values = {}
    for name, errors in blind.values.items():
        before = _mean_square(errors)
        after = before + sum(sign * _mean_square(part.values[name]) for part, sign in others)
        factor = np.sqrt(max(after, 1e-2 * before) / max(before, 1e-30))
        values[name] = (factor * errors).astype(np.float32)
    return replace(blind, values=values)


def _mean_square(errors: np.ndarray) -> float:
    """Mean square of errors, shape (run, ...), without the runs that are hardest."""
    runs = np.sort(np.nanmean(np.square(errors, dtype=float).reshape(len(errors), -1), axis=1))
    return float(runs[: max(1, int(np.ceil((1 - HARDEST) * len(runs))))].mean())


def _encoded(engine: Engine, runs: xr.Dataset, planet: Planet, conductivity: Any) -> Residuals:
    """Errors of the autoencoder alone."""
    fields = (np.nan_to_num(run.values) for run in runs["temperature"])
    return _errors(engine, runs, planet, conductivity, map(engine.autoencoder.encode, fields))


def _spread(engine: Engine, method: str, training: xr.Dataset, planet: Planet, conductivity: Any) -> Residuals:
    """Root mean square distance of the members from their mean, at points that no member saw."""
    annulus, scaler = annulus_of(training), engine.feedforward.parameter_scaler
    unit = qmc.Sobol(len(PARAMETERS), rng=np.random.default_rng(0)).random(POINTS)
    natural = scaler.low + (scaler.high - scaler.low) * unit
    parameters = np.stack([entry.inverse(natural[:, i]) for i, entry in enumerate(PARAMETERS)], axis=1)
    times = np.linspace(scaler.first_time, scaler.last_time, AGES)
    predictors = engine.predictors(method)
    variances: dict[str, list[np.ndarray]] = {}
    for predictor in predictors:
        for number, members in enumerate(predictor.predict_members(parameters, times)):
            parts = [_quantities(engine.decode(member), annulus, planet, conductivity) for member in members]
            for name in parts[0]:
                # A member of an ensemble of several predictors is the mean of one of each.
                variance = np.var([part[name] for part in parts], axis=0) / len(predictors) ** 2
                stored = variances.setdefault(name, [])
                if number < len(stored):
                    stored[number] = stored[number] + variance
                else:
                    stored.append(variance)
    values = {name: np.sqrt(np.stack(stored)) for name, stored in variances.items()}
    return Residuals(parameters, np.tile(times, (POINTS, 1)), values)


def collect_unseen(engine: Engine, runs: xr.Dataset, method: str, planet: Planet, conductivity: Any) -> Residuals:
    """Errors of the mean of all members on runs that none of them saw."""
    runs = _thinned(runs)
    return _errors(engine, runs, planet, conductivity, engine.mean_latents(method, parameter_table(runs), _times(runs)))


def _thinned(runs: xr.Dataset) -> xr.Dataset:
    if runs.sizes["time"] <= SNAPSHOTS:
        return runs
    return runs.isel(time=np.linspace(0, runs.sizes["time"] - 1, SNAPSHOTS).round().astype(int))


def _times(runs: xr.Dataset) -> np.ndarray:
    """Return the times of the snapshots, shape (run, time), Gyr; beyond the end of a run its last one."""
    times = runs["snapshot_time"].values.astype(float)
    return np.where(np.isfinite(times), times, np.nanmax(times, axis=1, keepdims=True))


def _errors(
    engine: Engine, runs: xr.Dataset, planet: Planet, conductivity: Any, latents: Iterable[np.ndarray]
) -> Residuals:
    """Compare runs with predictions, latents of shape (time, latent) for each; one run is in memory at a time."""
    annulus, times = annulus_of(runs), runs["snapshot_time"].values.astype(float)
    values: dict[str, np.ndarray] = {}
    for run, predicted in enumerate(latents):
        count = int(np.isfinite(times[run]).sum())
        truth = runs["temperature"].isel(simulation=run, time=slice(0, count)).values
        mine = _quantities(engine.decode(predicted[:count]), annulus, planet, conductivity)
        theirs = _quantities(truth, annulus, planet, conductivity)
        for name in mine:
            errors = np.abs(mine[name] - theirs[name])
            values.setdefault(name, np.full((*times.shape, *errors.shape[1:]), np.nan, dtype=np.float32))
            values[name][run, :count] = errors
    return Residuals(parameter_table(runs), times, values)


def _quantities(field: np.ndarray, annulus: Annulus, planet: Planet, conductivity: Any) -> dict[str, np.ndarray]:
    """Compute what is calibrated from fields of shape (time, radius, angle), K."""
    field = field.astype(float)
    columns = np.unique(np.linspace(0, annulus.shape[1] - 1, COLUMNS).astype(int))
    walls, profile = np.concatenate([field[:, :2], field[:, -2:]], axis=1), field.mean(axis=-1)
    series = series_of(walls[None], profile[None], annulus, planet, conductivity)
    return {"temperature": field[..., columns], "profile": profile, **{k: v[0] for k, v in series.items()}}
