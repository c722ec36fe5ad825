"""Calibrated intervals: conformal quantiles of the errors on runs that the predictor did not see, by depth and time.

The half-width of an interval is ``size(question) * quantile(level, time, depth)``. The size says how much harder than
the average a run is to predict: a log-linear function of the parameters, and in proportion to the distance to the
nearest training runs, fitted to the errors (each scaled by a fit that leaves its run out). The quantiles are those of
the errors divided by the size, with the finite-sample correction of conformal prediction in the number of runs, since
snapshots of one run are not independent. A simultaneous band multiplies all pointwise half-widths of a run by one
factor, the conformal quantile of the largest ratio over all depths and times of a run. Where the errors are those of
single members of an ensemble, both are brought to its mean (:mod:`surrogate.query.intervals.averaging`).

Which errors, and why they are those of new runs: :mod:`surrogate.query.intervals.residuals`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from surrogate.query.extrapolation import Nearness
from surrogate.query.intervals.averaging import Shrinkage, nearest_points
from surrogate.query.intervals.difficulty import Difficulty, in_four
from surrogate.query.intervals.residuals import Residuals
from surrogate.query.intervals.widths import LEVELS, REFERENCE, Ages, features_of, floored, half_width

FOLDS = 8
"""Parts of the runs that take turns to be held against a band of the others."""


def calibrate(residuals: Residuals, nearness: Nearness) -> xr.Dataset:
    """Fit intervals to errors on unseen runs.

    Parameters
    ----------
    residuals : Residuals
    nearness : Nearness
        Where the training runs lie.

    Returns
    -------
    xarray.Dataset
        Per quantity ``q``: ``q_quantile`` (level, knot[, row]), ``q_size`` (coefficient), ``q_band`` (level).
    """
    times, features = residuals.times, _features(residuals.parameters, nearness, residuals.own)
    ages = Ages.spanning(times)
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name, values in residuals.values.items():
        errors = in_four(values)
        difficulty, size = Difficulty.fit(np.abs(errors), times, ages, features)
        scores = errors / size[:, None, None, None]
        largest = np.nanmax(np.abs(scores), axis=-1, initial=0.0)
        if name == "temperature" and residuals.largest is not None:
            largest = residuals.largest / size[:, None, None]
        quantiles, band = _fit(np.abs(scores), largest, times, ages)
        if residuals.scatter is not None:
            smaller = _of_mean(scores, quantiles[REFERENCE], ages, residuals, name, difficulty, nearness)
            quantiles = np.maximum.accumulate(quantiles * smaller.quantiles[:, None, None], axis=0)
            band = band * (smaller.largest / smaller.quantiles[REFERENCE])
        rows: tuple[str, ...] = ("row",) if values.ndim > 2 else ()
        variables[f"{name}_quantile"] = (("level", "knot", *rows), quantiles if rows else quantiles[..., 0])
        variables[f"{name}_size"] = (("coefficient",), difficulty.coefficients)
        variables[f"{name}_band"] = (("level",), band)
    return xr.Dataset(
        {name: (rows, values.astype(np.float32)) for name, (rows, values) in variables.items()},
        {"level": LEVELS, "knot": ("knot", ages.knots)},
        {"runs": len(times), "snapshots": int(np.isfinite(times).sum())},
    )


def _features(parameters: np.ndarray, nearness: Nearness, own: np.ndarray | None = None) -> np.ndarray:
    """Return what the size of the errors at parameters, shape (n, parameter), depends on."""
    scaled = nearness.scale(parameters)
    return features_of(scaled, nearness.distance(scaled, own) / nearness.threshold)


def _fit(scores: np.ndarray, largest: np.ndarray, times: np.ndarray, ages: Ages) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles, shape (level, knot, row), and factors of the band, shape (level,).

    Parameters
    ----------
    scores : array, shape (run, time, row, column)
        Absolute errors over the size.
    largest : array, shape (run, time, row)
        Largest of them over all columns.
    times : array, shape (run, time), Gyr
    ages : Ages
    """
    runs = len(scores)
    corrected = np.minimum(np.ceil((runs + 1) * LEVELS) / runs if runs < 20 else LEVELS * (1 + 1 / runs), 1.0)
    quantiles = np.stack([_quantiles(scores[window], corrected) for window in ages.windows(times)], axis=1)
    highest = np.zeros(runs)
    # Each run is held against a band of other runs: its own outliers would widen the band just where they are.
    folds = np.arange(runs) % FOLDS
    for fold in range(min(FOLDS, runs)):
        own, others = folds == fold, folds != fold if runs > FOLDS else slice(None)
        windows = ages.windows(times[others])
        level = [corrected[REFERENCE]]
        reference = np.stack([_quantiles(scores[others][window], level)[0] for window in windows])
        highest[own] = _highest(largest[own], ages.at(floored(reference), times[own]), times[own])
    ranks = np.minimum(np.ceil((runs + 1) * LEVELS).astype(int), runs) - 1
    return quantiles, np.sort(highest)[np.maximum(ranks, 0)]


def _highest(errors: np.ndarray, widths: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Largest ratio of errors to widths of each run, all of shape (run, time[, row]); walls, of width 0, do not count.

    Returns
    -------
    array, shape (run,)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(widths > 0, errors / widths, 0.0)
    ratios = np.where(np.isfinite(times).reshape(*times.shape, *[1] * (ratios.ndim - 2)), ratios, 0.0)
    return np.asarray(np.nanmax(ratios.reshape(len(ratios), -1), axis=1))


def _of_mean(
    scores: np.ndarray,
    reference: np.ndarray,
    ages: Ages,
    residuals: Residuals,
    name: str,
    difficulty: Difficulty,
    nearness: Nearness,
) -> Shrinkage:
    """Factors from single members to the mean of all, from the scores of a quantity; see :class:`Shrinkage`."""
    expected, times, scatter, pairs = floored(reference), residuals.times, residuals.scatter, residuals.pairs
    known = expected.max(axis=0) > 0
    if scatter is None or not known.any():
        return Shrinkage(LEVELS, np.ones(len(LEVELS)), 1.0)
    expected = np.maximum(expected[:, known], 1e-30)

    def relative(errors: np.ndarray, times: np.ndarray, size: np.ndarray) -> np.ndarray:
        errors = errors.reshape(*errors.shape, *[1] * (scores.ndim - errors.ndim))[..., known, :]
        return np.asarray(errors / (size * ages.at(expected, times)[..., None]).astype(np.float32))

    sizes = difficulty.size(_features(scatter.parameters, nearness))
    smaller = Shrinkage.simulated(
        scores[..., known, :] / ages.at(expected, times)[..., None],
        np.interp(times, scatter.times, np.arange(len(scatter.times))),
        np.stack([relative(part, scatter.times, size) for part, size in zip(scatter.values[name], sizes, strict=True)]),
        nearest_points(nearness.scale(residuals.parameters), nearness.scale(scatter.parameters)),
        LEVELS,
    )
    if pairs is None or name not in pairs.single:
        return smaller
    sizes = difficulty.size(_features(pairs.parameters, nearness))
    ends = [own[np.isfinite(own)] for own in pairs.times]
    single, mean = (
        [relative(part, own, size) for part, own, size in zip(found[name], ends, sizes, strict=True)]
        for found in (pairs.single, pairs.mean)
    )
    return smaller.corrected(single, mean)


def _quantiles(values: np.ndarray, levels: Iterable[float]) -> np.ndarray:
    """Quantiles over snapshots and columns: values (snapshot, row, column) to (level, row)."""
    flat = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)
    flat = flat[:, np.isfinite(flat).all(axis=0)]
    return np.asarray(np.quantile(flat, list(levels), axis=1))


def coverage(
    calibration: xr.Dataset, residuals: Residuals, nearness: Nearness, levels: Iterable[float] = (0.5, 0.9, 0.95)
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Share of the truth within the intervals on runs that took no part in the calibration.

    Parameters
    ----------
    calibration : xarray.Dataset
        From :func:`calibrate`.
    residuals : Residuals
        Errors on other runs.
    nearness : Nearness
    levels : sequence of float

    Returns
    -------
    dict
        Share per quantity and level; walls, which are known, do not count.
    dict
        Standard error of that share over the draw of the runs (bootstrap of whole runs): snapshots of one run are
        not independent, so that twenty runs tell a coverage to several per cent only.
    """
    shares: dict[str, dict[str, float]] = {}
    errors: dict[str, dict[str, float]] = {}
    features = _features(residuals.parameters, nearness)
    draws = np.random.default_rng(0).integers(0, len(residuals.times), (1000, len(residuals.times)))
    for name, values in residuals.values.items():
        shares[name], errors[name] = {}, {}
        for level in levels:
            counts = np.array(
                [
                    _count_within(calibration, name, values[run], features[run], residuals.times[run], level)
                    for run in range(len(values))
                ]
            )
            resampled = counts[draws].sum(axis=1)
            shares[name][f"{level:g}"] = float(counts[:, 0].sum() / max(counts[:, 1].sum(), 1))
            errors[name][f"{level:g}"] = float((resampled[:, 0] / np.maximum(resampled[:, 1], 1)).std())
    return shares, errors


def whole_coverage(
    calibration: xr.Dataset, residuals: Residuals, nearness: Nearness, levels: Iterable[float] = (0.5, 0.9, 0.95)
) -> dict[str, dict[str, float]]:
    """Share of the runs that lie within their simultaneous bands at all depths and times.

    Parameters are those of :func:`coverage`. The standard error of a share p of n runs is sqrt(p (1 - p) / n).

    Returns
    -------
    dict
        Share per quantity and level.
    """
    times, features = residuals.times, _features(residuals.parameters, nearness)
    shares: dict[str, dict[str, float]] = {}
    for name, values in residuals.values.items():
        errors = np.abs(values) if values.ndim < 4 else np.abs(values).max(axis=-1)
        if name == "temperature" and residuals.largest is not None:
            errors = residuals.largest
        shares[name] = {}
        for level in levels:
            widths = np.stack(
                [
                    half_width(calibration, name, of_run[None], np.nan_to_num(own), level, True)[0]
                    for of_run, own in zip(features, times, strict=True)
                ]
            )
            shares[name][f"{level:g}"] = float((_highest(errors, widths, times) <= 1).mean())
    return shares


def _count_within(
    calibration: xr.Dataset, name: str, errors: np.ndarray, features: np.ndarray, times: np.ndarray, level: float
) -> tuple[int, int]:
    """Count the values of one run within their intervals, and all."""
    real = np.isfinite(times)
    width = half_width(calibration, name, features[None], times[real], level)[0]
    within = np.abs(errors[real]) <= width.reshape(width.shape + (1,) * (errors.ndim - width.ndim))
    within = within[:, 1:-1] if within.ndim > 1 else within
    return int(within.sum()), within.size
