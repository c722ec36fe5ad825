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

HEAVY = 24
"""Leading eigenvectors that are taken out of a matrix in single precision, at most `BLOCK`."""

BLOCK = 48
"""Columns multiplied at once: as few as the product of matrices still runs at full speed with."""

FIRST_CHECK = 3.4
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
        Symmetric, positive semidefinite but for rounding; negative eigenvalues are returned as zero. One in single
        precision is overwritten.
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
        operator = Deflated(matrix, seed) if matrix.dtype == np.float32 else matrix
        found = _block_lanczos(operator, size, count, tolerance, seed)
        if found is not None:
            return found
        if isinstance(operator, Deflated):
            matrix = operator.whole()
    matrix = matrix.astype(np.float64, copy=False)
    values, vectors = scipy.linalg.eigh(matrix, subset_by_index=(size - count, size - 1), check_finite=False)
    return np.clip(values[::-1], 0.0, None), vectors[:, ::-1]


class Deflated:
    """A symmetric matrix in single precision whose leading part is applied in double precision.

    Rounding in a product with a matrix is relative to its largest eigenvalue, whatever the vector. So the part that
    some approximate leading vectors W span, A W (W' A W)^-1 W' A, is taken out of the matrix A, in place, and kept as
    a product of thin factors: of which vectors they come does not matter, nor that they are rounded.

    Parameters
    ----------
    matrix : array, shape (size, size), float32
        Overwritten by the rest.
    seed : int
        Of the first vectors.
    """

    def __init__(self, matrix: np.ndarray, seed: int) -> None:
        block = np.random.default_rng(seed).standard_normal((BLOCK, len(matrix)))
        for _ in range(2):
            block = orthonormal(block.astype(np.float32) @ matrix, rows=True)
        image = (block.astype(np.float32) @ matrix).astype(np.float64)
        small = block @ image.T
        values, rotation = np.linalg.eigh(0.5 * (small + small.T))
        known = values > values[-1] * np.finfo(np.float32).eps
        known[:-HEAVY] = False
        self._factor = ((rotation[:, known] / np.sqrt(values[known])).T @ image).astype(np.float32)
        self._rest = matrix
        for start in range(0, len(matrix), 512):
            matrix[start : start + 512] -= self._factor[:, start : start + 512].T @ self._factor

    def __rmatmul__(self, rows: np.ndarray) -> np.ndarray:
        """Product of rows, shape (count, size), with the matrix."""
        factor = self._factor.astype(np.float64)
        product: np.ndarray = rows.astype(np.float32) @ self._rest + (rows @ factor.T) @ factor
        return product

    __array_ufunc__ = None
    """NumPy leaves products with this to :meth:`__rmatmul__`."""

    def whole(self) -> np.ndarray:
        """Return the matrix, in double precision."""
        factor = self._factor.astype(np.float64)
        matrix: np.ndarray = self._rest + factor.T @ factor
        return matrix


def _block_lanczos(
    matrix: np.ndarray | Deflated, size: int, count: int, tolerance: float, seed: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Leading eigenpairs, or None if they do not converge."""
    largest = int(LARGEST_SHARE * size)
    # Vectors are rows: the product of few rows with a matrix is faster than that of a matrix with few columns.
    basis, images = (np.empty((largest, size)) for _ in range(2))
    block = np.random.default_rng(seed).standard_normal((BLOCK, size))
    dimension, next_check = 0, int(FIRST_CHECK * count)
    while dimension + BLOCK <= largest:
        known = basis[:dimension]
        block = orthonormal(block - (block @ known.T) @ known, rows=True)
        block = orthonormal(block - (block @ known.T) @ known, rows=True)  # once more: the first leaves rounding behind
        if len(block) == 0:
            return None  # an invariant subspace: the rest are zero up to rounding
        new = slice(dimension, dimension + len(block))
        basis[new], images[new] = block, block @ matrix
        block, dimension = images[new], new.stop
        if dimension >= next_check:
            next_check = dimension + BLOCK
            known, known_images = basis[:dimension], images[:dimension]
            small = known @ known_images.T
            values, rotation = np.linalg.eigh(0.5 * (small + small.T))
            values, rotation = values[-count:], rotation[:, -count:].T
            vectors = rotation @ known
            residual = np.linalg.norm(rotation @ known_images - vectors * values[:, None], axis=1)
            if np.all(residual <= tolerance * np.abs(values)):
                return np.clip(values[::-1], 0.0, None), vectors[::-1].T
    return None


def orthonormal(block: np.ndarray, rows: bool = False) -> np.ndarray:
    """Orthonormal basis of the columns, or rows, of a block, by products of matrices (SVQB, Stathopoulos & Wu 2002)."""
    if rows:
        return orthonormal(block.T.astype(np.float64, copy=False)).T
    length = np.linalg.norm(block, axis=0)
    block = block / np.where(length > 0, length, 1.0)
    squares, rotation = np.linalg.eigh(block.T @ block)
    kept = squares > squares[-1] * np.finfo(float).eps * len(squares)
    basis: np.ndarray = block @ (rotation[:, kept] / np.sqrt(squares[kept]))
    return basis
