"""The networks of arXiv:2108.10105: autoencoder, FNN and LSTM."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from surrogate.learning.networks.layers import Consensus, ExtendColumns
from surrogate.settings import PaperLstmSettings

PAPER_CHANNELS = (3, 6, 9, 12, 15)
"""Channels of the paper's convolutions but the last, which holds the latents."""

PAPER_COMPRESSION = 302 * 394 / 840
"""Values of a snapshot per latent in the paper."""


def _halvings(shape: tuple[int, int], count: int) -> list[tuple[int, int]]:
    sizes = [shape]
    for _ in range(count):
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


def paper_channels(shape: tuple[int, int], compression: float = PAPER_COMPRESSION) -> tuple[int, ...]:
    """Channels of the paper's encoder, the last scaled so that the compression is the paper's on any grid.

    >>> paper_channels((302, 394)), paper_channels((302, 394), compression=35)
    ((3, 6, 9, 12, 15, 24), (3, 6, 9, 12, 15, 97))
    """
    rows, columns = _halvings(shape, len(PAPER_CHANNELS) + 1)[-1]
    last = max(1, round(shape[0] * shape[1] / compression / (rows * columns)))
    return (*PAPER_CHANNELS, last)


def paper_autoencoder(
    shape: tuple[int, int], compression: float = PAPER_COMPRESSION, periodic: bool = False
) -> tuple[keras.Model, keras.Model]:
    """Build encoder and decoder of arXiv:2108.10105: strided convolutions (5 x 7, tanh) and their mirror image.

    Exactly 840 latents at 302 x 394. Where the domain is periodic, convolutions go on across its seam.
    """
    channels = paper_channels(shape, compression)
    sizes = _halvings(shape, len(channels))
    image, walls = keras.Input(shape, name="image"), keras.Input((0,), name="walls")
    decay = keras.regularizers.L2(1e-7)

    def options() -> dict[str, Any]:
        return {"strides": 2, "padding": "same", "activation": "tanh", "kernel_regularizer": decay}

    def wrapped(signal: Any, layer: keras.Layer, reach: int, width: int) -> Any:
        """Apply a layer; in a periodic domain with `reach` columns more on either side, which are then cut off."""
        if not periodic:
            return layer(signal)
        signal = layer(ExtendColumns(min(reach, signal.shape[2]), min(reach, signal.shape[2]), True)(signal))
        cut = (signal.shape[2] - width) // 2
        return layers.Cropping2D(((0, 0), (cut, signal.shape[2] - width - cut)))(signal)

    signal = layers.Reshape((*shape, 1))(image)
    for count, size in zip(channels, sizes[1:], strict=True):
        signal = wrapped(signal, layers.Conv2D(count, (5, 7), **options()), 4, size[1])
    encoder = keras.Model([image, walls], layers.Flatten(dtype="float32")(signal), name="encoder")

    latent = keras.Input((encoder.output_shape[-1],), name="latent")
    signal = layers.Reshape((*sizes[-1], channels[-1]))(latent)
    finer = (channels[0], *channels[:-1])
    for size, count in zip(sizes[-2::-1], finer[::-1], strict=True):
        signal = wrapped(signal, layers.Conv2DTranspose(count, (5, 7), **options()), 2, 2 * signal.shape[2])
        crop = ((0, signal.shape[1] - size[0]), (0, signal.shape[2] - size[1]))
        if any(pair[1] for pair in crop):
            signal = layers.Cropping2D(crop)(signal)
    signal = wrapped(signal, layers.Conv2D(1, (5, 7), padding="same", kernel_regularizer=decay), 3, shape[1])
    field = layers.Reshape(shape, dtype="float32")(signal)
    return encoder, keras.Model(latent, [field, latent[:, :0]], name="decoder")


def paper_fnn(features: int, latents: int) -> keras.Model:
    """FNN of arXiv:2108.10105: eight layers of 400 SELU units with additive skips and dropout 0.05."""
    inputs = keras.Input((features,), name="parameters_and_time")
    signal = layers.Dense(400, activation="selu", kernel_initializer="lecun_normal")(inputs)
    for _ in range(7):
        inner = layers.Dense(400, activation="selu", kernel_initializer="lecun_normal")(signal)
        signal = layers.Add()([signal, layers.Dropout(0.05)(inner)])
    members = layers.Reshape((1, latents), name="each_member")(layers.Dense(latents, dtype="float32")(signal))
    return keras.Model(inputs, Consensus(dtype="float32")(members), name="fnn")


def window_lstm(features: int, latents: int, settings: PaperLstmSettings) -> keras.Model:
    """LSTM of arXiv:2108.10105: four layers of 600 SELU units on a window of steps, then the next latents.

    Input: (batch, window, 2 + features + latent): mask, step to the next, parameters and time, latents.
    Output: (batch, 1, latent).
    """
    inputs = keras.Input((settings.window, 2 + features + latents), name="window")
    signal = inputs
    for number in range(4):
        signal = layers.LSTM(600, activation="selu", dropout=0.05, return_sequences=number < 3)(signal)
    signal = layers.Reshape((1, latents), name="each_member")(layers.Dense(latents, dtype="float32")(signal))
    return keras.Model(inputs, Consensus(dtype="float32")(signal), name="lstm")
