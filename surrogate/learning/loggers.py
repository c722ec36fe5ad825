"""Trackers that follow a training beside ``losses.csv``: TensorBoard and mlflow, when the configuration asks."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from surrogate.config import TrainingSettings


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
