"""One driver that trains every network: schedule, early stopping, best weights, checkpoints, exact resume."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from surrogate.environment import check_keras
from surrogate.files import atomic
from surrogate.learning.batches import Batches
from surrogate.settings import TrainingSettings

Progress = Callable[[str], None]

CHECKPOINT = "checkpoint.npz"
COLUMNS = ("epoch", "loss", "validation_loss", "learning_rate", "seconds")


def learning_rate(settings: TrainingSettings, steps: int) -> Any:
    """Return the learning rate, or its schedule over `steps` steps of training."""
    peak = settings.learning_rate
    if settings.schedule == "constant":
        return peak
    if settings.schedule == "steps":
        thirds = [max(1, steps // 3), max(2, 2 * steps // 3)]
        return keras.optimizers.schedules.PiecewiseConstantDecay(thirds, [peak, peak / 10, peak / 100])
    warmup = int(settings.warmup_fraction * steps)
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(peak, steps, alpha=1e-3)
    return keras.optimizers.schedules.CosineDecay(
        peak / 100, max(1, steps - warmup), alpha=1e-3, warmup_target=peak, warmup_steps=warmup
    )


class _Driver(keras.callbacks.Callback):
    """What happens around an epoch."""

    def __init__(
        self,
        settings: TrainingSettings,
        batches: Batches,
        folder: Path,
        name: str,
        label: str,
        progress: Progress | None,
        checkpoint_seconds: float,
    ) -> None:
        super().__init__()
        self.settings, self.batches, self.folder = settings, batches, folder
        self.name, self.label, self.progress = name, label, progress
        self.checkpoint_seconds = checkpoint_seconds
        self.history: list[dict[str, float]] = []
        self.best: list[np.ndarray] = []
        self.start = self.saved = time.perf_counter()

    @property
    def best_epoch(self) -> int:
        """Number of the epoch with the smallest validation loss, from 1; 0 before the first."""
        if not self.history:
            return 0
        return 1 + int(np.argmin([row["validation_loss"] for row in self.history]))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Choose the order of the epoch."""
        self.batches.epoch = epoch
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Record the losses, keep the best weights, save, and stop where there is no progress."""
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()  # on JAX the weights live elsewhere during an epoch
        values = (
            epoch + 1,
            float(logs["loss"]),
            float(logs["val_loss"]),
            float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            time.perf_counter() - self.start,
        )
        row = dict(zip(COLUMNS, values, strict=True))
        if not np.isfinite(row["loss"]):
            raise FloatingPointError(
                f"{self.label}: the loss is {row['loss']} in epoch {epoch + 1}; lower training.learning_rate"
            )
        if not np.isfinite(row["validation_loss"]):
            row["validation_loss"] = float(np.finfo(np.float32).max)
        self.history.append(row)
        if self.best_epoch == epoch + 1:
            self.best = [np.array(value) for value in self.model.get_weights()]
        if self.progress:
            self.progress(
                f"{self.label} epoch {epoch + 1}/{self.settings.epochs} loss {row['loss']:.3e} "
                f"validation {row['validation_loss']:.3e} (best {self.best_epoch}) "
                f"learning rate {row['learning_rate']:.1e} {row['seconds']:.1f} s"
            )
        if epoch + 1 - self.best_epoch >= self.settings.patience:
            self.model.stop_training = True
        if time.perf_counter() - self.saved >= self.checkpoint_seconds:
            self.save()

    def _state(self) -> dict[str, list[Any]]:
        return {"model": self.model.variables, "optimizer": self.model.optimizer.variables}

    def save(self) -> None:
        """Write everything that the rest of the training depends on."""
        content = {"name": self.name, "history": self.history}
        arrays: dict[str, Any] = {"content": np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)}
        for part, variables in self._state().items():
            for number, variable in enumerate(variables):
                arrays[f"{part}_{number}"] = keras.ops.convert_to_numpy(variable)
        arrays |= {f"best_{number}": value for number, value in enumerate(self.best)}
        with atomic(self.folder / CHECKPOINT) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
        with atomic(self.folder / "losses.csv") as temporary:
            self.losses().to_csv(temporary, index=False)
        self.saved = time.perf_counter()

    def losses(self) -> pd.DataFrame:
        """Table of the epochs so far."""
        return pd.DataFrame(self.history, columns=list(COLUMNS)).astype({"epoch": int})

    def restore(self) -> int:
        """Take up a checkpoint of the same training; return the number of epochs that are done."""
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return 0
        try:
            with np.load(path, allow_pickle=False) as stored:
                content = json.loads(stored["content"].tobytes())
                if content["name"] != self.name:
                    return 0  # another network or other settings: start afresh
                parts = {
                    part: [stored[f"{part}_{number}"] for number in range(len(variables))]
                    for part, variables in self._state().items()
                }
                best = [stored[f"best_{number}"] for number in range(len(self.model.weights))]
        except (OSError, ValueError, KeyError):
            return 0  # an unreadable checkpoint costs time, not the result
        for part, variables in self._state().items():
            for variable, value in zip(variables, parts[part], strict=True):
                variable.assign(value)
        self.history, self.best = content["history"], best
        return len(self.history)


def fit(
    model: keras.Model,
    loss: Any,
    batches: Batches,
    validation: Batches,
    settings: TrainingSettings,
    folder: Path,
    *,
    name: str,
    label: str,
    progress: Progress | None = None,
    checkpoint_seconds: float = 5.0,
    keep: bool = False,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Train a network and leave it with the weights that were best on the validation runs.

    A training that was killed resumes from its last checkpoint in `folder` and follows the loss curve that it would
    have followed: the order of the batches depends on seed and epoch only, and weights, optimizer, generators and
    history are restored.

    Parameters
    ----------
    model : keras.Model
        Built inside :func:`surrogate.learning.training.arithmetic`.
    loss : keras loss
    batches, validation : Batches
    settings : TrainingSettings
    folder : Path
        For the checkpoint, which is removed at the end.
    name : str
        Fingerprint of everything that the training depends on; a checkpoint of another name is ignored.
    label : str
        First word of a progress line.
    progress : callable, optional
        Called with one line per epoch.
    checkpoint_seconds : float
        A checkpoint is written at the end of an epoch when the last is older than this.
    keep : bool
        Leave a checkpoint of the whole training behind: it is the first of several, and need not be repeated.

    Returns
    -------
    DataFrame
        One row per epoch: epoch, loss, validation_loss, learning_rate, seconds.
    dict
        Summary: epochs, best_epoch, best_validation_loss, seconds, weights.

    Raises
    ------
    ValueError
        As reading a corpus raises it: CorpusError or ShardError, naming store, run and variable.
    FloatingPointError
        If the loss is not finite though the data are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    steps = len(batches) * settings.epochs
    optimizer = keras.optimizers.AdamW(
        learning_rate(settings, steps), weight_decay=settings.weight_decay, global_clipnorm=1.0
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(model.trainable_variables)
    model.compile(
        optimizer=optimizer,
        loss=loss,
        # XLA makes convolutions several times slower on a CPU under TensorFlow.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
        # Several steps per call save time on small networks; with several devices Keras loses count of the batches.
        steps_per_execution=1 if settings.distribute else min(len(batches), 8),
    )
    driver = _Driver(settings, batches, folder, name, label, progress, checkpoint_seconds)
    driver.set_model(model)
    done = driver.restore()
    if progress:
        progress(f"{label} trains on {device()} with {keras.backend.backend()}, {settings.precision}")
        if done:
            progress(f"{label} resumes after epoch {done}")
    finished = done - driver.best_epoch >= settings.patience
    if done < settings.epochs and not finished:
        try:
            model.fit(
                batches,
                validation_data=validation,
                epochs=settings.epochs,
                initial_epoch=done,
                verbose=0,
                shuffle=False,
                callbacks=[driver, *loggers(settings, folder, label)],
            )
        except Exception as error:
            failure = batches.failure or validation.failure
            if failure is None:
                raise
            raise failure from error  # a store that cannot be read, not a fault of the training
        if keep:
            driver.save()
    model.set_weights(driver.best)
    losses = driver.losses()
    if not keep:
        (folder / CHECKPOINT).unlink(missing_ok=True)
    summary = {
        "epochs": len(losses),
        "best_epoch": driver.best_epoch,
        "best_validation_loss": float(losses.validation_loss.min()),
        "seconds": float(losses.seconds.sum()),
        "weights": int(model.count_params()),
        "backend": keras.backend.backend(),
        "device": device(),
    }
    return losses, summary


@contextmanager
def arithmetic(settings: TrainingSettings) -> Iterator[None]:
    """Build and train inside this: it seeds all generators, sets precision and devices, and puts them back."""
    check_keras()
    before = keras.config.dtype_policy()
    keras.utils.set_random_seed(settings.seed)
    keras.config.set_dtype_policy(settings.precision)
    if settings.deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
    with ExitStack() as stack:
        stack.callback(keras.config.set_dtype_policy, before)
        if settings.distribute:
            stack.enter_context(all_devices())
        yield


def device() -> str:
    """Say what the backend computes on: "CPU", or the GPUs that it sees."""
    found: list[str] = []
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        for entry in tensorflow.config.list_physical_devices("GPU"):
            found.append(str(tensorflow.config.experimental.get_device_details(entry).get("device_name", entry.name)))
    elif keras.backend.backend() == "jax":
        import jax

        found = [str(entry.device_kind) for entry in jax.devices() if entry.platform != "cpu"]
    return ", ".join(found) or "CPU"


@contextmanager
def all_devices() -> Iterator[None]:
    """Copy the weights of what is built inside to every device; each batch is shared among them.

    All GPUs of the machine or, where there is none, all CPU devices: there is one, unless somebody asked for more.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow

        names = [device.name for device in tensorflow.config.list_logical_devices("GPU")] or [
            device.name for device in tensorflow.config.list_logical_devices("CPU")
        ]
        with tensorflow.distribute.MirroredStrategy(names).scope():
            yield
    elif backend == "jax":
        before = keras.distribution.distribution()
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)
    else:
        raise ValueError(f"training.distribute: the Keras backend {backend!r} cannot; expected tensorflow or jax")


class _Mlflow(keras.callbacks.Callback):
    """One mlflow run per training, in the experiment "surrogate"; where it goes, MLFLOW_TRACKING_URI says."""

    def __init__(self, label: str, settings: TrainingSettings) -> None:
        super().__init__()
        self.mlflow, self.label, self.settings = _installed("mlflow"), label, settings

    def on_train_begin(self, logs: Any = None) -> None:
        self.mlflow.set_experiment("surrogate")
        self.mlflow.start_run(run_name=self.label)
        self.mlflow.log_params(self.settings.model_dump(mode="json"))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.mlflow.log_metrics({"loss": float(logs["loss"]), "validation_loss": float(logs["val_loss"])}, epoch + 1)

    def on_train_end(self, logs: Any = None) -> None:
        self.mlflow.end_run()


def _tensorboard(folder: Path) -> keras.callbacks.Callback:
    _installed("tensorboard")
    return keras.callbacks.TensorBoard(folder / "tensorboard")


def _installed(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ImportError(f"training.loggers: {name} is not installed: pip install 'surrogate[track]'") from None


def loggers(settings: TrainingSettings, folder: Path, label: str) -> list[keras.callbacks.Callback]:
    """Callbacks of the trackers that the settings name; TensorBoard's files go to ``tensorboard/`` in the folder."""
    makers: dict[str, Callable[[], keras.callbacks.Callback]] = {
        "tensorboard": lambda: _tensorboard(folder),
        "mlflow": lambda: _Mlflow(label, settings),
    }
    return [makers[name]() for name in settings.loggers]
