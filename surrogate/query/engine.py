"""The networks of a bundle: few rows are answered in NumPy, more by compiled calls of Keras, imported when needed."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from surrogate.environment import check_keras
from surrogate.files import read_json
from surrogate.learning.scaling import ParameterScaler
from surrogate.methods import METHODS, methods
from surrogate.parameters import ParameterSpace
from surrogate.query.dense import REDUCTIONS, decoder_function, predictor_function
from surrogate.query.errors import BundleError, QueryError

if TYPE_CHECKING:
    from surrogate.learning.autoencoder import Autoencoder

ENSEMBLE = "ensemble"
"""The method that decodes the mean of the latents of all predictors of a mean."""

FEW_ROWS = 128
"""Rows that NumPy answers where it can (:mod:`surrogate.query.dense`): it is as fast for them, and at once."""

NODES_AT_ONCE = 4_000_000
"""Nodes that pass through the decoder at once: more would not be faster, only larger."""

ROWS_AT_ONCE = 16384
"""Rows of sets and times that pass through the predictors at once."""

MOST_SPANS = 10
"""Trained time spans over which a predictor advances step by step, at most."""

PATIENCE_ON_TERMINAL, PATIENCE_ELSEWHERE = 1.0, 10.0
"""Seconds before a line on progress, and between two of them where stderr is no terminal."""

Compiled = Callable[[np.ndarray], np.ndarray]

_process: int | None = None
"""The process in which Keras has computed: one that is forked from it would wait for ever."""


class Engine:
    """Compiled inference of a bundle folder.

    Parameters
    ----------
    folder : path
        Of a checked bundle.
    space : ParameterSpace
        With the ranges of the training runs.

    Attributes
    ----------
    few_rows : int
        Rows up to which NumPy answers where it can; 0 leaves all to Keras.
    import_keras : callable
        What imports Keras when a question needs it.
    """

    def __init__(self, folder: str | os.PathLike[str], space: ParameterSpace) -> None:
        self._folder, self.space = Path(folder), space
        self._predictors: dict[str, Any] = {}
        self._functions: dict[str, Compiled] = {}
        self._plain: dict[str, Compiled | None] = {}
        self._scalers: dict[str, ParameterScaler] = {}
        self._rollouts: dict[str, tuple[tuple[bytes, bytes], np.ndarray]] = {}
        self._lock = threading.RLock()
        self.few_rows = FEW_ROWS
        self.import_keras: Callable[[], Any] = partial(import_module, "keras")
        here = {method.key for method in methods("mean", "sample") if (self._folder / method.key).is_dir()}
        self.means = tuple(method.key for method in methods("mean") if method.key in here)
        self.samplers = tuple(method.key for method in methods("sample") if method.key in here)
        self.methods = (*self.means, *((ENSEMBLE,) if len(self.means) > 1 else ()))
        """What can be asked for: the predictors of a mean in the bundle, and the mean of them."""

    @cached_property
    def autoencoder(self) -> Autoencoder:
        """The autoencoder, read on first use."""
        loaded: Autoencoder = self._load("autoencoder")
        return loaded

    def predictor(self, name: str) -> Any:
        """Return a trained predictor, read on first use with what it builds on."""
        if name not in self._predictors:
            with self._lock:
                if name not in self._predictors:
                    self._predictors[name] = self._load(name)
        return self._predictors[name]

    def _load(self, name: str) -> Any:
        folder, needs = self._folder / name, {key: self.predictor(key) for key in METHODS[name].needs}
        with self._lock:
            _start_keras(self.import_keras)
            try:
                loaded = METHODS[name].load_class().load(folder, **needs)
            except (TypeError, ValueError, KeyError, AttributeError) as error:
                if type(error).__name__ == "ModelError":
                    raise BundleError(str(error)) from None
                reason = str(error).strip().splitlines()
                raise BundleError(
                    f"{folder}: not readable by this version of surrogate and keras: {(reason or [repr(error)])[0]}"
                ) from error
        if hasattr(loaded, "parameter_scaler"):
            self.scaler(name)  # which looks whether it fits
        return loaded

    def scaler(self, name: str) -> ParameterScaler:
        """Return how a predictor scales parameters and time, read on first use.

        Raises
        ------
        BundleError
            If these are not the ranges of the bundle.
        """
        if name not in self._scalers:
            scaling = read_json(self._folder / name / "manifest.json")["scaling"]
            scaler = ParameterScaler.from_dict(scaling["parameters"])
            ends = zip((scaler.low, scaler.high), (self.space.low, self.space.high), strict=True)
            if not all(np.allclose(own, said, rtol=1e-9, atol=0) for own, said in ends):
                raise BundleError(
                    f"{self._folder / name}: was trained on other ranges of the parameters than the bundle says"
                )
            self._scalers[name] = scaler
        return self._scalers[name]

    def direct(self, name: str) -> bool:
        """Tell whether a predictor answers each time by itself; the others advance step by step."""
        return self._in_numpy(name) is not None or hasattr(self.predictor(name), "graph")

    def encode(self, fields: np.ndarray) -> np.ndarray:
        """Compress fields, shape (..., radius, angle), K, to latents, shape (..., latent)."""
        _refuse_forked()
        return self.autoencoder.encode(fields)

    @cached_property
    def chunk(self) -> int:
        """Snapshots that pass through the decoder at once."""
        shape = read_json(self._folder / "autoencoder" / "manifest.json")["shapes"]["field"]
        return max(1, NODES_AT_ONCE // int(np.prod(shape)))

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

    def _in_numpy(self, name: str) -> Compiled | None:
        """As :meth:`_function`, without Keras; None where only Keras can."""
        if name not in self._plain:
            if name in REDUCTIONS:
                function = decoder_function(self._folder / "autoencoder", name)
            else:
                function = predictor_function(self._folder / name)
            self._plain[name] = function
        return self._plain[name]

    def _function(self, name: str, rows: int) -> Compiled:
        """Make on first use: a predictor from features to latents, and what :meth:`expand` makes of these."""
        plain = self._in_numpy(name) if rows <= self.few_rows else None
        if plain is not None:
            return plain
        _refuse_forked()
        if name not in self._functions:
            # The networks are read before the graph is made: variables that are made within one are lost with it.
            if name in self.means:
                function, width = self.predictor(name).graph, len(self.space) + 1
            else:
                width = self.autoencoder.latents

                def function(batch: Any) -> Any:
                    return reduced(self.decoded(batch), name)

            with self._lock:
                self._functions.setdefault(name, compile_graph(function, width))
        return self._functions[name]

    def latents(
        self, method: str, parameters: np.ndarray, times: np.ndarray, scaled: np.ndarray | None = None
    ) -> np.ndarray:
        """Predict latents, shape (simulation, time, latent).

        Parameters
        ----------
        method : str
            One of :attr:`methods`.
        parameters : array, shape (simulation, n)
        times : array, shape (time,), Gyr
        scaled : array, shape (simulation, n), optional
            The parameters with their trained ranges scaled to [-1, 1], if that is known.
        """
        names = self.means if method == ENSEMBLE else (method,)
        rows = max(1, ROWS_AT_ONCE // len(times))
        if len(parameters) <= rows:
            return self._latents(names, parameters, times, scaled)
        progress = Progress(len(parameters), "evolutions")
        result = np.empty((len(parameters), len(times), self.autoencoder.latents), dtype=np.float32)
        for start in range(0, len(parameters), rows):
            part = slice(start, start + rows)
            own = None if scaled is None else scaled[part]
            result[part] = self._latents(names, parameters[part], times, own)
            progress.advance(len(parameters[part]))
        return result

    def _latents(
        self, names: tuple[str, ...], parameters: np.ndarray, times: np.ndarray, scaled: np.ndarray | None
    ) -> np.ndarray:
        parts = []
        for name in names:
            if self.direct(name):
                rows = self.features(name, parameters, times, scaled)
                parts.append(self._function(name, len(rows))(rows).reshape(len(parameters), len(times), -1))
            else:
                parts.append(self._rollout(name, parameters, times))
        return parts[0] if len(parts) == 1 else np.asarray(np.mean(parts, axis=0))

    def features(
        self, name: str, parameters: np.ndarray, times: np.ndarray, scaled: np.ndarray | None = None
    ) -> np.ndarray:
        """Rows for the graph of a predictor: scaled parameters and time, shape (simulation * time, n + 1), float32."""
        scaler = self.scaler(name)
        if scaled is None:
            scaled = scaler.transform(parameters)
        rows = np.empty((len(scaled), len(times), scaled.shape[1] + 1), dtype=np.float32)
        # A parameter that never varied in training says nothing.
        rows[:, :, :-1] = np.where(scaler.high > scaler.low, scaled, 0.0)[:, None]
        span = max(scaler.last_time - scaler.first_time, 1e-12)
        rows[:, :, -1] = 2 * (times - scaler.first_time) / span - 1
        return rows.reshape(-1, rows.shape[-1])

    def _rollout(self, name: str, parameters: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Ask a predictor without a graph, once where fields, profiles and fluxes of the same sets are asked for."""
        _refuse_forked()
        asked, last = (parameters.tobytes(), times.tobytes()), self._rollouts.get(name)
        if last is None or last[0] != asked:
            last = self._rollouts[name] = (asked, np.asarray(self.predictor(name).predict(parameters, times)))
        return last[1].copy()

    def sample(self, method: str, parameters: np.ndarray, times: np.ndarray, samples: int, seed: int) -> np.ndarray:
        """Draw latents, shape (simulation, sample, time, latent)."""
        _refuse_forked()
        return np.asarray(self.predictor(method).sample(parameters, times, samples=samples, seed=seed))

    def mean_latents(self, method: str, parameters: np.ndarray, times: np.ndarray) -> np.ndarray:
        """As :meth:`latents`, with times of shape ([simulation,] time); not compiled as one."""
        return np.asarray(np.mean([each.predict(parameters, times) for each in self._of(method)], axis=0))

    def _of(self, method: str) -> list[Any]:
        """Predictors whose mean answers."""
        return [self.predictor(name) for name in (self.means if method == ENSEMBLE else (method,))]

    def folds(self, method: str, runs: int) -> tuple[np.ndarray, ...] | None:
        """Say which member of each predictor never saw a training run; None if all members saw every run."""
        result = []
        for predictor in self._of(method):
            if not hasattr(predictor, "folds"):
                return None
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
            for predictor, fold in zip(self._of(method), folds, strict=True)
        ]
        return np.asarray(np.mean(parts, axis=0))

    def member_latents(self, method: str, parameters: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Predict with each member, shape (simulation, member, time, latent); of several predictors their mean."""
        each = [predictor.predict_members(parameters, times) for predictor in self._of(method)]
        members = np.arange(max(part.shape[1] for part in each))
        return np.asarray(np.mean([part[:, members % part.shape[1]] for part in each], axis=0))

    def expand(self, latents: np.ndarray, what: str = "field", progress: Progress | None = None) -> np.ndarray:
        """Decode latents, shape (..., latent), to temperatures, K, float32.

        Parameters
        ----------
        latents : array
        what : {"field", "profile", "walls", "series"}
            Whole fields, their lateral means, the two rows next to each wall, or the last two, these first, in one row.
        progress : Progress, optional
            Counts the fields, if these are part of more.

        Returns
        -------
        array, shape (..., radius, angle), (..., radius), (..., 4, angle) or (..., 4 angle + radius)
        """
        rows = np.ascontiguousarray(latents.reshape(-1, latents.shape[-1]), dtype=np.float32)
        function, size = self._function(what, len(rows)), self.chunk
        if len(rows) <= size and progress is None:
            flat = function(rows)
        else:
            progress, flat = progress or Progress(len(rows), "fields"), np.empty(0)
            for start in range(0, len(rows), size):
                part = function(rows[start : start + size])
                if not start:
                    flat = np.empty((len(rows), *part.shape[1:]), dtype=part.dtype)
                flat[start : start + size] = part
                progress.advance(len(part))
        return flat.reshape(*latents.shape[:-1], *flat.shape[1:])

    def answer(self, method: str, parameters: np.ndarray, times: np.ndarray, what: str = "field") -> np.ndarray:
        """Predict temperatures: :meth:`latents`, then :meth:`expand`."""
        return self.expand(self.latents(method, parameters, times), what)

    def derivatives(self, what: str, parameters: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Differentiate an answer of the first predictor with a graph by the parameters on their natural axes.

        Parameters
        ----------
        what : {"field", "profile", "walls", "series"}
        parameters : array, shape (n,)
        times : array, shape (time,), Gyr

        Returns
        -------
        array, shape (time, ...)
            The answer, float64.
        array, shape (n, time, ...)
            Its derivatives.
        """
        name = next((key for key in self.means if hasattr(self.predictor(key), "graph")), None)
        if name is None:
            raise QueryError(f"derivatives: none of {', '.join(self.means)} can be differentiated")
        predictor = self.predictor(name)
        batch, spans = self.features(name, parameters[None], times), self.space.high - self.space.low

        def function(rows: Any) -> Any:
            return reduced(self.decoded(predictor.graph(rows)), what)

        slopes, value = [], np.empty(0)
        for column, span in enumerate(spans):
            direction = np.zeros_like(batch)
            direction[:, column] = 1.0 if span > 0 else 0.0  # of order one, so that float32 does not lose it
            value, slope = _forward_derivative(function, batch, direction)
            slopes.append(slope.astype(float) * (2 / span if span > 0 else 0.0))
        return value.astype(float), np.stack(slopes)


def reduced(field: Any, result: str) -> Any:
    """Lateral means, wall rows or both of fields, inside a graph."""
    from keras import ops

    if result == "field":
        return field
    profile, walls = ops.mean(field, axis=-1), ops.concatenate([field[:, :2], field[:, -2:]], axis=1)
    if result == "series":
        return ops.concatenate([ops.reshape(walls, (-1, 4 * field.shape[-1])), profile], axis=1)
    return profile if result == "profile" else walls


def _refuse_forked() -> None:
    if _process is not None and os.getpid() != _process:
        raise QueryError(
            "this process was forked from one in which networks had already computed: TensorFlow and JAX would wait "
            "here for ever; start workers by 'spawn' or 'forkserver' (Dask does), or ask the first question in them"
        )


def _start_keras(import_keras: Callable[[], Any]) -> None:
    """Import Keras as the networks need it.

    Raises
    ------
    EnvironmentFault
        If a setting of the user would change their answers; it is named.
    QueryError
        If this process was forked from one in which networks had computed.
    """
    global _process
    _refuse_forked()
    check_keras()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import_keras()
    _process = os.getpid()


def compile_graph(function: Callable[[Any], Any], width: int) -> Compiled:
    """Compile a function of one batch, shape (n, `width`), once for every n; takes and gives NumPy arrays.

    Keras' own `predict` spends tens of milliseconds per call around the computation.
    """
    import keras

    if keras.backend.backend() == "jax":
        import jax

        program = jax.jit(function)
        return lambda batch: np.asarray(program(batch))
    import tensorflow as tf

    # One graph per kind of answer is intended: TensorFlow would warn that there are several.
    logging.getLogger("tensorflow").addFilter(lambda record: "retracing" not in str(record.msg))
    signature = [tf.TensorSpec((None, width), tf.float32)]
    graph = tf.function(function, input_signature=signature, autograph=False, jit_compile=False)
    graph = graph.get_concrete_function()  # which does not look up on each call which graph fits
    convert = tf.convert_to_tensor
    return lambda batch: graph(convert(batch)).numpy()


def _forward_derivative(function: Callable[[Any], Any], point: np.ndarray, direction: np.ndarray) -> tuple[Any, Any]:
    """Value of a function of one batch and its derivative along `direction`, by automatic differentiation."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        value, slope = jax.jvp(function, (point,), (direction,))
        return np.asarray(value), np.asarray(slope)
    import tensorflow as tf

    primal = tf.convert_to_tensor(point)
    with tf.autodiff.ForwardAccumulator(primal, tf.convert_to_tensor(direction)) as accumulator:
        value = function(primal)
    return value.numpy(), accumulator.jvp(value, unconnected_gradients="zero").numpy()


class Progress:
    """Says on stderr how far a long answer is: a bar on a terminal, elsewhere a line now and then.

    Parameters
    ----------
    total : int
        What there is to do.
    label : str
        What is counted, from any thread.
    """

    def __init__(self, total: int, label: str) -> None:
        self._total, self._label, self._done = total, label, 0
        self._bar: Any = None
        self._lock, self._start = threading.Lock(), monotonic()
        self._next = self._start + (PATIENCE_ON_TERMINAL if _on_terminal() else PATIENCE_ELSEWHERE)

    def __del__(self) -> None:
        if self._bar is not None:  # interrupted: the terminal gets its cursor back
            self._bar.stop()

    def advance(self, count: int) -> None:
        """Add `count` to what is done; after the last one the bar goes."""
        with self._lock:
            self._done += count
            if self._bar is not None:
                self._bar.update(0, completed=self._done)
                if self._done >= self._total:
                    self._bar.stop()
                    self._bar = None
            elif self._done < self._total and monotonic() > self._next and sys.stderr is not None:
                self._say()
            if self._done >= self._total:
                self._done, self._start = 0, monotonic()  # a lazy answer may be computed again

    def _say(self) -> None:
        if _on_terminal():
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._bar.add_task(self._label, total=self._total, completed=self._done)
            self._bar.start()
            return
        now = monotonic()
        left = (now - self._start) * (self._total - self._done) / self._done
        share = self._done / self._total
        line = f"{self._label}: {self._done:,} of {self._total:,} ({share:.0%}), {left:.0f} s left"
        print(line, file=sys.stderr, flush=True)
        self._next = now + PATIENCE_ELSEWHERE


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
