"""How hard a run is to predict: a log-linear model of the size of its errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogate.query.intervals.widths import Ages, nanmean

PENALTY = 3.0
"""Of the ridge regression of the size, in numbers of runs."""

SLOPE = 1 / 3
"""Of the size in the last feature: the error of an interpolation grows in proportion to the distance to its nodes.

It is not fitted. A training run that is left out of a space-filling design leaves a hole: it lies farther from the
others than a new run does (by 13 % in 96 runs). A fitted slope is mostly noise there, twice too steep in practice, and
moves the size of every new run.
"""


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
