"""How a corpus lies in its Zarr store: chunks, shards, compression, packing.

One snapshot is a chunk, one run is a shard (a file): a single snapshot is read without its neighbours, a whole run in
one go, and a store of 10,000 runs has about 10,000 files. Runs of more than 256 MiB take several shards.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

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


def shard_length(length: int, rows: int, columns: int) -> int:
    """Snapshots in one shard for runs of `length` snapshots of `rows` x `columns`."""
    return max(1, min(length, SHARD_BYTES // (4 * rows * columns)))


def compressors() -> tuple[Any, ...]:
    """Blosc with LZ4 and bit shuffle.

    Measured on temperature fields (docs/corpus.md): against Zstandard it costs 6 to 12 % more space, and both writing
    and reading are several times faster, so that neither ingest nor training waits for it.
    """
    from zarr.codecs import BloscCodec

    return (BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"),)


def temperature_encoding(encoding: Encoding, rows: int, columns: int, per_shard: int) -> dict[str, Any]:
    """Return the encoding of ``temperature`` as xarray's ``to_zarr`` takes it."""
    entry: dict[str, Any] = {
        "chunks": (1, 1, rows, columns),
        "shards": (1, per_shard, rows, columns),
        "compressors": compressors(),
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
    low, high = PACKED_RANGE
    if np.any(temperature < low) or np.any(temperature > high):
        raise ValueError(
            f"temperature spans {np.nanmin(temperature):.4g} .. {np.nanmax(temperature):.4g} K, "
            f"corpus.encoding int16 holds {low:.4g} .. {high:.4g} K; use float32"
        )
    steps = np.rint((temperature - np.float32(PACKING_OFFSET)) / np.float32(PACKING_SCALE))
    return np.where(np.isnan(steps), PACKING_FILL, steps).astype(np.int16)


def decode(stored: Any, encoding: Encoding) -> np.ndarray:
    """Turn what is stored back into temperatures, float32, NaN where there is padding."""
    if encoding == "float32":
        return np.asarray(stored, dtype=np.float32)
    stored = np.asarray(stored)
    values = stored.astype(np.float32) * np.float32(PACKING_SCALE) + np.float32(PACKING_OFFSET)
    return np.where(stored == PACKING_FILL, np.float32(np.nan), values)
