"""Architectures of the autoencoder: `default`, a POD with a learnt correction, and `paper`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from surrogate.config import AutoencoderSettings

PAPER_CHANNELS = (3, 6, 9, 12, 15)
"""Channels of the paper's convolutions but the last, which holds the latents."""

PAPER_COMPRESSION = 302 * 394 / 840
"""Values of a snapshot per latent in the paper."""


@keras.saving.register_keras_serializable(package="surrogate")
class FieldLoss(keras.losses.Loss):
    """Mean square error of an image, its rows weighted, plus that of its lateral anomaly.

    Parameters
    ----------
    row_weight : sequence, shape (rows,)
        Sums to 1.
    lateral_weight : float
    """

    def __init__(self, row_weight: Sequence[float], lateral_weight: float = 0.0, name: str = "field", **keywords: Any):
        super().__init__(name=name, **keywords)
        self.row_weight, self.lateral_weight = [float(value) for value in row_weight], lateral_weight

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One loss per sample; images have the shape (batch, rows, columns)."""
        error = y_true - y_pred
        weight = ops.convert_to_tensor(self.row_weight, dtype=error.dtype)
        total = ops.mean(ops.square(error), axis=-1)
        if self.lateral_weight:
            # The mean square of the anomaly is that of the whole less the square of the lateral mean.
            total = total + self.lateral_weight * (total - ops.square(ops.mean(error, axis=-1)))
        return ops.sum(total * weight, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the loss."""
        return {**super().get_config(), "row_weight": self.row_weight, "lateral_weight": self.lateral_weight}


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


def default_encoder(shape: tuple[int, int], scalars: int, settings: AutoencoderSettings) -> keras.Model:
    """Image and wall scalars to latents: the leading POD coefficients plus what a network adds to them.

    The network sees all coefficients of `settings.modes` POD modes. The first latents are the wall scalars themselves.
    """
    image, walls = keras.Input(shape, name="image"), keras.Input((scalars,), name="walls")
    free = settings.latents - scalars
    flat = layers.Concatenate()([layers.Flatten()(image), walls])
    frozen = layers.Dense(max(settings.modes, free), trainable=False, dtype="float32", name="project")
    coefficients = frozen(flat)
    seen = layers.Concatenate()([walls, coefficients])
    added = _correction(seen, settings.width, settings.depth, settings.dropout, free, "correction")
    joined = layers.Concatenate()([walls, layers.Add()([coefficients[:, :free], added])])
    canonical = layers.Dense(
        settings.latents, trainable=False, kernel_initializer="identity", dtype="float32", name="canonical"
    )
    return keras.Model([image, walls], canonical(joined), name="encoder")


def default_decoder(shape: tuple[int, int], scalars: int, settings: AutoencoderSettings) -> keras.Model:
    """Latents to image and wall scalars: the leading POD modes plus a network's estimate of all coefficients."""
    latent = keras.Input((settings.latents,), name="latent")
    canonical = layers.Dense(
        settings.latents, trainable=False, kernel_initializer="identity", dtype="float32", name="canonical"
    )
    plain = canonical(latent)
    modes = max(settings.modes, settings.latents - scalars)
    nodes = shape[0] * shape[1]
    linear = layers.Dense(nodes, trainable=False, dtype="float32", name="linear")(plain)
    added = _correction(plain, settings.width, settings.depth, settings.dropout, modes, "correction")
    expanded = layers.Dense(nodes, use_bias=False, trainable=False, dtype="float32", name="modes")(added)
    image = layers.Reshape(shape, dtype="float32")(layers.Add(dtype="float32")([linear, expanded]))
    return keras.Model(latent, [image, plain[:, :scalars]], name="decoder")


def start_from_pod(
    encoder: keras.Model,
    decoder: keras.Model,
    basis: np.ndarray,
    deviation: np.ndarray,
    response: np.ndarray,
    mean: np.ndarray,
    weight: np.ndarray,
) -> None:
    """Set the frozen parts so that the untrained autoencoder is exactly the POD.

    Parameters
    ----------
    encoder, decoder : keras.Model
    basis : array, shape (modes, nodes)
        Orthonormal in the inner product of `weight`.
    deviation : array, shape (modes,)
        Standard deviation of each coefficient: the networks see coefficients of order one.
    response : array, shape (scalars, nodes)
        What the image gains per unit of a wall scalar.
    mean : array, shape (nodes,)
        Image where all coefficients and wall scalars are zero.
    weight : array, shape (nodes,)
    """
    deviation = np.maximum(deviation, 1e-6 * deviation.max())
    project = (basis * weight).T / deviation
    scaled = basis * deviation[:, None]
    free = decoder.get_layer("linear").input.shape[-1] - len(response)
    encoder.get_layer("project").set_weights([np.concatenate([project, -response @ project]), -mean @ project])
    decoder.get_layer("linear").set_weights([np.concatenate([response, scaled[:free]]), mean])
    decoder.get_layer("modes").set_weights([scaled])


def paper_channels(shape: tuple[int, int]) -> tuple[int, ...]:
    """Channels of the paper's encoder, the last scaled so that the compression is the paper's on any grid.

    >>> paper_channels((302, 394))
    (3, 6, 9, 12, 15, 24)
    """
    rows, columns = _halvings(shape, len(PAPER_CHANNELS) + 1)[-1]
    last = max(1, round(shape[0] * shape[1] / PAPER_COMPRESSION / (rows * columns)))
    return (*PAPER_CHANNELS, last)


def paper_networks(shape: tuple[int, int]) -> tuple[keras.Model, keras.Model]:
    """Build encoder and decoder of arXiv:2108.10105: strided convolutions (5 x 7, tanh) and their mirror image.

    Exactly 840 latents at 302 x 394.
    """
    channels = paper_channels(shape)
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
