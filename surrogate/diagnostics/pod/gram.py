"""Products of tall matrices that need not fit into memory.

A matrix is a NumPy or Dask array of shape (snapshot, node). It is read in blocks of whole rows, so that a store with
one snapshot a chunk is read in order, and never held whole. Every value is checked as it is read: a store that loses
its chunks gives fill values without an error, and those must not pass for temperatures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.linalg import blas

from surrogate.fields import FieldError

MEMORY = 1e9
"""Bytes that rows of a matrix of snapshots may take, unless the caller says otherwise."""

COLUMN_BLOCK = 16384
"""Terms per single-precision product; the products are summed in double precision."""

TILE_BYTES, TILE_SHAPE = 2e6, 1 / 3
"""Size of a tile, for the cache, and its least width over its height: the product of a narrow one is mostly writing."""

BLOCK_ROWS = 512
"""Rows multiplied at a time: enough for a product at full speed."""

READ_ROWS = 64
"""Rows read at a time, which are there up to three times: as stored, put together, converted."""

DOUBLE_PRECISION_WORK = 2e10
"""Below this many multiplications everything is done in double precision: it costs less than a second."""


class Centred:
    """A matrix from whose rows a constant row is taken off when it is read.

    Parameters
    ----------
    matrix : array, shape (snapshot, node)
        NumPy or Dask.
    shift : array, shape (node,), float64
        Subtracted from every row.
    scale : array, shape (node,), float64
        The root of the weights of an inner product.
    resident : int
        Rows that may be held at once.
    dtype : type
        Of the arithmetic.
    kelvin : bool
        Whether the values are temperatures, which must be above 0 K.
    """

    def __init__(
        self, matrix: Any, shift: np.ndarray, scale: np.ndarray, resident: int, dtype: Any, kelvin: bool = True
    ) -> None:
        self.matrix, self.shift, self.scale, self.resident, self.dtype = matrix, shift, scale, resident, dtype
        self.kelvin = kelvin
        self.weighted = not np.all(scale == 1.0)
        self._held: tuple[int, int, np.ndarray] | None = None
        self._sound = 0  # rows of a matrix in memory, which does not change, that were checked

    def change_to_double(self) -> None:
        """Go on in double precision, with half as many rows held."""
        self.dtype, self.resident, self._held = np.float64, max(self.resident // 2, 1), None

    def read(self, start: int, stop: int, into: np.ndarray | None = None) -> np.ndarray:
        """Read rows, shifted, shape (stop - start, node), into an array if one is given."""
        block = np.empty((stop - start, self.matrix.shape[1]), dtype=self.dtype) if into is None else into
        shift = self.shift.astype(self.dtype)
        for first in range(start, stop, READ_ROWS):
            last = min(first + READ_ROWS, stop)
            stored = checked(np.asarray(self.matrix[first:last]), first, self.kelvin)
            np.subtract(stored, shift, out=block[first - start : last - start], casting="same_kind")
        return block

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

    def bands(self, start: int, stop: int) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (rows, band) of the rows of a slab, shifted; not to be changed, and overwritten by the next.

        Rows that are in memory anyway are not copied but for the band.
        """
        in_memory = isinstance(self.matrix, np.ndarray)
        held = None if in_memory else self.hold(start, stop)
        buffer = np.empty((min(BLOCK_ROWS, stop - start), self.matrix.shape[1]), self.dtype) if in_memory else None
        for first in range(start, stop, BLOCK_ROWS):
            last = min(first + BLOCK_ROWS, stop)
            if held is not None:
                yield slice(first, last), held[first - start : last - start]
            elif buffer is not None:
                yield slice(first, last), self.read(first, last, buffer[: last - first])

    def tiles(self, start: int, stop: int, scaled: bool = False) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (columns, tile) of the rows of a slab, shifted, and scaled if asked for; overwritten by the next.

        Rows that are in memory anyway are not copied but for the tile.
        """
        in_memory = isinstance(self.matrix, np.ndarray)
        rows = self.matrix[start:stop] if in_memory else self.hold(start, stop)
        height = min(self.resident, len(self.matrix))  # of the first slab, so that all slabs have the same tiles
        width = int(max(TILE_BYTES / (height * np.dtype(self.dtype).itemsize), TILE_SHAPE * height, 1))
        width = min(width, COLUMN_BLOCK)
        buffer = np.empty(len(rows) * width, dtype=self.dtype)
        for first in range(0, rows.shape[1], width):
            columns = slice(first, first + width)
            tile = stored = rows[:, columns]
            target = buffer[: tile.size].reshape(tile.shape)
            if in_memory:
                shift = self.shift[columns].astype(self.dtype)
                tile = np.subtract(stored, shift, out=target, casting="same_kind")
                # What lies less below a positive shift is above 0 K; otherwise every value is looked at.
                sound = self.kelvin and shift.min() > 0 and tile.min() > -0.99 * shift.min()
                if stop > self._sound and not sound:
                    checked(stored, start, self.kelvin)
            if scaled and self.weighted:
                tile = np.multiply(tile, self.scale[columns].astype(self.dtype), out=target)
            yield columns, tile
        self._sound = max(self._sound, stop)


class SymmetricSum:
    """Sum of the products of many tiles with themselves.

    Only one triangle is computed (*syrk* of BLAS, which NumPy cannot sum up with). In single precision no more than
    `COLUMN_BLOCK` terms are summed; these sums are added to a total in double precision.

    Parameters
    ----------
    total : array, shape (size, size)
        What the upper triangle is added to; the rest is left alone. If it is of the arithmetic's precision itself, it
        is added to at once, without a part beside it.
    dtype : type
        Of the arithmetic.
    """

    def __init__(self, total: np.ndarray, dtype: Any) -> None:
        self._total, self._terms = total, 0
        self._direct = total.dtype == dtype and total.flags.c_contiguous
        self._part = total.T if self._direct else np.zeros(total.shape, dtype=dtype, order="F")
        self._update = blas.ssyrk if dtype is np.float32 else blas.dsyrk

    def add(self, tile: np.ndarray, axis: int) -> None:
        """Add the products of all pairs of rows of a tile (axis 0), or of its columns (axis 1)."""
        terms = tile.shape[1 - axis]
        if self._terms + terms > COLUMN_BLOCK:
            self.finish()
        # The transpose of a tile is in the order that BLAS wants, and is not copied.
        keep = 1.0 if self._direct or self._terms else 0.0
        self._part = self._update(1.0, tile.T, keep, self._part, trans=1 - axis, lower=1, overwrite_c=1)
        self._terms += terms

    def finish(self) -> None:
        """Add what is not in the total yet."""
        if self._terms and not self._direct:
            for start in range(0, len(self._total), BLOCK_ROWS):
                self._total[start : start + BLOCK_ROWS, start:] += self._part.T[start : start + BLOCK_ROWS, start:]
        self._terms = 0


def checked(rows: np.ndarray, first: int, kelvin: bool = True) -> np.ndarray:
    """Return rows of a matrix, or say which snapshot cannot be one: of temperatures in K, or of finite numbers.

    Raises
    ------
    surrogate.fields.FieldError
        If a value is not above absolute zero, or not finite. A chunk that is missing from a Zarr store is read as the
        fill value of the store, zero or NaN, without an error; so is a whole store that was deleted meanwhile.
    """
    sound = rows.min() > 0 if kelvin else np.isfinite(rows).all()
    if not sound:  # NaN is not above zero either
        broken = np.flatnonzero(~(rows.min(axis=1) > 0 if kelvin else np.isfinite(rows).all(axis=1)))
        raise FieldError(
            f"POD: {'temperature' if kelvin else 'values'} of {len(broken)} snapshots (first: row "
            f"{first + int(broken[0])} of the matrix) {'is not a number above 0 K' if kelvin else 'are not finite'}; "
            "if it comes from a store, chunks of it are missing or damaged"
        )
    return rows


def prepare(matrix: Any, weight: np.ndarray | None, memory: float, kelvin: bool = True) -> Centred:
    """Choose blocks and arithmetic for a matrix, and a row to subtract.

    Parameters
    ----------
    matrix : array, shape (snapshot, node)
    weight : array, shape (node,), optional
        Of the inner product.
    memory : float
        Bytes that rows of the matrix may take. The square matrix of products, in double precision, comes on top.
    kelvin : bool
        Whether the values are temperatures, which must be above 0 K.

    Raises
    ------
    ValueError
        If not even a few rows fit.
    """
    snapshots, nodes = matrix.shape
    work = float(min(snapshots, nodes)) * snapshots * nodes
    dtype = np.float64 if work < DOUBLE_PRECISION_WORK else np.float32
    # Besides the resident rows, a block is held, and a part of it twice more while it is read.
    row = nodes * np.dtype(dtype).itemsize
    block = min(BLOCK_ROWS, memory / (4 * row))
    resident = int(max(memory / row - block - 2 * min(READ_ROWS, block), 0.0))
    if resident < 1:
        raise ValueError(
            f"POD: {memory:.3g} bytes of memory do not hold a few rows of {nodes} nodes; allow more memory"
        )
    first = np.asarray(matrix[:: max(1, snapshots // 16)][:16], dtype=np.float64)
    scale = np.ones(nodes) if weight is None else np.sqrt(np.asarray(weight, dtype=float))
    return Centred(matrix, first.mean(axis=0), scale, min(resident, snapshots), dtype, kelvin)


def gram(source: Centred, keep_mean: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the products of all pairs of rows, shape (snapshot, snapshot), and with the shift, shape (snapshot,).

    Both are of the shifted and scaled rows; the shift is scaled in the second, which is zero unless the mean is kept.
    The products are those on and above the diagonal, with zeros below. As many rows as fit are held, and the rows
    after them are streamed past.
    """
    snapshots = source.matrix.shape[0]
    products, of_shift = np.zeros((snapshots, snapshots)), np.zeros(snapshots)
    shift, weight = source.shift * source.scale, (source.scale**2).astype(source.dtype)
    for start, stop in source.slabs():
        squares = SymmetricSum(products[start:stop, start:stop], source.dtype)
        for columns, tile in source.tiles(start, stop, scaled=True):
            if keep_mean:
                of_shift[start:stop] += np.einsum("ij,j->i", tile, shift[columns], optimize=False)
            squares.add(tile, axis=0)
        squares.finish()
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
    return products, of_shift


def covariance(source: Centred, keep_mean: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the products of all pairs of columns, shape (node, node), and the sum of the rows, shape (node,).

    Both are of the shifted and scaled rows. The products are those on and above the diagonal, with zeros below.
    """
    nodes = source.matrix.shape[1]
    # In double precision if the sums are long, or if a mean will be put back.
    dtype = np.float64 if keep_mean or source.matrix.shape[0] > COLUMN_BLOCK else source.dtype
    products, total = np.zeros((nodes, nodes), dtype=dtype), np.zeros(nodes)
    squares, scale = SymmetricSum(products, source.dtype), source.scale.astype(source.dtype)
    for start, stop in source.slabs():
        for _, band in source.bands(start, stop):
            total += np.ones(len(band), dtype=band.dtype) @ band
            squares.add(band * scale if source.weighted else band, axis=1)
    squares.finish()
    return products, total * source.scale


def add_outer(upper: np.ndarray, column: np.ndarray, row: np.ndarray) -> None:
    """Add the outer product of two vectors to an upper triangle, without another matrix beside it."""
    for start in range(0, len(upper), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        upper[rows, start:] += np.outer(column[rows], row[start:])


def mirror(upper: np.ndarray) -> np.ndarray:
    """Make a triangle a symmetric matrix, in place."""
    for start in range(0, len(upper), BLOCK_ROWS):
        stop = start + BLOCK_ROWS
        upper[stop:, start:stop] = upper[start:stop, stop:].T
        corner = np.triu(upper[start:stop, start:stop])
        upper[start:stop, start:stop] = corner + np.triu(corner, 1).T
    return upper
