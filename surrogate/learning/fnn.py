"""The FNN: parameters and time to latents, in one step to any time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import xarray as xr
from keras import layers, ops

from surrogate.fields import parameter_table, valid_snapshots
from surrogate.learning.batches import ArrayBatches
from surrogate.learning.ensemble import calibrate, common_times, fold_weight, sequences
from surrogate.learning.networks.layers import Consensus, EnsembleDense, LatentLoss, Members, TimeFeatures
from surrogate.learning.networks.paper import paper_fnn
from surrogate.learning.predictor import LatentPredictor, TrainingData
from surrogate.learning.scaling import Calibration
from surrogate.learning.training import Progress, arithmetic, fit
from surrogate.settings import FnnSettings, ResidualFnnSettings

CHUNK = 4096
"""Times that pass through the network at once."""


def residual_network(features: int, latents: int, settings: ResidualFnnSettings) -> keras.Model:
    """Ensemble of residual networks on Fourier features of time; `depth` counts hidden layers."""
    inputs = keras.Input((features,), name="parameters_and_time")
    signal = Members(settings.members)(TimeFeatures(settings.time_frequencies)(inputs))
    signal = EnsembleDense(settings.width, activation="silu")(signal)
    for _ in range((settings.depth - 1) // 2):
        inner = EnsembleDense(settings.width, activation="silu", gain=2.0)(signal)
        inner = layers.Dropout(settings.dropout)(inner)
        signal = layers.Add()([signal, EnsembleDense(settings.width, gain=0.5)(inner)])
    signal = EnsembleDense(latents, gain=0.1, dtype="float32", name="each_member")(layers.Activation("silu")(signal))
    return keras.Model(inputs, Consensus(dtype="float32")(signal), name="fnn")


def _constant(values: np.ndarray) -> Any:
    return ops.convert_to_tensor(np.asarray(values, dtype=np.float32))


class FnnPredictor(LatentPredictor):
    """A trained FNN."""

    kind = "fnn"

    def predict_members(self, parameters: Any, times: Any, initial_latent: Any = None) -> np.ndarray:
        """Predict with every member of the ensemble; an FNN needs no first snapshot.

        Returns
        -------
        array, shape (n, member, t, latent), float32
        """
        parameters, times = self.parameter_scaler.check_inputs(parameters, times)
        features = self.parameter_scaler.features(parameters, times)
        flat = features.reshape(-1, features.shape[-1])
        parts = [self._members.predict_on_batch(flat[i : i + CHUNK]) for i in range(0, len(flat), CHUNK)]
        _, members, latents = self._members.output_shape
        scaled = np.concatenate(parts or [np.zeros((0, members, latents))])
        scaled = scaled.reshape(*times.shape, members, latents)
        return self.calibration.apply(self.latent_scaler.inverse(np.moveaxis(scaled, 2, 1)), times)

    def graph(self, features: Any) -> Any:
        """Predict inside a graph of the backend: the mean of the members, calibrated.

        What answers questions compiles it, differentiates it and exports it.

        Parameters
        ----------
        features : tensor, shape (n, parameter + 1), float32
            Scaled parameters and time, as :meth:`ParameterScaler.features` gives them.

        Returns
        -------
        tensor, shape (n, latent), float32
        """
        output = ops.cast(self.network(features, training=False)[:, 0], "float32")
        latents = output * _constant(self.latent_scaler.deviation) + _constant(self.latent_scaler.mean)
        knots = self.parameter_scaler.transform_time(self.calibration.times)
        mean, gain = self.calibration.mean, self.calibration.gain
        if len(knots) == 1:
            return _constant(mean[0]) + _constant(gain[0]) * (latents - _constant(mean[0]))
        # Mean and gain are linear between knots, and constant beyond them.
        time = ops.clip(features[:, -1:], float(knots[0]), float(knots[-1]))
        lower = ops.sum(ops.cast(time >= _constant(knots[None, 1:-1]), "int32"), axis=1)
        width = _constant(np.diff(knots))
        share = (time - ops.take(_constant(knots), lower)[:, None]) / ops.take(width, lower)[:, None]

        def between(table: np.ndarray) -> Any:
            start, step = (
                ops.take(_constant(table), lower, axis=0),
                ops.take(_constant(np.diff(table, axis=0)), lower, axis=0),
            )
            return start + share * step

        expected = between(mean)
        return expected + between(gain) * (latents - expected)

    @classmethod
    def train(
        cls,
        latents: xr.Dataset,
        settings: FnnSettings,
        folder: str | os.PathLike[str],
        provenance: Mapping[str, Any] | None = None,
        progress: Progress | None = print,
    ) -> Self:
        """Train an FNN; see :func:`surrogate.learning.predictor.train_predictor`."""
        data, training = TrainingData(latents, settings), settings.training

        def batches(part: xr.Dataset, size: int, seed: int | None) -> ArrayBatches:
            valid = valid_snapshots(part)
            times = np.nan_to_num(part.snapshot_time.values)
            features = data.parameter_scaler.features(parameter_table(part), times)[valid]
            weights = fold_weight(data.folds, data.members)[np.nonzero(valid)[0]] if part is data.train else None
            targets = data.latent_scaler.transform(part.latent.values[valid])
            return ArrayBatches(features, targets, weights, batch_size=size, seed=seed)

        with arithmetic(training):
            if settings.network == "paper":
                network = paper_fnn(data.features, data.components)
            else:
                network = residual_network(data.features, data.components, settings)
            losses, summary = fit(
                network,
                LatentLoss(data.latent_scaler.weight.tolist()),
                batches(data.train, training.batch_size, training.seed),
                batches(data.validation, CHUNK, None),
                training,
                Path(folder),
                name=data.name,
                label="fnn",
                progress=progress,
            )
        predictor = cls(
            network,
            data.parameter_scaler,
            data.latent_scaler,
            Calibration.none(data.components),
            data.manifest(summary, provenance),
        )
        times = common_times(data.train)
        predictor.calibration = calibrate(
            lambda part: predictor.predict_members(part.parameters, part.times),
            sequences(data.train, times),
            sequences(data.validation, times),
            data.folds,
        )
        predictor.write(folder, losses)
        return predictor
