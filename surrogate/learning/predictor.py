"""What the predictors of latents share: interface, parts, folder and the manifest that describes them.

A predictor is a class like :class:`LatentPredictor` and a record in :mod:`surrogate.methods`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import keras
import numpy as np
import pandas as pd
import xarray as xr

from surrogate.fields import valid_snapshots
from surrogate.files import fingerprint
from surrogate.learning import folders
from surrogate.learning.ensemble import draw_folds, training_parts
from surrogate.learning.scaling import Calibration, LatentScaler, ParameterScaler
from surrogate.learning.training import Progress
from surrogate.methods import METHODS


class Predictor(Protocol):
    """What a class must offer to be the implementation of a method that predicts latents."""

    manifest: dict[str, Any]

    @classmethod
    def train(
        cls,
        latents: xr.Dataset,
        settings: Any,
        folder: str | os.PathLike[str],
        provenance: Mapping[str, Any] | None = None,
        progress: Progress | None = print,
        **needs: Any,
    ) -> Self:
        """Train on the training runs of encoded snapshots and write the folder; `needs` are the models it builds on."""

    @classmethod
    def load(cls, folder: str | os.PathLike[str], **needs: Any) -> Self:
        """Read the folder of a finished training."""

    def predict(self, parameters: Any, times: Any, initial_latent: Any = None) -> np.ndarray:
        """Predict latents, shape (n, t, latent), for parameters (n, parameter) at times (t,) or (n, t), Gyr.

        A method that starts from a field takes the encoded first snapshots, shape (n, latent), where they are known.
        """


def train_predictor(
    method: str,
    latents: xr.Dataset,
    settings: Any,
    folder: str | os.PathLike[str],
    provenance: Mapping[str, Any] | None = None,
    progress: Progress | None = print,
) -> Predictor:
    """Train a predictor of latents on the training runs; the validation runs choose the best weights.

    A training that was stopped resumes from its last checkpoint in `folder`.

    Parameters
    ----------
    method : str
        Key of a method, e.g. "fnn".
    latents : xarray.Dataset
        From :func:`surrogate.learning.encode_corpus`.
    settings : Section
        The section of the configuration of that name.
    folder : path
        Where network, manifest.json and losses.csv go. Models that the method builds on lie beside it.
    provenance : mapping, optional
        Kept in the manifest.
    progress : callable, optional
        Called with one line per epoch.

    Raises
    ------
    ValueError
        If there are no training or no validation runs.
    surrogate.learning.ModelError
        If a model that the method builds on is missing or damaged.
    """
    needs = _needs(method, Path(folder).parent)
    trained: Predictor = METHODS[method].load_class().train(latents, settings, folder, provenance, progress, **needs)
    return trained


def load_predictor(method: str, models: str | os.PathLike[str]) -> Predictor:
    """Read a trained predictor, and what it builds on, from a folder of models.

    Raises
    ------
    surrogate.learning.ModelError
        If a model is missing, damaged or of another version.
    """
    loaded: Predictor = METHODS[method].load_class().load(Path(models) / method, **_needs(method, Path(models)))
    return loaded


def _needs(method: str, models: Path) -> dict[str, Predictor]:
    """Models that a method builds on, by name."""
    return {name: load_predictor(name, models) for name in METHODS[method].needs}


class LatentPredictor(ABC):
    """A trained network from parameters and times to latents.

    Attributes
    ----------
    network : keras.Model
    parameter_scaler : ParameterScaler
    latent_scaler : LatentScaler
    calibration : Calibration
    manifest : dict
        What made it.
    """

    kind: ClassVar[str]
    """Key of its method."""
    entries: ClassVar[tuple[str, ...]] = ()
    """What the manifest must hold beside what every manifest does."""

    def __init__(
        self,
        network: keras.Model,
        parameter_scaler: ParameterScaler,
        latent_scaler: LatentScaler,
        calibration: Calibration,
        manifest: Mapping[str, Any],
    ) -> None:
        self.network, self.manifest = network, dict(manifest)
        self.parameter_scaler, self.latent_scaler, self.calibration = parameter_scaler, latent_scaler, calibration
        self._members = keras.Model(network.inputs, network.get_layer("each_member").output)

    @abstractmethod
    def predict_members(self, parameters: Any, times: Any, initial_latent: Any = None) -> np.ndarray:
        """Predict with every member of the ensemble, shape (n, member, t, latent), float32."""

    def predict(self, parameters: Any, times: Any, initial_latent: Any = None) -> np.ndarray:
        """Predict latents: the mean over the ensemble.

        Parameters
        ----------
        parameters : array, shape (n, parameter)
            In their units.
        times : array, shape (t,) or (n, t), Gyr
        initial_latent : array, shape (n, latent), optional
            The encoded first snapshot of each run, for methods that start from it.

        Returns
        -------
        array, shape (n, t, latent), float32
        """
        return np.asarray(self.predict_members(parameters, times, initial_latent).mean(axis=1))

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read the folder of a finished training.

        Raises
        ------
        surrogate.learning.ModelError
            If it is missing, incomplete, damaged, or of another kind or version.
        """
        manifest, models = folders.read(Path(folder), cls.kind)
        missing = [entry for entry in cls.entries if entry not in manifest]
        if missing:
            raise folders.ModelError(f"{folder}/manifest.json: the entries {missing} are missing")
        scaling = manifest["scaling"]
        return cls(
            models["network"],
            ParameterScaler.from_dict(scaling["parameters"]),
            LatentScaler.from_dict(scaling["latents"]),
            Calibration.from_dict(scaling["calibration"]),
            manifest,
        )

    def folds(self, runs: int) -> np.ndarray:
        """Say which member of the ensemble never saw each of its `runs` training runs, shape (run,); -1 if all did."""
        settings = self.manifest["settings"]
        return draw_folds(runs, members_of(settings), settings["training"]["seed"])

    def write(self, folder: str | os.PathLike[str], losses: pd.DataFrame) -> None:
        """Complete the manifest with the scaling and write the folder that :meth:`load` reads."""
        self.manifest["scaling"] = {
            "parameters": self.parameter_scaler.as_dict(),
            "latents": self.latent_scaler.as_dict(),
            "calibration": self.calibration.as_dict(),
        }
        folders.write(Path(folder), self.kind, {"network": self.network}, self.manifest, losses)


def members_of(settings: Mapping[str, Any]) -> int:
    """Return the number of networks of an ensemble; the paper's is one."""
    return int(settings.get("members", 1))


class TrainingData:
    """The encoded runs that a predictor learns from, and how their numbers are scaled.

    Parameters
    ----------
    latents : xarray.Dataset
        From :func:`surrogate.learning.autoencoder.encode_corpus`.
    settings : Section

    Attributes
    ----------
    train, validation : xarray.Dataset
    parameter_scaler : ParameterScaler
    latent_scaler : LatentScaler
    members : int
        Networks of the ensemble; the paper's is one.
    folds : array, shape (run,)
        Which member never sees a training run.
    name : str
        Fingerprint of all that a training depends on.

    Raises
    ------
    ValueError
        If there are no training or no validation runs.
    """

    def __init__(self, latents: xr.Dataset, settings: Any) -> None:
        self.train, self.validation = training_parts(latents)
        self.parameter_scaler = ParameterScaler.fit(self.train)
        self.latent_scaler = LatentScaler.fit(
            self.train.latent.values[valid_snapshots(self.train)], getattr(settings, "network", "")
        )
        self.members = members_of(settings.model_dump())
        self.folds: np.ndarray = draw_folds(self.train.sizes["simulation"], self.members, settings.training.seed)
        self._settings = settings
        self.name = fingerprint(
            {
                "settings": settings.model_dump(mode="json"),
                "scaling": self.latent_scaler.as_dict(),
                "runs": [int(number) for number in self.train.simulation.values],
            }
        )

    @property
    def features(self) -> int:
        """Number of parameters, and time."""
        return self.parameter_scaler.width

    @property
    def components(self) -> int:
        """Number of latents."""
        return int(self.train.sizes["component"])

    def manifest(self, summary: Mapping[str, Any], provenance: Mapping[str, Any] | None) -> dict[str, Any]:
        """Describe the making of a predictor for its folder."""
        return {
            "settings": self._settings.model_dump(mode="json"),
            **made_of({"latent": self.components}, self.train, self.validation, summary, provenance),
        }


def made_of(
    shapes: Mapping[str, Any],
    train: xr.Dataset,
    validation: xr.Dataset,
    summary: Mapping[str, Any],
    provenance: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Entries of a manifest on shapes, runs, training and origin."""
    runs = {"train": train.sizes["simulation"], "validation": validation.sizes["simulation"]}
    return {"shapes": {**shapes, "runs": runs}, "training": dict(summary), "provenance": dict(provenance or {})}
