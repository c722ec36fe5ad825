"""Whether an answer may be trusted: trained ranges, distances of the question and of the answer to training runs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from surrogate.fields import parameter_table, select_split
from surrogate.parameters import PARAMETERS
from surrogate.query.arguments import Sets
from surrogate.query.engine import Engine
from surrogate.query.nearness import KNOTS, Nearness, kept_runs


def locate_training(engine: Engine, corpus: xr.Dataset, ranges: np.ndarray) -> Nearness:
    """Keep where the training runs of a corpus lie, with thresholds for new runs.

    Parameters
    ----------
    engine : Engine
    corpus : xarray.Dataset
    ranges : array, shape (5, 2)
        Of the parameters on their natural axes.
    """
    training = select_split(corpus, "train")
    folds = engine.folds("fnn", training.sizes["simulation"])
    rows = kept_runs(training.sizes["simulation"])
    training = training.isel(simulation=rows)
    parameters, times = parameter_table(training), training["snapshot_time"].values
    knots = np.linspace(np.nanmin(times), np.nanmax(times), KNOTS)
    truth = np.full((len(rows), KNOTS, engine.autoencoder.latents), np.nan, dtype=np.float32)
    for run, count in enumerate(np.isfinite(times).sum(axis=1)):
        nearest = np.abs(times[run, :count] - knots[:, None]).argmin(axis=1)
        kept = np.unique(nearest)
        latents = engine.autoencoder.encode(training["temperature"].isel(simulation=run, time=kept).values)
        reached = knots <= times[run, count - 1] + 0.5 * (knots[1] - knots[0])
        truth[run, reached] = latents[np.searchsorted(kept, nearest)][reached]
    if folds is None:
        predicted = engine.latents("fnn", parameters, knots)
    else:
        predicted = engine.blind_latents("fnn", parameters, knots, tuple(fold[rows] for fold in folds))
    return Nearness.of_runs(parameters, ranges).with_latents(knots, truth, predicted)


def outside_ranges(
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


def trusted(
    nearness: Nearness, parameters: np.ndarray, times: np.ndarray, latents: np.ndarray,
    inside: np.ndarray, in_time: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Tell what lies within the training runs.

    Parameters
    ----------
    nearness : Nearness
    parameters : array, shape (simulation, 5), SI units
    times : array, shape (time,), Gyr
    latents : array, shape (simulation, time, latent)
        Of the answer.
    inside : array of bool, shape (simulation,)
        Whether every parameter is in its trained range.
    in_time : array of bool, shape (time,)

    Returns
    -------
    array of bool, shape (simulation, time)
        Whether the ranges are kept and neither distance is above its threshold.
    array, shape (simulation, time)
        The larger of both distances, each relative to its threshold: up to 1 for what is near.
    """
    relative = (nearness.distance(parameters) / nearness.threshold)[:, None]
    thresholds = np.maximum(nearness.latent_thresholds(times), 1e-12)
    largest = np.maximum(relative, nearness.latent_distance(latents, times) / thresholds)
    return inside[:, None] & in_time[None, :] & (largest <= 1), largest
