"""Which parts of an array a file really holds: libraries give the fill value for what was lost or never written."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Key = tuple[Any, ...]
Check = Callable[[Key], str | None]
"""Says what of a slice was never written, None if it is all there."""


def nothing_missing(_: Key) -> str | None:
    """Find nothing: the library itself fails where something is missing."""
    return None


def _chunks_of(key: Key, shape: tuple[int, ...], chunks: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the positions, in chunks, of those that a slice touches."""
    axes = [np.unique(np.arange(size)[part] // step) for size, part, step in zip(shape, key, chunks, strict=True)]
    return itertools.product(*(axis.tolist() for axis in axes))


def missing_in_hdf5(dataset: Any) -> Check:
    """Return what finds unwritten chunks, missing files of external data and missing sources of a virtual dataset."""
    import h5py

    layout = dataset.id.get_create_plist().get_layout()
    if not dataset.size or layout == h5py.h5d.COMPACT:
        return nothing_missing
    if layout == h5py.h5d.VIRTUAL:
        return lambda _: _missing_in_virtual(dataset)
    if layout == h5py.h5d.CONTIGUOUS:
        if dataset.external:
            return lambda _: _missing_outside(dataset)
        return (lambda _: "was never written") if dataset.id.get_offset() is None else nothing_missing
    chunks = dataset.chunks
    expected = math.prod(-(-size // step) for size, step in zip(dataset.shape, chunks, strict=True))
    if dataset.id.get_num_chunks() == expected:
        return nothing_missing
    written: set[tuple[int, ...]] = set()
    dataset.id.chunk_iter(lambda info: written.add(tuple(info.chunk_offset)))

    def missing(key: Key) -> str | None:
        for place in _chunks_of(key, dataset.shape, chunks):
            origin = tuple(number * step for number, step in zip(place, chunks, strict=True))
            if origin not in written:
                return f"the chunk at {origin} was never written"
        return None

    return missing


def _missing_outside(dataset: Any) -> str | None:
    for name, offset, size in dataset.external:
        place = Path(os.fsdecode(name))
        if not place.is_file() or place.stat().st_size < offset + min(size, dataset.nbytes):
            return f"its data lie in {place}, which is not there or incomplete"
    return None


def _missing_in_virtual(dataset: Any) -> str | None:
    """Look at the sources of a virtual dataset: HDF5 would fill in for those that are gone."""
    import h5py

    covered = 0
    for source in dataset.virtual_sources():
        if "%b" in source.file_name or h5py.h5s.UNLIMITED in source.vspace.get_simple_extent_dims(True):
            return f"is virtual with sources {source.file_name!r} whose number is open: it cannot be checked"
        place = Path(dataset.file.filename).parent / source.file_name
        here = source.file_name == "."
        if not here and not place.is_file():
            return f"is virtual, and its source {place} is not there"
        file = dataset.file if here else h5py.File(place, "r")
        try:
            part = file.get(source.dset_name)
            if not isinstance(part, h5py.Dataset):
                return f"is virtual, and {place} has no {source.dset_name!r}"
            if source.src_space.get_select_type() == h5py.h5s.SEL_ALL:
                whole = part.size >= source.vspace.get_select_npoints()
            else:
                _, last = source.src_space.get_select_bounds()
                whole = len(last) == part.ndim and all(np.less(last, part.shape))
            if not whole:
                return f"is virtual, and {source.dset_name!r} of {place} has shape {part.shape}, which is too small"
            inner = missing_in_hdf5(part)((slice(None),) * part.ndim)
            if inner is not None:
                return f"is virtual, and of {source.dset_name!r} of {place} {inner}"
        finally:
            if not here:
                file.close()
        covered += source.vspace.get_select_npoints()
    return None if covered >= dataset.size else f"is virtual, and {dataset.size - covered} of its values have no source"


def missing_in_zarr(array: Any, folder: Path) -> Check:
    """Return what finds chunks of a Zarr array that are not in its folder, or not in their shard."""
    inner = array.chunks
    outer = array.shards or inner

    def missing(key: Key) -> str | None:
        for place in _chunks_of(key, array.shape, outer):
            file = folder / array.metadata.encode_chunk_key(place)
            # A first value that equals the fill value, 0 Gyr most often, is all that zarr may leave out.
            if not file.is_file() and not (array.ndim == 1 and place == (0,) and outer == (1,)):
                return f"chunk {place} is not there ({file.relative_to(folder.parent)})"
            if array.shards and file.is_file():
                empty = _empty_in_shard(file, array, place, key)
                if empty is not None:
                    return f"chunk {empty} is not in the shard {file.relative_to(folder.parent)}"
        return None

    return missing


def _empty_in_shard(file: Path, array: Any, shard: tuple[int, ...], key: Key) -> tuple[int, ...] | None:
    """Return the first chunk that a slice touches and that the index of a shard says is empty."""
    per_shard = tuple(large // small for large, small in zip(array.shards, array.chunks, strict=True))
    count = int(np.prod(per_shard))
    codec = array.metadata.codecs[0]
    tail = sum(4 for entry in codec.index_codecs if type(entry).__name__ == "Crc32cCodec")
    content = file.stat().st_size
    start = 0 if codec.index_location.value == "start" else content - 16 * count - tail
    if start < 0:
        return shard
    with file.open("rb") as stream:
        stream.seek(start)
        index = np.frombuffer(stream.read(16 * count), "<u8").reshape(*per_shard, 2)
    for place in _chunks_of(key, array.shape, array.chunks):
        if tuple(number // size for number, size in zip(place, per_shard, strict=True)) == shard:
            inside = tuple(number % size for number, size in zip(place, per_shard, strict=True))
            if index[inside][0] == np.iinfo(np.uint64).max:
                return place
    return None
