"""Chunks of HDF5 arrays decompressed by libdeflate, past the HDF5 library: two to three times as fast.

The HDF5 library inflates with zlib and holds one lock for all threads. The usual filters (byte shuffle, then zlib) are
undone here instead; whatever is stored in another way is left to the library. HDF5 File Format Specification 3.0,
section IV.A.2.l, describes the filters.
"""

from __future__ import annotations

import os
from array import array
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import h5py
import numpy as np
from numba import njit

from surrogate.corpus.inflate import copy_chunks, inflate_chunks
from surrogate.corpus.readers import ReaderError

SLAB_BYTES = 2**27
"""Snapshots that share chunks are decompressed together, up to so many bytes, and kept for the next to be read."""

GROUP_BYTES = 2**19
"""Chunks are read and decompressed in groups of so many bytes: few calls, and all of it stays in the cache."""


@dataclass(frozen=True)
class _Layout:
    """Where the chunks of an array are, in the order of their rows along the first axis.

    Attributes
    ----------
    deflated, shuffled : bool
    places, sizes : arrays of int64, shape (chunk,)
        First byte in the file, and bytes.
    origins : array of int64, shape (chunk, axis)
        Indices of their first values.
    """

    deflated: bool
    shuffled: bool
    places: np.ndarray
    sizes: np.ndarray
    origins: np.ndarray


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
        found = array("q")

        def note(chunk: Any) -> None:
            found.extend((chunk.filter_mask, chunk.byte_offset, chunk.size, *chunk.chunk_offset))

        self.dataset.id.chunk_iter(note)
        table = np.frombuffer(found, np.int64).reshape(-1, 3 + len(self.shape))
        if table[:, 0].any():
            return None  # a filter may have been left out where it did not help
        table = table[np.argsort(table[:, 3], kind="stable")]
        return _Layout(*filters, table[:, 1].copy(), table[:, 2].copy(), table[:, 3:].copy())

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
        chunk, item = self.dataset.chunks, self.dtype.itemsize
        size = item * int(np.prod(chunk))
        result = np.empty((stop - start, *self.shape[1:]), dtype=self.dtype)
        first, last = np.searchsorted(layout.origins[:, 0], (start // chunk[0] * chunk[0], stop))
        steps = [-(-extent // step) for extent, step in zip(self.shape[1:], chunk[1:], strict=True)]
        if last - first < (-(-stop // chunk[0]) - start // chunk[0]) * np.prod(steps):  # chunks were never written
            result[...] = self.dataset.fillvalue
        target, box = _three_axes(result.view(f"u{item}")), _three_axes_of(chunk)
        expand = inflate_chunks if layout.deflated else copy_chunks
        together = max(1, GROUP_BYTES // size)
        raw = np.empty((together, size), np.uint8)
        with open(self.dataset.file.filename, "rb", buffering=0) as stream:
            for low in range(first, last, together):
                group = slice(low, min(low + together, last))
                block, offsets = _read_blocks(stream.fileno(), layout.places[group], layout.sizes[group])
                values = raw[: len(offsets)]
                broken = expand(block, offsets, layout.sizes[group], values)
                if broken >= 0:
                    where = tuple(layout.origins[low + broken].tolist())
                    name = f"{self.dataset.file.filename}: chunk {where} of {self.dataset.name!r}"
                    raise ReaderError(f"{name} is truncated or corrupt: it does not hold {size} bytes")
                origins = np.array([_three_axes_of(origin, 0) for origin in layout.origins[group].tolist()])
                origins[:, 0] -= start
                if layout.shuffled and item == 4:
                    _scatter_shuffled(values, box, origins, target)
                    continue
                if layout.shuffled:
                    values = np.ascontiguousarray(values.reshape(len(values), item, -1).transpose(0, 2, 1))
                _scatter(values.reshape(len(values), -1).view(target.dtype), box, origins, target)
        return result


def _read_blocks(file: int, places: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read chunks out of a file, in one go where they lie near each other; return bytes and where each begins."""
    begin, end = int(places.min()), int((places + sizes).max())
    if end - begin <= 2 * int(sizes.sum()):
        return np.frombuffer(os.pread(file, end - begin, begin), np.uint8), places - begin
    parts = [os.pread(file, size, place) for place, size in zip(places.tolist(), sizes.tolist(), strict=True)]
    return np.frombuffer(b"".join(parts), np.uint8), np.cumsum(sizes) - sizes


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
def _scatter(chunks, box, origins, target):  # pragma: no cover (compiled)
    """Write chunks of shape `box` into `target`, each at its origin; what lies outside is dropped."""
    for number in range(len(chunks)):
        raw, origin = chunks[number], origins[number]
        width = min(box[2], target.shape[2] - origin[2])
        for i in range(max(0, -origin[0]), min(box[0], target.shape[0] - origin[0])):
            for j in range(min(box[1], target.shape[1] - origin[1])):
                base = (i * box[1] + j) * box[2]
                for k in range(width):
                    target[origin[0] + i, origin[1] + j, origin[2] + k] = raw[base + k]


@njit(cache=True, nogil=True)
def _scatter_shuffled(chunks, box, origins, target):  # pragma: no cover (compiled)
    """Do the same with the bytes of shuffled uint32: the first bytes of all elements come first, then the second."""
    size = box[0] * box[1] * box[2]
    for number in range(len(chunks)):
        raw, origin = chunks[number], origins[number]
        width = min(box[2], target.shape[2] - origin[2])
        for i in range(max(0, -origin[0]), min(box[0], target.shape[0] - origin[0])):
            for j in range(min(box[1], target.shape[1] - origin[1])):
                base = (i * box[1] + j) * box[2]
                line = target[origin[0] + i, origin[1] + j, origin[2] : origin[2] + width]
                first, second = raw[base : base + width], raw[size + base : size + base + width]
                third = raw[2 * size + base : 2 * size + base + width]
                fourth = raw[3 * size + base : 3 * size + base + width]
                for k in range(width):
                    line[k] = (
                        np.uint32(first[k])
                        | (np.uint32(second[k]) << np.uint32(8))
                        | (np.uint32(third[k]) << np.uint32(16))
                        | (np.uint32(fourth[k]) << np.uint32(24))
                    )
