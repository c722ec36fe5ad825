"""Leading eigenpairs of a symmetric matrix, to a certified accuracy, without solving for the rest."""

from __future__ import annotations

import numpy as np
import scipy.linalg

TOLERANCE = 1e-6
"""Residual allowed, relative to the eigenvalue. No eigenvalue is further from a true one than its residual is long, so
this bounds its relative error whatever the gaps; for a singular value, its root, half of it."""

DENSE_SIZE = 1200
"""Up to this size a dense solution takes less than a second."""

DENSE_SHARE = 0.1
"""Above this share of all eigenpairs a dense solution is no slower."""

LARGEST_SHARE = 0.5
"""Dimension of the Krylov space, as a share of the size, at which the dense solution takes over."""

BLOCK = 64
"""Columns multiplied at once: as few as the product of matrices still runs at full speed with."""

FIRST_CHECK = 4
"""Dimension of the Krylov space at the first check, over the number of eigenpairs: earlier ones never pass."""


def leading_eigenpairs(matrix: np.ndarray, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Largest eigenvalues, descending, shape (count,), and their vectors, shape (size, count), of a symmetric matrix.

    Block Lanczos with full orthogonalisation, which multiplies matrices rather than vectors, until every residual is
    small enough (:data:`TOLERANCE`); a dense solution for small matrices, for many eigenpairs, and where rounding
    keeps the smallest of them from converging.

    Parameters
    ----------
    matrix : array, shape (size, size)
        Symmetric, positive semidefinite but for rounding; negative eigenvalues are returned as zero.
    count : int
        At most `size` are returned.
    seed : int
        Of the first block.
    """
    size = len(matrix)
    count = min(count, size)
    if size > DENSE_SIZE and count < DENSE_SHARE * size:
        found = _block_lanczos(matrix, count, seed)
        if found is not None:
            return found
    values, vectors = scipy.linalg.eigh(matrix, subset_by_index=(size - count, size - 1), check_finite=False)
    return np.clip(values[::-1], 0.0, None), vectors[:, ::-1]


def _block_lanczos(matrix: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Leading eigenpairs, or None if they do not converge."""
    size = len(matrix)
    largest = int(LARGEST_SHARE * size)
    basis, images = (np.empty((size, 0), order="F") for _ in range(2))
    block = np.random.default_rng(seed).standard_normal((size, BLOCK))
    next_check = FIRST_CHECK * count + BLOCK
    while basis.shape[1] + BLOCK <= largest:
        block = orthonormal(block - basis @ (basis.T @ block))
        block = orthonormal(block - basis @ (basis.T @ block))  # once more: the first leaves rounding behind
        if block.shape[1] == 0:
            return None  # an invariant subspace: the rest are zero up to rounding
        image = matrix @ block
        basis, images = np.hstack([basis, block]), np.hstack([images, image])
        if basis.shape[1] >= next_check:
            next_check = basis.shape[1] + 2 * BLOCK
            small = basis.T @ images
            values, rotation = np.linalg.eigh(0.5 * (small + small.T))
            values, rotation = values[-count:], rotation[:, -count:]
            residual = np.linalg.norm(images @ rotation - basis @ (rotation * values), axis=0)
            if np.all(residual <= TOLERANCE * np.abs(values)):
                return np.clip(values[::-1], 0.0, None), (basis @ rotation)[:, ::-1]
        block = image
    return None


def orthonormal(block: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the columns of a block, by products of matrices (SVQB, Stathopoulos & Wu 2002)."""
    length = np.linalg.norm(block, axis=0)
    block = block / np.where(length > 0, length, 1.0)
    squares, rotation = np.linalg.eigh(block.T @ block)
    kept = squares > squares[-1] * np.finfo(float).eps * len(squares)
    return block @ (rotation[:, kept] / np.sqrt(squares[kept]))
