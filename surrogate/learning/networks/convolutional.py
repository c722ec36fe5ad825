"""The autoencoder `convolutional`: convolutions along the columns of POD modes of the rows, beside a POD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import keras
import numpy as np
from keras import layers, ops

from surrogate.learning.networks.layers import ExtendColumns, frozen, register
from surrogate.learning.pod import leading_modes
from surrogate.settings import ConvolutionalAutoencoderSettings


@dataclass(frozen=True, eq=False)
class RowReduction:
    """The linear part: what the walls tell of a row, POD modes of the rows, and a POD of their coefficients.

    The loss of an image is the mean square of its error, rows weighted, plus `lateral` times that of the error of its
    lateral anomaly. In the coefficients, shape (columns, modes), it is a plain sum of squares.

    Attributes
    ----------
    mean, response : array, shapes (rows,), (scalars, rows)
        Profile where the wall scalars are zero, and what it gains per unit of each.
    weight : array, shape (rows,)
        Of the rows in the loss, over the number of columns and the variance: a field of the mean alone has loss 1.
    lateral : float
    modes : array, shape (rows, modes)
        Orthonormal directions of the weighted rows.
    spread : array, shape (modes,)
        Root of the standard deviation of each coefficient: convolutions see numbers of more equal size.
    basis : array, shape (free latents, columns * modes)
        Leading POD modes of the coefficients, times their standard deviations.
    """

    mean: np.ndarray
    response: np.ndarray
    weight: np.ndarray
    lateral: float
    modes: np.ndarray
    spread: np.ndarray
    basis: np.ndarray

    @classmethod
    def fit(
        cls, images: np.ndarray, walls: np.ndarray, row_weight: np.ndarray, lateral: float, modes: int, free: int
    ) -> Self:
        """Take them from images, shape (n, rows, columns), and their wall scalars, shape (n, scalars)."""
        design = np.concatenate([walls, np.ones((len(walls), 1))], axis=1)
        told = np.linalg.lstsq(design, images.mean(axis=2, dtype=float), rcond=None)[0]
        departure = images - (design @ told)[:, :, None].astype(np.float32)
        departure *= np.sqrt(row_weight / images.shape[2]).astype(np.float32)[:, None]
        profile = departure.mean(axis=2, keepdims=True)
        departure = profile + np.float32(np.sqrt(1 + lateral)) * (departure - profile)
        variance = float(np.sum(np.square(departure), dtype=float)) / len(images) or 1.0
        departure /= np.sqrt(variance)
        rows = departure.transpose(0, 2, 1)
        gram = np.tensordot(rows, rows, axes=((0, 1), (0, 1)))
        kept = np.linalg.eigh(gram.astype(float))[1][:, : -modes - 1 : -1]
        coefficients = rows @ kept.astype(np.float32)
        deviation = coefficients.std(axis=(0, 1))
        flat = coefficients.reshape(len(images), -1)
        leading = leading_modes(flat, np.ones(flat.shape[1]), free)
        scale = np.sqrt(np.mean(np.square(flat @ leading.T), axis=0))
        return cls(
            told[-1],
            told[:-1],
            row_weight / images.shape[2] / variance,
            lateral,
            kept,
            np.sqrt(np.maximum(deviation, 1e-3 * deviation.max())),
            leading * np.maximum(scale, 1e-6 * scale.max())[:, None],
        )

    @classmethod
    def zeros(cls, shape: tuple[int, int], scalars: int, modes: int, free: int) -> Self:
        """Of the right shapes and nothing else: for measuring how fast networks are."""
        rows, columns = shape
        basis = np.zeros((free, columns * modes))
        return cls(
            *(np.zeros(rows), np.zeros((scalars, rows)), np.ones(rows)), 1.0, np.eye(rows, modes), np.ones(modes), basis
        )


@register
class RowModes(layers.Layer):
    """Coefficients of the modes of the rows, shape (batch, columns, modes), of an image, or the way back.

    Parameters
    ----------
    size : int
        Number of modes; on the way back of rows.
    back : bool
    """

    def __init__(self, size: int, back: bool, **keywords: Any) -> None:
        super().__init__(**{**keywords, "dtype": "float32", "trainable": False})
        self.size, self.back = size, back

    def build(self, input_shape: Any) -> None:
        """Make room for the linear part."""
        (_, first, last), (_, scalars) = input_shape
        rows, across = (self.size, (last, self.size)) if self.back else (first, (first, self.size))
        self.profile = self.add_weight(name="profile", shape=(scalars + 1, rows), trainable=False)
        self.kernel = self.add_weight(name="kernel", shape=across, trainable=False)
        self.stretch = self.add_weight(name="stretch", shape=(), trainable=False)

    def call(self, inputs: Any) -> Any:
        """Transform [image or coefficients, wall scalars]."""
        signal, walls = inputs
        profile = self.profile[-1:, :, None]
        if walls.shape[-1]:  # TensorFlow breaks off where a product has no terms
            profile = profile + ops.matmul(walls, self.profile[:-1])[:, :, None]
        signal = ops.swapaxes(ops.matmul(signal, self.kernel), 1, 2) if self.back else signal - profile
        mean = ops.mean(signal, axis=-1, keepdims=True)
        signal = mean + self.stretch * (signal - mean)
        return profile + signal if self.back else ops.matmul(ops.swapaxes(signal, 1, 2), self.kernel)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Shape of the output."""
        (batch, first, last), _ = input_shape
        return (batch, self.size, first) if self.back else (batch, last, self.size)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        return {**super().get_config(), "size": self.size, "back": self.back}


@register
class FieldLoss(keras.losses.Loss):
    """Weighted mean square of the error of images, with the error of the lateral anomaly counted once more.

    Parameters
    ----------
    weight : sequence, shape (rows,)
        Of the rows of every column.
    lateral : float
        Weight of the lateral anomaly.
    """

    def __init__(self, weight: Any, lateral: float, name: str = "field", **keywords: Any) -> None:
        super().__init__(name=name, **keywords)
        self.weight, self.lateral = [float(value) for value in weight], float(lateral)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One loss per sample; images have the shape (batch, rows, columns)."""
        error = y_true - y_pred
        weight = ops.convert_to_tensor(self.weight, dtype=error.dtype)
        mean = ops.mean(error, axis=-1)
        squares = (1 + self.lateral) * ops.mean(ops.square(error), axis=-1) - self.lateral * ops.square(mean)
        return error.shape[-1] * ops.sum(squares * weight, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the loss."""
        return {**super().get_config(), "weight": self.weight, "lateral": self.lateral}


@register
class Nearer(layers.Layer):
    """Of two guesses of the latents the one whose field is nearer to the image.

    Parameters
    ----------
    loss : FieldLoss or dict
        What near means.
    """

    def __init__(self, loss: Any, **keywords: Any) -> None:
        super().__init__(**{**keywords, "dtype": "float32"})
        self.loss = FieldLoss(**loss) if isinstance(loss, dict) else loss

    def call(self, inputs: Any) -> Any:
        """Choose from [image, latents, their field, other latents, their field]."""
        image, latents, field, others, other_field = inputs
        better = self.loss.call(image, other_field) < self.loss.call(image, field)
        return ops.where(better[:, None], others, latents)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Shape of the output."""
        return tuple(input_shape[1])

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        return {**super().get_config(), "loss": {"weight": self.loss.weight, "lateral": self.loss.lateral}}


class ConvolutionalNetworks:
    """Encoder and decoder: what convolutions add to a POD.

    Rows are reduced to the coefficients of their POD modes, which are the channels of convolutions along the columns:
    a kernel spans the whole depth, as layers and plumes do. Each level halves the columns. Beyond the sides the
    columns go on as the domain does, mirrored or across the seam. The first latents are the wall scalars, the others
    are POD coefficients plus what the encoder adds. Before training the whole is exactly the POD.

    Parameters
    ----------
    shape : tuple
        (rows, columns) of the image.
    scalars : int
        Wall scalars.
    settings : ConvolutionalAutoencoderSettings
    reduction : RowReduction
        The linear part, which stays as it is.
    periodic : bool
        Whether the last column is the neighbour of the first.

    Attributes
    ----------
    between : keras.Model
        [image, wall scalars] to image: what is trained.
    loss : FieldLoss
        Of `between`.
    encoder : keras.Model
        [image, wall scalars] to latents.
    decoder : keras.Model
        Latents to image and wall scalars.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        scalars: int,
        settings: ConvolutionalAutoencoderSettings,
        reduction: RowReduction,
        periodic: bool,
    ) -> None:
        self.settings, self.periodic = settings, periodic
        (rows, columns), modes, free = shape, len(reduction.spread), len(reduction.basis)
        root, spread = np.sqrt(reduction.weight)[:, None], np.tile(reduction.spread, columns)
        profile = np.concatenate([reduction.response, reduction.mean[None]])
        stretch = np.asarray(np.sqrt(1 + reduction.lateral))
        energy = np.maximum(np.square(reduction.basis).sum(axis=1, keepdims=True), 1e-12)

        image, walls = keras.Input(shape, name="image"), keras.Input((scalars,), name="walls")
        look = RowModes(modes, back=False, name="look")
        seen = look([image, walls])
        look.set_weights([profile, root * reduction.modes / reduction.spread, stretch])
        linear = frozen("pod", (reduction.basis / energy * spread).T)(layers.Flatten()(seen))
        added = layers.Dense(free, kernel_initializer="zeros", dtype="float32")(self._read(seen, walls))
        compress = keras.Model([image, walls], layers.Add(dtype="float32")([linear, added]), name="compress")

        latent, walls = keras.Input((free,), name="free"), keras.Input((scalars,), name="walls")
        linear = layers.Reshape((columns, modes))(frozen("basis", reduction.basis / spread)(latent))
        nodal = layers.Add(dtype="float32")([linear, self._write(latent, walls, columns, modes)])
        show = RowModes(rows, back=True, name="show")
        expand = keras.Model([latent, walls], show([nodal, walls]), name="expand")
        show.set_weights([profile, (reduction.modes / root * reduction.spread).T, 1 / stretch])

        image, walls = keras.Input(shape, name="image"), keras.Input((scalars,), name="walls")
        first = plain = compress([image, walls])
        field = expand([plain, walls])
        self.between = keras.Model([image, walls], field, name="between")
        self.loss = FieldLoss(reduction.weight, reduction.lateral)
        for _ in range(settings.refinement):
            # What the encoder makes of the decoded field tells how far its guess is off.
            tried = layers.Subtract()([layers.Add()([plain, first]), compress([field, walls])])
            tried_field = expand([tried, walls])
            plain = Nearer(self.loss)([image, plain, field, tried, tried_field])
            field = tried_field

        # What turns plain latents into those that are handed out, and back.
        def canonical() -> layers.Dense:
            return frozen("canonical", np.eye(settings.latents), np.zeros(settings.latents))

        latents = canonical()(layers.Concatenate(dtype="float32")([walls, plain]))
        self.encoder = keras.Model([image, walls], latents, name="encoder")
        latent = keras.Input((settings.latents,), name="latent")
        plain = canonical()(latent)
        walls = plain[:, :scalars]
        self.decoder = keras.Model(latent, [expand([plain[:, scalars:], walls]), walls], name="decoder")

    @classmethod
    def untrained(cls, shape: tuple[int, int], scalars: int, settings: ConvolutionalAutoencoderSettings) -> Self:
        """Build networks without a corpus, for measuring how fast they are."""
        modes, free = min(settings.row_modes, shape[0]), settings.latents - scalars
        return cls(shape, scalars, settings, RowReduction.zeros(shape, scalars, modes, free), periodic=False)

    def _read(self, signal: Any, walls: Any) -> Any:
        """Features of the coefficients, shape (batch, columns, modes)."""
        levels = len(self.settings.channels)
        signal = ExtendColumns(0, -signal.shape[1] % 2**levels, self.periodic)(signal)
        for level, channels in enumerate(self.settings.channels):
            signal = layers.Reshape((signal.shape[1] // 2, 2 * signal.shape[2]))(signal)
            signal = self._convolution(signal, channels, activation="silu" if level else None)
            signal = self._blocks(signal, channels)
        signal = layers.Activation("silu")(signal)
        return layers.Concatenate()([layers.Flatten()(signal), walls])

    def _write(self, latent: Any, walls: Any, columns: int, modes: int) -> Any:
        """Return what is added to the coefficients, shape (batch, columns, modes); zero before training."""
        channels = self.settings.channels
        narrow = -(-columns // 2 ** len(channels))
        signal = layers.Dense(narrow * channels[-1])(layers.Concatenate()([latent, walls]))
        signal = layers.Reshape((narrow, channels[-1]))(signal)
        for here, above in zip(channels[::-1], [*channels[-2::-1], modes], strict=True):
            signal = self._blocks(signal, here)
            last = {"kernel_initializer": "zeros"} if signal.shape[1] * 2 >= columns else {}
            signal = self._convolution(signal, 2 * above, activation="silu", **last)
            signal = layers.Reshape((2 * signal.shape[1], above))(signal)
        return signal[:, :columns]

    def _blocks(self, signal: Any, channels: int) -> Any:
        """Residual blocks."""
        small = keras.initializers.VarianceScaling(0.1)
        for _ in range(self.settings.blocks):
            inner = self._convolution(signal, channels, activation="silu")
            inner = self._convolution(inner, channels, activation="silu", kernel_initializer=small)
            signal = layers.Add()([signal, inner])
        return signal

    def _convolution(self, signal: Any, channels: int, activation: str | None = None, **options: Any) -> Any:
        """Three columns wide, after the activation."""
        if activation:
            signal = layers.Activation(activation)(signal)
        return layers.Conv1D(channels, 3, **options)(ExtendColumns(1, 1, self.periodic)(signal))
