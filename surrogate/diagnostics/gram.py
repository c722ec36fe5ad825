"""Products of tall matrices that need not fit into memory.

A matrix is a NumPy or Dask array of shape (snapshot, node). It is read in blocks of whole rows, so that a store with
one snapshot a chunk is read in order, and never held whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

COLUMN_BLOCK = 16384
"""Terms per single-precision product; the products are summed in double precision."""

BLOCK_ROWS = 512
"""Rows read at a time: enough for a product at full speed."""

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
    resident : int
        Rows that may be held at once.
    dtype : type
        Of the arithmetic.
    """

    matrix: Any
    shift: np.ndarray
    scale: np.ndarray
    resident: int
    dtype: Any

    def read(self, start: int, stop: int, into: np.ndarray | None = None) -> np.ndarray:
        """Read rows, shifted and scaled, shape (stop - start, node), into an array if one is given."""
        stored = np.asarray(self.matrix[start:stop])
        block = np.empty(stored.shape, dtype=self.dtype) if into is None else into
        np.subtract(stored, self.shift.astype(self.dtype), out=block, casting="same_kind")
        if not np.all(self.scale == 1.0):
            block *= self.scale.astype(self.dtype)
        return block

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (rows, block) from row `start` to row `stop`."""
        stop = self.matrix.shape[0] if stop is None else stop
        size = min(BLOCK_ROWS, self.resident)
        for first in range(start, stop, size):
            rows = slice(first, min(first + size, stop))
            yield rows, self.read(rows.start, rows.stop)


def prepare(matrix: Any, weight: np.ndarray | None, memory: float) -> Centred:
    """Choose blocks and arithmetic for a matrix, and a row to subtract.

    Parameters
    ----------
    matrix : array, shape (snapshot, node)
    weight : array, shape (node,), optional
        Of the inner product.
    memory : float
        Bytes that rows of the matrix may take. The square matrix of products, in double precision, comes on top.

    Raises
    ------
    ValueError
        If not even a few rows fit.
    """
    snapshots, nodes = matrix.shape
    work = float(min(snapshots, nodes)) * snapshots * nodes
    dtype = np.float64 if work < DOUBLE_PRECISION_WORK else np.float32
    # Besides the resident rows, a block is held up to three times while it is read: as stored, converted, multiplied.
    row = nodes * np.dtype(dtype).itemsize
    resident = int(max(memory - 3 * min(BLOCK_ROWS, memory / (4 * row)) * row, 0.0) / row)
    if resident < 1:
        raise ValueError(
            f"POD: {memory:.3g} bytes of memory do not hold a few rows of {nodes} nodes; allow more memory"
        )
    first = np.asarray(matrix[:: max(1, snapshots // 16)][:16], dtype=np.float64)
    scale = np.ones(nodes) if weight is None else np.sqrt(np.asarray(weight, dtype=float))
    return Centred(matrix, first.mean(axis=0), scale, min(resident, snapshots), dtype)


def gram(source: Centred, with_shift: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the products of all pairs of rows, shape (snapshot, snapshot), and with the shift, shape (snapshot,).

    Both are of the shifted and scaled rows; the shift is scaled in the second, which is zero unless asked for. As many
    rows as fit are held, and the rows after them are streamed past; only the products above the diagonal are computed.
    """
    snapshots, nodes = source.matrix.shape
    products = np.zeros((snapshots, snapshots))
    of_shift = np.zeros(snapshots)
    shift = source.shift * source.scale
    size = min(BLOCK_ROWS, source.resident)
    for start in range(0, snapshots, source.resident):
        stop = min(start + source.resident, snapshots)
        held = np.empty((stop - start, nodes), dtype=source.dtype)
        for first in range(start, stop, size):
            last = min(first + size, stop)
            block = source.read(first, last, held[first - start : last - start])
            if with_shift:
                of_shift[first:last] = np.einsum("ij,j->i", block, shift, optimize=False)
        _accumulate(products[start:stop, start:stop], held, held)
        for rows, block in source.blocks(stop):
            _accumulate(products[start:stop, rows], held, block)
            products[rows, start:stop] = products[start:stop, rows].T
    return products, of_shift


def _accumulate(total: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    """Add left @ right' to `total`, in blocks of columns, summed in double precision.

    NumPy computes half of the products where left is right.
    """
    part = np.empty(total.shape, dtype=left.dtype)  # once: fresh memory costs as much as the sum
    for start in range(0, left.shape[1], COLUMN_BLOCK):
        columns = slice(start, start + COLUMN_BLOCK)
        total += np.matmul(left[:, columns], right[:, columns].T, out=part)


def covariance(source: Centred) -> tuple[np.ndarray, np.ndarray]:
    """Return the products of all pairs of columns, shape (node, node), and the sum of the rows, shape (node,).

    Both are of the shifted and scaled rows.
    """
    nodes = source.matrix.shape[1]
    products, total = np.zeros((nodes, nodes)), np.zeros(nodes)
    # The product of a block is as large as the whole result: few blocks, as long as precision allows.
    size = min(COLUMN_BLOCK, source.resident)
    buffer, part = np.empty((size, nodes), dtype=source.dtype), np.empty((nodes, nodes), dtype=source.dtype)
    for start in range(0, source.matrix.shape[0], size):
        stop = min(start + size, source.matrix.shape[0])
        block = source.read(start, stop, buffer[: stop - start])
        total += block.sum(axis=0, dtype=np.float64)
        products += np.matmul(block.T, block, out=part)
    return products, total


def add_outer(matrix: np.ndarray, column: np.ndarray, row: np.ndarray) -> None:
    """Add the outer product of two vectors to a matrix, without another matrix beside it."""
    for start in range(0, len(matrix), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        matrix[rows] += np.outer(column[rows], row)
