"""Predictors that any network must beat: each takes parameters and times and gives temperature fields.

All have ``fit(corpus)``, which reads the training runs one at a time, and ``predict(parameters, times)``, which gives
temperature in K of shape (n, t, radius, angle).
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import xarray as xr
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel
from threadpoolctl import threadpool_limits

from surrogate.config import EvaluationSettings
from surrogate.corpus.store import run_reader
from surrogate.fields import geometry_of, parameter_table
from surrogate.learning.ensemble import common_times
from surrogate.learning.pod import leading_modes
from surrogate.learning.scaling import ParameterScaler, interpolate


def _times(corpus: xr.Dataset, run: int) -> np.ndarray:
    """Return the times of the snapshots of a run, Gyr, without padding."""
    return np.asarray(corpus.snapshot_time.values[run, : int(corpus.snapshot_count[run])])


def _runs(corpus: xr.Dataset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield times and temperature of the runs of a corpus, one after the other."""
    read = run_reader(corpus)
    for run in range(corpus.sizes["simulation"]):
        yield _times(corpus, run), read(run)


class Baseline(ABC):
    """What all baselines share.

    Parameters
    ----------
    settings : EvaluationSettings, optional
    """

    scaler: ParameterScaler

    def __init__(self, settings: EvaluationSettings | None = None) -> None:
        self.settings = settings or EvaluationSettings()

    @abstractmethod
    def fit(self, corpus: xr.Dataset) -> Self:
        """Fit to a corpus of training runs."""

    @abstractmethod
    def predict(self, parameters: Any, times: Any) -> np.ndarray:
        """Predict temperature, K, shape (n, t, radius, angle), for parameters (n, p) at times (t,) or (n, t), Gyr."""


class MeanProfile(Baseline):
    """Mean temperature profile of all training runs at the time asked for.

    A run counts at a time only if it reaches it.
    """

    def fit(self, corpus: xr.Dataset) -> Self:
        """Average the profiles of a corpus of training runs."""
        self.scaler, self.times = ParameterScaler.fit(corpus), common_times(corpus)
        half = 0.5 * (self.times[1] - self.times[0])
        total, count = 0.0, np.zeros(len(self.times))
        for times, field in _runs(corpus):
            real = self.times <= times[-1] + half
            profile = field.mean(axis=-1, dtype=float)
            total = total + interpolate(times, profile, self.times) * real[:, None]
            count += real
        self.profile = total / np.maximum(count, 1)[:, None]
        self.columns = corpus["temperature"].shape[-1]
        return self

    def predict(self, parameters: Any, times: Any) -> np.ndarray:
        """Predict temperature, K, shape (n, t, radius, angle), for parameters (n, p) at times (t,) or (n, t), Gyr."""
        _, times = self.scaler.check_inputs(parameters, times)
        profiles = np.stack([interpolate(self.times, self.profile, own) for own in times])
        return np.repeat(profiles[..., None], self.columns, axis=-1).astype(np.float32)


class NearestRun(Baseline):
    """The training run that is nearest in scaled parameter space, interpolated in time."""

    def fit(self, corpus: xr.Dataset) -> Self:
        """Remember the training runs; their fields are read when they are asked for."""
        self.corpus, self.read = corpus, run_reader(corpus)
        self.scaler = ParameterScaler.fit(corpus)
        self.places = self.scaler.transform(parameter_table(corpus))
        return self

    def predict(self, parameters: Any, times: Any) -> np.ndarray:
        """Predict temperature, K, shape (n, t, radius, angle), for parameters (n, p) at times (t,) or (n, t), Gyr."""
        parameters, times = self.scaler.check_inputs(parameters, times)
        distance = ((self.scaler.transform(parameters)[:, None] - self.places) ** 2).sum(axis=-1)
        nearest = distance.argmin(axis=1)
        fields = [
            np.asarray(interpolate(_times(self.corpus, run), self.read(run), own), dtype=np.float32)
            for run, own in zip(nearest.tolist(), times, strict=True)
        ]
        return np.stack(fields)


class PodGaussianProcess(Baseline):
    """POD in space, POD in time, and a Gaussian process from the parameters to each coefficient.

    Snapshots are projected on `modes` volume-weighted POD modes; the coefficients of a run over all times form one
    vector, and these vectors are projected on their own principal components. Each of these is a Gaussian process of
    the scaled parameters with one length scale per parameter and a noise term; of a Matern-5/2 and a squared
    exponential kernel, the one with the larger marginal likelihood is kept.

    Its settings say how many POD modes it keeps.
    """

    COMPONENTS = 16
    """Principal components of the trajectories of coefficients: more made unseen runs worse, not better, with a hundred
    training runs."""
    SNAPSHOTS = 4096
    """At most so many snapshots enter the POD."""

    def fit(self, corpus: xr.Dataset) -> Self:
        """Fit to a corpus of training runs."""
        self.times = common_times(corpus)
        self.shape = geometry_of(corpus).shape
        self.scaler = ParameterScaler.fit(corpus)
        weight = geometry_of(corpus).weight
        # The walls have no volume but belong to the field: they count as the row beside them.
        weight[0], weight[-1] = weight[1], weight[-2]
        weight = weight.ravel() / weight.sum()
        each = max(1, self.SNAPSHOTS // corpus.sizes["simulation"])
        sample = []
        for _, field in _runs(corpus):
            sample.append(field[np.unique(np.linspace(0, len(field) - 1, each).astype(int))].reshape(-1, weight.size))
        snapshots = np.concatenate(sample)
        self.mean = snapshots.mean(axis=0)
        self.basis = leading_modes(snapshots - self.mean, weight, self.settings.pod_modes)
        project = (self.basis * weight).T
        half = 0.5 * (self.times[1] - self.times[0])
        paths, real = [], []
        for times, field in _runs(corpus):
            coefficients = (field.reshape(len(field), -1) - self.mean) @ project
            paths.append(interpolate(times, coefficients, self.times))
            real.append(self.times <= times[-1] + half)
        self._fit_trajectories(np.stack(paths), np.stack(real))
        with threadpool_limits(1):  # matrices of a hundred rows: threads would only wait for each other
            self._fit_processes(self.scaler.transform(parameter_table(corpus)))
        return self

    def _fit_trajectories(self, paths: np.ndarray, real: np.ndarray) -> None:
        """Principal components of the paths, shape (run, time, mode); runs that end early are fitted by their part."""
        whole = real.all(axis=1)
        if whole.sum() < 2:
            whole = np.ones_like(whole)  # no two runs go to the end: take their last values as lasting
        flat = paths.reshape(len(paths), -1)
        self.middle = flat[whole].mean(axis=0)
        left, sizes, right = np.linalg.svd(flat[whole] - self.middle, full_matrices=False)
        count = min(self.COMPONENTS, int(whole.sum()) - 1)
        self.trajectories, scale = right[:count], sizes[:count] / np.sqrt(whole.sum())
        self.scores = np.empty((len(paths), count))
        self.scores[whole] = left[:, :count] * sizes[:count]
        for run in np.flatnonzero(~whole):
            seen = np.repeat(real[run], paths.shape[2])
            part = self.trajectories[:, seen]
            prior = np.diag(scale[-1] ** 2 / np.maximum(scale, 1e-12) ** 2)
            self.scores[run] = np.linalg.solve(part @ part.T + prior, part @ (flat[run] - self.middle)[seen])

    def _fit_processes(self, places: np.ndarray) -> None:
        self.processes = []
        for column in range(self.scores.shape[1]):
            candidates = []
            for shape in (
                Matern(np.full(places.shape[1], 2.0), (0.1, 100.0), nu=2.5),
                RBF(np.full(places.shape[1], 2.0), (0.1, 100.0)),
            ):
                kernel = ConstantKernel(1.0, (1e-3, 1e3)) * shape + WhiteKernel(0.1, (1e-6, 10.0))
                process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
                with warnings.catch_warnings():
                    # A length scale at its bound only says that a parameter does not matter.
                    warnings.simplefilter("ignore", ConvergenceWarning)
                    candidates.append(process.fit(places, self.scores[:, column]))
            self.processes.append(max(candidates, key=lambda process: process.log_marginal_likelihood_value_))

    def predict(self, parameters: Any, times: Any) -> np.ndarray:
        """Predict temperature, K, shape (n, t, radius, angle), for parameters (n, p) at times (t,) or (n, t), Gyr."""
        parameters, times = self.scaler.check_inputs(parameters, times)
        places = self.scaler.transform(parameters)
        scores = np.stack([process.predict(places) for process in self.processes], axis=1)
        paths = (self.middle + scores @ self.trajectories).reshape(len(places), len(self.times), -1)
        return np.stack(
            [
                (interpolate(self.times, path, own) @ self.basis + self.mean).reshape(-1, *self.shape)
                for path, own in zip(paths, times, strict=True)
            ]
        ).astype(np.float32)
