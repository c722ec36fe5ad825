"""Predictions for runs that were simulated too, on the same times, so that they can be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from surrogate.config import EvaluationSettings
from surrogate.fields import (
    geometry_of,
    make_corpus,
    parameter_table,
    select_split,
    space_of,
    units_of,
    valid_snapshots,
)
from surrogate.learning.autoencoder import Autoencoder, decode_corpus
from surrogate.learning.predictor import Predictor
from surrogate.methods import METHODS, methods


def _times(dataset: xr.Dataset) -> np.ndarray:
    """Snapshot times, shape (simulation, time), Gyr; padding repeats the last real one."""
    times = dataset.snapshot_time.values
    last = np.nanmax(times, axis=1, keepdims=True)
    return np.asarray(np.where(np.isfinite(times), times, last))


def with_latents(latents: xr.Dataset, values: Any) -> xr.Dataset:
    """Put other values into a dataset of latents; its padding stays NaN.

    Parameters
    ----------
    latents : xarray.Dataset
        ``latent(simulation, time, latent)`` with the coordinates of the corpus.
    values : array, shape (simulation, time, latent)

    Returns
    -------
    xarray.Dataset
    """
    real = valid_snapshots(latents)[..., None]
    values = np.where(real, np.asarray(values, dtype=np.float32), np.nan)
    return latents.assign(latent=(latents.latent.dims, values, latents.latent.attrs))


def predict_latents(predictor: Predictor, latents: xr.Dataset, split: str = "test") -> xr.Dataset:
    """Predict the latents of the runs of one split; what starts from a field is given the encoded first snapshots."""
    runs = select_split(latents, split)
    predicted = predictor.predict(parameter_table(runs), _times(runs), runs.latent.values[:, 0])
    return with_latents(runs, predicted)


def predict_split(
    autoencoder: Autoencoder,
    latents: xr.Dataset,
    predictor: Predictor | None = None,
    split: str = "test",
) -> xr.Dataset:
    """Predict the temperature fields of the runs of one split.

    Parameters
    ----------
    autoencoder : Autoencoder
    latents : xarray.Dataset
        The encoded corpus.
    predictor : Predictor, optional
        None decodes the encoded truth: what the autoencoder alone loses.
    split : {"test", "validation", "train"}

    Returns
    -------
    xarray.Dataset
        In the convention of a corpus.
    """
    if predictor is None:
        return decode_corpus(autoencoder, select_split(latents, split))
    return decode_corpus(autoencoder, predict_latents(predictor, latents, split))


def predict_baseline(name: str, corpus: xr.Dataset, settings: EvaluationSettings, split: str = "test") -> xr.Dataset:
    """Fit a trivial baseline to the training runs and predict the temperature fields of one split.

    Parameters
    ----------
    name : str
        Key of a method of kind "baseline".
    corpus : xarray.Dataset
    settings : EvaluationSettings
    split : {"test", "validation", "train"}

    Returns
    -------
    xarray.Dataset
        In the convention of a corpus.

    Raises
    ------
    ValueError
        If there is no such baseline.
    """
    if name not in METHODS or METHODS[name].kind != "baseline":
        raise ValueError(
            f"baseline {name!r}: expected one of {', '.join(method.key for method in methods('baseline'))}"
        )
    baseline = METHODS[name].load_class()(settings).fit(select_split(corpus, "train"))
    runs = select_split(corpus, split)
    temperature = baseline.predict(parameter_table(runs), _times(runs))
    temperature[~valid_snapshots(runs)] = np.nan
    return make_corpus(
        temperature,
        runs.snapshot_time.values,
        geometry_of(runs),
        parameter_table(runs),
        runs.simulation.values,
        split=runs.split.values,
        space=space_of(runs),
        units=units_of(runs),
    )
