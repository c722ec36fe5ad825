"""The decomposition of any array, spelled as scikit-learn spells it."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import xarray as xr
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from surrogate.diagnostics.pairing import snapshots_of
from surrogate.diagnostics.pod.decomposition import snapshot_matrix
from surrogate.diagnostics.pod.exact import truncated
from surrogate.diagnostics.pod.gram import MEMORY, prepare
from surrogate.fields import units_of


class POD(TransformerMixin, BaseEstimator):
    """Proper orthogonal decomposition, exact in every mode asked for, of arrays that need not fit into memory.

    Parameters
    ----------
    modes : int, optional
        At most so many; default all.
    tolerance : float
        Relative error allowed: as many modes are kept as it needs.
    remove_mean : bool
        Subtract the mean over all snapshots first.
    weights : array, shape of one snapshot, optional
        Of the inner product, not negative. Default: all values alike; cell volumes for a run or a corpus.
    memory : float
        Bytes that snapshots may take at once.

    Attributes
    ----------
    components_ : array, shape (modes, ...)
        Modes, orthonormal in the inner product, each of the shape of a snapshot.
    singular_values_ : array, shape (modes,), descending
    explained_variance_ratio_ : array, shape (modes,)
        Share of the sum of all squares.
    mean_ : array, shape of one snapshot
        That was removed; zero if none.

    Examples
    --------
    >>> waves = np.cos(np.outer(np.arange(20.0), np.linspace(0, 0.1, 6 * 16))).reshape(20, 6, 16)
    >>> pod = POD(modes=3).fit(waves)
    >>> pod.transform(waves).shape, pod.components_.shape
    ((20, 3), (3, 6, 16))
    >>> bool(np.abs(pod.inverse_transform(pod.transform(waves)) - waves).max() < 1e-5)
    True
    """

    def __init__(
        self,
        modes: int | None = None,
        tolerance: float = 0.0,
        remove_mean: bool = True,
        weights: Any = None,
        memory: float = MEMORY,
    ) -> None:
        self.modes, self.tolerance, self.remove_mean = modes, tolerance, remove_mean
        self.weights, self.memory = weights, memory

    def fit(self, X: Any, y: None = None) -> Self:
        """Decompose snapshots.

        Parameters
        ----------
        X : array, xarray.DataArray or xarray.Dataset
            Shape (snapshot, ...), NumPy or Dask; of a run or a corpus the temperature of its real snapshots.
        y : None
            Ignored.

        Raises
        ------
        ValueError
            If there are fewer than two dimensions, values are not finite, or weights are of another shape.
        """
        temperatures = isinstance(X, xr.Dataset)
        matrix, self._shape = _rows(X)
        weights = snapshots_of(X).weight.values if temperatures and self.weights is None else self.weights
        weights = np.ones(self._shape) if weights is None else np.asarray(weights, dtype=float)
        if weights.shape != self._shape or not np.all(weights >= 0):
            raise ValueError(
                f"POD: weights must be numbers from 0 up of shape {self._shape}, that of a snapshot, "
                f"got shape {weights.shape}"
            )
        kelvin = isinstance(X, xr.Dataset) and units_of(X).dimensional
        source = prepare(matrix, weights.ravel(), self.memory, kelvin)
        found, energy = truncated(source, self.modes, self.remove_mean, self.tolerance)
        self.n_features_in_, self._weights = matrix.shape[1], weights.ravel()
        self.components_ = found.patterns.reshape(-1, *self._shape)
        self.singular_values_, self.mean_ = found.values, found.mean.reshape(self._shape)
        self.explained_variance_ratio_ = found.values**2 / (energy or 1.0)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Coefficients of snapshots, shape (snapshot, modes)."""
        check_is_fitted(self)
        matrix, shape = _rows(X)
        if shape != self._shape:
            raise ValueError(f"POD: was fitted to snapshots of shape {self._shape}, got {shape}")
        patterns = self.components_.reshape(len(self.components_), -1)
        return np.asarray((matrix - self.mean_.ravel()) @ (self._weights * patterns).T)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Snapshots from coefficients, shape (snapshot, ...)."""
        check_is_fitted(self)
        return np.asarray(self.mean_ + np.tensordot(np.asarray(X, dtype=float), self.components_, axes=1))


def _rows(values: Any) -> tuple[Any, tuple[int, ...]]:
    """Snapshots as the rows of a matrix, lazy if they were, and the shape of one."""
    if isinstance(values, xr.Dataset):
        return snapshot_matrix(values), values["temperature"].shape[-2:]
    values = values.data if isinstance(values, xr.DataArray) else values
    values = values if hasattr(values, "dask") else np.asarray(values)
    if values.ndim < 2 or 0 in values.shape:
        raise ValueError(f"POD: expected snapshots of shape (snapshot, ...), got shape {values.shape}")
    return values.reshape((values.shape[0], -1)), values.shape[1:]
