"""Architectures of the autoencoder: `default`, a POD with a learnt correction, and `paper`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from surrogate.config import AutoencoderSettings
from surrogate.learning.reduction import Reduction

PAPER_CHANNELS = (3, 6, 9, 12, 15)
"""Channels of the paper's convolutions but the last, which holds the latents."""

PAPER_COMPRESSION = 302 * 394 / 840
"""Values of a snapshot per latent in the paper."""


class ModeLoss(keras.losses.Loss):
    """Sum of squares of the errors of coefficients, each times its variance: the loss of the field.

    Parameters
    ----------
    variance : sequence, shape (modes,)
        Of the coefficients; see :class:`surrogate.learning.reduction.Reduction`.
    """

    def __init__(self, variance: Sequence[float], name: str = "modes", **keywords: Any):
        super().__init__(name=name, **keywords)
        self.variance = [float(value) for value in variance]

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One loss per sample; coefficients have the shape (batch, modes)."""
        error = y_true - y_pred
        return ops.sum(ops.square(error) * ops.convert_to_tensor(self.variance, dtype=error.dtype), axis=-1)


def _halvings(shape: tuple[int, int], count: int) -> list[tuple[int, int]]:
    sizes = [shape]
    for _ in range(count):
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


def _correction(signal: Any, width: int, depth: int, dropout: float, outputs: int, name: str) -> Any:
    """Residual network whose output starts at zero."""
    signal = layers.Dense(width, activation="silu")(signal)
    for _ in range(depth - 1):
        inner = layers.Dropout(dropout)(layers.Dense(width, activation="silu")(signal))
        signal = layers.Add()([signal, inner])
    return layers.Dense(outputs, kernel_initializer="zeros", dtype="float32", name=name)(signal)


class DefaultNetworks:
    """The networks between coefficients and latents, and the whole encoder and decoder around them.

    A latent is the coefficient of a leading POD mode plus what a network adds to it; the first latents are the wall
    scalars. A second network estimates all coefficients from the latents. Before training it is exactly the POD.

    Parameters
    ----------
    shape : tuple
        (rows, angle) of the image.
    scalars : int
        Wall scalars.
    settings : AutoencoderSettings

    Attributes
    ----------
    between : keras.Model
        [coefficients, wall scalars] to coefficients: what is trained.
    encoder : keras.Model
        [image, wall scalars] to latents.
    decoder : keras.Model
        Latents to image and wall scalars.
    """

    def __init__(self, shape: tuple[int, int], scalars: int, settings: AutoencoderSettings) -> None:
        self.scalars, self.latents = scalars, settings.latents
        free = settings.latents - scalars
        modes, nodes = max(settings.modes, free), shape[0] * shape[1]
        wide = (settings.width, settings.depth, settings.dropout)

        coefficients, walls = keras.Input((modes,), name="coefficients"), keras.Input((scalars,), name="walls")
        added = _correction(layers.Concatenate()([walls, coefficients]), *wide, free, "correction")
        plain = layers.Concatenate()([walls, layers.Add()([coefficients[:, :free], added])])
        compress = keras.Model([coefficients, walls], plain, name="compress")

        latent = keras.Input((settings.latents,), name="plain")
        leading = ops.pad(latent[:, scalars:], [(0, 0), (0, modes - free)])
        estimate = layers.Add(dtype="float32")([leading, _correction(latent, *wide, modes, "correction")])
        expand = keras.Model(latent, estimate, name="expand")
        self.between = keras.Model([coefficients, walls], expand(compress.outputs[0]), name="between")

        def frozen(units: int, name: str, start: str = "zeros") -> layers.Dense:
            return layers.Dense(units, trainable=False, kernel_initializer=start, dtype="float32", name=name)

        image, walls = keras.Input(shape, name="image"), keras.Input((scalars,), name="walls")
        project = frozen(modes, "project")(layers.Concatenate()([layers.Flatten()(image), walls]))
        canonical = frozen(settings.latents, "canonical", "identity")
        self.encoder = keras.Model([image, walls], canonical(compress([project, walls])), name="encoder")

        latent = keras.Input((settings.latents,), name="latent")
        plain = frozen(settings.latents, "canonical", "identity")(latent)
        walls = plain[:, :scalars]
        nodal = frozen(nodes, "modes")(layers.Concatenate(dtype="float32")([walls, expand(plain)]))
        self.decoder = keras.Model(latent, [layers.Reshape(shape, dtype="float32")(nodal), walls], name="decoder")

    def start_from(self, reduction: Reduction) -> None:
        """Set the frozen parts around the networks."""
        project, response, mean = reduction.project, reduction.response, reduction.mean
        self.encoder.get_layer("project").set_weights([
            np.concatenate([project, -response @ project]), -mean @ project
        ])  # fmt: skip
        self.decoder.get_layer("modes").set_weights([np.concatenate([response, reduction.basis]), mean])


def paper_channels(shape: tuple[int, int], compression: float = PAPER_COMPRESSION) -> tuple[int, ...]:
    """Channels of the paper's encoder, the last scaled so that the compression is the paper's on any grid.

    >>> paper_channels((302, 394)), paper_channels((302, 394), compression=35)
    ((3, 6, 9, 12, 15, 24), (3, 6, 9, 12, 15, 97))
    """
    rows, columns = _halvings(shape, len(PAPER_CHANNELS) + 1)[-1]
    last = max(1, round(shape[0] * shape[1] / compression / (rows * columns)))
    return (*PAPER_CHANNELS, last)


def paper_networks(shape: tuple[int, int], compression: float = PAPER_COMPRESSION) -> tuple[keras.Model, keras.Model]:
    """Build encoder and decoder of arXiv:2108.10105: strided convolutions (5 x 7, tanh) and their mirror image.

    Exactly 840 latents at 302 x 394.
    """
    channels = paper_channels(shape, compression)
    sizes = _halvings(shape, len(channels))
    image, walls = keras.Input(shape, name="image"), keras.Input((0,), name="walls")
    decay = keras.regularizers.L2(1e-7)

    def options() -> dict[str, Any]:
        return {"strides": 2, "padding": "same", "activation": "tanh", "kernel_regularizer": decay}

    signal = layers.Reshape((*shape, 1))(image)
    for count in channels:
        signal = layers.Conv2D(count, (5, 7), **options())(signal)
    encoder = keras.Model([image, walls], layers.Flatten(dtype="float32")(signal), name="encoder")

    latent = keras.Input((encoder.output_shape[-1],), name="latent")
    signal = layers.Reshape((*sizes[-1], channels[-1]))(latent)
    finer = (channels[0], *channels[:-1])
    for size, count in zip(sizes[-2::-1], finer[::-1], strict=True):
        signal = layers.Conv2DTranspose(count, (5, 7), **options())(signal)
        crop = ((0, signal.shape[1] - size[0]), (0, signal.shape[2] - size[1]))
        if any(pair[1] for pair in crop):
            signal = layers.Cropping2D(crop)(signal)
    signal = layers.Conv2D(1, (5, 7), padding="same", kernel_regularizer=decay)(signal)
    field = layers.Reshape(shape, dtype="float32")(signal)
    return encoder, keras.Model(latent, [field, latent[:, :0]], name="decoder")
