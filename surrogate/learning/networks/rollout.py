"""The LSTM `rollout`: an ensemble that is trained on its own rollouts."""

from __future__ import annotations

import keras
from keras import layers

from surrogate.learning.networks.layers import Consensus, EnsembleDense, Members, RolloutCell, TimeFeatures
from surrogate.settings import RolloutLstmSettings


def evolution_network(features: int, latents: int, settings: RolloutLstmSettings) -> keras.Model:
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
    features: int, latents: int, settings: RolloutLstmSettings, evolution_of: keras.Model | None = None
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
