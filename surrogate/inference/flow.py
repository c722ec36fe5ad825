"""Normalising flows that are trained on the posterior itself: where plain points of the box seldom meet the data.

A flow takes z, whose sigmoid is uniform in the unit cube, to x, the logit of the parameters: without data the identity
is exact. Flows are functions of a list of weights, in ``keras.ops`` only. Training minimises E[ln q(x) - ln p(x)] by
one of two gradients of the same expectation: the total one, and the path gradient, which leaves out the term whose mean
is zero, so that nothing of it is left where q = p.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

HIDDEN = 64
"""Width of the two hidden layers of a network."""

LARGEST_SCALE = 1.5
"""Of the logarithm by which one coupling stretches."""

STEPS_OF_TIME = 8
"""Of the Runge-Kutta method along a continuous flow."""

Weights = list[Any]
Target = Callable[[Any], Any]
"""Logarithm of a density, up to a constant, at points x, shape (n, parameter)."""

Estimator = Literal["path", "total"]


def log_base(z: Any) -> Any:
    """Logarithm of the density of z: the logistic one, whose sigmoid is uniform."""
    from keras import ops

    return ops.sum(ops.log_sigmoid(z) + ops.log_sigmoid(-z), axis=-1)


class Flow(Protocol):
    """What is trained: a bijection with tractable density."""

    @property
    def dimension(self) -> int:
        """Number of parameters."""

    def initial(self, seed: int) -> list[np.ndarray]:
        """Weights of the identity."""

    def forward(self, weights: Weights, z: Any) -> tuple[Any, Any]:
        """From z to x, shape (n, parameter), and ln q(x), shape (n,)."""

    def log_density(self, weights: Weights, x: Any) -> Any:
        """Ln q at points x, shape (n,)."""

    def score(self, weights: Weights, z: Any) -> tuple[Any, Any]:
        """From z to x and the gradient of ln q by x, at weights that are held, both of shape (n, parameter)."""


def _dense(rng: np.random.Generator, rows: int, columns: int) -> list[np.ndarray]:
    kernel = rng.normal(0.0, np.sqrt(1.0 / rows), (rows, columns))
    return [kernel.astype(np.float32), np.zeros(columns, np.float32)]


@dataclass(frozen=True)
class CouplingFlow:
    """Affine couplings: each scales and shifts half of the parameters by a network of the other half.

    Attributes
    ----------
    dimension : int
        At least 2.
    couplings : int
    seed : int
        Of the halves.
    """

    dimension: int
    couplings: int = 8
    seed: int = 0

    def _halves(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        rng, result = np.random.default_rng(self.seed), []
        for number in range(self.couplings):
            if number % 2 == 0:
                order = rng.permutation(self.dimension)
            half = self.dimension // 2
            kept, moved = (order[:half], order[half:]) if number % 2 == 0 else (order[half:], order[:half])
            result.append((kept, moved, np.argsort(np.r_[kept, moved])))
        return result

    def initial(self, seed: int) -> list[np.ndarray]:
        """Weights of the identity."""
        rng, weights = np.random.default_rng(seed), []
        for kept, moved, _ in self._halves():
            weights += _dense(rng, len(kept), HIDDEN) + _dense(rng, HIDDEN, HIDDEN)
            weights += [np.zeros((HIDDEN, 2 * len(moved)), np.float32), np.zeros(2 * len(moved), np.float32)]
        return weights

    @staticmethod
    def _network(weights: Weights, kept: Any) -> tuple[Any, Any]:
        from keras import ops

        hidden = ops.tanh(ops.matmul(kept, weights[0]) + weights[1])
        hidden = ops.tanh(ops.matmul(hidden, weights[2]) + weights[3])
        scale, shift = ops.split(ops.matmul(hidden, weights[4]) + weights[5], 2, axis=-1)
        return LARGEST_SCALE * ops.tanh(scale / LARGEST_SCALE), shift

    def forward(self, weights: Weights, z: Any) -> tuple[Any, Any]:
        """From z to x, and ln q(x)."""
        from keras import ops

        x, log_q = z, log_base(z)
        for number, (kept, moved, back) in enumerate(self._halves()):
            left, right = ops.take(x, kept, axis=1), ops.take(x, moved, axis=1)
            scale, shift = self._network(weights[6 * number : 6 * number + 6], left)
            x = ops.take(ops.concatenate([left, right * ops.exp(scale) + shift], axis=1), back, axis=1)
            log_q = log_q - ops.sum(scale, axis=-1)
        return x, log_q

    def log_density(self, weights: Weights, x: Any) -> Any:
        """Ln q at points x, by the inverse."""
        from keras import ops

        change: Any = 0.0
        for number, (kept, moved, back) in reversed(list(enumerate(self._halves()))):
            left, right = ops.take(x, kept, axis=1), ops.take(x, moved, axis=1)
            scale, shift = self._network(weights[6 * number : 6 * number + 6], left)
            x = ops.take(ops.concatenate([left, (right - shift) * ops.exp(-scale)], axis=1), back, axis=1)
            change = change - ops.sum(scale, axis=-1)
        return log_base(x) + change

    def score(self, weights: Weights, z: Any) -> tuple[Any, Any]:
        """From z to x and the gradient of ln q by x, by differentiating the inverse."""
        x, _ = self.forward(weights, z)
        return x, gradient(lambda point: self.log_density(weights, point), x)


@dataclass(frozen=True)
class ContinuousFlow:
    """The flow of an ordinary differential equation dx/dt = v(x, t), v a network of two hidden layers.

    Divergence, its gradient and products with the Jacobian are in closed form, so that ln q and its gradient by x are
    carried along with x, and no inverse is needed to train.

    Attributes
    ----------
    dimension : int
    steps : int
        Of the Runge-Kutta method of fourth order.
    """

    dimension: int
    steps: int = STEPS_OF_TIME

    def initial(self, seed: int) -> list[np.ndarray]:
        """Weights of the identity."""
        rng = np.random.default_rng(seed)
        last = [np.zeros((HIDDEN, self.dimension), np.float32), np.zeros(self.dimension, np.float32)]
        return [*_dense(rng, self.dimension + 1, HIDDEN), *_dense(rng, HIDDEN, HIDDEN), *last]

    def _rates(self, weights: Weights, x: Any, time: float, score: Any = None) -> tuple[Any, ...]:
        """Rates of x, of ln q, and of its gradient by x, if that is given."""
        from keras import ops

        first, first_bias, second, second_bias, last, last_bias = weights
        of_x = first[:-1]
        one = ops.tanh(ops.matmul(x, of_x) + time * first[-1] + first_bias)
        two = ops.tanh(ops.matmul(one, second) + second_bias)
        slope_one, slope_two = 1.0 - one * one, 1.0 - two * two
        joined = second * ops.transpose(ops.matmul(last, of_x))
        through = ops.matmul(slope_one, joined)
        velocity, divergence = ops.matmul(two, last) + last_bias, ops.sum(through * slope_two, axis=-1)
        if score is None:
            return velocity, -divergence

        def back(hidden: Any) -> Any:  # from the second layer to x
            return ops.matmul(ops.matmul(hidden, ops.transpose(second)) * slope_one, ops.transpose(of_x))

        pulled = back(ops.matmul(score, ops.transpose(last)) * slope_two)
        of_one = -2.0 * one * slope_one * ops.matmul(slope_two, ops.transpose(joined))
        of_divergence = ops.matmul(of_one, ops.transpose(of_x)) + back(-2.0 * two * slope_two * through)
        return velocity, -divergence, -pulled - of_divergence

    def _integrate(self, weights: Weights, state: tuple[Any, ...], start: float, end: float) -> tuple[Any, ...]:
        """Integrate (x, ln q[, score]) from one time to another."""
        step, scored = (end - start) / self.steps, len(state) > 2

        def rates(at: tuple[Any, ...], time: float) -> tuple[Any, ...]:
            return self._rates(weights, at[0], time, at[2] if scored else None)

        def moved(by: tuple[Any, ...], size: float) -> tuple[Any, ...]:
            return tuple(value + size * rate for value, rate in zip(state, by, strict=True))

        for number in range(self.steps):
            time = start + number * step
            one = rates(state, time)
            two = rates(moved(one, step / 2), time + step / 2)
            three = rates(moved(two, step / 2), time + step / 2)
            four = rates(moved(three, step), time + step)
            mean = tuple((a + 2.0 * b + 2.0 * c + d) / 6.0 for a, b, c, d in zip(one, two, three, four, strict=True))
            state = moved(mean, step)
        return state

    def forward(self, weights: Weights, z: Any) -> tuple[Any, Any]:
        """From z to x, and ln q(x)."""
        x, log_q = self._integrate(weights, (z, log_base(z)), 0.0, 1.0)
        return x, log_q

    def log_density(self, weights: Weights, x: Any) -> Any:
        """Ln q at points x, by integrating back."""
        from keras import ops

        z, change = self._integrate(weights, (x, ops.zeros_like(x[:, 0])), 1.0, 0.0)
        return log_base(z) - change

    def score(self, weights: Weights, z: Any) -> tuple[Any, Any]:
        """From z to x and the gradient of ln q by x, carried along."""
        from keras import ops

        x, _, score = self._integrate(weights, (z, log_base(z), -ops.tanh(0.5 * z)), 0.0, 1.0)
        return x, score


def gradient(function: Callable[[Any], Any], at: Any) -> Any:
    """Gradient of a function of each row, shape (n,), by the rows, shape (n, parameter)."""
    return value_and_gradient(lambda points: _sum(function(points[0])), [at])[1][0]


def value_and_gradient(function: Callable[[list[Any]], Any], at: list[Any]) -> tuple[Any, list[Any]]:
    """Value of a scalar function of a list of tensors, and its derivatives by each, inside a graph or outside."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        value, slopes = jax.value_and_grad(function)(at)
        return value, list(slopes)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(at)
        value = function(at)
    return value, tape.gradient(value, at, unconnected_gradients="zero")


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of tensors of fixed shapes."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        program: Callable[..., Any] = jax.jit(function)
        return program
    import tensorflow as tf

    graph: Callable[..., Any] = tf.function(function, autograph=False, jit_compile=False)
    return graph


def _sum(values: Any) -> Any:
    from keras import ops

    return ops.sum(values)


def reverse_gradient(
    flow: Flow, weights: Weights, z: Any, target: Target, estimator: Estimator = "path"
) -> tuple[Any, list[Any]]:
    """Estimate E[ln q - ln p] up to a constant, and its derivatives by the weights.

    Parameters
    ----------
    flow : Flow
    weights : list of tensor
    z : tensor, shape (n, parameter)
        Drawn from the base.
    target : callable
    estimator : {"path", "total"}
    """
    from keras import ops

    def divergence(own: Weights) -> Any:
        x, log_q = flow.forward(own, z)
        return ops.mean(log_q - target(x))

    if estimator == "total":
        return value_and_gradient(divergence, weights)
    x, score = flow.score([ops.stop_gradient(entry) for entry in weights], z)
    pull = ops.stop_gradient(score - gradient(target, x)) / float(z.shape[0])

    def pulled(own: Weights) -> Any:
        return ops.sum(pull * flow.forward(own, z)[0])

    return divergence(weights), value_and_gradient(pulled, weights)[1]


@dataclass(frozen=True)
class FlowTraining:
    """How a flow is trained.

    Attributes
    ----------
    steps, batch : int
    learning_rate : float
        At the start; it falls along a cosine.
    estimator : {"path", "total"}
    coldest : float
        Power of the likelihood at the start; it rises to one over the first third.
    clip : float
        Largest norm of a gradient.
    forward_steps : int
        Steps of weighted maximum likelihood on given points before, which show the flow every mode.
    """

    steps: int = 600
    batch: int = 256
    learning_rate: float = 5e-3
    estimator: Estimator = "path"
    coldest: float = 0.1
    clip: float = 10.0
    forward_steps: int = 0


def train_flow(
    flow: Flow,
    log_likelihood: Target,
    training: FlowTraining,
    seed: int,
    points: tuple[np.ndarray, np.ndarray] | None = None,
    weights: list[np.ndarray] | None = None,
) -> list[np.ndarray]:
    """Train a flow on prior times likelihood, x being the logit of the parameters.

    Parameters
    ----------
    flow : Flow
    log_likelihood : callable
        At x.
    training : FlowTraining
    seed : int
    points : tuple of array, optional
        x, shape (n, parameter), and their weights, which sum to one, for the steps of maximum likelihood.
    weights : list of array, optional
        To start from; default the identity.

    Returns
    -------
    list of array
    """
    from keras import ops

    rng = np.random.default_rng(seed)
    weights = flow.initial(seed) if weights is None else weights
    dimension = flow.dimension
    moments = [np.zeros_like(entry) for entry in (*weights, *weights)]

    def adam(own: Weights, state: Weights, slopes: list[Any], step: Any, rate: Any) -> tuple[Weights, Weights]:
        norm = ops.sqrt(sum(_sum(slope * slope) for slope in slopes))
        shrink = ops.minimum(1.0, training.clip / ops.maximum(norm, 1e-12))
        count = len(own)
        first = [0.9 * old + 0.1 * shrink * slope for old, slope in zip(state[:count], slopes, strict=True)]
        second = [0.999 * old + 0.001 * (shrink * slope) ** 2 for old, slope in zip(state[count:], slopes, strict=True)]
        bias_one, bias_two = 1.0 - 0.9**step, 1.0 - 0.999**step
        moved = [
            value - rate * (m / bias_one) / (ops.sqrt(v / bias_two) + 1e-8)
            for value, m, v in zip(own, first, second, strict=True)
        ]
        return moved, [*first, *second]

    @compiled
    def reverse(own: Weights, state: Weights, z: Any, power: Any, step: Any, rate: Any) -> Any:
        def target(x: Any) -> Any:
            return power * log_likelihood(x) + log_base(x)

        _, slopes = reverse_gradient(flow, own, z, target, training.estimator)
        return adam(own, state, slopes, step, rate)

    @compiled
    def forward(own: Weights, state: Weights, x: Any, step: Any, rate: Any) -> Any:
        _, slopes = value_and_gradient(lambda entry: -ops.mean(flow.log_density(entry, x)), own)
        return adam(own, state, slopes, step, rate)

    own, state = [ops.convert_to_tensor(entry) for entry in weights], [ops.convert_to_tensor(m) for m in moments]
    total = training.steps + training.forward_steps
    for number in range(total):
        step = np.float32(number + 1)
        rate = np.float32(0.5 * training.learning_rate * (1 + np.cos(np.pi * number / total)))
        if number < training.forward_steps and points is not None:
            rows = rng.choice(len(points[0]), training.batch, p=points[1])
            x = ops.convert_to_tensor(points[0][rows].astype(np.float32))
            own, state = forward(own, state, x, ops.convert_to_tensor(step), ops.convert_to_tensor(rate))
            continue
        done = (number - training.forward_steps) / max(1, training.steps / 3)
        power = np.float32(min(1.0, training.coldest + (1.0 - training.coldest) * done))
        z = ops.convert_to_tensor(rng.logistic(size=(training.batch, dimension)).astype(np.float32))
        own, state = reverse(own, state, z, *(ops.convert_to_tensor(value) for value in (power, step, rate)))
    return [ops.convert_to_numpy(entry) for entry in own]


def draw_from(flow: Flow, weights: list[np.ndarray], count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw points of the unit cube, shape (count, parameter), and the logarithm of their density in it."""
    from keras import ops

    dimension = flow.dimension
    z = np.random.default_rng(seed).logistic(size=(count, dimension)).astype(np.float32)
    x, log_q = flow.forward([ops.convert_to_tensor(entry) for entry in weights], ops.convert_to_tensor(z))
    point = ops.convert_to_numpy(x).astype(float)
    return _sigmoid(point), np.asarray(ops.convert_to_numpy(log_q), dtype=float) - _log_prior(point)


def density_in_cube(flow: Flow, weights: list[np.ndarray], unit: np.ndarray) -> np.ndarray:
    """Logarithm of the density of a flow at points of the unit cube, shape (n, parameter)."""
    from keras import ops

    x = logit(unit)
    own = [ops.convert_to_tensor(entry) for entry in weights]
    log_q = flow.log_density(own, ops.convert_to_tensor(x.astype(np.float32)))
    density: np.ndarray = np.asarray(ops.convert_to_numpy(log_q), dtype=float) - _log_prior(x)
    return density


def logit(unit: np.ndarray) -> np.ndarray:
    """From the unit cube to x."""
    inside = np.clip(unit, 1e-7, 1 - 1e-7)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def _log_prior(x: np.ndarray) -> np.ndarray:
    """Logarithm of the uniform density of the cube, in x."""
    return np.asarray(-(np.logaddexp(0.0, x) + np.logaddexp(0.0, -x)).sum(axis=-1))
