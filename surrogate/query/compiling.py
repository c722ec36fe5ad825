"""Functions of one batch, compiled or differentiated by whichever backend Keras runs on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

Compiled = Callable[[np.ndarray], np.ndarray]


def compiled(function: Callable[[Any], Any], width: int) -> Compiled:
    """Compile a function of one batch, shape (n, `width`), once for every n; takes and gives NumPy arrays.

    Keras' own `predict` spends tens of milliseconds per call around the computation.
    """
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        # One graph per kind of answer is intended: TensorFlow would warn that there are several.
        logging.getLogger("tensorflow").addFilter(_no_retracing)
        signature = [tf.TensorSpec((None, width), tf.float32)]
        # The concrete function does not look up on each call which graph fits.
        graph = tf.function(function, input_signature=signature, autograph=False, jit_compile=False)
        graph = graph.get_concrete_function()
        return lambda batch: graph(tf.convert_to_tensor(batch)).numpy()
    if backend == "jax":
        import jax

        program = jax.jit(function)
        return lambda batch: np.asarray(program(batch))
    return lambda batch: keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(batch)))


def _no_retracing(record: logging.LogRecord) -> bool:
    return "retracing" not in str(record.msg)


def forward_derivative(function: Callable[[Any], Any], point: np.ndarray, direction: np.ndarray) -> tuple[Any, Any]:
    """Value of a function of one batch and its derivative along `direction`, by automatic differentiation."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        primal = tf.convert_to_tensor(point)
        with tf.autodiff.ForwardAccumulator(primal, tf.convert_to_tensor(direction)) as accumulator:
            value = function(primal)
        return value.numpy(), accumulator.jvp(value, unconnected_gradients="zero").numpy()
    if keras.backend.backend() == "jax":
        import jax

        value, slope = jax.jvp(function, (point,), (direction,))
        return np.asarray(value), np.asarray(slope)
    raise NotImplementedError(f"derivatives need the backend tensorflow or jax, not {keras.backend.backend()}")


def in_parts(function: Compiled, batch: np.ndarray, size: int, advance: Callable[[int], None]) -> np.ndarray:
    """Apply a compiled function to at most `size` rows at a time; `advance` is told how many rows were done."""
    batch = np.ascontiguousarray(batch, dtype=np.float32)
    if len(batch) <= size:
        advance(len(batch))
        return function(batch)
    first = function(batch[:size])
    advance(size)
    result = np.empty((len(batch), *first.shape[1:]), dtype=first.dtype)
    result[:size] = first
    for start in range(size, len(batch), size):
        result[start : start + size] = function(batch[start : start + size])
        advance(len(batch[start : start + size]))
    return result
