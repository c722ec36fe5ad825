"""Shards of the store written snapshot by snapshot, past the Zarr library: the same bytes, at a third of the cost.

A shard holds the compressed chunks one after the other, then an index of (offset, size) of each, then the CRC-32C of
the index (Zarr 3 specification, sharding-indexed codec). Memory is that of the compressed chunks of one shard.
"""

from __future__ import annotations

from pathlib import Path

import google_crc32c
import numpy as np
from numcodecs import blosc

from surrogate.corpus.layout import BLOSC

_CODEC = (BLOSC["cname"].encode(), BLOSC["clevel"], getattr(blosc, BLOSC["shuffle"].upper()))

EMPTY = 2**64 - 1
"""Offset and size of a chunk that was not written."""


class StorageError(RuntimeError):
    """The store cannot be written: no fault of the run, so the ingest stops and is continued when there is room."""


class ShardWriter:
    """Writes the snapshots of one run.

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
