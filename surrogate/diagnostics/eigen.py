"""Leading eigenpairs of a symmetric matrix, to a certified accuracy, without solving for the rest."""

from __future__ import annotations

import numpy as np
import scipy.linalg

DENSE_SIZE = 1200
"""Up to this size a dense solution takes less than a second."""

DENSE_SHARE = 0.1
"""Above this share of all eigenpairs a dense solution is no slower."""

LARGEST_SHARE = 0.5
"""Dimension of the Krylov space, as a share of the size, at which the dense solution takes over."""

BLOCK = 48
"""Columns multiplied at once: as few as the product of matrices still runs at full speed with."""

FIRST_CHECK = 3
"""Dimension of the Krylov space at the first check, over the number of eigenpairs: earlier ones never pass."""


def leading_eigenpairs(
    matrix: np.ndarray, count: int, tolerance: float = 1e-6, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Largest eigenvalues, descending, shape (count,), and their vectors, shape (size, count), of a symmetric matrix.

    Block Lanczos with full orthogonalisation, which multiplies matrices rather than vectors, until every residual is
    small enough; a dense solution for small matrices, for many eigenpairs, and where rounding
    keeps the smallest of them from converging.

    Parameters
    ----------
    matrix : array, shape (size, size)
        Symmetric, positive semidefinite but for rounding; negative eigenvalues are returned as zero.
    count : int
        At most `size` are returned.
    tolerance : float
        Residual allowed, relative to the eigenvalue. No eigenvalue is further from a true one than its residual is
        long, so this bounds its relative error whatever the gaps; for a singular value, its root, half of it.
    seed : int
        Of the first block.
    """
    size = len(matrix)
    count = min(count, size)
    if size > DENSE_SIZE and count < DENSE_SHARE * size:
        found = _block_lanczos(matrix, count, tolerance, seed)
        if found is not None:
            return found
    values, vectors = scipy.linalg.eigh(matrix, subset_by_index=(size - count, size - 1), check_finite=False)
    return np.clip(values[::-1], 0.0, None), vectors[:, ::-1]


def _block_lanczos(matrix: np.ndarray, count: int, tolerance: float, seed: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Leading eigenpairs, or None if they do not converge."""
    size = len(matrix)
    largest = int(LARGEST_SHARE * size)
    basis, images = (np.empty((size, largest), order="F") for _ in range(2))
    block = np.random.default_rng(seed).standard_normal((size, BLOCK))
    dimension, next_check = 0, FIRST_CHECK * count
    while dimension + BLOCK <= largest:
        known = basis[:, :dimension]
        block = orthonormal(block - known @ (known.T @ block))
        block = orthonormal(block - known @ (known.T @ block))  # once more: the first leaves rounding behind
        if block.shape[1] == 0:
            return None  # an invariant subspace: the rest are zero up to rounding
        new = slice(dimension, dimension + block.shape[1])
        basis[:, new], images[:, new] = block, matrix @ block
        block, dimension = images[:, new], new.stop
        if dimension >= next_check:
            next_check = dimension + BLOCK
            known, known_images = basis[:, :dimension], images[:, :dimension]
            small = known.T @ known_images
            values, rotation = np.linalg.eigh(0.5 * (small + small.T))
            values, rotation = values[-count:], rotation[:, -count:]
            vectors = known @ rotation
            residual = np.linalg.norm(known_images @ rotation - vectors * values, axis=0)
            if np.all(residual <= tolerance * np.abs(values)):
                return np.clip(values[::-1], 0.0, None), vectors[:, ::-1]
    return None


def orthonormal(block: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the columns of a block, by products of matrices (SVQB, Stathopoulos & Wu 2002)."""
    length = np.linalg.norm(block, axis=0)
    block = block / np.where(length > 0, length, 1.0)
    squares, rotation = np.linalg.eigh(block.T @ block)
    kept = squares > squares[-1] * np.finfo(float).eps * len(squares)
    return block @ (rotation[:, kept] / np.sqrt(squares[kept]))
