"""How hard a run is to predict, and means over windows of age: what calibration is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogate.query.nearness import Nearness, scaled

KNOTS = 10
"""Ages at which errors are summarised."""

PENALTY = 3.0
"""Of the ridge regression of the size, in numbers of runs."""

SLOPE = 1 / 3
"""Of the size in the last feature: the error of an interpolation grows in proportion to the distance to its nodes.

It is not fitted. A training run that is left out of a space-filling design leaves a hole: it lies farther from the
others than a new run does (by 13 % in 96 runs). A fitted slope is mostly noise there, twice too steep in practice, and
moves the size of every new run.
"""


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


def in_four(errors: np.ndarray) -> np.ndarray:
    """Bring errors, shape (run, time[, row[, column]]), to four dimensions."""
    return errors.reshape(*errors.shape, *[1] * (4 - errors.ndim))


@dataclass(frozen=True)
class Difficulty:
    """Log-linear model of the size of the errors of a run.

    Attributes
    ----------
    coefficients : array, shape (coefficient,)
        Of 1, the scaled parameters and the distance to the training runs.
    """

    coefficients: np.ndarray

    @classmethod
    def fit(
        cls, errors: np.ndarray, times: np.ndarray, ages: Ages, features: np.ndarray
    ) -> tuple[Difficulty, np.ndarray]:
        """Fit to errors, shape (run, time, row, column).

        Returns
        -------
        Difficulty
        array, shape (run,)
            Size of each run, predicted by a fit without it.
        """
        mean = ages.mean(errors, times)
        reference = ages.at(mean, times)
        with np.errstate(divide="ignore", invalid="ignore"):
            known = reference > 1e-6 * max(float(np.nanmax(mean)), 1e-30)
            relative = np.where(known, errors.mean(-1) / reference, np.nan)
        target = np.log(np.maximum(nanmean(relative, (1, 2)), 1e-6)) - SLOPE * features[:, -1]
        free = features[:, :-1]
        penalty = PENALTY * np.eye(free.shape[1])
        penalty[0, 0] = 1e-9  # the intercept is free
        solve = np.linalg.solve(free.T @ free + penalty, free.T)
        coefficients = solve @ target
        leverage = np.einsum("ij,ji->i", free, solve)
        departure = (target - free @ coefficients) / np.maximum(1 - leverage, 0.1)
        return cls(np.r_[coefficients, SLOPE]), np.exp(target + SLOPE * features[:, -1] - departure)

    def size(self, features: np.ndarray) -> np.ndarray:
        """Predict the size, shape (n,)."""
        return np.asarray(np.exp(features @ self.coefficients))


def features_of(parameters: np.ndarray, nearness: Nearness, own: np.ndarray | None = None) -> np.ndarray:
    """Return what the size depends on, shape (n, 7): 1, the scaled parameters, log of the relative distance.

    Parameters are cut to [-1, 1]: a log-linear size must not explode. The distance is not: far from the training runs
    intervals widen.
    """
    inside = np.clip(scaled(parameters, nearness.ranges), -1.0, 1.0)
    far = np.log(np.maximum(nearness.distance(parameters, own) / nearness.threshold, 1e-3))
    # Between the closest and the farthest run of a design lies about a factor of two: counted like a range of 2.
    return np.concatenate([np.ones((len(inside), 1)), inside, 3 * far[:, None]], axis=1)
