"""Proper orthogonal decomposition of scaled images: where the autoencoder starts, and what the baseline uses."""

from __future__ import annotations

import numpy as np
import scipy.linalg


def modes(snapshots: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
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
    >>> found = modes(snapshots, weight, 3)
    >>> bool(np.allclose(found * weight @ found.T, np.eye(3)))
    True
    """
    root = np.sqrt(weight)
    matrix = np.asarray(snapshots, dtype=np.float32) * root.astype(np.float32)
    size = min(matrix.shape)
    # The smaller of the two Gram matrices: exact, and cheaper than a singular value decomposition.
    gram = (matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix).astype(np.float64)
    energies, vectors = scipy.linalg.eigh(gram, subset_by_index=[max(0, size - count), size - 1])
    energies, vectors = energies[::-1], vectors[:, ::-1]
    kept = energies > 1e-7 * max(energies[0], 1e-300)
    vectors = vectors[:, kept]
    if matrix.shape[0] <= matrix.shape[1]:
        vectors = (matrix.T @ vectors) / np.sqrt(energies[kept])
    found = np.zeros((count, matrix.shape[1]))
    found[: vectors.shape[1]] = vectors.T / root
    return found
