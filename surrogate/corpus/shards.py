"""Shards of the store written and read past the Zarr library: the same bytes, at a fraction of the cost.

A shard holds the compressed chunks one after the other, then an index of (offset, size) of each, then the CRC-32C of
the index (Zarr 3 specification, sharding-indexed codec).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numcodecs import blosc
from xarray.backends import BackendArray
from xarray.core import indexing

from surrogate.corpus.decompress import decompress_chunks
from surrogate.corpus.layout import BLOSC, decode

_CODEC = (BLOSC["cname"].encode(), BLOSC["clevel"], getattr(blosc, BLOSC["shuffle"].upper()))

EMPTY = 2**64 - 1
"""Offset and size of a chunk that was not written."""


class StorageError(RuntimeError):
    """The store cannot be written: no fault of the run, so the ingest stops and is continued when there is room."""


class ShardError(ValueError):
    """A shard that cannot be read; the message names its file."""


class ShardWriter:
    """Writes the snapshots of one run; memory is that of the compressed chunks of one shard.

    Parameters
    ----------
    folder : Path
        Of the run in the array: ``<array>/c/<run>``.
    per_shard : int
        Snapshots of a shard.
    """

    def __init__(self, folder: Path, per_shard: int) -> None:
        blosc.set_nthreads(1)  # several threads would write the blocks of a chunk in any order: not the same bytes
        self.folder, self.per_shard = folder, per_shard
        self._chunks: list[bytes] = []
        self._shard = 0

    def write(self, snapshot: np.ndarray) -> None:
        """Compress the next snapshot, shape (radius, angle), of the stored type."""
        chunk = blosc.compress(snapshot, *_CODEC)
        self._chunks.append(chunk)
        if len(self._chunks) == self.per_shard:
            self.flush()

    def flush(self) -> None:
        """Write the shard that has been begun.

        Raises
        ------
        StorageError
            If the disk is full or the folder cannot be written.
        """
        if not self._chunks:
            return
        index = np.full((self.per_shard, 2), EMPTY, dtype="<u8")
        sizes = np.array([len(chunk) for chunk in self._chunks])
        index[: len(sizes), 0] = np.cumsum(sizes) - sizes
        index[: len(sizes), 1] = sizes
        table = index.tobytes()
        place = self.folder / str(self._shard) / "0" / "0"
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("wb") as stream:
                stream.writelines(self._chunks)
                stream.write(table)
                stream.write(google_crc32c.value(table).to_bytes(4, "little"))
        except OSError as error:
            raise StorageError(f"{place}: cannot be written: {error}") from error
        self._chunks = []
        self._shard += 1


class ShardReader:
    """The array ``temperature`` of a store, read past the Zarr library; any number of threads may read.

    Parameters
    ----------
    folder : Path
        Of the array.
    about : mapping
        Its ``zarr.json``.
    runs : sequence of (int, int), optional
        Number and count of snapshots of each run. A snapshot that should be there is an error then, and not NaN.

    Attributes
    ----------
    shape : tuple of int
        (simulation, time, radius, angle).
    dtype : numpy.dtype
        As stored.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], runs: Sequence[tuple[int, int]] = ()) -> None:
        self.folder, self.shape, self.runs = folder, tuple(about["shape"]), tuple(runs)
        self.dtype = np.dtype(about["data_type"])
        self.per_shard = about["chunk_grid"]["configuration"]["chunk_shape"][1]
        self.fill = self.dtype.type(about["fill_value"])

    def missing(self) -> list[int]:
        """Rows of runs that lack the file of a shard."""
        return [
            run
            for run, (_, count) in enumerate(self.runs)
            if not all(self._place(run, shard).is_file() for shard in range(-(-count // self.per_shard)))
        ]

    def _place(self, run: int, shard: int) -> Path:
        return self.folder / "c" / str(run) / str(shard) / "0" / "0"

    def read(self, run: int, start: int, stop: int) -> np.ndarray:
        """Read snapshots `start` to `stop` of a run, shape (time, radius, angle); those beyond its end are filled.

        Raises
        ------
        ShardError
            Naming the file that is broken or lost.
        """
        result = np.empty((stop - start, *self.shape[2:]), self.dtype)
        for shard in range(start // self.per_shard, -(-stop // self.per_shard)):
            first = shard * self.per_shard
            low, high = max(start, first), min(stop, first + self.per_shard)
            self._read_shard(run, shard, low - first, result[low - start : high - start])
        return result

    def temperature(self, run: int, start: int, stop: int) -> np.ndarray:
        """Read snapshots as :meth:`read` does; float32, K, NaN beyond the end of the run."""
        return decode(self.read(run, start, stop), "float32" if self.dtype == np.float32 else "int16")

    def _read_shard(self, run: int, shard: int, low: int, target: np.ndarray) -> None:
        place = self._place(run, shard)
        number, count = self.runs[run] if self.runs else (run, 0)
        due = count - shard * self.per_shard - low  # so many snapshots must be there
        try:
            stream = place.open("rb")
        except FileNotFoundError:
            if due > 0:
                raise ShardError(f"{place}: no such file; {_lost(number)}") from None
            target[...] = self.fill  # a shorter run
            return
        with stream:
            size = 16 * self.per_shard
            content = os.fstat(stream.fileno()).st_size - size - 4
            tail = os.pread(stream.fileno(), size + 4, max(content, 0))
            table = tail[:size]
            if content < 0 or google_crc32c.value(table).to_bytes(4, "little") != tail[size:]:
                raise ShardError(f"{place}: truncated or corrupt: its index does not agree with its checksum")
            index = np.frombuffer(table, "<u8").reshape(-1, 2)[low : low + len(target)]
            there = index[:, 0] != EMPTY
            if due > 0 and not there[:due].all():
                raise ShardError(f"{place}: chunks were never written; {_lost(number)}")
            if not there.any():
                target[...] = self.fill
                return
            offsets, lengths = index[there].astype(np.int64).T.copy()
            # The chunks of neighbours lie side by side: one read for all of them.
            begin, end = int(offsets.min()), int((offsets + lengths).max())
            block = np.frombuffer(os.pread(stream.fileno(), end - begin, begin), np.uint8)
        values = target if there.all() else np.empty((len(offsets), *target.shape[1:]), self.dtype)
        broken = decompress_chunks(block, offsets - begin, lengths, values.reshape(len(values), -1).view(np.uint8))
        if broken >= 0:
            raise ShardError(f"{place}: truncated or corrupt: a chunk cannot be decompressed")
        if values is not target:
            target[~there] = self.fill
            target[there] = values


def _lost(number: int) -> str:
    return f"snapshots of run {number}, variable 'temperature', are lost from the store: ingest again"


def plain_reader(store: Path, runs: Sequence[tuple[int, int]] = ()) -> ShardReader | None:
    """Return a reader of ``temperature`` if it lies as :class:`ShardWriter` writes it, else None; see there."""
    folder = store / "temperature"
    about = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
    outer, (codec, *others) = about["chunk_grid"]["configuration"]["chunk_shape"], about["codecs"]
    inner = codec["configuration"]
    plain = (
        codec["name"] == "sharding_indexed"
        and not others
        and [entry["name"] for entry in inner["codecs"]] == ["bytes", "blosc"]
        and [entry["name"] for entry in inner["index_codecs"]] == ["bytes", "crc32c"]
        and inner["index_location"] == "end"
        and about["data_type"] in ("float32", "int16")
        and inner["chunk_shape"] == [1, 1, *about["shape"][2:]]
        and outer == [1, outer[1], *about["shape"][2:]]
        and np.little_endian
    )
    return ShardReader(folder, about, runs) if plain else None


class LazyShards(BackendArray):
    """The same array as xarray reads it lazily."""

    def __init__(self, reader: ShardReader) -> None:
        self.reader = reader
        self.shape, self.dtype = reader.shape, np.dtype(np.float32)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        runs = np.atleast_1d(np.arange(self.shape[0])[key[0]])
        times = np.atleast_1d(np.arange(self.shape[1])[key[1]])
        values = np.empty((len(runs), len(times), *self.shape[2:]), np.float32)
        if times.size:
            low = int(times.min())
            for place, run in enumerate(runs.tolist()):
                values[place] = self.reader.temperature(run, low, int(times.max()) + 1)[times - low]
        single = tuple(0 if not isinstance(part, slice) else slice(None) for part in key[:2])
        return values[(*single, *key[2:])]
