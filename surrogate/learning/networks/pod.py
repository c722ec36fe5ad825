"""The autoencoder `pod`: a POD with a learnt correction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from surrogate.learning.networks.layers import frozen
from surrogate.learning.pod import Reduction
from surrogate.settings import PodAutoencoderSettings


class ModeLoss(keras.losses.Loss):
    """Sum of squares of the errors of coefficients, each times its variance: the loss of the field.

    Parameters
    ----------
    variance : sequence, shape (modes,)
        Of the coefficients; see :class:`surrogate.learning.pod.Reduction`.
    """

    def __init__(self, variance: Sequence[float], name: str = "modes", **keywords: Any):
        super().__init__(name=name, **keywords)
        self.variance = [float(value) for value in variance]

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One loss per sample; coefficients have the shape (batch, modes)."""
        error = y_true - y_pred
        return ops.sum(ops.square(error) * ops.convert_to_tensor(self.variance, dtype=error.dtype), axis=-1)


@keras.saving.register_keras_serializable(package="surrogate")
class Correction(layers.Layer):
    """Residual network whose output starts at zero, and which knows its own slope.

    Parameters
    ----------
    width, depth : int
        Units per hidden layer, and their number.
    dropout : float
        Share of units dropped in training, of all but the first layer.
    outputs : int
    """

    def __init__(self, width: int, depth: int, dropout: float, outputs: int, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.settings = {"width": width, "depth": depth, "dropout": dropout, "outputs": outputs}
        self.hidden = [layers.Dense(width) for _ in range(depth)]
        self.dropout = layers.Dropout(dropout)
        self.last = layers.Dense(outputs, kernel_initializer="zeros", dtype="float32")

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        width = self.settings["width"]
        for number, layer in enumerate(self.hidden):
            layer.build((*input_shape[:-1], width if number else input_shape[-1]))
        self.last.build((*input_shape[:-1], width))

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Map (batch, inputs) to (batch, outputs)."""
        signal = ops.silu(self.hidden[0](inputs))
        for layer in self.hidden[1:]:
            signal = signal + self.dropout(ops.silu(layer(signal)), training=training)
        return self.last(signal)

    def slope(self, inputs: Any) -> tuple[Any, Any]:
        """Return the outputs and their derivatives, shape (batch, inputs, outputs): forward mode, all at once."""
        signal: Any = inputs
        change: Any = None
        for layer in self.hidden:
            before = ops.cast(layer(signal), inputs.dtype)  # a layer in half precision gives it
            gate = ops.sigmoid(before)
            steep = (gate * (1 + before * (1 - gate)))[:, None, :]
            if change is None:
                signal, change = gate * before, steep * layer.kernel
            else:
                signal, change = signal + gate * before, change + steep * ops.matmul(change, layer.kernel)
        return self.last(signal), ops.matmul(change, self.last.kernel)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        return {**super().get_config(), **self.settings}


@keras.saving.register_keras_serializable(package="surrogate")
class Refine(layers.Layer):
    """Latents that suit the decoder better than what the encoder says: a few damped steps of Gauss and Newton.

    An encoder is a guess of the latents whose decoded field is nearest; on fields that it was not trained on the guess
    can be bettered, by looking at what the decoder makes of it. Steps that do not better it are not taken.

    Parameters
    ----------
    correction : Correction
        That of the decoder; the layer has it in common with the decoder until they are saved.
    variance : sequence, shape (modes,)
        Weight of the coefficients in the loss.
    scalars : int
        Wall scalars, which stand first in the latents and stay.
    steps : int
    """

    DAMPING = 0.01
    """Share by which the diagonal of the normal equations grows."""

    def __init__(self, correction: Any, variance: Sequence[float], scalars: int, steps: int, **keywords: Any) -> None:
        super().__init__(**{**keywords, "dtype": "float32"})
        # From a file the other layer comes as its description.
        self.correction = (
            keras.saving.deserialize_keras_object(correction) if isinstance(correction, dict) else correction
        )
        self.variance, self.scalars, self.steps = [float(value) for value in variance], scalars, steps

    def build(self, input_shape: Any) -> None:
        """Make the weights of the decoder's correction, where it comes from a file."""
        if not self.correction.built:
            self.correction.build(input_shape[0])

    def call(self, inputs: Any) -> Any:
        """Refine latents, shape (batch, latent), of coefficients, shape (batch, modes)."""
        plain, coefficients = inputs
        variance = ops.convert_to_tensor(self.variance, dtype="float32")
        walls, free = plain[:, : self.scalars], plain[:, self.scalars :]
        count, modes = free.shape[1], coefficients.shape[1]
        # A latent is, first of all, the coefficient of its own mode.
        own = ops.eye(count, modes)

        def departure(free: Any) -> tuple[Any, Any, Any]:
            added, change = self.correction.slope(ops.concatenate([walls, free], axis=1))
            error = ops.matmul(free, own) + added - coefficients
            return error, change[:, self.scalars :] + own, ops.sum(ops.square(error) * variance, axis=1)

        error, change, loss = departure(free)
        for _ in range(self.steps):
            weighted = change * variance
            normal = ops.matmul(weighted, ops.swapaxes(change, 1, 2))
            damped = normal * (1 + self.DAMPING * ops.eye(count))
            step = ops.solve(damped, ops.matmul(weighted, error[:, :, None]))[:, :, 0]
            tried = departure(free - step)
            better = tried[2] < loss
            free = ops.where(better[:, None], free - step, free)
            error = ops.where(better[:, None], tried[0], error)
            change = ops.where(better[:, None, None], tried[1], change)
            loss = ops.where(better, tried[2], loss)
        return ops.concatenate([walls, free], axis=1)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        correction = keras.saving.serialize_keras_object(self.correction)
        own = {"variance": self.variance, "scalars": self.scalars, "steps": self.steps}
        return {**super().get_config(), "correction": correction, **own}


class PodNetworks:
    """The networks between coefficients and latents, and the whole encoder and decoder around them.

    A latent is the coefficient of a leading POD mode plus what a network adds to it; the first latents are the wall
    scalars. A second network estimates all coefficients from the latents. Before training it is exactly the POD.

    Parameters
    ----------
    shape : tuple
        (rows, angle) of the image.
    scalars : int
        Wall scalars.
    settings : PodAutoencoderSettings
    reduction : Reduction
        The linear part, which stays as it is.

    Attributes
    ----------
    between : keras.Model
        [coefficients, wall scalars] to coefficients: what is trained.
    encoder : keras.Model
        [image, wall scalars] to latents.
    decoder : keras.Model
        Latents to image and wall scalars.
    variance : list of float
        Of the coefficients in fields of unit loss: their weight in the loss.
    """

    def __init__(
        self, shape: tuple[int, int], scalars: int, settings: PodAutoencoderSettings, reduction: Reduction
    ) -> None:
        self.variance: list[float] = np.square(reduction.deviation).tolist()
        free, modes = settings.latents - scalars, len(self.variance)
        wide = (settings.width, settings.depth, settings.dropout)
        reader, writer = (Correction(*wide, count, name="correction") for count in (free, modes))

        coefficients, walls = keras.Input((modes,), name="coefficients"), keras.Input((scalars,), name="walls")
        added = reader(layers.Concatenate()([walls, coefficients]))
        plain = layers.Concatenate()([walls, layers.Add()([coefficients[:, :free], added])])
        compress = keras.Model([coefficients, walls], plain, name="compress")

        latent = keras.Input((settings.latents,), name="plain")
        leading = ops.pad(latent[:, scalars:], [(0, 0), (0, modes - free)])
        expand = keras.Model(latent, layers.Add(dtype="float32")([leading, writer(latent)]), name="expand")
        self.between = keras.Model([coefficients, walls], expand(compress.outputs[0]), name="between")

        # What turns plain latents into those that are handed out, and back.
        def canonical() -> layers.Dense:
            return frozen("canonical", np.eye(settings.latents), np.zeros(settings.latents))

        project, response, mean = reduction.project, reduction.response, reduction.mean
        image, walls = keras.Input(shape, name="image"), keras.Input((scalars,), name="walls")
        told = np.concatenate([project, -response @ project])
        found = frozen("project", told, -mean @ project)(layers.Concatenate()([layers.Flatten()(image), walls]))
        plain = compress([found, walls])
        if settings.refinement:
            plain = Refine(writer, self.variance, scalars, settings.refinement, name="refine")([plain, found])
        self.encoder = keras.Model([image, walls], canonical()(plain), name="encoder")

        latent = keras.Input((settings.latents,), name="latent")
        plain = canonical()(latent)
        walls = plain[:, :scalars]
        basis = np.concatenate([response, reduction.basis])
        nodal = frozen("modes", basis, mean)(layers.Concatenate(dtype="float32")([walls, expand(plain)]))
        self.decoder = keras.Model(latent, [layers.Reshape(shape, dtype="float32")(nodal), walls], name="decoder")
