"""Runs as sequences of latents, and ensembles whose members each sit out some of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter1d

from surrogate.fields import parameter_table, select_split, valid_snapshots
from surrogate.learning.scaling import Calibration, interpolate

SMOOTHING = 0.05
"""Width, as a share of the time span, over which the gain of a calibration is smoothed."""


@dataclass(frozen=True)
class Sequences:
    """Latents of some runs on common, equally spaced times.

    Attributes
    ----------
    parameters : array, shape (run, parameter)
    times : array, shape (time,), Gyr
    latents : array, shape (run, time, latent)
        Beyond the end of a run: its last value.
    real : array of bool, shape (run, time)
        Whether the run reaches that time.
    """

    parameters: np.ndarray
    times: np.ndarray
    latents: np.ndarray
    real: np.ndarray


def common_times(latents: xr.Dataset) -> np.ndarray:
    """Return equally spaced times from the first to the last of all runs, at the median cadence, Gyr."""
    times = latents.snapshot_time.values
    steps = np.diff(times, axis=1)
    first, last = float(np.nanmin(times)), float(np.nanmax(times))
    if not np.isfinite(steps).any():
        raise ValueError("latents: every run has a single snapshot; a sequence needs at least two")
    return np.linspace(first, last, max(2, 1 + round((last - first) / float(np.nanmedian(steps)))))


def sequences(latents: xr.Dataset, times: np.ndarray) -> Sequences:
    """Interpolate the latents of every run linearly to `times`; exact where the times are the run's own."""
    values = np.zeros((latents.sizes["simulation"], len(times), latents.sizes["component"]), dtype=np.float32)
    real = np.zeros(values.shape[:2], dtype=bool)
    for run, mask in enumerate(valid_snapshots(latents)):
        own = latents.snapshot_time.values[run, mask]
        values[run] = interpolate(own, latents.latent.values[run, mask], times)
        real[run] = times <= own[-1] + 0.5 * (times[1] - times[0])
    return Sequences(parameter_table(latents), times, values, real)


def draw_folds(runs: int, members: int, seed: int) -> np.ndarray:
    """Say which member of an ensemble never sees a run, shape (run,); all members sit out equally often.

    An ensemble of one sees everything: its member is number 0, and no run has that fold.
    """
    if members == 1:
        return np.full(runs, -1)
    return np.asarray(np.random.default_rng(seed).permutation(runs) % members)


def fold_weight(folds: np.ndarray, members: int) -> np.ndarray:
    """Weight of each run in the loss of each member, shape (run, member); 1 on average.

    >>> fold_weight(np.array([0, 1]), 2).tolist()
    [[0.0, 2.0], [2.0, 0.0]]
    """
    seen = folds[:, None] != np.arange(members)
    return np.asarray(seen / seen.mean(), dtype=np.float32)


def calibrate(
    predict: Callable[[Sequences], np.ndarray], train: Sequences, validation: Sequences, folds: np.ndarray
) -> Calibration:
    """Learn how far to trust each latent, from predictions for runs that the predicting member did not see.

    The flow is chaotic: what the parameters do not determine, a network can only learn by heart, and on an unseen run
    that is an error of its own. The best prediction then lies between the mean evolution and the network's:
    mean + gain (prediction - mean), where the gain is the regression coefficient of the truth on the prediction.
    Covariance and variance come from members on the runs that they sat out; the mean of the ensemble varies less than
    a member, by a ratio that needs no truth and is taken on the validation runs. All are smoothed in time: what can
    be predicted is lost as time goes by, at a pace of its own for each latent.

    Parameters
    ----------
    predict : callable
        From runs to predictions of every member, shape (run, member, time, latent).
    train, validation : Sequences
    folds : array, shape (run,)
        Of the training runs, from :func:`draw_folds`.
    """
    real = train.real[..., None]
    mean = (train.latents * real).sum(axis=0) / np.maximum(real.sum(axis=0), 1)
    if folds.max() < 0:
        return Calibration.none(mean.shape[1])

    def over_runs(values: np.ndarray) -> np.ndarray:
        width = SMOOTHING * len(train.times)
        return np.asarray(gaussian_filter1d(values.sum(axis=0, dtype=float), width, axis=0, mode="nearest"))

    truth = (train.latents - mean) * real
    blind = (predict(train)[np.arange(len(folds)), folds] - mean) * real
    around = (predict(validation) - mean) * validation.real[:, None, :, None]
    ratio = over_runs(around.mean(axis=1) ** 2) / np.maximum(over_runs((around**2).mean(axis=1)), 1e-30)
    gain = over_runs(truth * blind) / np.maximum(ratio * over_runs(blind**2), 1e-30)
    return Calibration(train.times, mean, np.clip(gain, 0.0, 1.0))


def training_parts(latents: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the training and the validation runs.

    Raises
    ------
    ValueError
        If there are none, or if the dataset holds no latents.
    """
    if "latent" not in latents.data_vars or latents.latent.dims != ("simulation", "time", "component"):
        raise ValueError(
            f"latents: expected a variable latent(simulation, time, component), found {dict(latents.data_vars.dtypes)}"
        )
    parts = tuple(select_split(latents, name) for name in ("train", "validation"))
    for name, part in zip(("training", "validation"), parts, strict=True):
        if not part.sizes["simulation"]:
            raise ValueError(f"latents: there are no {name} runs")
    return parts[0], parts[1]
