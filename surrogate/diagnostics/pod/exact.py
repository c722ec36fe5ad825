"""Singular value decomposition through the smaller of the two matrices of products, exact in every value asked for.

The squares of singular values that the products hold lose digits, more so in single precision. The products therefore
only choose a subspace; within it the matrix itself is decomposed (Rayleigh-Ritz), so that errors of the subspace enter
squared. Where the singular values asked for fall so far that this is not enough, all is done again in double precision.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg

from surrogate.diagnostics.pod.eigen import leading_eigenpairs
from surrogate.diagnostics.pod.gram import Centred, add_outer, covariance, gram, mirror
from surrogate.fields import FieldError

RESOLUTION = {"float64": 1e-6, "float32": 1e-5}
"""Smallest singular value, over the first, whose mode the arithmetic of the products can tell from rounding."""

TOLERANCE = {"float64": 1e-6, "float32": 1e-4}
"""Residual allowed in an eigenpair of the products, over the eigenvalue. That of products in single precision enters
squared, over the gap to what is left out."""

SUFFICIENT = 5e-7
"""Relative error of the smallest singular value asked for above which single precision is given up."""

CHANGED = 1e-2
"""Relative difference between two readings of the same energy that no rounding explains."""


class Subspace(NamedTuple):
    """Where the leading modes lie, with the singular values as well as they are known from products.

    Attributes
    ----------
    values : array, shape (mode,), descending
    left : array, shape (snapshot, mode), or None
        Left vectors.
    right : array, shape (node, mode), or None
        Right vectors of the scaled matrix: one of the two is given.
    energy : float
        Sum of the squares of all singular values, also of those not in `values`.
    """

    values: np.ndarray
    left: np.ndarray | None
    right: np.ndarray | None
    energy: float


class Decomposition(NamedTuple):
    """A decomposed matrix: mean plus coefficients times patterns.

    Attributes
    ----------
    values : array, shape (mode,), descending
    coefficients : array, shape (mode, snapshot)
        Times the singular values.
    patterns : array, shape (mode, node)
        Orthonormal in the inner product.
    mean : array, shape (node,)
        That was removed; zero if none.
    """

    values: np.ndarray
    coefficients: np.ndarray
    patterns: np.ndarray
    mean: np.ndarray


def truncated(source: Centred, modes: int | None, remove_mean: bool, tolerance: float) -> tuple[Decomposition, float]:
    """Decompose a matrix into at most so many modes, by the truncation rule; also the sum of all squares."""
    if modes is not None and modes < 1:
        raise ValueError(f"POD: expected at least one mode, got {modes}")
    found = exact(source, min(modes or source.matrix.shape[0], *source.matrix.shape), remove_mean)
    count = min(kept_modes(found.values, found.energy, tolerance), max(resolved(source, found.values), 1))
    return refine(source, remove_mean, found, count), found.energy


def kept_modes(singular_values: np.ndarray, total: float, tolerance: float) -> int:
    """Apply the truncation rule: the smallest r with sum(s[r:]**2) <= tolerance**2 * total, at least 1.

    Parameters
    ----------
    singular_values : array, descending
    total : float
        Sum of the squares of all singular values, also of those not in the array.
    tolerance : float
        Relative error allowed.

    Examples
    --------
    >>> kept_modes(np.array([3.0, 1.0, 0.1]), total=10.01, tolerance=0.05)
    2
    """
    left = total - np.cumsum(np.asarray(singular_values) ** 2)
    enough = np.flatnonzero(left <= tolerance**2 * total)
    return int(enough[0]) + 1 if enough.size else len(singular_values)


def exact(source: Centred, limit: int, remove_mean: bool) -> Subspace:
    """Find the subspace of the first `limit` modes from the products of all pairs of rows, or of columns.

    The source is changed to double precision where single precision is not enough.
    """
    products = _products(source, remove_mean)
    energy = float(np.trace(products))
    if not np.isfinite(energy):
        raise FieldError("POD: the snapshots have infinite values, or values too large to be squared")
    squares, vectors = leading_eigenpairs(products, limit, TOLERANCE[np.dtype(source.dtype).name])
    if source.dtype is np.float32 and _expected_error(squares, len(products)) > SUFFICIENT:
        source.change_to_double()
        return exact(source, limit, remove_mean)
    gramian = source.matrix.shape[0] <= source.matrix.shape[1]
    left, right = (vectors, None) if gramian else (None, vectors)
    return Subspace(np.sqrt(squares), left, right, energy)


def _products(source: Centred, remove_mean: bool) -> np.ndarray:
    """Gram or covariance matrix, whichever is smaller, of the scaled rows."""
    snapshots, nodes = source.matrix.shape
    shift = source.shift * source.scale
    if snapshots <= nodes:
        products, of_shift = gram(source, keep_mean=not remove_mean)
        ones = np.ones(snapshots)
        if remove_mean:
            # Below the diagonal there are zeros.
            mean = (products.sum(axis=0) + products.sum(axis=1) - products.diagonal()) / snapshots
            add_outer(products, -ones, mean)
            add_outer(products, mean.mean() - mean, ones)
        else:
            add_outer(products, of_shift + shift @ shift, ones)
            add_outer(products, ones, of_shift)
    else:
        products, total = covariance(source, keep_mean=not remove_mean)
        if remove_mean:
            add_outer(products, -total / snapshots, total)
        else:
            add_outer(products, total + snapshots * shift, shift)
            add_outer(products, shift, total)
    return mirror(products)


def _expected_error(squares: np.ndarray, size: int) -> float:
    """Relative error that products in single precision leave in the smallest of some singular values, at most.

    The entries of the products are wrong by their rounding, independently, so that the products have eigenvalues
    wrong by two roundings of the largest over the root of the size; the smallest mode turns by that over its own
    eigenvalue, and its singular value changes by the square of the angle.
    """
    if not squares[-1] > 0:
        return np.inf
    angle = 2 * np.finfo(np.float32).eps * squares[0] / squares[-1] / np.sqrt(size)
    return float(angle**2)


def resolved(source: Centred, values: np.ndarray) -> int:
    """Count the singular values that the products tell from rounding; the rest have no direction."""
    return int((values > values[0] * RESOLUTION[np.dtype(source.dtype).name]).sum())


def refine(source: Centred, remove_mean: bool, subspace: Subspace, count: int | None = None) -> Decomposition:
    """Decompose the matrix within the first `count` dimensions of a subspace, in one pass over it.

    Patterns come out on nodes of no weight, too.
    """
    values = subspace.values[:count]
    if subspace.left is not None:
        found = _from_left(source, remove_mean, subspace.left[:, : len(values)])
    else:
        assert subspace.right is not None  # one of the two is always given
        found = _from_right(source, remove_mean, subspace.right[:, : len(values)])
    before, now = np.sum(values**2), np.sum(found.values**2)
    if abs(now - before) > CHANGED * max(before, np.finfo(np.float32).tiny):
        raise FieldError(
            f"POD: the snapshots have {now:.6g} K2 in the leading modes where they had {before:.6g} when they were "
            "read before: the data changed meanwhile"
        )
    return found


def _from_left(source: Centred, remove_mean: bool, vectors: np.ndarray) -> Decomposition:
    snapshots, nodes = source.matrix.shape
    # A row of ones beside the vectors sums the rows in the same product.
    rows_of = np.concatenate([vectors.T, np.ones((1, snapshots))]).astype(source.dtype)
    scale, shift = (part.astype(source.dtype) for part in (source.scale, source.shift))
    # Vectors of centred rows sum to zero, so that any constant row drops out; otherwise the shift comes back.
    kept_shift = None if remove_mean else vectors.sum(axis=0).astype(source.dtype)[:, None]
    # Narrow parts, not columns of one array: they are written and read where the cache has them.
    parts: dict[int, np.ndarray] = {}
    squares = np.zeros((len(rows_of) - 1,) * 2)
    for start, stop in reversed(source.slabs()):  # the products were left with the last slab in memory
        for columns, tile in source.tiles(start, stop):
            part = rows_of[:, start:stop] @ tile
            part = parts[columns.start] = part if stop == snapshots else parts[columns.start] + part
            if start == 0:  # summed up
                if kept_shift is not None:
                    part[:-1] += kept_shift * shift[columns]
                # Nearly orthogonal, and of lengths that fall with their number: what single precision makes of a
                # short product is small against both of their lengths.
                weighted = part[:-1] * scale[columns] if source.weighted else part[:-1]
                squares += weighted @ weighted.T
    used = rows_of[:-1].astype(float)  # rounded, and so not quite orthonormal
    values, rotation = _ritz(squares, used @ used.T)
    turn = (rotation / values).T.astype(source.dtype)
    patterns, total = np.empty((len(values), nodes), dtype=source.dtype), np.empty(nodes)
    for first, part in parts.items():
        columns = slice(first, first + part.shape[1])
        patterns[:, columns], total[columns] = turn @ part[:-1], part[-1]
    mean = source.shift + total / snapshots if remove_mean else np.zeros(nodes)
    return Decomposition(values, values[:, None] * (rotation.T @ used), patterns, mean)


def _from_right(source: Centred, remove_mean: bool, vectors: np.ndarray) -> Decomposition:
    snapshots, nodes = source.matrix.shape
    scaled = vectors * source.scale[:, None]
    narrow, count = scaled.astype(source.dtype), vectors.shape[1]
    total, patterns, coefficients = np.zeros(nodes), np.zeros((count, nodes)), np.zeros((count, snapshots))
    for start, stop in reversed(source.slabs()):
        for rows, band in source.bands(start, stop):
            total += np.ones(len(band), dtype=band.dtype) @ band
            part = (band @ narrow).T
            coefficients[:, rows] = part
            patterns += part @ band
    offset = -total / snapshots if remove_mean else source.shift
    # Rows are off by the offset in both products.
    patterns += np.outer(offset @ scaled, total)
    coefficients += (offset @ scaled)[:, None]
    patterns += np.outer(coefficients.sum(axis=1), offset)
    values, rotation = _ritz(coefficients @ coefficients.T, vectors.T @ vectors)
    return Decomposition(
        values,
        rotation.T @ coefficients,
        (rotation / values**2).T @ patterns,
        source.shift + total / snapshots if remove_mean else np.zeros(nodes),
    )


def _ritz(squares: np.ndarray, mass: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Singular values, descending, and rotation within a subspace whose basis has the products `mass`."""
    found, rotation = scipy.linalg.eigh(squares, mass)
    return np.sqrt(np.clip(found[::-1], np.finfo(float).tiny, None)), rotation[:, ::-1]
