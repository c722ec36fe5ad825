"""The reference: randomised quasi-Monte Carlo over the trained box, whose evaluations serve every set of data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from surrogate.inference.likelihood import LEVEL, log_interval, log_value, misfit
from surrogate.inference.observations import SOFTNESS, Observation, Observations
from surrogate.parameters import ParameterSpace
from surrogate.quantities import VARIABLES
from surrogate.query import QueryError, Surrogate

SCRAMBLINGS = 8
"""Independent randomisations of the points, whose scatter is the error of what they give."""

FAR = 4.0
"""Widths by which the nearest prediction misses an observation that counts as out of reach."""


class InferenceError(ValueError):
    """A question about parameters that has no answer; the message names the observation and what can be reached."""


class Forward(Protocol):
    """What the reference asks: :class:`Prediction`, or a function with a known answer in its place."""

    @property
    def space(self) -> ParameterSpace:
        """Parameters, with the ranges of the box."""

    def __call__(self, unit: np.ndarray, observations: Observations) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values and their standard errors, shape (observation, point), and distances, at points (point, n)."""


def _softness(entry: Observation) -> float:
    """Width of the ends of an interval of what is known exactly: logarithms and gradients stay finite."""
    ends = [end for end in (entry.low, entry.high) if end is not None]
    return SOFTNESS * (ends[-1] - ends[0] if len(ends) > 1 else abs(ends[0]) or 1.0)


@dataclass(frozen=True)
class Prediction:
    """What a surrogate predicts of observations, at points of the unit cube over its trained box.

    Attributes
    ----------
    surrogate : Surrogate
    method : str
    """

    surrogate: Surrogate
    method: str = "fnn"

    @property
    def space(self) -> ParameterSpace:
        """Parameters, with their trained ranges."""
        return self.surrogate.space

    def check(self, observations: Observations) -> None:
        """Refuse observations of what this surrogate cannot tell."""
        observables = self.surrogate.observables(self.method)
        for entry in observations:
            if entry.quantity in self.space.names:
                continue
            observables.check(entry.quantity)
            first, last = self.surrogate.time_range
            if not first <= entry.time <= last * (1 + 1e-9):
                raise QueryError(f"{entry.name}: outside the trained {first:g} .. {last:g}")
            if entry.surrogate_error is None and entry.quantity not in observables.calibrated:
                raise QueryError(
                    f"{entry.quantity}: {self.surrogate.bundle.source} does not know the error of what it predicts; "
                    "write it again, or state surrogate_error"
                )

    def __call__(self, unit: np.ndarray, observations: Observations) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ask for all times and quantities together."""
        self.check(observations)
        observables, sets = self.surrogate.observables(self.method), self.space.unscale(unit)
        seen = [entry for entry in observations if entry.quantity in VARIABLES]
        times = sorted({entry.time for entry in seen})
        names = tuple(dict.fromkeys(entry.quantity for entry in seen))
        found = observables.evaluate(sets, times, names, "evolutions") if seen else {}
        errors = observables.half_widths(found, sets, times, LEVEL)
        values, widths = np.empty((2, len(observations), len(unit)))
        for row, entry in enumerate(observations):
            if entry.quantity in VARIABLES:
                column = times.index(entry.time)
                values[row] = found[entry.quantity][:, column]
                own = errors[entry.quantity][:, column]
                widths[row] = own if entry.surrogate_error is None else entry.surrogate_error
            else:
                values[row] = sets[:, self.space.names.index(entry.quantity)]
                widths[row] = 0.0
            if entry.value is None:
                widths[row] = np.maximum(widths[row], _softness(entry))
        return values, widths, observables.distance(sets)


@dataclass(frozen=True)
class Reference:
    """Points of the box and what is predicted there.

    Attributes
    ----------
    unit : array, shape (scrambling, point, n)
    values, widths : array, shape (observation, scrambling, point)
        Predictions of the observations, and the surrogate's standard errors.
    distance : array, shape (scrambling, point)
        To the training runs over its threshold.
    log_proposal : array, shape (scrambling, point)
        Logarithm of the density with which the points were drawn; 0 of even points of the box.
    """

    unit: np.ndarray
    values: np.ndarray
    widths: np.ndarray
    distance: np.ndarray
    log_proposal: np.ndarray | float = 0.0

    @classmethod
    def evaluate(cls, forward: Forward, observations: Observations, points: int, seed: int) -> Reference:
        """Evaluate at `points` points in all, a power of two."""
        from scipy.stats import qmc

        if isinstance(points, bool) or points < 4 * SCRAMBLINGS or points & (points - 1):
            raise InferenceError(f"points: expected a power of two, at least {4 * SCRAMBLINGS}, got {points}")
        dimension = len(forward.space)
        seeds = np.random.SeedSequence(seed).spawn(SCRAMBLINGS)
        unit = np.stack(
            [
                qmc.Sobol(dimension, scramble=True, rng=np.random.default_rng(own)).random(points // SCRAMBLINGS)
                for own in seeds
            ]
        )
        values, widths, distance = forward(unit.reshape(-1, dimension), observations)
        shape = unit.shape[:2]
        return cls(unit, values.reshape(-1, *shape), widths.reshape(-1, *shape), np.asarray(distance).reshape(shape))

    def log_likelihoods(self, observations: Sequence[Observation]) -> np.ndarray:
        """Of each observation, shape (observation, scrambling, point)."""
        result = np.empty(self.values.shape)
        for row, entry in enumerate(observations):
            value, width = self.values[row], total_width(entry, self.values[row], self.widths[row])
            result[row] = log_likelihood(entry, value, width)
        return result

    def refuse_unreachable(self, observations: Sequence[Observation]) -> None:
        """Refuse an observation, or all together, that no point comes near to.

        Raises
        ------
        InferenceError
        """
        together = np.zeros(self.distance.shape)
        parts = []
        for row, entry in enumerate(observations):
            value = self.values[row]
            width = np.hypot(total_width(entry, value, self.widths[row]), entry.error or 0.0)
            missed = misfit(value, width, *entry.interval)
            if not np.isfinite(value).all():
                raise InferenceError(f"{entry.name}: the predictions are not finite")
            if missed.min() > FAR:
                raise InferenceError(
                    f"{entry.name} = {entry.text} is outside what the corpus can produce: "
                    f"{value.min():.4g} .. {value.max():.4g}"
                )
            together += missed**2
            parts.append(missed)
        if len(parts) and np.sqrt(together.min()) > FAR:
            best = np.unravel_index(together.argmin(), together.shape)
            worst = [
                f"{entry.name} ({missed[best]:.1f} widths)" for entry, missed in zip(observations, parts, strict=True)
            ]
            raise InferenceError("no parameters meet the observations together; the nearest miss " + ", ".join(worst))


def total_width(entry: Observation, value: Any, width: Any) -> Any:
    """Return the standard deviation of what the surrogate and the model miss."""
    return (width**2 + (entry.structural_error * value) ** 2) ** 0.5


def log_likelihood(entry: Observation, value: Any, width: Any, xp: Any = np) -> Any:
    """Logarithm of the likelihood of one observation at predictions, with the width from :func:`total_width`."""
    if entry.value is not None:
        return log_value(value, width, entry.value, entry.error, xp)
    return log_interval(value, width, *entry.interval, xp)


def moments(log_likelihood: np.ndarray) -> tuple[float, float, np.ndarray, float]:
    """Weigh points of the prior.

    Parameters
    ----------
    log_likelihood : array, shape (scrambling, point)
        Less the logarithm of the density of the points, where they are not even.

    Returns
    -------
    float
        Logarithm of the evidence, the mean likelihood.
    float
        Its standard error, from the scatter of the scramblings.
    array, shape (scrambling, point)
        Weights that sum to one.
    float
        Effective number of points: one over the sum of the squares of the weights.
    """
    most = float(log_likelihood.max())
    likelihood = np.exp(log_likelihood - most)
    means = likelihood.mean(axis=1)
    total = likelihood.sum()
    error = float(means.std(ddof=1) / np.sqrt(len(means)) / means.mean())
    return most + float(np.log(means.mean())), error, likelihood / total, float(total**2 / (likelihood**2).sum())


def information(log_likelihood: np.ndarray, log_proposal: np.ndarray | float = 0.0) -> tuple[float, float]:
    """Information that the data give on all parameters together, in bits, and its standard error.

    The divergence of posterior from prior is E[ln L] - ln Z over the posterior.

    Parameters
    ----------
    log_likelihood : array, shape (scrambling, point)
    log_proposal : array, shape (scrambling, point), optional
        Logarithm of the density of the points.
    """
    log_weights = log_likelihood - log_proposal
    most, offset = log_weights.max(), log_likelihood.max()
    weights = np.exp(log_weights - most)
    means = np.stack([weights.mean(axis=1), (weights * (log_likelihood - offset)).mean(axis=1)])
    z, weighted = means.mean(axis=1)
    # By the delta method on the pair of means of each scrambling.
    slope = np.array([-weighted / z**2 - 1 / z, 1 / z])
    error = float(np.sqrt(np.maximum(slope @ np.cov(means) @ slope, 0.0) / means.shape[1]))
    return float((weighted / z + offset - np.log(z) - most) / np.log(2)), error / float(np.log(2))


def marginal_information(unit: np.ndarray, weights: np.ndarray, effective: float) -> tuple[np.ndarray, np.ndarray]:
    """Information on each parameter on its own, in bits, and its standard errors, both of shape (n,).

    From histograms, with the bias of a finite sample taken off (Miller and Madow).

    Parameters
    ----------
    unit : array, shape (scrambling, point, n)
    weights : array, shape (scrambling, point)
    effective : float
        Effective number of the points.
    """
    bins = int(2 ** np.clip(np.round(np.log2(max(effective, 1.0) / 60)), 3, 7))
    result = np.empty((2, unit.shape[-1]))
    for column in range(unit.shape[-1]):
        cells = np.minimum((unit[..., column] * bins).astype(int), bins - 1)
        shares = np.stack([np.bincount(row, own, bins) for row, own in zip(cells, weights, strict=True)])
        entropies = np.array([_entropy(shares.sum(axis=0)), *(_entropy(own) for own in shares)])
        bias = 0.0 if np.allclose(weights, weights.flat[0]) else (bins - 1) / (2 * max(effective, 1.0))
        gained = (np.log(bins) - entropies) / np.log(2) - bias / np.log(2)
        result[0, column] = max(gained[0], 0.0)
        result[1, column] = gained[1:].std(ddof=1) / np.sqrt(len(shares))
    return result[0], result[1]


def _entropy(shares: np.ndarray) -> float:
    shares = shares[shares > 0] / shares.sum()
    return float(-(shares * np.log(shares)).sum())


def resampled(weights: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draw positions by weights of any shape, flattened: systematic, so that shares are kept to one draw."""
    steps = (np.arange(count) + np.random.default_rng(seed).random()) / count
    positions = np.searchsorted(np.cumsum(weights.ravel()), steps)
    return np.minimum(positions, weights.size - 1)
