"""Products and eigenpairs of tall matrices that need not fit into memory.

A matrix is a NumPy or Dask array of shape (snapshot, node). It is read in panels of whole rows, so that a store with
one snapshot a chunk is read in order, and never held whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

COLUMN_BLOCK = 4096
"""Nodes per single-precision product; the products are summed in double precision."""

DOUBLE_PRECISION_WORK = 2e10
"""Below this many multiplications everything is done in double precision: it costs less than a second."""


class Centred(NamedTuple):
    """A matrix of which a constant row is taken off, and whose columns are scaled, when it is read.

    Attributes
    ----------
    matrix : array, shape (snapshot, node)
    shift : array, shape (node,), float64
        Subtracted from every row.
    scale : array, shape (node,), float64
        Multiplied with every row after that: the root of the weights of an inner product.
    rows : int
        Rows per panel.
    dtype : type
        Of the arithmetic.
    """

    matrix: Any
    shift: np.ndarray
    scale: np.ndarray
    rows: int
    dtype: Any

    def panel(self, start: int) -> np.ndarray:
        """Read the panel that starts at row `start`, shifted and scaled, shape (rows, node)."""
        raw = np.asarray(self.matrix[start : start + self.rows], dtype=self.dtype)
        return (raw - self.shift.astype(self.dtype)) * self.scale.astype(self.dtype)

    def panels(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (first row, panel) from the first row to the last."""
        for start in range(0, self.matrix.shape[0], self.rows):
            yield start, self.panel(start)


def prepare(matrix: Any, weight: np.ndarray | None, memory: float) -> Centred:
    """Choose panels and arithmetic for a matrix, and a row to subtract.

    Parameters
    ----------
    matrix : array, shape (snapshot, node)
    weight : array, shape (node,), optional
        Of the inner product.
    memory : float
        Bytes that panels may take. The matrix of products comes on top of it.

    Raises
    ------
    ValueError
        If not even a few rows fit.
    """
    snapshots, nodes = matrix.shape
    work = float(min(snapshots, nodes)) * snapshots * nodes
    dtype = np.float64 if work < DOUBLE_PRECISION_WORK else np.float32
    # Two panels are held at once, each with the temporary copies made when it is read.
    rows = int(memory / (6 * nodes * np.dtype(dtype).itemsize))
    if rows < 1:
        raise ValueError(f"POD: {memory:.3g} bytes of memory do not hold one row of {nodes} nodes; allow more memory")
    rows = min(rows, snapshots)
    first = np.asarray(matrix[:: max(1, snapshots // 16)][:16] if snapshots > 16 else matrix[:], dtype=np.float64)
    scale = np.ones(nodes) if weight is None else np.sqrt(np.asarray(weight, dtype=float))
    return Centred(matrix, first.mean(axis=0), scale, rows, dtype)


def _accumulate(total: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    """Add left @ right' to `total`, in blocks of columns, summed in double precision."""
    for start in range(0, left.shape[1], COLUMN_BLOCK):
        block = slice(start, start + COLUMN_BLOCK)
        total += left[:, block] @ right[:, block].T


def gram(source: Centred) -> tuple[np.ndarray, np.ndarray]:
    """Return the products of all pairs of rows, shape (snapshot, snapshot), and with the shift, shape (snapshot,).

    Both are of the shifted and scaled rows; the shift is scaled in the second.
    """
    snapshots = source.matrix.shape[0]
    products = np.zeros((snapshots, snapshots))
    with_shift = np.zeros(snapshots)
    shift = source.shift * source.scale
    for start, left in source.panels():
        here = slice(start, start + len(left))
        with_shift[here] = left @ shift
        block = np.zeros((len(left), len(left)))
        _accumulate(block, left, left)
        products[here, here] = block
        for other in range(start + source.rows, snapshots, source.rows):
            right = source.panel(other)
            there = slice(other, other + len(right))
            block = np.zeros((len(left), len(right)))
            _accumulate(block, left, right)
            products[here, there], products[there, here] = block, block.T
    return products, with_shift


def covariance(source: Centred) -> tuple[np.ndarray, np.ndarray]:
    """Return the products of all pairs of columns, shape (node, node), and the sum of the rows, shape (node,).

    Both are of the shifted and scaled rows.
    """
    nodes = source.matrix.shape[1]
    products, total = np.zeros((nodes, nodes)), np.zeros(nodes)
    for _, panel in source.panels():
        total += panel.sum(axis=0, dtype=np.float64)
        for start in range(0, len(panel), COLUMN_BLOCK):
            block = panel[start : start + COLUMN_BLOCK]
            products += block.T @ block
    return products, total


def leading_eigenpairs(matrix: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Largest eigenvalues, descending, shape (count,), and their vectors, shape (size, count), of a symmetric matrix.

    Negative eigenvalues, which only rounding can make here, are returned as zero.
    """
    size = len(matrix)
    count = min(count, size)
    values, vectors = scipy.linalg.eigh(matrix, subset_by_index=(size - count, size - 1), check_finite=False)
    return np.clip(values[::-1], 0.0, None), vectors[:, ::-1]
