"""Proper orthogonal decomposition of scaled images: where the autoencoder starts, and what the baseline uses.

For diagnostics, where each singular value counts, see :mod:`surrogate.diagnostics.pod`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import scipy.linalg
from sklearn.utils.extmath import randomized_svd

EXACT = 512
"""Fewer snapshots or nodes than this are decomposed exactly."""

OVERSAMPLES = 40
"""Directions that a randomised decomposition tries beside those wanted."""


def leading_modes(snapshots: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
    """Return the leading modes, orthonormal in the inner product sum(weight * a * b).

    Parameters
    ----------
    snapshots : array, shape (n, nodes)
        Centred.
    weight : array, shape (nodes,)
        Positive.
    count : int
        Modes wanted.

    Returns
    -------
    array, shape (count, nodes)
        Ordered by energy. Where the snapshots span fewer directions, the rest is zero.

    Examples
    --------
    >>> generator = np.random.default_rng(1)
    >>> snapshots, weight = generator.normal(size=(20, 6)), np.full(6, 1 / 6)
    >>> found = leading_modes(snapshots, weight, 3)
    >>> bool(np.allclose(found * weight @ found.T, np.eye(3)))
    True
    """
    root = np.sqrt(weight)
    if min(snapshots.shape) <= max(EXACT, 2 * count):
        values, vectors = scipy.linalg.svd(snapshots * root, full_matrices=False)[1:]
    else:
        matrix = np.asarray(snapshots, dtype=np.float32) * root.astype(np.float32)
        # Five products with the matrix: the energies agree with the exact ones to a thousandth down to the last mode.
        values, vectors = randomized_svd(
            matrix, count, n_oversamples=OVERSAMPLES, n_iter=4, power_iteration_normalizer="QR", random_state=0
        )[1:]
    kept = values[:count] > 3e-4 * max(float(values[0]), 1e-30)
    found = np.zeros((count, snapshots.shape[1]))
    found[: kept.sum()] = vectors[:count][kept] / root
    return found


def _stretch(images: np.ndarray, row_weight: np.ndarray, lateral: float) -> np.ndarray:
    """Images whose plain sum of squares is the loss, shape (n, nodes): anomalies grow by sqrt(1 + lateral)."""
    mean = images.mean(axis=-1, keepdims=True)
    root = np.sqrt(row_weight / images.shape[-1])[:, None]
    return np.asarray((mean + np.sqrt(1 + lateral) * (images - mean)) * root).reshape(len(images), -1)


@dataclass(frozen=True, eq=False)
class Reduction:
    """Modes that are orthonormal in the inner product of the loss, and what the wall temperatures tell beside them.

    The loss of an image is the mean square of its error, weighted by volume, plus `lateral` times that of the error of
    its lateral anomaly. In the coefficients of these modes it is a plain sum of squares, so that networks between
    coefficients can be trained without the images.

    Attributes
    ----------
    basis : array, shape (modes, nodes)
        Fields of unit loss, times `deviation`.
    project : array, shape (nodes, modes)
        Image to coefficients of deviation one.
    deviation : array, shape (modes,)
        Standard deviation of the coefficients of fields of unit loss.
    response : array, shape (scalars, nodes)
        What the image gains per unit of a wall scalar.
    mean : array, shape (nodes,)
        Image where all coefficients and wall scalars are zero.
    """

    basis: np.ndarray
    project: np.ndarray
    deviation: np.ndarray
    response: np.ndarray
    mean: np.ndarray

    @classmethod
    def zeros(cls, nodes: int, scalars: int, modes: int) -> Self:
        """Of the right shapes and nothing else: for measuring how fast networks are."""
        empty = np.zeros((modes, nodes))
        return cls(empty, empty.T, np.ones(modes), np.zeros((scalars, nodes)), np.zeros(nodes))

    @classmethod
    def fit(
        cls, images: np.ndarray, walls: np.ndarray, row_weight: np.ndarray, lateral: float, count: int
    ) -> Reduction:
        """Take `count` modes from images, shape (n, rows, angle), and their wall scalars, shape (n, scalars)."""
        shape = images.shape[1:]
        # What follows from the wall temperatures alone is told by them, not by a mode.
        design = np.concatenate([walls, np.ones((len(walls), 1))], axis=1)
        told = np.linalg.lstsq(design, images.reshape(len(images), -1), rcond=None)[0]
        departure = _stretch(images - (design @ told).reshape(images.shape), row_weight, lateral)
        nodes = departure.shape[1]
        modes = leading_modes(departure, np.ones(nodes), count)
        deviation = np.sqrt(np.mean(np.square(departure @ modes.T), axis=0))
        deviation = np.maximum(deviation, 1e-6 * deviation.max())
        # The stretching is symmetric in the volume: it acts on a projector as on a field, and inversely on a mode.
        root = np.sqrt(row_weight / shape[1])[:, None]
        fields = modes.reshape(-1, *shape) / root
        lateral_mean = fields.mean(axis=-1, keepdims=True)
        fields = lateral_mean + (fields - lateral_mean) / np.sqrt(1 + lateral)
        projectors = _stretch(modes.reshape(-1, *shape) / root, row_weight, lateral).reshape(-1, *shape) * root
        return cls(
            fields.reshape(count, nodes) * deviation[:, None],
            projectors.reshape(count, nodes).T / deviation,
            deviation,
            told[:-1],
            told[-1],
        )

    @cached_property
    def _linear(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean, projection and what the walls tell of the coefficients, as :meth:`coefficients` uses them."""
        return self.mean.astype(np.float32), self.project.astype(np.float32), self.response @ self.project

    def coefficients(self, images: np.ndarray, walls: np.ndarray) -> np.ndarray:
        """Coefficients, shape (n, modes), float32, of images, shape (n, rows, angle)."""
        mean, project, told = self._linear
        return np.asarray((images.reshape(len(images), -1) - mean) @ project - walls @ told, dtype=np.float32)
