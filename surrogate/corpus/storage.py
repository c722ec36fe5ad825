"""How temperatures lie in a Zarr store (chunks, shards, compression, packing), and how they are written and read.

One snapshot is a chunk, one run is a shard (a file): a single snapshot is read without its neighbours, a whole run in
one go, and a store of 10,000 runs has about 10,000 files. Runs of more than 256 MiB take several shards. zarr-python
does the work, with the codecs of the package ``zarrs`` where that is installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from xarray.backends import BackendArray
from xarray.core import indexing
from zarr.codecs import BloscCodec

try:
    import zarrs
except ImportError:  # zarr's own codecs read and write the same bytes, several times slower
    zarrs = None  # type: ignore[assignment]

Encoding = Literal["float32", "int16"]

SHARD_BYTES = 2**28
"""Largest shard, bytes before compression: the memory that writing one needs, a few times over."""

PACKING_SCALE = 1.0 / 16.0
"""Step of packed temperatures, K: the error of packing is at most half of it."""

PACKING_OFFSET = 2048.0
"""Temperature that packs to zero, K."""

PACKING_FILL = -32768
"""Packed value of padding."""

PACKED_RANGE = (PACKING_OFFSET - 32767 * PACKING_SCALE, PACKING_OFFSET + 32767 * PACKING_SCALE)
"""Temperatures that can be packed, K (0.06 .. 4095.9)."""

PACKING: dict[Encoding, tuple[float, float, float]] = {
    "float32": (1.0, 0.0, np.nan),
    "int16": (PACKING_SCALE, PACKING_OFFSET, PACKING_FILL),
}
"""Arguments of :func:`decode` for what :func:`encode` makes."""


class CorpusError(ValueError):
    """A store that is not a whole corpus; the message names it and says what to do."""


class StorageError(RuntimeError):
    """The store cannot be written: no fault of the run, so the ingest stops and is continued when there is room."""


def shard_length(length: int, rows: int, columns: int) -> int:
    """Snapshots in one shard for runs of `length` snapshots of `rows` x `columns`."""
    return max(1, min(length, SHARD_BYTES // (4 * rows * columns)))


def temperature_encoding(encoding: Encoding, rows: int, columns: int, per_shard: int) -> dict[str, Any]:
    """Return the encoding of ``temperature`` as xarray's ``to_zarr`` takes it.

    Against Zstandard, LZ4 costs 6 to 22 % more space on temperatures, and both writing and reading are several times
    faster, so that neither ingest nor training waits for it.
    """
    entry: dict[str, Any] = {
        "chunks": (1, 1, rows, columns),
        "shards": (1, per_shard, rows, columns),
        "compressors": (BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"),),
    }
    if encoding == "int16":
        # A fixed step instead of one fitted to the corpus: runs can be appended, and the error is known beforehand.
        packing = {"scale_factor": PACKING_SCALE, "add_offset": PACKING_OFFSET}
        return entry | packing | {"dtype": "int16", "_FillValue": PACKING_FILL, "fill_value": PACKING_FILL}
    return entry | {"dtype": "float32", "_FillValue": np.float32(np.nan), "fill_value": np.float32(np.nan)}


def encode(temperature: Any, encoding: Encoding) -> np.ndarray:
    """Turn temperatures into what is stored.

    Parameters
    ----------
    temperature : array, K
        What is not finite is padding.
    encoding : "float32" or "int16"

    Raises
    ------
    ValueError
        If a temperature cannot be packed.

    Examples
    --------
    >>> packed = encode([250.0, 1700.02, np.nan], "int16")
    >>> decode(packed, *PACKING["int16"]).tolist()
    [250.0, 1700.0, nan]
    """
    values: np.ndarray = np.asarray(temperature, dtype=np.float32)
    if encoding == "float32":
        return values
    steps = np.rint((values - np.float32(PACKING_OFFSET)) / np.float32(PACKING_SCALE))
    padding = ~np.isfinite(steps)
    if np.any(np.abs(steps[~padding]) > -PACKING_FILL - 1):
        finite = values[~padding]
        raise ValueError(
            f"temperature spans {finite.min():.4g} .. {finite.max():.4g} K, corpus.encoding int16 holds "
            f"{PACKED_RANGE[0]:.4g} .. {PACKED_RANGE[1]:.4g} K; use float32"
        )
    return np.asarray(np.where(padding, PACKING_FILL, steps), dtype=np.int16)


def decode(stored: np.ndarray, scale: float = 1.0, offset: float = 0.0, fill: float = np.nan) -> np.ndarray:
    """Turn what is stored back into temperatures, float32, K; NaN where the fill value stands."""
    if scale == 1 and offset == 0 and stored.dtype.kind == "f" and np.isnan(fill):
        return np.asarray(stored, dtype=np.float32)
    values = stored.astype(np.float32) * np.float32(scale) + np.float32(offset)
    return np.asarray(np.where(stored == fill, np.float32(np.nan), values))


def open_array(folder: Path, mode: Literal["r", "r+"] = "r") -> zarr.Array[Any]:
    """Open an array of a store, with the codecs of zarrs where they are installed.

    Those work in one thread for each call: the bytes of a shard then do not depend on which thread was first, and a
    process that forks goes on reading. Any number of threads may call.
    """
    array = zarr.open_array(folder, mode=mode)
    if zarrs is None:
        return array
    # Not around the opening: zarr would hold threads of its own to one, for good. A user's settings stay what they are.
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "threading.max_workers": 1}):
        return zarr.Array(zarr.AsyncArray(array.metadata, array.store_path))


def create_array(folder: Path, shape: tuple[int, int, int, int], encoding: Encoding, per_shard: int) -> None:
    """Make an array (simulation, time, radius, angle) that holds nothing yet, in the place of any other."""
    entry = temperature_encoding(encoding, shape[2], shape[3], per_shard)
    names = ("dtype", "chunks", "shards", "compressors", "fill_value")
    zarr.create_array(folder, shape=shape, overwrite=True, **{name: entry[name] for name in names})


def write_snapshots(array: zarr.Array[Any], run: int, start: int, stored: np.ndarray) -> None:
    """Write snapshots of one run, as :func:`encode` gives them; whole shards, but for the end of the run.

    Raises
    ------
    StorageError
        If the disk is full or the folder cannot be written.
    """
    try:
        array[run : run + 1, start : start + len(stored)] = stored[None]
    except Exception as error:  # codecs and file systems each raise their own kind
        place = f"{array.store_path}/c/{run}"
        raise StorageError(f"{place}: snapshots from {start} on cannot be written: {error}") from error


class StoredTemperature(BackendArray):
    """The temperature of a store, float32, K, as xarray reads it lazily; a snapshot that is lost is an error, not NaN.

    Parameters
    ----------
    folder : Path
        Of the array.
    scale, offset, fill : float
        How values are packed.
    numbers, counts : sequence of int, shape (simulation,)
        Number of each run, and how many snapshots it has; beyond is padding.
    """

    def __init__(
        self, folder: Path, scale: float, offset: float, fill: float, numbers: Sequence[int], counts: Sequence[int]
    ) -> None:
        self._arguments = (folder, scale, offset, fill, numbers, counts)
        self.folder, self.packing, self.numbers = folder, (scale, offset, fill), numbers
        self.counts = np.asarray(counts)
        self.array = open_array(folder)
        self.shape, self.dtype = self.array.shape, np.dtype(np.float32)
        self.file_shape = self.array.shards or self.array.chunks

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments

    def _file(self, *place: int) -> Path:
        return self.folder / self.array.metadata.encode_chunk_key(place)

    def missing(self) -> list[int]:
        """Rows of runs that lack a file."""
        across = [range(-(-size // step)) for size, step in zip(self.shape[2:], self.file_shape[2:], strict=True)]
        return [
            run
            for run, count in enumerate(self.counts.tolist())
            if not all(
                self._file(run // self.file_shape[0], *place).is_file()
                for place in product(range(-(-count // self.file_shape[1])), *across)
            )
        ]

    def read(self, run: int, start: int, stop: int) -> np.ndarray:
        """Read snapshots `start` to `stop` of the run in row `run`, shape (time, radius, angle)."""
        return self._read((run, slice(start, stop), slice(None), slice(None)))

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Read what `key` asks for, in xarray's way of saying it."""
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        runs, times = (np.atleast_1d(np.arange(size)[part]) for size, part in zip(self.shape, key[:2], strict=False))
        try:
            # Slices only: the codecs of zarrs (0.2.3) fail on a number where several shards are asked for.
            slices = tuple(part if isinstance(part, slice) else slice(part, part + 1) for part in key)
            values = decode(np.asarray(self.array[slices]), *self.packing)
        except Exception as error:  # zarr and its codecs each raise their own kind
            raise self._error(*self._first_broken(runs, times), f"truncated or corrupt: {error}") from error
        if values.size:
            # The codecs fill a chunk that is not there; it is there up to the end of its run.
            first = values.reshape(len(runs), len(times), -1)[:, :, 0]
            lost = np.argwhere(np.isnan(first) & (times < self.counts[runs, None]))
            if len(lost):
                raise self._error(
                    int(runs[lost[0, 0]]), int(times[lost[0, 1]]), "empty, or without chunks that were due"
                )
        return values[tuple(slice(None) if isinstance(part, slice) else 0 for part in key)]

    def _first_broken(self, runs: np.ndarray, times: np.ndarray) -> tuple[int, int]:
        """Return run and snapshot of the first file that cannot be read, of those that hold what was asked for."""
        step = self.file_shape[1]
        for run, first in product(runs.tolist(), range(times[0] // step * step, int(times[-1]) + 1, step)):
            try:
                self.array[run : run + 1, first : first + step]
            except Exception:  # the same as before
                return run, max(first, int(times[0]))
        return int(runs[0]), int(times[0])

    def _error(self, run: int, time: int, problem: str) -> CorpusError:
        place = self._file(run // self.file_shape[0], time // self.file_shape[1], 0, 0)
        problem = "no such file" if not place.is_file() else problem
        return CorpusError(
            f"{place}: {problem}; snapshots of run {self.numbers[run]} (row {run}), variable 'temperature', from "
            f"snapshot {time} on, cannot be read from the store: ingest again"
        )
