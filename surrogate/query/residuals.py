"""Errors of the predictors on runs that they did not see: what the intervals are calibrated with.

Validation runs are unseen by every member of an ensemble. A training run is unseen by the member that sat it out;
its error is that of one member, larger than that of the mean of all, and is scaled by the ratio of the two on the
validation runs. Far fewer validation runs than training runs would make intervals that depend on which they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from surrogate.annulus import Annulus
from surrogate.fields import annulus_of, parameter_table, select_split
from surrogate.planet import Planet
from surrogate.query.engine import Engine
from surrogate.query.reductions import SERIES, series_of

COLUMNS = 16
"""Columns of the grid, equally spaced, on which errors of fields are collected."""


SNAPSHOTS = 30
"""Snapshots per run, equally spaced, at which errors are collected: neighbours say almost the same."""

MEMBERS = 3
"""Members of an ensemble that are compared with their mean."""


@dataclass(frozen=True)
class Residuals:
    """Absolute errors on unseen runs; NaN where a run has no further snapshot.

    Attributes
    ----------
    parameters : array, shape (run, 5), SI units
    times : array, shape (run, time), Gyr
    values : dict of array
        ``temperature`` (run, time, radius, column), ``profile`` (run, time, radius), each of :data:`SERIES`
        (run, time).
    """

    parameters: np.ndarray
    times: np.ndarray
    values: dict[str, np.ndarray]


def collect(engine: Engine, corpus: xr.Dataset, method: str, planet: Planet, conductivity: Any) -> Residuals | None:
    """Predict every run that some predictor did not see and compare.

    Returns
    -------
    Residuals or None
        None if there are no such runs.
    """
    validation, training = select_split(corpus, "validation"), select_split(corpus, "train")
    parts = []
    folds = engine.folds(method, training.sizes["simulation"])
    if validation.sizes["simulation"]:
        parts.append(_errors(engine, validation, planet, conductivity, lambda p, t: engine.mean_latents(method, p, t)))
    if folds is not None and parts:
        members = engine.member_latents(method, parameter_table(validation)[:1], np.ones((1, 1))).shape[1]
        squares: dict[str, list[float]] = {name: [] for name in parts[0].values}
        for member in range(min(members, MEMBERS)):

            def single(parameters: np.ndarray, times: np.ndarray, number: int = member) -> np.ndarray:
                return engine.member_latents(method, parameters, times)[:, number]

            for name, values in _errors(engine, validation, planet, conductivity, single).values.items():
                squares[name].append(float(np.nansum(values**2)))
        ratio = {
            name: float(np.sqrt(np.nansum(values**2) / max(np.mean(squares[name]), 1e-30)))
            for name, values in parts[0].values.items()
        }

        def blind(parameters: np.ndarray, times: np.ndarray, numbers: np.ndarray) -> np.ndarray:
            return engine.blind_latents(method, parameters, times, tuple(fold[numbers] for fold in folds))

        unseen = _errors(engine, training, planet, conductivity, blind, numbered=True)
        parts.append(
            Residuals(unseen.parameters, unseen.times, {name: ratio[name] * v for name, v in unseen.values.items()})
        )
    return _joined(parts) if parts else None


def collect_unseen(engine: Engine, runs: xr.Dataset, method: str, planet: Planet, conductivity: Any) -> Residuals:
    """Errors of the mean of all members on runs that none of them saw."""
    return _errors(engine, runs, planet, conductivity, lambda p, t: engine.mean_latents(method, p, t))


def _errors(
    engine: Engine, runs: xr.Dataset, planet: Planet, conductivity: Any, latents: Callable[..., np.ndarray],
    numbered: bool = False,
) -> Residuals:  # fmt: skip
    """Compare predictions with the runs, one run at a time."""
    annulus = annulus_of(runs)
    if runs.sizes["time"] > SNAPSHOTS:
        runs = runs.isel(time=np.linspace(0, runs.sizes["time"] - 1, SNAPSHOTS).round().astype(int))
    parameters, times = parameter_table(runs), runs["snapshot_time"].values.astype(float)
    columns = np.unique(np.linspace(0, annulus.shape[1] - 1, COLUMNS).astype(int))
    shape = times.shape
    values = {
        "temperature": np.full((*shape, annulus.shape[0], len(columns)), np.nan, dtype=np.float32),
        "profile": np.full((*shape, annulus.shape[0]), np.nan, dtype=np.float32),
        **{name: np.full(shape, np.nan, dtype=np.float32) for name in SERIES},
    }
    padded = np.where(np.isfinite(times), times, np.nanmax(times, axis=1, keepdims=True))
    extra = (np.arange(len(parameters)),) if numbered else ()
    predicted = latents(parameters, padded, *extra)
    for run, count in enumerate(np.isfinite(times).sum(axis=1)):
        truth = runs["temperature"].isel(simulation=run, time=slice(0, count)).values.astype(float)
        answer = engine.decode(predicted[run, :count]).astype(float)
        values["temperature"][run, :count] = np.abs(answer - truth)[..., columns]
        values["profile"][run, :count] = np.abs(answer.mean(axis=-1) - truth.mean(axis=-1))
        mine, theirs = (_series(field, annulus, planet, conductivity) for field in (answer, truth))
        for name in SERIES:
            values[name][run, :count] = np.abs(mine[name] - theirs[name])
    return Residuals(parameters, times, values)


def _series(field: np.ndarray, annulus: Annulus, planet: Planet, conductivity: Any) -> dict[str, np.ndarray]:
    walls = np.concatenate([field[:, :2], field[:, -2:]], axis=1)
    return {k: v[0] for k, v in series_of(walls[None], field.mean(-1)[None], annulus, planet, conductivity).items()}


def _joined(parts: list[Residuals]) -> Residuals:
    length = max(part.times.shape[1] for part in parts)

    def pad(values: np.ndarray) -> np.ndarray:
        return np.pad(
            values, [(0, 0), (0, length - values.shape[1])] + [(0, 0)] * (values.ndim - 2), constant_values=np.nan
        )

    return Residuals(
        np.concatenate([part.parameters for part in parts]),
        np.concatenate([pad(part.times) for part in parts]),
        {name: np.concatenate([pad(part.values[name]) for part in parts]) for name in parts[0].values},
    )
