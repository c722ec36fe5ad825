"""How a corpus lies in its Zarr store: chunks, shards, compression, packing.

One snapshot is a chunk, one run is a shard (a file): a single snapshot is read without its neighbours, a whole run in
one go, and a store of 10,000 runs has about 10,000 files. Runs of more than 256 MiB take several shards.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from surrogate.corpus.kernels import extremes, pack

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


BLOSC: dict[str, Any] = {"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle"}
"""Compression of a chunk. Measured on temperature fields (docs/corpus.md): against Zstandard, LZ4 costs 6 to 22 % more
space, and both writing and reading are several times faster, so that neither ingest nor training waits for it."""


def shard_length(length: int, rows: int, columns: int) -> int:
    """Snapshots in one shard for runs of `length` snapshots of `rows` x `columns`."""
    return max(1, min(length, SHARD_BYTES // (4 * rows * columns)))


def temperature_encoding(encoding: Encoding, rows: int, columns: int, per_shard: int) -> dict[str, Any]:
    """Return the encoding of ``temperature`` as xarray's ``to_zarr`` takes it."""
    from zarr.codecs import BloscCodec

    entry: dict[str, Any] = {
        "chunks": (1, 1, rows, columns),
        "shards": (1, per_shard, rows, columns),
        "compressors": (BloscCodec(**BLOSC),),
    }
    if encoding == "int16":
        # A fixed step instead of one fitted to the corpus: runs can be appended, and the error is known beforehand.
        entry |= {
            "dtype": "int16",
            "scale_factor": PACKING_SCALE,
            "add_offset": PACKING_OFFSET,
            "_FillValue": PACKING_FILL,
            "fill_value": PACKING_FILL,
        }
    else:
        entry |= {"dtype": "float32", "_FillValue": np.float32(np.nan), "fill_value": np.float32(np.nan)}
    return entry


def encode(temperature: Any, encoding: Encoding) -> np.ndarray:
    """Turn temperatures into what is stored.

    Parameters
    ----------
    temperature : array, K
        NaN is padding.
    encoding : "float32" or "int16"

    Raises
    ------
    ValueError
        If a temperature cannot be packed.

    Examples
    --------
    >>> packed = encode([250.0, 1700.02, np.nan], "int16")
    >>> decode(packed, "int16").tolist()
    [250.0, 1700.0, nan]
    """
    temperature = np.asarray(temperature, dtype=np.float32)
    if encoding == "float32":
        return temperature
    if np.any(np.isfinite(temperature)):
        _check_range(float(np.nanmin(temperature)), float(np.nanmax(temperature)))
    steps = np.rint((temperature - np.float32(PACKING_OFFSET)) / np.float32(PACKING_SCALE))
    return np.where(np.isnan(steps), PACKING_FILL, steps).astype(np.int16)


def pack_snapshot(snapshot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pack a contiguous snapshot of float32 as :func:`encode` does, faster.

    Returns
    -------
    packed : array of int16
        Zero where a value is not finite.
    unpacked : array of float32
        What the packed values stand for; what is not finite stays as it is.

    Raises
    ------
    ValueError
        If a temperature cannot be packed.
    """
    if not all(np.isfinite(extremes(snapshot))):
        return np.zeros(snapshot.shape, np.int16), snapshot
    _check_range(*extremes(snapshot))
    steps, values = np.empty(snapshot.shape, np.int16), np.empty_like(snapshot)
    pack(snapshot.ravel(), np.float32(PACKING_SCALE), np.float32(PACKING_OFFSET), steps.ravel(), values.ravel())
    return steps, values


def _check_range(lowest: float, highest: float) -> None:
    low, high = PACKED_RANGE
    if lowest < low or highest > high:
        raise ValueError(
            f"temperature spans {lowest:.4g} .. {highest:.4g} K, "
            f"corpus.encoding int16 holds {low:.4g} .. {high:.4g} K; use float32"
        )


def decode(stored: Any, encoding: Encoding) -> np.ndarray:
    """Turn what is stored back into temperatures, float32, NaN where there is padding."""
    if encoding == "float32":
        return np.asarray(stored, dtype=np.float32)
    stored = np.asarray(stored)
    values = stored.astype(np.float32) * np.float32(PACKING_SCALE) + np.float32(PACKING_OFFSET)
    return np.where(stored == PACKING_FILL, np.float32(np.nan), values)
