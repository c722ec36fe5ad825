"""What the trained predictors of latents share: their parts, their folder and the manifest that describes them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import keras
import numpy as np
import pandas as pd
import xarray as xr

from surrogate.fields import valid_snapshots
from surrogate.files import fingerprint
from surrogate.learning import folders
from surrogate.learning.latents import draw_folds, training_parts
from surrogate.learning.scaling import Calibration, LatentScaler, ParameterScaler


class LatentPredictor:
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
    """Name of its folder below ``models/`` and of its section of the configuration."""
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

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read the folder of a finished training; see :func:`surrogate.learning.folders.read`."""
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
    return 1 if settings["network"] == "paper" else int(settings["members"])


class TrainingData:
    """The encoded runs that a predictor learns from, and how their numbers are scaled.

    Parameters
    ----------
    latents : xarray.Dataset
        From :func:`surrogate.learning.autoencoder.encode_corpus`.
    settings : FnnSettings or LstmSettings

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
        self.latent_scaler = LatentScaler.fit(self.train.latent.values[valid_snapshots(self.train)], settings.network)
        self.members = members_of(settings.model_dump())
        self.folds: np.ndarray = draw_folds(self.train.sizes["simulation"], self.members, settings.training.seed)
        self._settings = settings
        self.name = fingerprint({
            "settings": settings.model_dump(mode="json"), "scaling": self.latent_scaler.as_dict(),
            "runs": [int(number) for number in self.train.simulation.values],
        })  # fmt: skip

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
