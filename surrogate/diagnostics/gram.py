"""Products of tall matrices that need not fit into memory.

A matrix is a NumPy or Dask array of shape (snapshot, node). It is read in blocks of whole rows, so that a store with
one snapshot a chunk is read in order, and never held whole. Every value is checked as it is read: a store that loses
its chunks gives fill values without an error, and those must not pass for temperatures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from surrogate.fields import FieldError

COLUMN_BLOCK = 16384
"""Terms per single-precision product; the products are summed in double precision."""

BLOCK_ROWS = 512
"""Rows read at a time: enough for a product at full speed."""

DOUBLE_PRECISION_WORK = 2e10
"""Below this many multiplications everything is done in double precision: it costs less than a second."""


class Centred:
    """A matrix of temperatures from whose rows a constant row is taken off when it is read.

    Parameters
    ----------
    matrix : array, shape (snapshot, node), K
        NumPy or Dask.
    shift : array, shape (node,), float64
        Subtracted from every row.
    scale : array, shape (node,), float64
        The root of the weights of an inner product.
    resident : int
        Rows that may be held at once.
    dtype : type
        Of the arithmetic.
    """

    def __init__(self, matrix: Any, shift: np.ndarray, scale: np.ndarray, resident: int, dtype: Any) -> None:
        self.matrix, self.shift, self.scale, self.resident, self.dtype = matrix, shift, scale, resident, dtype
        self.weighted = not np.all(scale == 1.0)
        self._held: tuple[int, int, np.ndarray] | None = None
        self._sound = 0  # rows of a matrix in memory, which does not change, that were checked

    def read(self, start: int, stop: int, into: np.ndarray | None = None) -> np.ndarray:
        """Read rows, shifted, shape (stop - start, node), into an array if one is given."""
        stored = checked(np.asarray(self.matrix[start:stop]), start)
        block = np.empty(stored.shape, dtype=self.dtype) if into is None else into
        return np.subtract(stored, self.shift.astype(self.dtype), out=block, casting="same_kind")

    def slabs(self, most: int | None = None) -> list[tuple[int, int]]:
        """First row and the row after the last of every slab, of as many rows as may be held, or `most`."""
        snapshots = self.matrix.shape[0]
        size = self.resident if most is None else min(self.resident, most)
        return [(start, min(start + size, snapshots)) for start in range(0, snapshots, size)]

    def hold(self, start: int, stop: int) -> np.ndarray:
        """Rows of a slab, shifted; not to be changed. The last one is kept, for the next who asks for it."""
        if self._held is None or self._held[:2] != (start, stop):
            self._held = None  # before the next takes its place in memory
            rows = np.empty((stop - start, self.matrix.shape[1]), dtype=self.dtype)
            for first in range(start, stop, BLOCK_ROWS):
                last = min(first + BLOCK_ROWS, stop)
                self.read(first, last, rows[first - start : last - start])
            self._held = (start, stop, rows)
        return self._held[2]

    def blocks(self, start: int = 0) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (rows, block) from row `start` on; the block is overwritten by the next."""
        snapshots, nodes = self.matrix.shape
        size = min(BLOCK_ROWS, self.resident)
        buffer = np.empty((min(size, max(snapshots - start, 0)), nodes), dtype=self.dtype)
        for first in range(start, snapshots, size):
            last = min(first + size, snapshots)
            yield slice(first, last), self.read(first, last, buffer[: last - first])

    def tiles(self, start: int, stop: int, scaled: bool = False) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (columns, tile) of the rows of a slab, shifted, and scaled if asked for; overwritten by the next.

        Rows that are in memory anyway are not copied but for the tile.
        """
        in_memory = isinstance(self.matrix, np.ndarray)
        if in_memory and stop > self._sound:
            checked(self.matrix[start:stop], start)
            self._sound = stop
        rows = self.matrix[start:stop] if in_memory else self.hold(start, stop)
        buffer = None
        for first in range(0, rows.shape[1], COLUMN_BLOCK):
            columns = slice(first, first + COLUMN_BLOCK)
            tile = rows[:, columns]
            if in_memory or (scaled and self.weighted):
                if buffer is None:
                    buffer = np.empty(tile.size, dtype=self.dtype)
                target = buffer[: tile.size].reshape(tile.shape)
                if in_memory:
                    tile = np.subtract(tile, self.shift[columns].astype(self.dtype), out=target, casting="same_kind")
                if scaled and self.weighted:
                    tile = np.multiply(tile, self.scale[columns].astype(self.dtype), out=target)
            yield columns, tile


def checked(rows: np.ndarray, first: int) -> np.ndarray:
    """Return rows of a matrix of temperatures, K, or say which snapshot cannot be one.

    Raises
    ------
    surrogate.fields.FieldError
        If a value is not above absolute zero. A chunk that is missing from a Zarr store is read as the
        fill value of the store, zero or NaN, without an error; so is a whole store that was deleted meanwhile.
    """
    if not rows.min() > 0:  # nor is NaN
        broken = np.flatnonzero(~(rows.min(axis=1) > 0))
        raise FieldError(
            f"POD: temperature of {len(broken)} snapshots (first: row {first + int(broken[0])} of the matrix) is not "
            "a number above 0 K; if it comes from a store, chunks of it are missing or damaged"
        )
    return rows


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
    snapshots = source.matrix.shape[0]
    products, of_shift = np.zeros((snapshots, snapshots)), np.zeros(snapshots)
    shift, weight = source.shift * source.scale, (source.scale**2).astype(source.dtype)
    for start, stop in source.slabs():
        total = products[start:stop, start:stop]
        part = np.empty(total.shape, dtype=source.dtype)  # once: fresh memory costs as much as the sum
        for columns, tile in source.tiles(start, stop, scaled=True):
            if with_shift:
                of_shift[start:stop] += np.einsum("ij,j->i", tile, shift[columns], optimize=False)
            total += np.matmul(tile, tile.T, out=part)  # NumPy computes half of it and mirrors that
        if stop == snapshots:
            break
        held = source.hold(start, stop)
        for rows, block in source.blocks(stop):
            if source.weighted:
                block *= weight  # all of the weight on the smaller factor
            part = np.empty((stop - start, len(block)), dtype=source.dtype)
            for first in range(0, block.shape[1], COLUMN_BLOCK):
                columns = slice(first, first + COLUMN_BLOCK)
                products[start:stop, rows] += np.matmul(held[:, columns], block[:, columns].T, out=part)
            products[rows, start:stop] = products[start:stop, rows].T
    return products, of_shift


def covariance(source: Centred) -> tuple[np.ndarray, np.ndarray]:
    """Return the products of all pairs of columns, shape (node, node), and the sum of the rows, shape (node,).

    Both are of the shifted and scaled rows.
    """
    nodes = source.matrix.shape[1]
    products, total = np.zeros((nodes, nodes)), np.zeros(nodes)
    part = np.empty((nodes, nodes), dtype=source.dtype)
    # The product of a block is as large as the whole result: few blocks, as long as precision allows.
    for start, stop in source.slabs(COLUMN_BLOCK):
        block = source.hold(start, stop)
        total += np.ones(len(block), dtype=block.dtype) @ block
        products += np.matmul(block.T, block, out=part)
    if source.weighted:
        products *= source.scale
        products *= source.scale[:, None]
        total *= source.scale
    return products, total


def add_outer(matrix: np.ndarray, column: np.ndarray, row: np.ndarray) -> None:
    """Add the outer product of two vectors to a matrix, without another matrix beside it."""
    for start in range(0, len(matrix), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        matrix[rows] += np.outer(column[rows], row)
