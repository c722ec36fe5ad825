"""From a trained flow to exact numbers: weights by the real surrogate, evidence by two routes, what a flow has lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from surrogate.inference.flow import (
    ContinuousFlow,
    CouplingFlow,
    Flow,
    FlowTraining,
    Target,
    density_in_cube,
    draw_from,
    logit,
    train_flow,
)
from surrogate.inference.observations import Observation, Observations
from surrogate.inference.reference import SCRAMBLINGS, Forward, Reference, log_likelihood, total_width

DEFENSIVE = 0.1
"""Share of the draws from the prior: weights are bounded, and no mode has weight zero."""

FITTED, HELD_OUT = 16384, 2048
"""Points of the reference that the stand-in is fitted to, and judged by, at most."""

MOST_TERMS = 1500
"""Of the polynomial."""

COVERED = 0.9
"""Share of the posterior that a flow must reach."""

FINER = 4
"""Factor on the steps in time of a continuous flow once it is trained."""

FORWARD_STEPS = 300
"""Of maximum likelihood, for a flow that reached less."""


@dataclass(frozen=True)
class StandIn:
    """Polynomials of the unit cube in place of the surrogate: what a flow is trained on.

    Attributes
    ----------
    observations : sequence of Observation
    powers : array of int, shape (term, parameter)
    coefficients : array, shape (term, 2 * observation)
        Of the predictions over their scales, then of the logarithms of their widths.
    scales : array, shape (observation,)
    error : float
        Largest hold-out error of a prediction over its width.
    """

    observations: Sequence[Observation]
    powers: np.ndarray
    coefficients: np.ndarray
    scales: np.ndarray
    error: float

    @classmethod
    def fit(cls, reference: Reference, observations: Sequence[Observation], seed: int) -> StandIn:
        """Fit to the evaluations of the reference: the lowest degree whose error is below half of the widths."""
        count = reference.unit.shape[-1]
        rows = np.random.default_rng(seed).permutation(reference.distance.size)
        held, rows = np.split(rows[: FITTED + HELD_OUT], [min(HELD_OUT, len(rows) // 8)])
        unit, best = reference.unit.reshape(-1, count), None
        values = reference.values.reshape(len(observations), -1)
        given = zip(observations, values, reference.widths.reshape(values.shape), strict=True)
        widths = np.stack([np.hypot(total_width(entry, y, width), entry.error or 0.0) for entry, y, width in given])
        own = np.maximum(reference.widths.reshape(values.shape), 1e-12 * np.abs(values).max(axis=1, keepdims=True))
        scales = np.abs(values).max(axis=1)
        known = np.concatenate([values / scales[:, None], np.log(own / scales[:, None])]).T
        for degree in range(1, 7):
            powers = _powers(count, degree)
            if len(powers) > min(MOST_TERMS, len(rows) // 4):
                break
            coefficients, *_ = np.linalg.lstsq(_monomials(unit[rows], powers, np), known[rows], rcond=None)
            found = _monomials(unit[held], powers, np) @ coefficients
            missed = np.abs(found[:, : len(values)] - known[held, : len(values)]) * scales / widths[:, held].T
            error = float(np.sqrt((missed**2).mean(axis=0)).max())
            if best is None or error < best.error:
                best = cls(observations, powers, coefficients, scales, error)
            if error < 0.5:
                break
        if best is None:
            raise ValueError("stand-in: too few points of the reference for a polynomial of first degree")
        return best

    def log_likelihood(self, x: Any) -> Any:
        """Of all observations, at the logits x, shape (n, parameter), of points of the cube; inside a graph."""
        from keras import ops

        terms = _monomials(ops.sigmoid(x), self.powers, ops)
        found = ops.matmul(terms, ops.convert_to_tensor(self.coefficients.astype(np.float32)))
        total: Any = 0.0
        for row, entry in enumerate(self.observations):
            # In units of the scale: single precision holds neither 1e-21 nor its square.
            scale, count = float(self.scales[row]), len(self.observations)
            scaled = _scaled(entry, scale)
            value, own = found[:, row], ops.exp(ops.clip(found[:, count + row], -30.0, 5.0))
            total = total + log_likelihood(scaled, value, total_width(scaled, value, own), ops)
        return total


def _scaled(entry: Observation, scale: float) -> Observation:
    """Return an observation with its numbers over a scale."""
    copy = object.__new__(Observation)
    for name in Observation.__dataclass_fields__:
        value = getattr(entry, name)
        measured = name in ("value", "error", "low", "high") and value is not None
        object.__setattr__(copy, name, value / scale if measured else value)
    return copy


def _powers(count: int, degree: int) -> np.ndarray:
    """Exponents of all monomials up to a degree, shape (term, count)."""
    chosen = [part for size in range(degree + 1) for part in combinations_with_replacement(range(count), size)]
    return np.array([np.bincount(part, minlength=count) for part in chosen], dtype=int).reshape(-1, count)


def _monomials(unit: Any, powers: np.ndarray, xp: Any) -> Any:
    """Products of Legendre polynomials of the points, shape (n, parameter), on [-1, 1]: (n, term)."""
    t, degree = 2.0 * unit - 1.0, int(powers.max())
    legendre = [xp.ones_like(t), t]
    for order in range(2, degree + 1):
        legendre.append(((2 * order - 1) * t * legendre[-1] - (order - 1) * legendre[-2]) / order)
    stacked = xp.stack(legendre, axis=1)  # (n, degree + 1, parameter)
    result: Any = 1.0
    for column in range(powers.shape[1]):
        result = result * xp.take(stacked[:, :, column], powers[:, column], axis=1)
    return result


@dataclass(frozen=True)
class Corrected:
    """Points that a flow proposed, and what is known of the flow.

    Attributes
    ----------
    points : Reference
        With the density of the proposal, of which a tenth is the prior.
    efficiency : float
        Effective share of the draws of the flow alone, weighed with the real surrogate.
    pareto : float
        Shape of the tail of the weights; 0.7 and more means that they cannot be trusted.
    covered : float
        Evidence that the flow sees over that of the reference: below 1 where it has lost a mode.
    forward_efficiency : float
        Effective share as draws of the posterior see it: near 0 where a mode is lost.
    acceptance : float
        Of independence Metropolis.
    density : float
        Mean density of the flow over the box, which must be 1, by the reference's points.
    """

    points: Reference
    efficiency: float
    pareto: float
    covered: float
    forward_efficiency: float
    acceptance: float
    density: float


def make_flow(kind: str, dimension: int, seed: int) -> Flow:
    """Return a flow by its name, "coupling" or "continuous"; one parameter has no halves to couple."""
    if kind == "continuous" or dimension < 2:
        return ContinuousFlow(dimension)
    return CouplingFlow(dimension, seed=seed)


def propose(
    forward: Forward,
    observations: Observations,
    reference: Reference,
    points: int,
    seed: int,
    kind: str = "coupling",
    training: FlowTraining | None = None,
) -> Corrected:
    """Train a flow on a stand-in of the surrogate, draw from it, and evaluate the surrogate at the draws.

    A flow that covers too little of the posterior is trained once more, first on the points of the reference.
    """
    stand_in = StandIn.fit(reference, observations, seed)
    flow = make_flow(kind, reference.unit.shape[-1], seed)
    known = reference.log_likelihoods(observations).sum(axis=0)
    unit = reference.unit.reshape(-1, flow.dimension)
    weights = train_checked(flow, stand_in.log_likelihood, training or FlowTraining(), seed, unit, known.ravel())
    return correct(flow, weights, forward, observations, reference, points, seed)


def train_checked(
    flow: Flow,
    log_likelihood: Target,
    training: FlowTraining,
    seed: int,
    unit: np.ndarray,
    known: np.ndarray,
    weights: list[np.ndarray] | None = None,
) -> list[np.ndarray]:
    """Train a flow; if it has lost a mode, train it again, first on points of the box, which know all modes.

    Parameters
    ----------
    flow, log_likelihood, training, seed, weights
        As of :func:`surrogate.inference.flow.train_flow`.
    unit, known : array, shape (point, parameter) and (point,)
        Even points of the box, and their log-likelihoods.
    """
    found = train_flow(flow, log_likelihood, training, seed, weights=weights)
    if diagnose(flow, found, log_likelihood, unit, known, seed).covered >= COVERED:
        return found
    shares = np.exp(known - known.max())
    shown = replace(training, forward_steps=FORWARD_STEPS, coldest=1.0)
    return train_flow(flow, log_likelihood, shown, seed, (logit(unit), shares / shares.sum()))


@dataclass(frozen=True)
class Diagnosis:
    """What a flow sees of a posterior, by its own draws and by points that it did not draw."""

    efficiency: float
    covered: float
    forward_efficiency: float
    density: float


def diagnose(
    flow: Flow, weights: list[np.ndarray], log_likelihood: Target, unit: np.ndarray, known: np.ndarray, seed: int
) -> Diagnosis:
    """Compare a flow with the log-likelihoods `known` at even points `unit` of the box, and at its own draws."""
    from keras import ops

    drawn, log_q = draw_from(flow, weights, 4096, seed)
    seen = log_likelihood(ops.convert_to_tensor(logit(drawn).astype(np.float32)))
    log_weights = np.asarray(ops.convert_to_numpy(seen), dtype=float) - log_q
    return compare(log_weights, known, density_in_cube(flow, weights, unit))


def compare(log_weights: np.ndarray, known: np.ndarray, log_density: np.ndarray) -> Diagnosis:
    """Compare the weights of draws of a flow with what points of the box say.

    Parameters
    ----------
    log_weights : array, shape (draw,)
        ln L - ln q at draws from q.
    known, log_density : array, shape (point,)
        ln L and ln q at even points of the box.
    """
    log_z_reverse, efficiency = _log_mean(log_weights), _efficiency(log_weights)
    density = _log_mean(log_density)
    log_z_forward = _log_mean(known) - density
    # E_p[w] by the points of the box weighted with L: the mean of L^2 / q over that of L.
    log_mean_weight = _log_mean(2 * known - log_density) - _log_mean(known)
    return Diagnosis(
        efficiency,
        float(np.exp(log_z_reverse - log_z_forward)),
        float(np.exp(min(0.0, _log_mean(known) - log_mean_weight))),
        float(np.exp(density)),
    )


def correct(
    flow: Flow,
    weights: list[np.ndarray],
    forward: Forward,
    observations: Observations,
    reference: Reference,
    points: int,
    seed: int,
) -> Corrected:
    """Draw from a flow and, for a tenth, from the prior; evaluate the surrogate there."""
    if isinstance(flow, ContinuousFlow):
        flow = replace(flow, steps=FINER * flow.steps)  # weights are only as right as the density
    dimension, per_group = reference.unit.shape[-1], points // SCRAMBLINGS
    own = per_group - round(DEFENSIVE * per_group)
    drawn, log_q = draw_from(flow, weights, SCRAMBLINGS * own, seed + 1)
    even = np.random.default_rng(seed + 2).random((SCRAMBLINGS * (per_group - own), dimension))
    unit = np.concatenate([drawn.reshape(SCRAMBLINGS, own, -1), even.reshape(SCRAMBLINGS, per_group - own, -1)], axis=1)
    flat = unit.reshape(-1, dimension)
    values, widths, distance = forward(flat, observations)
    log_density = density_in_cube(flow, weights, flat).reshape(unit.shape[:2])
    log_density[:, :own] = log_q.reshape(SCRAMBLINGS, own)
    share = (per_group - own) / per_group
    log_proposal = np.logaddexp(np.log1p(-share) + log_density, np.log(share))
    shape = unit.shape[:2]
    result = Reference(
        unit, values.reshape(-1, *shape), widths.reshape(-1, *shape), np.asarray(distance).reshape(shape), log_proposal
    )
    likelihood = result.log_likelihoods(observations).sum(axis=0)
    known = reference.log_likelihoods(observations).sum(axis=0).ravel()
    at_reference = density_in_cube(flow, weights, reference.unit.reshape(-1, dimension))
    found = compare((likelihood - log_density)[:, :own].ravel(), known, at_reference)
    _, acceptance = metropolis((likelihood - log_proposal).ravel(), seed)
    pareto = pareto_shape((likelihood - log_proposal).ravel())
    return Corrected(
        result, found.efficiency, pareto, found.covered, found.forward_efficiency, acceptance, found.density
    )


def metropolis(log_weights: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
    """Chain through independent proposals, accepted with min(1, w'/w): exact draws without weights.

    Returns
    -------
    array of int, shape (n,)
        Which proposal the chain stands on.
    float
        Share of the proposals that were accepted.

    Examples
    --------
    >>> chain, accepted = metropolis(np.log([1.0, 1.0, 3.0, 1.0]), 0)
    >>> len(chain), bool(0 <= accepted <= 1)
    (4, True)
    """
    rng = np.random.default_rng(seed)
    order, chances = rng.permutation(len(log_weights)), np.log(rng.random(len(log_weights)))
    chain, now, accepted = np.empty(len(order), dtype=int), int(order[0]), 0
    for step, proposal in enumerate(order):
        if step and chances[step] < log_weights[proposal] - log_weights[now]:
            now, accepted = int(proposal), accepted + 1
        chain[step] = now
    return chain, accepted / max(1, len(order) - 1)


def pareto_shape(log_weights: np.ndarray) -> float:
    """Shape k of the generalised Pareto distribution of the largest weights (Zhang and Stephens 2009).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> heavy = np.log((rng.random(20000) ** -0.5 - 1) / 0.5)  # k = 0.5
    >>> bool(abs(pareto_shape(heavy) - 0.5) < 0.15)
    True
    """
    ordered = np.sort(log_weights)
    tail = int(min(0.2 * len(ordered), 3 * np.sqrt(len(ordered))))
    if tail < 5:
        return np.inf
    x = np.exp(ordered[-tail:] - ordered[-1]) - np.exp(ordered[-tail - 1] - ordered[-1])
    if not x[0] > 0:
        x = np.maximum(x, 1e-300)
    count = len(x)
    guesses = 30 + int(np.sqrt(count))
    slopes = 1 / x[-1] + (1 - np.sqrt(guesses / (np.arange(guesses) + 0.5))) / (3 * x[max(0, count // 4 - 1)])
    shapes = np.log1p(-slopes[:, None] * x).mean(axis=1)
    profile = count * (np.log(-slopes / shapes) - shapes - 1)
    chances = np.exp(profile - profile.max())
    slope = float((slopes * chances).sum() / chances.sum())
    return float(np.log1p(-slope * x).mean())


def allowed_shape(count: int) -> float:
    """Largest shape of the tail of `count` weights that can be trusted."""
    return float(min(1 - 1 / np.log10(count), 0.7))


def _log_mean(values: np.ndarray) -> float:
    most = float(values.max())
    return most + float(np.log(np.exp(values - most).mean()))


def _efficiency(log_weights: np.ndarray) -> float:
    weights = np.exp(log_weights - log_weights.max())
    return float(weights.sum() ** 2 / (weights**2).sum() / len(weights))
