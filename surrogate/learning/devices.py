"""Where and in which arithmetic a network is trained: seeds, precision, determinism, several devices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import keras

from surrogate.config import TrainingSettings


@contextmanager
def arithmetic(settings: TrainingSettings) -> Iterator[None]:
    """Build and train inside this: it seeds all generators, sets precision and devices, and puts them back."""
    before = keras.config.dtype_policy()
    keras.utils.set_random_seed(settings.seed)
    keras.config.set_dtype_policy(settings.precision)
    if settings.deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
    with ExitStack() as stack:
        stack.callback(keras.config.set_dtype_policy, before)
        if settings.distribute:
            stack.enter_context(all_devices())
        yield


@contextmanager
def all_devices() -> Iterator[None]:
    """Copy the weights of what is built inside to every device; each batch is shared among them.

    All GPUs of the machine or, where there is none, all CPU devices: there is one, unless somebody asked for more.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow

        names = [device.name for device in tensorflow.config.list_logical_devices("GPU")] or [
            device.name for device in tensorflow.config.list_logical_devices("CPU")
        ]
        with tensorflow.distribute.MirroredStrategy(names).scope():
            yield
    elif backend == "jax":
        before = keras.distribution.distribution()
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)
    else:
        raise ValueError(f"training.distribute: the Keras backend {backend!r} cannot; expected tensorflow or jax")
