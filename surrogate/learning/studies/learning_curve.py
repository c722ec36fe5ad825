"""What more training runs would bring: a predictor trained once more on a share of them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.fields import SPLITS, parameter_table, select_split, valid_snapshots
from surrogate.learning.autoencoder import Autoencoder
from surrogate.learning.predictor import load_predictor, train_predictor
from surrogate.learning.studies.compression import measure


def train_on_share(
    method: str,
    share: float,
    corpus: xr.Dataset,
    latents: xr.Dataset,
    settings: Any,
    models: str | os.PathLike[str],
    seed: int = 0,
) -> dict[str, Any]:
    """Train a predictor on a share of the training runs and measure it on the unseen runs.

    Parameters
    ----------
    method : str
        Key of a predictor.
    share : float
        Of the training runs; of the whole share the predictor in `models` is measured.
    corpus, latents : xarray.Dataset
        The same runs as fields and encoded.
    settings : Section
        Of the predictor.
    models : path
        Folder with the models of the whole run.
    seed : int
        Of the order in which runs are taken: a larger share holds every run of a smaller one.

    Returns
    -------
    dict
        ``method``, ``runs``, ``mean_square_error`` (of latents scaled to unit variance), the headline
        accuracy by its name (percent) and ``lateral_anomaly_error``.
    """
    train = np.flatnonzero(latents.split.values == SPLITS.index("train"))
    order = np.random.default_rng(seed).permutation(train)
    runs = max(2, round(share * len(train)))
    if runs == len(train):
        predictor = load_predictor(method, models)
    else:
        part = latents.isel(simulation=np.setdiff1d(np.arange(latents.sizes["simulation"]), order[runs:]))
        with tempfile.TemporaryDirectory() as folder:
            predictor = train_predictor(method, part, settings, Path(folder) / method)
    test, everything = select_split(latents, "test"), select_split(latents, "train")
    times = test.snapshot_time.values
    last = np.nanmax(times, axis=1, keepdims=True)
    # Padding gets times after the last one, which are predicted and not counted.
    padded = np.where(np.isfinite(times), times, last + 1e-3 * np.cumsum(np.isnan(times), axis=1))
    predicted = predictor.predict(parameter_table(test), padded, test.latent.values[:, 0])
    scale = everything.latent.values[valid_snapshots(everything)].std(axis=0)
    error = float((((predicted - test.latent.values)[valid_snapshots(test)] / scale) ** 2).mean())
    accuracy = measure(corpus, latents, Autoencoder.load(Path(models) / "autoencoder"), predictor)
    return {"method": method, "runs": runs, "mean_square_error": error, **accuracy}
