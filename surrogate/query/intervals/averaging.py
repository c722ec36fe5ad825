"""From errors of single members of an ensemble to errors of their mean.

The error of a member on an unseen run is that of the mean of all members plus the deviation of this member from the
mean. Two things tell how much of it goes when members are averaged, each for every statistic in its own right, since
small errors shrink more than large ones, and the largest error of a whole history least:

- *Simulation and extrapolation* (SIMEX; Cook and Stefanski, 1994, J. Am. Stat. Assoc. 89, 1314). The deviations are
  known at any point without a truth. One *more* of them is added to the errors; what that does to the square of a
  quantile is taken back for one *less*: squares of quantiles are linear in the added variance where errors and
  deviations are normal. A parabola through logarithms, which was used before, cannot fall as steeply as a square root:
  where members differ by as much as they err (mean temperatures) it said 0.70 where 0.53 was right.
- *Pairs*. On the validation runs, errors of single members and of their mean are both known. Their ratio does not
  suffer from the choice of the epochs by these runs, which both share, but a dozen runs know it to ten per cent only.

The pairs correct height and tilt over the levels of what SIMEX says, as far as they are precise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEIGHBOURS = 4
"""Points near a run whose deviations are added to its errors."""

RUNS = 256
"""Runs that take part, at most, equally spaced."""

COLUMNS = 4
"""Columns of fields that enter the quantiles; the largest error is that over all."""

LEAST = 0.3
"""Smallest factor: what lies below would rest on the extrapolation alone."""

TYPICAL = 0.1
"""Relative error of SIMEX, by the unseen runs of two corpora; pairs that know the factor better than this prevail."""

LOW, HIGH = 0.2, 0.95
"""Levels at which pairs are compared: below, quantiles are of errors next to nothing; above, of too few runs."""

PARTS = 8
"""Parts of the validation runs of which one at a time is left out, to see how precise the pairs are."""


@dataclass(frozen=True)
class Shrinkage:
    """By which factors errors of the mean of all members are smaller than those of one.

    Attributes
    ----------
    levels : array, shape (level,)
    quantiles : array, shape (level,)
        Of each quantile of the absolute errors.
    largest : float
        Of the largest absolute error of a run.
    """

    levels: np.ndarray
    quantiles: np.ndarray
    largest: float

    @classmethod
    def simulated(
        cls, errors: np.ndarray, points: np.ndarray, deviations: np.ndarray, near: np.ndarray, levels: np.ndarray
    ) -> Shrinkage:
        """Simulate and extrapolate.

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

        Examples
        --------
        Errors of standard deviation 1, to which members add as much: their mean is better by the square root of 2.

        >>> rng = np.random.default_rng(0)
        >>> members = rng.normal(size=(400, 6, 5, 1, 1))
        >>> errors = rng.normal(size=(400, 5, 1, 1)) + members[:, 0]
        >>> near = rng.integers(0, 400, (400, 4))
        >>> points = np.tile(np.arange(5.0), (400, 1))
        >>> factors = Shrinkage.simulated(errors, points, members, near, np.array([0.5, 0.9])).quantiles
        >>> bool(np.all(np.abs(factors - np.sqrt(0.5)) < 0.08))
        True
        """
        rng = np.random.default_rng(0)
        some = np.unique(np.linspace(0, len(errors) - 1, RUNS).round().astype(int))
        plain, more = [], []
        for run in some:
            real = np.isfinite(errors[run]).all(axis=(1, 2))
            lower = np.minimum(points[run, real].astype(int), deviations.shape[2] - 2)
            share = (points[run, real] - lower)[:, None, None]
            drawn = deviations[near[run], rng.integers(0, deviations.shape[1], near.shape[1])]
            drawn = (1 - share) * drawn[:, lower] + share * drawn[:, lower + 1]
            plain.append(errors[run][real][None])
            more.append(plain[-1] + np.concatenate([drawn, -drawn]))
        growth, growth_of_largest = _log_ratio(more, plain, levels)
        return cls(levels, _one_less(growth), float(_one_less(growth_of_largest)))

    def corrected(self, single: list[np.ndarray], mean: list[np.ndarray]) -> Shrinkage:
        """Correct by pairs, as far as they are more precise.

        Parameters
        ----------
        single, mean : list of array, shape (member, time, row, column) and (1, time, row, column), one per run
            Errors of members, and of the mean of all, on runs that none of them saw, divided by what is expected.
        """
        if len(single) < 2:
            return self
        middle = (self.levels >= LOW) & (self.levels <= HIGH)
        # Height and tilt over the levels.
        basis = np.stack(
            [np.ones(len(self.levels)), np.clip(2 * (self.levels - LOW) / (HIGH - LOW) - 1, -1, 1)], axis=1
        )

        def difference(kept: np.ndarray) -> np.ndarray:
            ratios, of_largest = _log_ratio([mean[i] for i in kept], [single[i] for i in kept], self.levels[middle])
            line = np.linalg.lstsq(basis[middle], ratios - np.log(self.quantiles[middle]), rcond=None)[0]
            return np.asarray(np.r_[line, of_largest - np.log(self.largest)])

        runs = np.arange(len(single))
        parts = runs % min(PARTS, len(runs))
        without = np.stack([difference(runs[parts != part]) for part in np.unique(parts)])
        variance = (len(without) - 1) * without.var(axis=0)  # the jackknife's
        step = difference(runs) * TYPICAL**2 / (TYPICAL**2 + variance)
        quantiles = np.clip(self.quantiles * np.exp(basis @ step[:2]), LEAST, 1.0)
        return Shrinkage(self.levels, quantiles, float(np.clip(self.largest * np.exp(step[2]), LEAST, 1.0)))


def _log_ratio(these: list[np.ndarray], those: list[np.ndarray], levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logarithm of the ratio of statistics of errors, shape (draw, time, row, column) for each run.

    Returns
    -------
    array, shape (level,)
        Of the quantiles of all absolute errors.
    array, shape ()
        Of the largest absolute error of a run and draw, in the geometric mean.
    """
    statistics = []
    for errors in (these, those):
        step = max(1, errors[0].shape[-1] // COLUMNS)
        pooled = np.concatenate([np.abs(part[..., ::step]).astype(np.float32).ravel() for part in errors])
        largest = np.mean([np.log(np.maximum(np.abs(p).max(axis=(1, 2, 3)), 1e-30)).mean() for p in errors])
        statistics.append((np.log(np.maximum(np.quantile(pooled, levels), 1e-30)), np.asarray(largest)))
    (quantiles, largest), (others, other) = statistics
    return quantiles - others, largest - other


def _one_less(growth: np.ndarray) -> np.ndarray:
    """Factor at one variance less, from the logarithm of that at one more: squares are linear in the variance."""
    return np.asarray(np.sqrt(np.clip(2 - np.exp(2 * growth), LEAST**2, 1.0)))


def nearest_points(runs: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Find the :data:`NEIGHBOURS` points nearest to each run, shape (run, neighbour), by their scaled parameters."""
    away = np.linalg.norm(runs[:, None] - points[None], axis=-1)
    return np.argsort(away, axis=1)[:, :NEIGHBOURS]
