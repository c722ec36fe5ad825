"""Calibrated intervals: split-conformal quantiles of the errors on unseen runs, by depth and time.

The half-width of an interval is ``size(parameters) * quantile(level, time, depth)``. The size says how much harder
than the average a run is to predict: a log-linear function of the parameters, fitted to the unseen runs (each scaled
by a fit that leaves it out). The quantiles are those of the errors divided by the size, with the finite-sample
correction of conformal prediction in the number of runs, since snapshots of one run are not independent. A
simultaneous band multiplies all pointwise half-widths of a run by one factor, the conformal quantile of the largest
ratio over all depths and times of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import xarray as xr

from surrogate.parameters import PARAMETERS
from surrogate.query.residuals import Residuals

LEVELS = np.r_[np.arange(0.05, 0.95, 0.05), 0.95, 0.98, 0.99]
"""Levels whose quantiles are stored; others are interpolated."""

KNOTS = 10
"""Times at which quantiles are stored."""

REFERENCE_LEVEL = 0.9
"""Pointwise level that a simultaneous band scales."""

PENALTY = 3.0
"""Of the ridge regression of the size, in numbers of runs."""


def natural_ranges(ranges: Mapping[str, tuple[float, float]]) -> np.ndarray:
    """Return the range of each parameter on its natural axis, shape (5, 2)."""
    return np.array([[float(entry.transform(value)) for value in ranges[entry.name]] for entry in PARAMETERS])


def calibrate(residuals: Residuals, ranges: np.ndarray) -> xr.Dataset:
    """Fit intervals to errors on unseen runs.

    Parameters
    ----------
    residuals : Residuals
    ranges : array, shape (5, 2)
        Lowest and highest trained value of each parameter on its natural axis.

    Returns
    -------
    xarray.Dataset
        Per quantity ``q``: ``q_quantile`` (level, knot[, radius]), ``q_size`` (coefficient), ``q_band`` (level).
    """
    times, features = residuals.times, _features(residuals.parameters, ranges)
    knots = np.linspace(np.nanmin(times), np.nanmax(times), KNOTS)
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name, errors in residuals.values.items():
        shaped = errors.reshape(*times.shape, *(errors.shape[2:] or (1,)))
        shaped = shaped if shaped.ndim == 4 else shaped[..., None]
        quantiles, coefficients, band = _fit(shaped, times, features, knots)
        rows: tuple[str, ...] = ("radius",) if errors.ndim > 2 else ()
        variables[f"{name}_quantile"] = (("level", "knot", *rows), quantiles if rows else quantiles[..., 0])
        variables[f"{name}_size"] = (("coefficient",), coefficients)
        variables[f"{name}_band"] = (("level",), band)
    return xr.Dataset(
        variables,
        {"level": LEVELS, "knot": ("knot", knots, {"units": "Gyr"})},
        {"runs": len(times), "snapshots": int(np.isfinite(times).sum())},
    )


def _features(parameters: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """Parameters on their natural axes scaled to [-1, 1] (no further: a log-linear size must not explode), and 1."""
    natural = np.stack([entry.transform(parameters[:, i]) for i, entry in enumerate(PARAMETERS)], axis=1)
    span = np.maximum(ranges[:, 1] - ranges[:, 0], 1e-12)
    scaled = np.clip(2 * (natural - ranges[:, 0]) / span - 1, -1.0, 1.0)
    return np.concatenate([np.ones((len(scaled), 1)), scaled], axis=1)


def _fit(
    errors: np.ndarray, times: np.ndarray, features: np.ndarray, knots: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit one quantity: errors, shape (run, time, row, column)."""
    runs = len(errors)
    spacing = knots[1] - knots[0]
    windows = [np.abs(times - knot) <= 0.75 * spacing for knot in knots]
    mean = np.stack([_nanmean(errors[window], (0, 2)) for window in windows])  # (knot, row)
    reference = _at_times(knots, mean, times)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(reference > 1e-6 * max(float(np.nanmax(mean)), 1e-30), errors.mean(-1) / reference, np.nan)
    size = np.log(np.maximum(_nanmean(relative, (1, 2)), 1e-6))
    coefficients, blind = _ridge(features, size)
    errors = errors / np.exp(blind)[:, None, None, None]
    corrected = np.minimum(np.ceil((runs + 1) * LEVELS) / runs, 1.0) if runs < 20 else LEVELS * (1 + 1 / runs)
    corrected = np.minimum(corrected, 1.0)
    quantiles = np.stack([_quantiles(errors[window], corrected) for window in windows], axis=1)
    pointwise = _at_times(knots, quantiles[np.argmin(np.abs(LEVELS - REFERENCE_LEVEL))], times)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(pointwise > 0, np.nanmax(errors, axis=-1, initial=0.0) / pointwise, 0.0)
    largest = np.sort(np.nanmax(np.where(np.isfinite(times)[..., None], ratios, 0.0), axis=(1, 2)))
    ranks = np.minimum(np.ceil((runs + 1) * LEVELS).astype(int), runs) - 1
    return quantiles, coefficients, largest[np.maximum(ranks, 0)]


def _ridge(features: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients, and the prediction for every run by a fit without it; the intercept is not penalised."""
    penalty = PENALTY * np.eye(features.shape[1])
    penalty[0, 0] = 1e-9
    solve = np.linalg.solve(features.T @ features + penalty, features.T)
    coefficients = solve @ target
    leverage = np.einsum("ij,ji->i", features, solve)
    blind = target - (target - features @ coefficients) / np.maximum(1 - leverage, 0.1)
    return coefficients, blind


def _quantiles(values: np.ndarray, levels: Iterable[float]) -> np.ndarray:
    """Quantiles over snapshots and columns: values (snapshot, row, column) to (level, row)."""
    flat = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)
    flat = flat[:, np.isfinite(flat).all(axis=0)]
    return np.quantile(flat, list(levels), axis=1)


def _nanmean(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    count = np.isfinite(values).sum(axis=axes)
    return np.asarray(np.nansum(values, axis=axes, dtype=float) / np.maximum(count, 1))


def _at_times(knots: np.ndarray, values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Interpolate values, shape (knot, ...), linearly to times of any shape; constant beyond the ends."""
    position = np.interp(np.nan_to_num(times), knots, np.arange(len(knots)))
    lower = np.minimum(position.astype(int), len(knots) - 2)
    share = (position - lower).reshape(*position.shape, *[1] * (values.ndim - 1))
    return np.asarray((1 - share) * values[lower] + share * values[lower + 1])


def half_width(
    calibration: xr.Dataset, name: str, parameters: np.ndarray, ranges: np.ndarray, times: np.ndarray,
    level: float, simultaneous: bool = False,
) -> np.ndarray:  # fmt: skip
    """Half-width of the interval of a quantity.

    Parameters
    ----------
    calibration : xarray.Dataset
        From :func:`calibrate`.
    name : str
        ``temperature``, ``profile`` or a time series.
    parameters : array, shape (simulation, 5), SI units
    ranges : array, shape (5, 2)
        As given to :func:`calibrate`.
    times : array, shape (time,), Gyr
    level : float
        Share of the truth that lies within.
    simultaneous : bool
        Whether the whole history of a run lies within with that probability, rather than each value.

    Returns
    -------
    array, shape (simulation, time) or (simulation, time, radius)
    """
    stored = calibration["level"].values
    size = np.exp(_features(parameters, ranges) @ calibration[f"{name}_size"].values)
    quantiles = calibration[f"{name}_quantile"].values
    if simultaneous:
        factor = float(np.interp(level, stored, calibration[f"{name}_band"].values))
        at_level = factor * quantiles[np.argmin(np.abs(stored - REFERENCE_LEVEL))]
    else:
        position = float(np.interp(level, stored, np.arange(len(stored))))
        lower = min(int(position), len(stored) - 2)
        at_level = (lower + 1 - position) * quantiles[lower] + (position - lower) * quantiles[lower + 1]
    pointwise = _at_times(calibration["knot"].values, at_level, times)
    return np.asarray(size.reshape(-1, *[1] * pointwise.ndim) * pointwise[None])


def coverage(
    calibration: xr.Dataset, residuals: Residuals, ranges: np.ndarray, levels: Iterable[float] = (0.5, 0.9, 0.95)
) -> dict[str, dict[str, float]]:
    """Share of the truth within the intervals on runs that took no part in the calibration.

    Parameters
    ----------
    calibration : xarray.Dataset
        From :func:`calibrate`.
    residuals : Residuals
        Errors on other runs.
    ranges : array, shape (5, 2)
    levels : sequence of float

    Returns
    -------
    dict
        Per quantity and level; walls, which are known, do not count.
    """
    result: dict[str, dict[str, float]] = {}
    for name, errors in residuals.values.items():
        result[name] = {}
        for level in levels:
            inside = total = 0
            for run, times in enumerate(residuals.times):
                real = np.isfinite(times)
                point = residuals.parameters[run : run + 1]
                width = half_width(calibration, name, point, ranges, times[real], level)[0]
                found = errors[run, real]
                within = found <= width.reshape(width.shape + (1,) * (found.ndim - width.ndim))
                within = within[:, 1:-1] if within.ndim > 1 else within
                inside, total = inside + int(within.sum()), total + within.size
            result[name][f"{level:g}"] = inside / max(total, 1)
    return result
