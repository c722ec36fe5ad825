"""Whether an answer may be trusted: trained ranges, distances of the question and of the answer to training runs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from surrogate.fields import parameter_table, select_split
from surrogate.parameters import PARAMETERS
from surrogate.query.arguments import Sets
from surrogate.query.engine import Engine
from surrogate.query.nearness import KNOTS, Nearness, kept_runs, natural_ranges


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
    beyond, lines = _beyond_each(sets, ranges), []
    for column, parameter in enumerate(PARAMETERS):
        outside = beyond[:, column] != 0
        if outside.any():
            (low, high), worst = ranges[parameter.name], sets.values[outside, column]
            shown = f"{worst[0]:g}" if worst.size == 1 else f"{worst.min():g} .. {worst.max():g} ({worst.size} sets)"
            lines.append(
                f"{parameter.name} = {shown} {parameter.unit} is outside the trained {low:g} .. {high:g} "
                f"(by {np.abs(beyond[:, column]).max():.2g} of that range)"
            )
    in_time = _beyond(times, *time_range) == 0
    if not in_time.all():
        lines.append(
            f"time = {times[~in_time].min():g} .. {times[~in_time].max():g} Gyr is outside the trained "
            f"{time_range[0]:g} .. {time_range[1]:g}"
        )
    return (beyond == 0).all(axis=1), in_time, lines


def beyond_ranges(
    sets: Sets, times: np.ndarray, ranges: Mapping[str, tuple[float, float]], time_range: tuple[float, float]
) -> xr.Dataset:
    """Say how far each parameter and time lies outside the trained range; see :meth:`surrogate.query.Surrogate.ranges`.

    A range ends a rounding error beyond its ends.
    """
    rows = ("simulation", "parameter")
    about = {"units": "1", "long_name": "distance beyond the trained range over its width, on the natural axis"}
    dataset = xr.Dataset(
        {
            "value": (rows, sets.values, {"long_name": "SI units"}),
            "low": ("parameter", [ranges[entry.name][0] for entry in PARAMETERS]),
            "high": ("parameter", [ranges[entry.name][1] for entry in PARAMETERS]),
            "beyond": (rows, _beyond_each(sets, ranges), about),
            "beyond_time": ("time", _beyond(times, *time_range), {"units": "1"}),
        },
        {
            "simulation": sets.simulation,
            "parameter": [entry.name for entry in PARAMETERS],
            "units": ("parameter", [entry.unit for entry in PARAMETERS]),
            "time": ("time", times, {"units": "Gyr"}),
        },
    )
    return dataset.isel(simulation=0, drop=True) if sets.single else dataset


def _beyond_each(sets: Sets, ranges: Mapping[str, tuple[float, float]]) -> np.ndarray:
    """Signed distance of each parameter to its range over its width, shape (simulation, 5)."""
    columns = [
        _beyond(np.asarray(entry.transform(sets.values[:, column]), dtype=float), low, high)
        for column, (entry, (low, high)) in enumerate(zip(PARAMETERS, natural_ranges(ranges), strict=True))
    ]
    return np.stack(columns, axis=1)


def _beyond(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Signed distance to a range over its width; 0 inside."""
    width = max(high - low, 1e-12 * max(abs(high), 1e-12))
    outside = np.where(values < low, values - low, np.maximum(values - high, 0.0)) / width
    return np.where(np.abs(outside) < 1e-9, 0.0, outside)


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
