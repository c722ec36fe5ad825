"""The flow: samples of the chaotic evolution around the mean that the FNN predicts.

A network that is trained on the mean square error answers with the mean over all evolutions that the parameters allow,
and the mean of many plumes is no plume. This predictor draws one evolution instead, as sharp as a simulation. Around
the mean m(t) of the FNN the latents z of a run perform a Markov process in steps of the training cadence,

    z(t) - m(t) = persistence (z(t - 1) - m(t - 1)) + scale x,

where x is drawn from a distribution that depends on the departure z(t - 1) - m(t - 1), the parameters and the time. It
is learnt by flow matching (Lipman et al. 2023, arXiv:2210.02747): a velocity field carries normal noise to x along
straight lines. Departures of the training runs are taken from members of the FNN that did not see them; otherwise they
would be far too small.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import keras
import numpy as np
import xarray as xr
from keras import layers

from surrogate.files import fingerprint
from surrogate.learning import folders
from surrogate.learning.batches import Batches
from surrogate.learning.ensemble import Sequences, common_times, sequences, training_parts
from surrogate.learning.fnn import FnnPredictor
from surrogate.learning.networks.layers import TimeFeatures
from surrogate.learning.predictor import made_of
from surrogate.learning.scaling import interpolate
from surrogate.learning.training import Progress, arithmetic, fit
from surrogate.settings import FlowSettings


def velocity_network(features: int, latents: int, settings: FlowSettings) -> keras.Model:
    """Residual network from (point of the flow, flow time, last departure, parameters and time) to a velocity."""
    point = keras.Input((latents,), name="point")
    flow_time = keras.Input((1,), name="flow_time")
    departure = keras.Input((latents,), name="departure")
    forcing = keras.Input((features,), name="parameters_and_time")
    known = layers.Concatenate()([point, TimeFeatures(4)(flow_time), departure, TimeFeatures(2)(forcing)])
    signal = layers.Dense(settings.width, activation="silu")(known)
    for _ in range(settings.depth):
        inner = layers.Dense(settings.width, activation="silu")(signal)
        inner = layers.Dropout(settings.dropout)(inner)
        signal = layers.Add()([signal, layers.Dense(settings.width)(inner)])
    velocity = layers.Dense(latents, kernel_initializer="zeros", dtype="float32", name="velocity")(
        layers.Activation("silu")(signal)
    )
    return keras.Model([point, flow_time, departure, forcing], velocity, name="velocity_field")


class FlowBatches(Batches):
    """Points on straight lines from normal noise to the innovations of the training runs, and their velocities.

    The noise depends on seed, epoch and batch alone, so that a training resumes exactly; without a seed it is the same
    in every epoch, so that validation losses compare.

    Parameters
    ----------
    departures, forcing, innovations : array, shape (sample, ...)
    batch_size : int
    seed : int, optional
    """

    def __init__(
        self,
        departures: np.ndarray,
        forcing: np.ndarray,
        innovations: np.ndarray,
        *,
        batch_size: int,
        seed: int | None = None,
    ) -> None:
        super().__init__(batch_size, seed)
        self.departures, self.forcing, self.innovations = departures, forcing, innovations

    def __len__(self) -> int:
        return -(-len(self.innovations) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return one batch."""
        order = self.order(len(self.innovations))
        chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
        key = [0, 0, index] if self.seed is None else [1 + self.seed, 1 + self.epoch, index]
        generator = np.random.default_rng(key)
        end = self.innovations[chosen]
        start = generator.standard_normal(end.shape, dtype=np.float32)
        time = generator.random((len(end), 1), dtype=np.float32)
        point = (1 - time) * start + time * end
        return (point, 2 * time - 1, self.departures[chosen], self.forcing[chosen]), end - start


class FlowPredictor:
    """A trained flow and the FNN around whose mean it moves.

    Attributes
    ----------
    network : keras.Model
    mean : FnnPredictor
    manifest : dict
        What made it.
    """

    kind: ClassVar[str] = "flow"

    def __init__(self, network: keras.Model, mean: FnnPredictor, manifest: Mapping[str, Any]) -> None:
        self.network, self.mean, self.manifest = network, mean, dict(manifest)
        process = manifest["process"]
        self.first_time, self.cadence = float(process["first_time"]), float(process["cadence"])
        self.flow_steps = int(process["flow_steps"])
        self._persistence, self._departure, self._innovation = (
            np.asarray(process[name], dtype=np.float32)
            for name in ("persistence", "departure_scale", "innovation_scale")
        )

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, fnn: FnnPredictor) -> Self:
        """Read a folder that :meth:`train` wrote.

        Raises
        ------
        surrogate.learning.folders.ModelError
            If the folder is incomplete, or was trained around another FNN.
        """
        manifest, models = folders.read(Path(folder), cls.kind)
        if "process" not in manifest:
            raise folders.ModelError(f"{folder}/manifest.json: the entry 'process' is missing")
        if manifest["mean"] != _identity(fnn):
            raise folders.ModelError(f"{folder}/manifest.json: this flow was trained around another FNN")
        return cls(models["network"], fnn, manifest)

    def sample(
        self, parameters: Any, times: Any, initial_latent: Any = None, *, samples: int = 1, seed: int = 0
    ) -> np.ndarray:
        """Draw evolutions.

        Parameters
        ----------
        parameters : array, shape (n, parameter)
        times : array, shape (t,) or (n, t), Gyr
            Between steps of the training cadence latents are interpolated linearly.
        initial_latent : array, shape (n, latent), optional
            The encoded first snapshot of each run; by default the FNN's.
        samples : int
            Evolutions per set of parameters.
        seed : int
            Of the noise.

        Returns
        -------
        array, shape (n, sample, t, latent), float32
        """
        parameters, times = self.mean.parameter_scaler.check_inputs(parameters, times)
        if samples < 1:
            raise ValueError(f"samples: expected at least 1, got {samples}")
        steps = 2 if not times.size else max(2, 1 + int(np.ceil((times.max() - self.first_time) / self.cadence - 1e-6)))
        grid = self.first_time + self.cadence * np.arange(steps)
        mean = self.mean.predict(parameters, grid)
        first = mean[:, 0] if initial_latent is None else np.asarray(initial_latent, dtype=np.float32)
        if first.shape != mean[:, 0].shape:
            raise ValueError(f"initial_latent: expected shape {mean[:, 0].shape}, got {first.shape}")
        forcing = np.repeat(self.mean.parameter_scaler.features(parameters, grid), samples, axis=0)
        departure = np.repeat(first - mean[:, 0], samples, axis=0)
        generator = np.random.default_rng(seed)
        evolution = [departure]
        for step in range(1, steps):
            noise = generator.standard_normal(departure.shape, dtype=np.float32)
            drawn = self._flow(noise, departure / self._departure, forcing[:, step])
            departure = self._persistence * departure + self._innovation * drawn
            evolution.append(departure)
        latents = np.stack(evolution, axis=1).reshape(len(mean), samples, steps, -1) + mean[:, None]
        return np.stack(
            [np.stack([interpolate(grid, one, own) for one in run]) for run, own in zip(latents, times, strict=True)]
        ).astype(np.float32)

    def predict(self, parameters: Any, times: Any, initial_latent: Any = None, *, seed: int = 0) -> np.ndarray:
        """Draw one evolution for each set of parameters: :meth:`sample` without its axis, shape (n, t, latent)."""
        return self.sample(parameters, times, initial_latent, seed=seed)[:, 0]

    def _flow(self, point: np.ndarray, departure: np.ndarray, forcing: np.ndarray) -> np.ndarray:
        """Carry noise to innovations: the midpoint rule along the flow."""
        step = 1.0 / self.flow_steps

        def velocity(where: np.ndarray, when: float) -> np.ndarray:
            flow_time = np.full((len(where), 1), 2 * when - 1, dtype=np.float32)
            return np.asarray(self.network.predict_on_batch([where, flow_time, departure, forcing]))

        for start in step * np.arange(self.flow_steps):
            middle = point + 0.5 * step * velocity(point, start)
            point = point + step * velocity(middle, start + 0.5 * step)
        return point

    @classmethod
    def train(
        cls,
        latents: xr.Dataset,
        settings: FlowSettings,
        folder: str | os.PathLike[str],
        provenance: Mapping[str, Any] | None = None,
        progress: Progress | None = print,
        *,
        fnn: FnnPredictor,
    ) -> Self:
        """Train a flow around the mean of an FNN; see :func:`surrogate.learning.predictor.train_predictor`."""
        train, validation = training_parts(latents)
        training, times = settings.training, common_times(train)
        learnt, judged = sequences(train, times), sequences(validation, times)
        departure = _departures(fnn, learnt, fnn.folds(len(learnt.parameters)))
        real = learnt.real[:, 1:, None]
        before, after = departure[:, :-1] * real, departure[:, 1:] * real
        persistence = (before * after).sum(axis=(0, 1)) / np.maximum((before**2).sum(axis=(0, 1)), 1e-12)
        persistence = np.clip(persistence, 0.0, 1.0)  # departures must not grow without end
        count = max(real.sum(), 1)
        scales = [
            np.maximum(np.sqrt((values**2).sum(axis=(0, 1)) / count), 1e-6)
            for values in (before, after - persistence * before)
        ]

        def batches(runs: Sequences, departure: np.ndarray, size: int, seed: int | None) -> FlowBatches:
            chosen = runs.real[:, 1:]
            innovation = departure[:, 1:] - persistence * departure[:, :-1]
            forcing = fnn.parameter_scaler.features(runs.parameters, times)
            return FlowBatches(
                (departure[:, :-1] / scales[0])[chosen].astype(np.float32),
                forcing[:, 1:][chosen],
                (innovation / scales[1])[chosen].astype(np.float32),
                batch_size=size,
                seed=seed,
            )

        name = fingerprint(
            {
                "settings": settings.model_dump(mode="json"),
                "mean": _identity(fnn),
                "runs": [int(number) for number in train.simulation.values],
            }
        )
        with arithmetic(training):
            network = velocity_network(fnn.parameter_scaler.width, train.sizes["component"], settings)
            losses, summary = fit(
                network,
                "mse",
                batches(learnt, departure, training.batch_size, training.seed),
                batches(judged, _departures(fnn, judged, None), 4096, None),
                training,
                Path(folder),
                name=name,
                label=cls.kind,
                progress=progress,
            )
        manifest = {
            "settings": settings.model_dump(mode="json"),
            "scaling": {},
            "mean": _identity(fnn),
            "process": {
                "first_time": float(times[0]),
                "cadence": float(times[1] - times[0]),
                "flow_steps": settings.flow_steps,
                "persistence": persistence.tolist(),
                "departure_scale": scales[0].tolist(),
                "innovation_scale": scales[1].tolist(),
            },
            **made_of({"latent": train.sizes["component"]}, train, validation, summary, provenance),
        }
        folders.write(Path(folder), cls.kind, {"network": network}, manifest, losses)
        return cls(network, fnn, manifest)


def _identity(mean: FnnPredictor) -> str:
    """Tell one FNN from another by its training; weights that were rounded for a smaller file are still its own."""
    return fingerprint({part: mean.manifest[part] for part in ("settings", "scaling", "training")})


def _departures(mean: FnnPredictor, runs: Sequences, folds: np.ndarray | None) -> np.ndarray:
    """Latents minus their predicted mean, shape (run, time, latent); with folds, by the member that sat the run out."""
    members = mean.predict_members(runs.parameters, runs.times)
    blind = folds is not None and folds.max() >= 0
    mean_of_run = members[np.arange(len(members)), folds] if blind else members.mean(axis=1)
    return np.asarray(runs.latents - mean_of_run)
