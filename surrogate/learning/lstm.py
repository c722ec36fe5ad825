"""The LSTM: from the encoded initial field through time, each step from its own last one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import keras
import numpy as np
import pandas as pd
import xarray as xr

from surrogate.learning.batches import ArrayBatches, Batches
from surrogate.learning.ensemble import Sequences, calibrate, common_times, fold_weight, sequences
from surrogate.learning.networks import rollout
from surrogate.learning.networks.layers import Consensus, LatentLoss
from surrogate.learning.networks.paper import window_lstm
from surrogate.learning.predictor import LatentPredictor, TrainingData
from surrogate.learning.scaling import Calibration, interpolate
from surrogate.learning.training import Progress, arithmetic, fit
from surrogate.learning.windows import WindowBatches, roll_windows
from surrogate.settings import LstmSettings, PaperLstmSettings, RolloutLstmSettings

CHUNK = 256
"""Runs that roll out side by side."""


class LstmPredictor(LatentPredictor):
    """A trained LSTM.

    It advances at the cadence of the training runs; latents at other times are interpolated linearly.

    Attributes
    ----------
    first_time, cadence : float, Gyr
    """

    kind = "lstm"
    entries = ("rollout",)

    @property
    def first_time(self) -> float:
        """Time of the given field, Gyr."""
        return float(self.manifest["rollout"]["first_time"])

    @property
    def cadence(self) -> float:
        """Step of the rollout, Gyr."""
        return float(self.manifest["rollout"]["cadence"])

    def initial_latents(self, parameters: Any) -> np.ndarray:
        """Latents of the first snapshot for parameters that were never simulated.

        A quadratic polynomial of the parameters, fitted to the training runs. With an initial perturbation that
        all runs share, the first snapshot is a smooth function of the parameters; with one drawn per run, this is its
        mean.

        Parameters
        ----------
        parameters : array, shape (n, parameter)

        Returns
        -------
        array, shape (n, latent), float32
        """
        coefficients = np.asarray(self.manifest["rollout"]["initial_coefficients"], dtype=float)
        return np.asarray(_quadratic(self.parameter_scaler.transform(parameters)) @ coefficients, dtype=np.float32)

    def predict_members(self, parameters: Any, times: Any, initial_latent: Any = None) -> np.ndarray:
        """Predict with every member of the ensemble; without first snapshots from :meth:`initial_latents`.

        Returns
        -------
        array, shape (n, member, t, latent), float32
        """
        parameters, times = self.parameter_scaler.check_inputs(parameters, times)
        initial = self.initial_latents(parameters) if initial_latent is None else np.asarray(initial_latent)
        count = self._members.output_shape[-1]
        if initial.shape != (len(parameters), count):
            raise ValueError(f"initial_latent: expected shape ({len(parameters)}, {count}), got {initial.shape}")
        steps = 2 if not times.size else max(2, 1 + int(np.ceil((times.max() - self.first_time) / self.cadence - 1e-6)))
        grid = self.first_time + self.cadence * np.arange(steps)
        forcing = self.parameter_scaler.features(parameters, grid)
        scaled = self.latent_scaler.transform(initial)
        rolled = [self._roll(scaled[i : i + CHUNK], forcing[i : i + CHUNK]) for i in range(0, len(scaled), CHUNK)]
        latents = self.latent_scaler.inverse(np.concatenate(rolled))
        # The first is given, not predicted: there is nothing to calibrate.
        latents[:, :, 1:] = self.calibration.apply(
            latents[:, :, 1:], np.broadcast_to(grid[1:], (len(scaled), steps - 1))
        )
        return np.stack(
            [
                np.stack([interpolate(grid, member, own) for member in run])
                for run, own in zip(latents, times, strict=True)
            ]
        ).astype(np.float32)

    def _roll(self, initial: np.ndarray, forcing: np.ndarray) -> np.ndarray:
        """Roll out on the training cadence: scaled latents, shape (n, member, time, latent)."""
        settings = self.manifest["settings"]
        if settings["network"] == "paper":
            step = 2 * self.cadence / (self.parameter_scaler.last_time - self.parameter_scaler.first_time)
            return roll_windows(self._members, initial, forcing, settings["window"], step)[:, None]
        members = np.asarray(self._members.predict_on_batch([initial, forcing]))
        start = np.repeat(initial[:, None, None], members.shape[2], axis=2)
        return np.moveaxis(np.concatenate([start, members], axis=1), 2, 1)

    @classmethod
    def train(
        cls,
        latents: xr.Dataset,
        settings: LstmSettings,
        folder: str | os.PathLike[str],
        provenance: Mapping[str, Any] | None = None,
        progress: Progress | None = print,
    ) -> Self:
        """Train an LSTM; see :func:`surrogate.learning.predictor.train_predictor`.

        The `rollout` network first learns the mean evolution alone (`settings.evolution`), then everything on whole
        rollouts, on which it is also judged; the table of losses holds both, one after the other. The `paper` network
        learns the next step after windows of the truth.
        """
        data = TrainingData(latents, settings)
        runs = _Runs.of(data)
        if isinstance(settings, PaperLstmSettings):
            network, losses, summary = _train_on_windows(data, runs, settings, Path(folder), progress)
        else:
            network, losses, summary = _train_on_rollouts(data, runs, settings, Path(folder), progress)
        initial = _fit_initial(data.parameter_scaler.transform(runs.learnt.parameters), runs.learnt.latents[:, 0])
        details = {
            "first_time": float(runs.times[0]),
            "cadence": float(runs.times[1] - runs.times[0]),
            "initial_coefficients": initial.tolist(),
        }
        predictor = cls(
            network,
            data.parameter_scaler,
            data.latent_scaler,
            Calibration.none(data.components),
            {**data.manifest(summary, provenance), "rollout": details},
        )
        predictor.calibration = calibrate(
            lambda part: predictor.predict_members(part.parameters, part.times, part.latents[:, 0]),
            runs.learnt,
            runs.judged,
            data.folds,
        )
        predictor.write(folder, losses)
        return predictor


class _Runs(NamedTuple):
    """Training and validation runs on common times."""

    times: np.ndarray
    learnt: Sequences
    judged: Sequences

    @classmethod
    def of(cls, data: TrainingData) -> Self:
        times = common_times(data.train)
        return cls(times, sequences(data.train, times), sequences(data.validation, times))


_Trained = tuple[keras.Model, pd.DataFrame, dict[str, Any]]
"""Network, losses and summary of a training."""


def _train_on_windows(
    data: TrainingData, runs: _Runs, settings: PaperLstmSettings, folder: Path, progress: Progress | None
) -> _Trained:
    """Learn the next step after windows of the truth."""
    training = settings.training
    step = 2 * (runs.times[1] - runs.times[0]) / (data.parameter_scaler.last_time - data.parameter_scaler.first_time)

    def batches(part: Sequences, size: int, seed: int | None) -> Batches:
        scaled = data.latent_scaler.transform(part.latents)
        forcing = data.parameter_scaler.features(part.parameters, runs.times)
        return WindowBatches(scaled, forcing, part.real, settings.window, step, batch_size=size, seed=seed)

    with arithmetic(training):
        network = window_lstm(data.features, data.components, settings)
        losses, summary = fit(
            network,
            LatentLoss(data.latent_scaler.weight.tolist()),
            batches(runs.learnt, training.batch_size, training.seed),
            batches(runs.judged, CHUNK, None),
            training,
            folder,
            name=data.name,
            label="lstm",
            progress=progress,
        )
    return network, losses, summary


def _train_on_rollouts(
    data: TrainingData, runs: _Runs, settings: RolloutLstmSettings, folder: Path, progress: Progress | None
) -> _Trained:
    """Learn the mean evolution alone, then everything on whole rollouts."""
    training = settings.training
    loss = LatentLoss(data.latent_scaler.weight.tolist())
    weight = fold_weight(data.folds, settings.members)

    def rollouts(part: Sequences, size: int, seed: int | None) -> Batches:
        scaled = data.latent_scaler.transform(part.latents)
        forcing = data.parameter_scaler.features(part.parameters, runs.times)
        weights = part.real[:, 1:, None].astype(np.float32)
        if part is runs.learnt:
            weights = weights * weight[:, None, :]
        return ArrayBatches((scaled[:, 0], forcing), scaled[:, 1:], weights, batch_size=size, seed=seed)

    def snapshots(part: Sequences, size: int, seed: int | None) -> Batches:
        """Each snapshot as a sequence of length one."""
        run, time = np.nonzero(part.real)
        features = data.parameter_scaler.features(part.parameters, runs.times)[run, time][:, None]
        weights = weight[run][:, None] if part is runs.learnt else None
        targets = data.latent_scaler.transform(part.latents)[run, time][:, None]
        return ArrayBatches(features, targets, weights, batch_size=size, seed=seed)

    first = folder / "evolution"
    with arithmetic(training):
        evolution = rollout.evolution_network(data.features, data.components, settings)
        early, _ = fit(
            keras.Model(evolution.input, Consensus()(evolution.output)),
            loss,
            snapshots(runs.learnt, settings.evolution.batch_size, training.seed),
            snapshots(runs.judged, 4096, None),
            settings.evolution,
            first,
            name=data.name,
            label="lstm (mean evolution)",
            progress=progress,
            keep=True,
        )
        network = rollout.rollout_network(data.features, data.components, settings, evolution)
        losses, summary = fit(
            network,
            loss,
            rollouts(runs.learnt, training.batch_size, training.seed),
            rollouts(runs.judged, CHUNK, None),
            training,
            folder,
            name=data.name,
            label="lstm",
            progress=progress,
        )
    shutil.rmtree(first, ignore_errors=True)
    summary["mean_evolution"] = {
        "epochs": len(early),
        "best_validation_loss": float(early.validation_loss.min()),
    }
    summary["seconds"] += float(early.seconds.sum())
    losses = losses.assign(epoch=losses.epoch + len(early), stage=2)
    return network, pd.concat([early.assign(stage=1), losses], ignore_index=True), summary


def _quadratic(scaled: np.ndarray) -> np.ndarray:
    """All products of up to two of (n, p) numbers, shape (n, (p + 1) (p + 2) / 2)."""
    wide = np.concatenate([np.ones((len(scaled), 1)), scaled], axis=1)
    return np.stack([wide[:, i] * wide[:, j] for i in range(wide.shape[1]) for j in range(i, wide.shape[1])], axis=1)


def _fit_initial(scaled: np.ndarray, initial: np.ndarray) -> np.ndarray:
    """Ridge regression, shape (product, latent); the penalty only matters when there are few runs."""
    design = _quadratic(scaled)
    return np.asarray(np.linalg.solve(design.T @ design + 1e-3 * np.eye(design.shape[1]), design.T @ initial))
