"""Chunks of HDF5 arrays decompressed by libdeflate, past the HDF5 library: two to three times as fast.

The HDF5 library inflates with zlib and holds one lock for all threads. The usual filters (byte shuffle, then zlib) are
undone here instead; whatever is stored in another way is left to the library. HDF5 File Format Specification 3.0,
section IV.A.2.l, describes the filters.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

import h5py
import numpy as np
from numba import njit

from surrogate.corpus.inflate import inflate
from surrogate.corpus.readers import ReaderError

_Chunk = tuple[int, int, tuple[int, ...]]  # its place (byte), its size, the index of its first value
_Layout = tuple[bool, bool, list[list[_Chunk]]]  # deflated, shuffled, chunks by their rows along the first axis

SLAB_BYTES = 2**27
"""Snapshots that share chunks are decompressed together, up to so many bytes, and kept for the next to be read."""


class ChunkReader:
    """An array of floats in an HDF5 file, read along its first axis.

    Parameters
    ----------
    dataset : h5py.Dataset
        Its file stays open as long as this is used.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        self.dataset, self.shape, self.dtype = dataset, dataset.shape, dataset.dtype
        self._slab: tuple[int, int, np.ndarray] | None = None

    @property
    def direct(self) -> bool:
        """Whether chunks are decompressed here."""
        return self._layout is not None

    @cached_property
    def _layout(self) -> _Layout | None:
        """Where the chunks are; looked up when the first is read. None where HDF5 must read them."""
        filters = _usual_filters(self.dataset)
        if filters is None:
            return None
        step = self.dataset.chunks[0]
        rows: list[list[_Chunk]] = [[] for _ in range(-(-self.shape[0] // step))]
        skipped = False

        def note(chunk: Any) -> None:
            nonlocal skipped
            skipped = skipped or chunk.filter_mask != 0
            rows[chunk.chunk_offset[0] // step].append((chunk.byte_offset, chunk.size, chunk.chunk_offset))

        self.dataset.id.chunk_iter(note)
        return None if skipped else (*filters, rows)  # a filter may have been left out where it did not help

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read ``array[start:stop]``.

        Raises
        ------
        ReaderError
            Naming file and array, if a chunk is truncated or corrupt.
        """
        if self._layout is None:
            return self.dataset[start:stop]
        step = self.dataset.chunks[0]
        if self._slab is not None and self._slab[0] <= start and stop <= self._slab[1]:
            return self._slab[2][start - self._slab[0] : stop - self._slab[0]]
        low, high = start // step * step, min(-(-stop // step) * step, self.shape[0])
        if (high - low) * self.dtype.itemsize * int(np.prod(self.shape[1:])) > SLAB_BYTES:
            low, high = start, stop
        values = self._decompress(self._layout, low, high)
        # Kept only where a neighbour is likely to be asked for next, out of the same chunks.
        self._slab = (low, high, values) if (low, high) != (start, stop) else None
        return values[start - low : stop - low]

    def _decompress(self, layout: _Layout, start: int, stop: int) -> np.ndarray:
        deflated, shuffled, all_rows = layout
        chunk, item = self.dataset.chunks, self.dtype.itemsize
        size = item * int(np.prod(chunk))
        result = np.empty((stop - start, *self.shape[1:]), dtype=self.dtype)
        whole = int(np.prod([-(-extent // step) for extent, step in zip(self.shape[1:], chunk[1:], strict=True)]))
        rows = all_rows[start // chunk[0] : -(-stop // chunk[0])]
        if any(len(row) < whole for row in rows):  # chunks that were never written
            result[...] = self.dataset.fillvalue
        target = _three_axes(result.view(f"u{item}"))
        box = _three_axes_of(chunk)
        with open(self.dataset.file.filename, "rb") as stream:
            for row in rows:
                for place, length, first in row:
                    stored = os.pread(stream.fileno(), length, place)
                    try:
                        raw = inflate(stored, size) if deflated else stored
                    except ValueError as error:
                        raise ReaderError(self._broken(first, str(error))) from error
                    if len(raw) != size:
                        raise ReaderError(self._broken(first, f"{len(raw)} bytes, expected {size}"))
                    origin = (first[0] - start, *_three_axes_of(first, 0)[1:])
                    if shuffled and item == 4:
                        _scatter_shuffled(np.frombuffer(raw, np.uint8), box, origin, target)
                        continue
                    if shuffled:
                        raw = np.ascontiguousarray(np.frombuffer(raw, np.uint8).reshape(item, -1).T)
                    _scatter(np.frombuffer(raw, target.dtype), box, origin, target)
        return result

    def _broken(self, first: tuple[int, ...], what: str) -> str:
        return f"{self.dataset.file.filename}: chunk {first} of {self.dataset.name!r} is truncated or corrupt: {what}"


def _usual_filters(dataset: h5py.Dataset) -> tuple[bool, bool] | None:
    """Whether chunks are deflated and shuffled; None where something else was done to them."""
    plain = dataset.dtype.kind == "f" and dataset.dtype.itemsize in (4, 8) and dataset.dtype.isnative
    if not plain or dataset.chunks is None or dataset.ndim not in (1, 2, 3) or dataset.file.userblock_size:
        return None
    creation = dataset.id.get_create_plist()
    names = [creation.get_filter(number)[0] for number in range(creation.get_nfilters())]
    shuffle, deflate = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE
    if names not in ([], [shuffle], [deflate], [shuffle, deflate]):
        return None
    return deflate in names, shuffle in names


def _three_axes(array: np.ndarray) -> np.ndarray:
    return array.reshape(_three_axes_of(array.shape))


def _three_axes_of(sizes: tuple[int, ...], missing: int = 1) -> tuple[int, int, int]:
    """Put axes of one element between the first and the others, so that there are three."""
    first, *rest = sizes
    middle, last = [missing] * (2 - len(rest)) + rest
    return first, middle, last


@njit(cache=True, nogil=True)
def _scatter(raw, box, origin, target):  # pragma: no cover (compiled)
    """Write a chunk of shape `box` into `target` at `origin`; what lies outside is dropped."""
    width = min(box[2], target.shape[2] - origin[2])
    for i in range(max(0, -origin[0]), min(box[0], target.shape[0] - origin[0])):
        for j in range(min(box[1], target.shape[1] - origin[1])):
            base = (i * box[1] + j) * box[2]
            for k in range(width):
                target[origin[0] + i, origin[1] + j, origin[2] + k] = raw[base + k]


@njit(cache=True, nogil=True)
def _scatter_shuffled(raw, box, origin, target):  # pragma: no cover (compiled)
    """Do the same with the bytes of shuffled uint32: the first bytes of all elements come first, then the second."""
    width = min(box[2], target.shape[2] - origin[2])
    size = box[0] * box[1] * box[2]
    for i in range(max(0, -origin[0]), min(box[0], target.shape[0] - origin[0])):
        for j in range(min(box[1], target.shape[1] - origin[1])):
            base = (i * box[1] + j) * box[2]
            line = target[origin[0] + i, origin[1] + j, origin[2] : origin[2] + width]
            first, second = raw[base : base + width], raw[size + base : size + base + width]
            third, fourth = (
                raw[2 * size + base : 2 * size + base + width],
                raw[3 * size + base : 3 * size + base + width],
            )
            for k in range(width):
                line[k] = (
                    np.uint32(first[k])
                    | (np.uint32(second[k]) << np.uint32(8))
                    | (np.uint32(third[k]) << np.uint32(16))
                    | (np.uint32(fourth[k]) << np.uint32(24))
                )
