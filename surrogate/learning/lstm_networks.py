"""Architectures of the LSTM: `default`, trained on its own rollouts, and `paper`, trained on windows."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from surrogate.config import LstmSettings
from surrogate.learning.batches import Batches
from surrogate.learning.latents import Consensus
from surrogate.learning.layers import EnsembleDense, Members, RolloutCell, TimeFeatures


def evolution_network(features: int, latents: int, settings: LstmSettings) -> keras.Model:
    """Ensemble of residual networks from parameters and time to the mean evolution.

    Input: (batch, time, features). Output: (batch, time, member, latent).
    """
    forcing = keras.Input((None, features), name="forcing")
    signal = Members(settings.members)(TimeFeatures(settings.time_frequencies)(forcing))
    signal = EnsembleDense(settings.width, activation="silu")(signal)
    for _ in range(2):
        inner = EnsembleDense(settings.width, activation="silu", gain=2.0)(signal)
        inner = layers.Dropout(settings.dropout)(inner)
        signal = layers.Add()([signal, EnsembleDense(settings.width, gain=0.5)(inner)])
    signal = EnsembleDense(latents, gain=0.1)(layers.Activation("silu")(signal))
    return keras.Model(forcing, signal, name="evolution")


def rollout_network(
    features: int, latents: int, settings: LstmSettings, evolution_of: keras.Model | None = None
) -> keras.Model:
    """Ensemble of LSTMs that go from the initial latents through all steps on their own.

    A feed-forward network gives the mean evolution for the parameters; the LSTM advances the departure from it,
    beginning with that of the initial latents. Slow cooling is so learnt without drift, and the LSTM is left with what
    depends on the state.

    Inputs: initial latents (batch, latent); forcing (batch, time, features), the parameters and the times, the first
    that of the initial latents. Output: (batch, time - 1, member or 1, latent).
    """
    members = settings.members
    initial = keras.Input((latents,), name="initial")
    forcing = keras.Input((None, features), name="forcing")
    evolution = (evolution_of or evolution_network(features, latents, settings))(forcing)
    departure = layers.Subtract()([Members(members)(initial), evolution[:, 0]])
    start = layers.Concatenate()([Members(members)(forcing[:, 0]), evolution[:, 0], departure])
    states = []
    for _ in range(2 * settings.depth):
        state = EnsembleDense(settings.width, activation="tanh")(start)
        states.append(layers.Flatten()(layers.Dropout(settings.dropout)(state)))
    states.append(layers.Flatten()(departure))
    cell = RolloutCell(latents, members, settings.width, settings.depth)
    flat = layers.Reshape((-1, members * latents))(evolution[:, 1:])
    wide = TimeFeatures(settings.time_frequencies)(forcing)
    steps = layers.RNN(cell, return_sequences=True)(layers.Concatenate()([wide[:, 1:], flat]), initial_state=states)
    signal = layers.Reshape((-1, members, latents), dtype="float32", name="each_member")(layers.Add()([flat, steps]))
    return keras.Model([initial, forcing], Consensus(dtype="float32")(signal), name="lstm")


def window_network(features: int, latents: int, settings: LstmSettings) -> keras.Model:
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


def windows(latents: np.ndarray, forcing: np.ndarray, last: np.ndarray, window: int, step: float) -> np.ndarray:
    """Cut the inputs of :func:`window_network`.

    Parameters
    ----------
    latents : array, shape (n, time, latent)
    forcing : array, shape (n, time, features)
    last : array of int, shape (n,)
        Index of the last step that the window sees.
    window : int
    step : float
        Scaled step to the next time.

    Returns
    -------
    array, shape (n, window, 2 + features + latent), float32
        Before the first step the first is repeated, with a mask of 0.
    """
    index = last[:, None] + np.arange(1 - window, 1)[None, :]
    real = (index >= 0)[..., None].astype(np.float32)
    index = np.maximum(index, 0)
    row = np.arange(len(last))[:, None]
    steps = np.full_like(real, step)
    return np.concatenate([real, steps, forcing[row, index], latents[row, index]], axis=-1).astype(np.float32)


class WindowBatches(Batches):
    """Teacher-forced windows of all runs, cut when they are asked for.

    Parameters
    ----------
    latents : array, shape (run, time, latent)
    forcing : array, shape (run, time, features)
    real : array of bool, shape (run, time)
    window : int
    step : float
    batch_size : int
    seed : int, optional
    """

    def __init__(
        self, latents: np.ndarray, forcing: np.ndarray, real: np.ndarray, window: int, step: float, *,
        batch_size: int, seed: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(batch_size, seed)
        self.latents, self.forcing, self.window, self.step = latents, forcing, window, step
        self.places = np.argwhere(real[:, 1:])  # (run, last step seen); the target is the step after it

    def __len__(self) -> int:
        return -(-len(self.places) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return one batch."""
        chosen = self.order(len(self.places))[index * self.batch_size : (index + 1) * self.batch_size]
        run, last = self.places[chosen].T
        inputs = windows(self.latents[run], self.forcing[run], last, self.window, self.step)
        return inputs, self.latents[run, last + 1]


def roll_windows(
    network: keras.Model, initial: np.ndarray, forcing: np.ndarray, window: int, step: float
) -> np.ndarray:
    """Use :func:`window_network` autoregressively.

    Parameters
    ----------
    network : keras.Model
    initial : array, shape (n, latent)
    forcing : array, shape (n, time, features)
    window : int
    step : float

    Returns
    -------
    array, shape (n, time, latent), float32
    """
    count, length = forcing.shape[:2]
    latents = np.zeros((count, length, initial.shape[1]), dtype=np.float32)
    latents[:, 0] = initial
    for last in range(length - 1):
        inputs = windows(latents, forcing, np.full(count, last), window, step)
        latents[:, last + 1] = ops.convert_to_numpy(network.predict_on_batch(inputs))[:, 0]
    return latents
