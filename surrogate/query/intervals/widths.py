"""Half-widths of intervals for a question, from what :mod:`surrogate.query.intervals.calibration` stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

LEVELS = np.r_[np.arange(0.05, 0.95, 0.05), 0.95, 0.98, 0.99]
"""Levels whose quantiles are stored; others are interpolated."""

REFERENCE = int(np.argmin(np.abs(LEVELS - 0.9)))
"""Number of the pointwise level that a simultaneous band scales."""

FLOOR = 0.1
"""Share of its greatest width below which a simultaneous band is not thinner: one factor scales all of it."""

KNOTS = 10
"""Ages at which errors are summarised."""


@dataclass(frozen=True)
class Ages:
    """Overlapping windows around equally spaced ages.

    Attributes
    ----------
    knots : array, shape (knot,), Gyr
    """

    knots: np.ndarray

    @classmethod
    def spanning(cls, times: np.ndarray) -> Ages:
        """Cover times of any shape, Gyr; NaN is left out."""
        return cls(np.linspace(np.nanmin(times), np.nanmax(times), KNOTS))

    def windows(self, times: np.ndarray) -> list[np.ndarray]:
        """Return one mask of the times per knot."""
        spacing = self.knots[1] - self.knots[0]
        return [np.abs(times - knot) <= 0.75 * spacing for knot in self.knots]

    def mean(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Average values, shape (run, time, row, column), over runs, columns and each window: (knot, row)."""
        return np.stack([nanmean(values[window], (0, 2)) for window in self.windows(times)])

    def at(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Interpolate values, shape (knot, ...), linearly to times of any shape; constant beyond the ends."""
        position = np.interp(np.nan_to_num(times), self.knots, np.arange(len(self.knots)))
        lower = np.minimum(position.astype(int), len(self.knots) - 2)
        share = (position - lower).reshape(*position.shape, *[1] * (values.ndim - 1))
        return np.asarray((1 - share) * values[lower] + share * values[lower + 1])


def nanmean(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Mean over `axes` of what is finite; 0 where nothing is."""
    count = np.isfinite(values).sum(axis=axes)
    return np.asarray(np.nansum(values, axis=axes, dtype=float) / np.maximum(count, 1))


def features_of(scaled: np.ndarray, nearby: np.ndarray) -> np.ndarray:
    """Return what the size of an error depends on: 1, the scaled parameters, log of the relative distance.

    Parameters are cut to [-1, 1]: a log-linear size must not explode. The distance is not: far from the training runs
    intervals widen.

    Parameters
    ----------
    scaled : array, shape (n, parameter)
        The trained ranges scaled to [-1, 1].
    nearby : array, shape (n,)
        Distance to the training runs over its threshold.

    Returns
    -------
    array, shape (n, parameter + 2)
    """
    features = np.ones((len(scaled), scaled.shape[1] + 2))
    features[:, 1:-1] = np.clip(scaled, -1.0, 1.0)
    # Between the closest and the farthest run of a design lies about a factor of two: counted like a range of 2.
    features[:, -1] = 3 * np.log(np.maximum(nearby, 1e-3))
    return features


def half_width(
    calibration: xr.Dataset,
    name: str,
    features: np.ndarray,
    times: np.ndarray,
    level: float,
    simultaneous: bool = False,
) -> np.ndarray:
    """Half-width of the interval of a quantity.

    Parameters
    ----------
    calibration : xarray.Dataset
        From :func:`surrogate.query.intervals.calibration.calibrate`.
    name : str
        ``temperature``, ``profile`` or a time series.
    features : array, shape (simulation, parameter + 2)
        From :func:`features_of`.
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
    size = np.exp(features @ calibration[f"{name}_size"].values)
    quantiles = calibration[f"{name}_quantile"].values
    if simultaneous:
        factor = float(np.interp(level, stored, calibration[f"{name}_band"].values))
        at_level = factor * floored(quantiles[REFERENCE].reshape(len(quantiles[REFERENCE]), -1))
        at_level = at_level.reshape(quantiles[REFERENCE].shape)
    else:
        position = float(np.interp(level, stored, np.arange(len(stored))))
        lower = min(int(position), len(stored) - 2)
        at_level = (lower + 1 - position) * quantiles[lower] + (position - lower) * quantiles[lower + 1]
    pointwise = Ages(calibration["knot"].values).at(at_level, times)
    return np.asarray(size.reshape(-1, *[1] * pointwise.ndim) * pointwise[None])


def floored(pointwise: np.ndarray) -> np.ndarray:
    """Widen a band, shape (knot, row), where it is very thin; what is known exactly (a wall) stays."""
    most = float(pointwise.max())
    return np.where(pointwise > 1e-6 * most, np.maximum(pointwise, FLOOR * most), 0.0)
