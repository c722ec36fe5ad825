"""From errors of single members of an ensemble to errors of their mean, by simulation and extrapolation.

The error of a member on an unseen run is that of the mean of all members plus the deviation of this member from the
mean. The deviations are known at any point without a truth; so what one *more* deviation does to the errors is
simulated, in several strengths, and extrapolated to one deviation *less* (SIMEX; Cook and Stefanski, 1994, J. Am. Stat.
Assoc. 89, 1314), for every statistic in its own right: small errors shrink more than large ones, and the largest error
of a whole history, which the truth makes and not the members, hardly at all. One common factor, from mean squares, had
made simultaneous bands of fields hold a quarter of the runs where half was promised.
"""

from __future__ import annotations

import numpy as np

from surrogate.query.nearness import scaled

STRENGTHS = np.array([0.5, 1.0, 2.0])
"""Variance of what is added, in that of the members."""

NEIGHBOURS = 4
"""Points near a run whose deviations are added to its errors."""

RUNS = 128
"""Runs that take part, at most, equally spaced."""

COLUMNS = 4
"""Columns of fields that enter the quantiles; the largest error is that over all."""

LEAST = 0.3
"""Smallest factor: what lies below would rest on the extrapolation alone."""


def shrinkage(
    errors: np.ndarray, points: np.ndarray, deviations: np.ndarray, near: np.ndarray, levels: np.ndarray
) -> tuple[np.ndarray, float]:
    """Say by which factors the errors of the mean of all members are smaller than those of one.

    Parameters
    ----------
    errors : array, shape (run, time, row, column)
        Of single members, each divided by what is expected of it; NaN where a run has ended.
    points : array of float, shape (run, time)
        Position of each time among those of `deviations`.
    deviations : array, shape (point, member, age, row, column)
        Of members from their mean, divided likewise.
    near : array of int, shape (run, neighbour)
        Points near each run.
    levels : array, shape (level,)

    Returns
    -------
    array, shape (level,)
        Factor of each quantile of the absolute errors.
    float
        Factor of the largest absolute error of a run.

    Examples
    --------
    Errors of standard deviation 1, to which members add as much: their mean is better by the square root of 2. The
    extrapolation says somewhat less, on the safe side.

    >>> rng = np.random.default_rng(0)
    >>> members = rng.normal(size=(400, 6, 5, 1, 1))
    >>> errors = rng.normal(size=(400, 5, 1, 1)) + members[:, 0]
    >>> near = rng.integers(0, 400, (400, 4))
    >>> factors, _ = shrinkage(errors, np.tile(np.arange(5.0), (400, 1)), members, near, np.array([0.5, 0.9]))
    >>> bool(np.all((0.65 < factors) & (factors < 0.85)))
    True
    """
    rng = np.random.default_rng(0)
    strengths = np.r_[0.0, STRENGTHS]
    some = np.unique(np.linspace(0, len(errors) - 1, RUNS).round().astype(int))
    step = max(1, errors.shape[-1] // COLUMNS)
    pooled: list[list[np.ndarray]] = [[] for _ in strengths]
    largest = np.zeros((len(some), len(strengths)))
    for number, run in enumerate(some):
        real = np.isfinite(errors[run]).all(axis=(1, 2))
        lower = np.minimum(points[run, real].astype(int), deviations.shape[2] - 2)
        share = (points[run, real] - lower)[:, None, None]
        members = rng.integers(0, deviations.shape[1], near.shape[1])
        drawn = deviations[near[run], members]
        drawn = (1 - share) * drawn[:, lower] + share * drawn[:, lower + 1]
        drawn = np.concatenate([drawn, -drawn])
        for index, strength in enumerate(strengths):
            values = np.abs(errors[run][real] + np.sqrt(strength) * (drawn if strength else drawn[:1]))
            pooled[index].append(values[..., ::step].astype(np.float32).ravel())
            largest[number, index] = np.log(np.maximum(values.max(axis=(1, 2, 3)), 1e-30)).mean()
    quantiles = np.stack([np.quantile(np.concatenate(parts), levels) for parts in pooled])
    typical = _extrapolated(np.log(np.maximum(quantiles, 1e-30)))
    return np.clip(typical, LEAST, 1.0), float(np.clip(_extrapolated(largest.mean(axis=0)[:, None])[0], LEAST, 1.0))


def _extrapolated(logarithms: np.ndarray) -> np.ndarray:
    """Ratio at the strength -1 to that at 0, by a parabola through logarithms of shape (1 + strength, n)."""
    growth = logarithms[1:] - logarithms[0]
    basis = np.stack([STRENGTHS, STRENGTHS**2], axis=1)
    slope, curvature = np.linalg.lstsq(basis, growth, rcond=None)[0]
    return np.asarray(np.exp(curvature - slope))


def nearest_points(runs: np.ndarray, points: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """Find the :data:`NEIGHBOURS` points nearest to each run, shape (run, neighbour).

    Parameters
    ----------
    runs, points : array, shape (n, 5), SI units
    ranges : array, shape (5, 2)
        Of the parameters on their natural axes.
    """
    away = np.linalg.norm(scaled(runs, ranges)[:, None] - scaled(points, ranges)[None], axis=-1)
    return np.argsort(away, axis=1)[:, :NEIGHBOURS]
