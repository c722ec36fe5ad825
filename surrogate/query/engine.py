"""The networks of a bundle behind compiled calls; Keras is imported when the first answer is computed."""

from __future__ import annotations

import os
import threading
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from surrogate.query.bundle import FLOW, BundleError
from surrogate.query.compiling import Compiled, compiled, forward_derivative, in_parts
from surrogate.query.progress import Progress

if TYPE_CHECKING:
    from surrogate.learning.autoencoder import Autoencoder
    from surrogate.learning.flow import FlowPredictor
    from surrogate.learning.fnn import FnnPredictor
    from surrogate.learning.lstm import LstmPredictor

METHODS = ("fnn", "lstm", "ensemble")
"""Predictors that answer; the ensemble decodes the mean of the latents of the other two."""

NODES = 4_000_000
"""Nodes that pass through the decoder at once: more would not be faster, only larger."""

FEATURES = 6
"""Inputs of the FNN: five parameters and time."""

FAR = 1e4
"""Output of the FNN at which the calibration is probed: far, so that single precision does not blur its slope."""

ROWS = 16384
"""Rows of sets and times that pass through the predictors at once."""


class Engine:
    """Compiled inference of a bundle folder.

    Parameters
    ----------
    folder : path
        Of a checked bundle.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        self._functions: dict[str, Compiled] = {}
        self._last_rollout: tuple[tuple[bytes, bytes], np.ndarray] | None = None
        self._lock = threading.RLock()

    @cached_property
    def autoencoder(self) -> Autoencoder:
        """The autoencoder, read on first use."""
        return self._load("autoencoder", "Autoencoder")

    @cached_property
    def fnn(self) -> FnnPredictor:
        """The FNN, read on first use."""
        return self._load("fnn", "FnnPredictor")

    @cached_property
    def lstm(self) -> LstmPredictor:
        """The LSTM, read on first use."""
        return self._load("lstm", "LstmPredictor")

    @cached_property
    def flow(self) -> FlowPredictor | None:
        """The flow, read on first use; None if the bundle has none."""
        if not (self._folder / FLOW).is_dir():
            return None
        return self._load(FLOW, "FlowPredictor", fnn=self.fnn)

    def _load(self, name: str, class_name: str, **needs: Any) -> Any:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        module = import_module(f"surrogate.learning.{name}")
        folder = self._folder / name
        with self._lock:
            try:
                return getattr(module, class_name).load(folder, **needs)
            except (TypeError, ValueError, KeyError, AttributeError) as error:
                if type(error).__name__ == "ModelError":
                    raise BundleError(str(error)) from None
                reason = str(error).strip().splitlines()
                raise BundleError(
                    f"{folder}: not readable by this version of surrogate and keras: {(reason or [repr(error)])[0]}"
                ) from error

    def decoded(self, latents: Any) -> Any:
        """Decode inside a graph: latents, shape (n, latent), to temperature, shape (n, radius, angle), K."""
        from keras import ops

        scaler = self.autoencoder.scaler
        profile = scaler.profile.astype(np.float32)
        image, walls = self.autoencoder.decoder(latents, training=False)
        image = ops.cast(image, "float32") * float(scaler.scale) + ops.convert_to_tensor(profile[scaler.rows, None])
        like = ops.zeros_like(image[:, :1])
        rows, column = [image], 0
        for index, constant, carried in (
            (0, scaler.core, scaler.core_scalar),
            (-1, scaler.surface, scaler.surface_scalar),
        ):
            if constant is not None:
                row = like + float(constant)
            elif carried:
                level = ops.cast(walls[:, column, None, None], "float32")
                row = like + level * float(scaler.scale) + float(profile[index])
                column += 1
            else:
                continue
            rows = [row, *rows] if index == 0 else [*rows, row]
        return ops.concatenate(rows, axis=1) if len(rows) > 1 else image

    def fnn_latents(self, batch: Any) -> Any:
        """Run the FNN inside a graph: rows of :meth:`fnn_inputs` to latents, shape (n, latent)."""
        from keras import ops

        width = (batch.shape[-1] - FEATURES) // 2
        scaled = ops.cast(self.fnn.network(batch[:, :FEATURES], training=False)[:, 0, :], "float32")
        return scaled * batch[:, FEATURES : FEATURES + width] + batch[:, FEATURES + width :]

    def fnn_inputs(self, parameters: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Rows for the FNN: scaled parameters and time, then slope and offset from its outputs to latents at that time.

        Returns
        -------
        array, shape (simulation * time, 6 + 2 latent), float32
        """
        predictor = self.fnn
        scaler = predictor.latent_scaler
        # The calibration is affine in the latents and depends on time only: two points tell it.
        outputs = np.stack([np.zeros_like(scaler.mean), np.full_like(scaler.mean, FAR)])
        latents = np.repeat((scaler.mean + outputs * scaler.deviation)[:, None], len(times), axis=1)
        offset, far = predictor.calibration.apply(latents, np.stack([times, times])).astype(float)
        told = np.concatenate([(far - offset) / FAR, offset], axis=-1)
        features = predictor.parameter_scaler.features(parameters, times)
        rows = np.concatenate([features, np.broadcast_to(told, (*features.shape[:2], told.shape[-1]))], axis=-1)
        return rows.reshape(-1, rows.shape[-1]).astype(np.float32, copy=False)

    @property
    def fnn_width(self) -> int:
        """Columns of :meth:`fnn_inputs`."""
        return FEATURES + 2 * len(self.fnn.latent_scaler.mean)

    def _function(self, name: str) -> Compiled:
        """Compile on first use: ``latents`` from inputs of the FNN; ``field``, ``profile``, ``walls`` from latents."""
        with self._lock:
            if name not in self._functions:

                def function(batch: Any) -> Any:
                    return self.fnn_latents(batch) if name == "latents" else _reduced(self.decoded(batch), name)

                # This reads the network before the graph is made: variables that are made within one are lost with it.
                width = self.fnn_width if name == "latents" else self.autoencoder.latents
                self._functions[name] = compiled(function, width)
            return self._functions[name]

    def latents(self, method: str, parameters: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Predict latents, shape (simulation, time, latent).

        Parameters
        ----------
        method : {"fnn", "lstm", "ensemble"}
        parameters : array, shape (simulation, 5), SI units
        times : array, shape (time,), Gyr
        """
        rows = max(1, ROWS // max(len(times), 1))
        if len(parameters) <= rows:
            return self._latents(method, parameters, times)
        progress = Progress(len(parameters), "evolutions")
        result = np.empty((len(parameters), len(times), self.autoencoder.latents), dtype=np.float32)
        for start in range(0, len(parameters), rows):
            part = parameters[start : start + rows]
            result[start : start + rows] = self._latents(method, part, times)
            progress.advance(len(part))
        return result

    def _latents(self, method: str, parameters: np.ndarray, times: np.ndarray) -> np.ndarray:
        if method == "lstm":
            return self._rollout(parameters, times)
        flat = self._function("latents")(self.fnn_inputs(parameters, times))
        latents = flat.reshape(len(parameters), len(times), -1)
        if method == "ensemble":
            latents = 0.5 * (latents + self._rollout(parameters, times))
        return latents

    def _rollout(self, parameters: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Roll the LSTM out, once where fields, profiles and fluxes of the same sets are asked for in turn."""
        asked = (parameters.tobytes(), times.tobytes())
        last = self._last_rollout
        if last is None or last[0] != asked:
            last = self._last_rollout = (asked, self.lstm.predict(parameters, times))
        return last[1].copy()

    def predictors(self, method: str) -> tuple[FnnPredictor | LstmPredictor, ...]:
        """Return the predictors whose mean answers."""
        if method == "fnn":
            return (self.fnn,)
        return (self.lstm,) if method == "lstm" else (self.fnn, self.lstm)

    def mean_latents(self, method: str, parameters: np.ndarray, times: np.ndarray) -> np.ndarray:
        """As :meth:`latents`, with times of shape ([simulation,] time); not compiled as one."""
        return np.mean([p.predict(parameters, times) for p in self.predictors(method)], axis=0)

    def folds(self, method: str, runs: int) -> tuple[np.ndarray, ...] | None:
        """Say which member of each predictor never saw a training run; None if all members saw every run."""
        result = []
        for predictor in self.predictors(method):
            folds = predictor.folds(runs)
            if predictor.manifest["shapes"]["runs"]["train"] != runs or folds.max() < 0:
                return None
            result.append(folds)
        return tuple(result)

    def blind_latents(
        self, method: str, parameters: np.ndarray, times: np.ndarray, folds: tuple[np.ndarray, ...]
    ) -> np.ndarray:
        """Predict every run with the member that did not see it, shape (simulation, time, latent)."""
        rows = np.arange(len(parameters))
        parts = [
            predictor.predict_members(parameters, times)[rows, fold]
            for predictor, fold in zip(self.predictors(method), folds, strict=True)
        ]
        return np.asarray(np.mean(parts, axis=0))

    def answer(self, method: str, parameters: np.ndarray, times: np.ndarray, what: str = "field") -> np.ndarray:
        """Predict temperatures: :meth:`latents`, then :meth:`expand`."""
        return self.expand(self.latents(method, parameters, times), what)

    def expand(self, latents: np.ndarray, what: str = "field", progress: Progress | None = None) -> np.ndarray:
        """Decode latents, shape (..., latent), to temperatures, K, float32.

        Parameters
        ----------
        latents : array
        what : {"field", "profile", "walls"}
            Whole fields, their lateral means, or the two rows next to each wall.
        progress : Progress, optional
            Counts the fields, if these are part of more.

        Returns
        -------
        array, shape (..., radius, angle), (..., radius) or (..., 4, angle)
        """
        rows = latents.reshape(-1, latents.shape[-1])
        progress = progress or Progress(len(rows), "fields")
        flat = in_parts(self._function(what), rows, self.chunk, progress.advance)
        return flat.reshape(*latents.shape[:-1], *flat.shape[1:])

    def derivatives(self, what: str, parameters: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Differentiate an answer of the FNN by the parameters on their natural axes.

        Parameters
        ----------
        what : {"field", "profile", "walls"}
        parameters : array, shape (5,), SI units
        times : array, shape (time,), Gyr

        Returns
        -------
        array, shape (time, ...)
            The answer, float64.
        array, shape (5, time, ...)
            Its derivatives.
        """
        batch = self.fnn_inputs(parameters[None], times)
        scaler = self.fnn.parameter_scaler

        def function(rows: Any) -> Any:
            return _reduced(self.decoded(self.fnn_latents(rows)), what)

        slopes = []
        value: Any = None
        for column in range(FEATURES - 1):
            span = float(scaler.high[column] - scaler.low[column])
            direction = np.zeros_like(batch)
            direction[:, column] = 2 / span if span > 0 else 0.0
            # Forward mode is linear in the direction: scale it to order one, so that float32 does not lose it.
            largest = float(np.abs(direction).max()) or 1.0
            value, slope = forward_derivative(function, batch, direction / largest)
            slopes.append(slope.astype(float) * largest)
        return value.astype(float), np.stack(slopes)

    @property
    def chunk(self) -> int:
        """Snapshots that pass through the decoder at once."""
        return max(1, NODES // int(np.prod(self.autoencoder.shape)))

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Decode latents, shape (..., latent), to temperature, shape (..., radius, angle), K."""
        latents = np.asarray(latents, dtype=np.float32)
        if latents.shape[-1:] != (self.autoencoder.latents,):
            raise ValueError(f"latents: expected shape (..., {self.autoencoder.latents}), got {latents.shape}")
        return self.expand(latents)


def _reduced(field: Any, result: str) -> Any:
    from keras import ops

    if result == "profile":
        return ops.mean(field, axis=-1)
    if result == "walls":
        return ops.concatenate([field[:, :2], field[:, -2:]], axis=1)
    return field
