"""Layers of the networks, in pure Keras, so that a model runs on TensorFlow, JAX or PyTorch alike.

Every class is registered under the package name ``surrogate``: a ``.keras`` file that holds one loads with
``safe_mode=True`` after this module has been imported.

An *ensemble* is trained in one vectorised run: its layers carry an axis ``member`` behind the batch axis, and the
members share nothing but the data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

register = keras.saving.register_keras_serializable(package="surrogate")


@register
class ExtendColumns(keras.layers.Layer):
    """Continue what lies on the columns beyond both sides: mirrored, or across the seam of a periodic domain.

    Input shape
        (batch, ..., columns, channels)
    Output shape
        (batch, ..., before + columns + after, channels)
    """

    def __init__(self, before: int, after: int, periodic: bool, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.before, self.after, self.periodic = before, after, periodic

    def call(self, inputs: Any) -> Any:
        """Repeat columns."""
        first, last = inputs[..., : self.before, :], inputs[..., inputs.shape[-2] - self.after :, :]
        if self.periodic:
            first, last = inputs[..., inputs.shape[-2] - self.before :, :], inputs[..., : self.after, :]
        else:
            first, last = ops.flip(first, axis=-2), ops.flip(last, axis=-2)
        return ops.concatenate([first, inputs, last], axis=-2)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Shape of the output."""
        return (*input_shape[:-2], self.before + input_shape[-2] + self.after, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        return {**super().get_config(), "before": self.before, "after": self.after, "periodic": self.periodic}


def frozen(name: str, kernel: np.ndarray, bias: np.ndarray | None = None) -> keras.layers.Dense:
    """Return a dense layer that is not trained."""
    layer = keras.layers.Dense(kernel.shape[1], trainable=False, dtype="float32", name=name)
    layer.build((None, len(kernel)))
    layer.set_weights([kernel, np.zeros(kernel.shape[1]) if bias is None else bias])
    return layer


@register
class EnsembleDense(keras.layers.Layer):
    """One dense layer for each member of an ensemble.

    Input shape
        (batch, ..., member, features)
    Output shape
        (batch, ..., member, units)
    """

    def __init__(self, units: int, activation: str | None = None, gain: float = 1.0, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.units = units
        self.gain = gain
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Any) -> None:
        """Create one kernel and one bias per member."""
        members, features = input_shape[-2:]
        # Variance scaling by the fan of one member, which Keras cannot see in a kernel with a member axis.
        deviation = math.sqrt(self.gain / features)
        self.kernel = self.add_weight(
            shape=(members, features, self.units), initializer=keras.initializers.RandomNormal(0.0, deviation)
        )
        self.bias = self.add_weight(shape=(members, self.units), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        """Apply every member's own layer to its own slice."""
        # Flat: an ellipsis in the einsum would repeat the kernel for every sample, ten times slower.
        flat = ops.reshape(inputs, (-1, *inputs.shape[-2:]))
        result = self.activation(ops.einsum("bmi,mio->bmo", flat, self.kernel) + self.bias)
        return ops.reshape(result, (*ops.shape(inputs)[:-1], self.units)) if inputs.ndim > 3 else result

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Shape of the output."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "units": self.units, "activation": activation, "gain": self.gain}


@register
class Members(keras.layers.Layer):
    """Give every member of an ensemble the same input.

    Input shape
        (batch, ..., features)
    Output shape
        (batch, ..., member, features)
    """

    def __init__(self, members: int, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.members = members

    def call(self, inputs: Any) -> Any:
        """Repeat `inputs`."""
        return ops.repeat(ops.expand_dims(inputs, -2), self.members, axis=-2)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Shape of the output."""
        return (*input_shape[:-1], self.members, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        return {**super().get_config(), "members": self.members}


@register
class TimeFeatures(keras.layers.Layer):
    """Append Fourier features of the last column, the scaled time in [-1, 1].

    Input shape
        (..., features)
    Output shape
        (..., features + 2 * frequencies)
    """

    def __init__(self, frequencies: int, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.frequencies = frequencies

    def call(self, inputs: Any) -> Any:
        """Append sin and cos of half, one, one and a half, ... turns over the time span."""
        if not self.frequencies:
            return inputs
        turns = ops.arange(1, self.frequencies + 1, dtype=inputs.dtype)
        phase = inputs[..., -1:] * turns * (math.pi / 2)
        return ops.concatenate([inputs, ops.sin(phase), ops.cos(phase)], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Shape of the output."""
        return (*input_shape[:-1], input_shape[-1] + 2 * self.frequencies)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        return {**super().get_config(), "frequencies": self.frequencies}


@register
class RolloutCell(keras.layers.Layer):
    """One step of an ensemble of stacked LSTMs that feeds its own prediction back to itself.

    What it advances is the departure of the latents from a mean evolution that it is given. A departure fades unless
    the LSTM keeps it alive.

    The states are flat, as Keras' RNN wants them: for every layer the hidden and the cell state,
    (batch, member * units), and last the departure, (batch, member * latents).

    Input shape
        (batch, features + member * latents): the forcing of this step, that is parameters and time, and the mean
        evolution of every member after this step
    Output shape
        (batch, member * latents): the departure after this step
    """

    def __init__(self, latents: int, members: int, width: int, depth: int, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.latents, self.members, self.width, self.depth = latents, members, width, depth
        self.state_size = [members * width] * (2 * depth) + [members * latents]
        self.output_size = members * latents

    def build(self, input_shape: Any) -> None:
        """Create the gates of every layer and the layer that reads the step."""
        features = input_shape[-1] - self.members * self.latents + 2 * self.latents
        self.kernels, self.biases = [], []
        for number in range(self.depth):
            fan = features + self.width
            self.kernels.append(
                self.add_weight(
                    name=f"gates_{number}",
                    shape=(self.members, fan, 4 * self.width),
                    initializer=keras.initializers.RandomNormal(0.0, math.sqrt(1.0 / fan)),
                )
            )
            self.biases.append(
                self.add_weight(name=f"bias_{number}", shape=(self.members, 4 * self.width), initializer="zeros")
            )
            features = self.width
        # A small gain: at the start every step changes the departure little.
        self.readout = self.add_weight(
            name="readout",
            shape=(self.members, self.width, self.latents),
            initializer=keras.initializers.RandomNormal(0.0, 0.1 / math.sqrt(self.width)),
        )
        self.readout_bias = self.add_weight(
            name="readout_bias", shape=(self.members, self.latents), initializer="zeros"
        )
        # What is left of the departure after a step; it starts at 1 / (1 + exp(-1)) = 0.73.
        self.persistence = self.add_weight(name="persistence", shape=(self.members, self.latents), initializer="ones")

    def call(self, inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        """Advance the departure by one step."""

        def unfold(state: Any, size: int) -> Any:
            return ops.reshape(state, (-1, self.members, size))

        def fold(state: Any, size: int) -> Any:
            return ops.reshape(state, (-1, self.members * size))

        own = self.members * self.latents
        departure = unfold(states[-1], self.latents)
        evolution = unfold(inputs[:, -own:], self.latents)
        forcing = ops.repeat(ops.expand_dims(inputs[:, :-own], 1), self.members, axis=1)
        signal = ops.concatenate([forcing, evolution, departure], axis=-1)
        fresh = []
        for number in range(self.depth):
            hidden, memory = (unfold(state, self.width) for state in states[2 * number : 2 * number + 2])
            gates = ops.einsum("bmi,mio->bmo", ops.concatenate([signal, hidden], axis=-1), self.kernels[number])
            enter, forget, candidate, leave = ops.split(gates + self.biases[number], 4, axis=-1)
            # The forget gate starts open (bias 1), as in Keras' own LSTM.
            memory = ops.sigmoid(forget + 1.0) * memory + ops.sigmoid(enter) * ops.tanh(candidate)
            signal = ops.sigmoid(leave) * ops.tanh(memory)
            fresh += [fold(signal, self.width), fold(memory, self.width)]
        step = ops.einsum("bmi,mio->bmo", signal, self.readout) + self.readout_bias
        departure = fold(ops.sigmoid(self.persistence) * departure + step, self.latents)
        return departure, [*fresh, departure]

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Shape of the output."""
        return (input_shape[0], self.output_size)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        own = {name: getattr(self, name) for name in ("latents", "members", "width", "depth")}
        return {**super().get_config(), **own}


@register
class LatentLoss(keras.losses.Loss):
    """Mean square error of scaled latents, each weighted; one for every member of an ensemble.

    Parameters
    ----------
    weight : sequence, shape (latent,)
    """

    def __init__(self, weight: Sequence[float], name: str = "latent", **keywords: Any) -> None:
        super().__init__(name=name, **keywords)
        self.weight = [float(value) for value in weight]

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Compare the truth, shape (..., latent), with members, shape (..., member, latent): shape (..., member)."""
        error = ops.expand_dims(y_true, -2) - y_pred
        weight = ops.convert_to_tensor(self.weight, dtype=error.dtype)
        return ops.mean(ops.square(error) * weight, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the loss."""
        return {**super().get_config(), "weight": self.weight}


@register
class Consensus(keras.layers.Layer):
    """Members in training, their mean in use: each learns alone, together they are judged.

    Input shape
        (..., member, latent)
    Output shape
        the same in training, otherwise (..., 1, latent)
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Average unless training."""
        return inputs if training else ops.mean(inputs, axis=-2, keepdims=True)
