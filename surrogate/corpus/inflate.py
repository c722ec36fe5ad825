"""Decompression and checksums of zlib by libdeflate where the package ``deflate`` is installed, twice as fast.

Many chunks are decompressed in one compiled call where the library can be called directly, without the interpreter
between them: other threads go on.
"""

from __future__ import annotations

import ctypes
import zlib
from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numpy as np
from numba import njit, types
from numba.core.typing import signature

try:
    import deflate
except ImportError:
    deflate = None  # type: ignore[assignment]  # zlib gives the same results

Expand = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], int]


def inflate(data: bytes, size: int) -> Any:
    """Decompress a zlib stream that holds `size` bytes.

    Raises
    ------
    ValueError
        If it is truncated, corrupt or of another size.

    Examples
    --------
    >>> bytes(inflate(zlib.compress(b"whole"), 5))
    b'whole'
    """
    try:
        raw = zlib.decompress(data, bufsize=size) if deflate is None else deflate.zlib_decompress(data, size)
    except Exception as error:  # both raise their own kind
        raise ValueError(str(error)) from error
    if len(raw) != size:
        raise ValueError(f"{len(raw)} bytes, expected {size}")
    return raw


def crc32(data: Any) -> int:
    """CRC-32 of contiguous bytes, as zlib counts it.

    >>> crc32(b"whole") == zlib.crc32(b"whole")
    True
    """
    return zlib.crc32(data) if deflate is None else deflate.crc32(data)


def chunk_by_chunk(block: np.ndarray, offsets: np.ndarray, lengths: np.ndarray, target: np.ndarray) -> int:
    """Decompress zlib streams of one size.

    Parameters
    ----------
    block : array of uint8
        Holds the streams.
    offsets, lengths : arrays of int64, shape (chunk,)
        Where they lie in it.
    target : array of uint8, shape (chunk, bytes)
        Becomes what they hold.

    Returns
    -------
    int
        Number of the first that is broken or of another size, or -1.

    Examples
    --------
    >>> block = np.frombuffer(zlib.compress(b"whole"), np.uint8)
    >>> target = np.zeros((1, 5), np.uint8)
    >>> chunk_by_chunk(block, np.array([0]), np.array([block.size]), target), target.tobytes()
    (-1, b'whole')
    """
    for number, (offset, length) in enumerate(zip(offsets.tolist(), lengths.tolist(), strict=True)):
        try:
            target[number] = np.frombuffer(
                inflate(block[offset : offset + length].tobytes(), target.shape[1]), np.uint8
            )
        except ValueError:
            return number
    return -1


def copy_chunks(block: np.ndarray, offsets: np.ndarray, lengths: np.ndarray, target: np.ndarray) -> int:
    """Do as :func:`chunk_by_chunk` with chunks that are not compressed.

    >>> target = np.zeros((2, 2), np.uint8)
    >>> copy_chunks(np.arange(4, dtype=np.uint8), np.array([2, 0]), np.array([2, 2]), target), target.tolist()
    (-1, [[2, 3], [0, 1]])
    """
    for number, (offset, length) in enumerate(zip(offsets.tolist(), lengths.tolist(), strict=True)):
        part = block[offset : offset + length]
        if len(part) != target.shape[1]:
            return number
        target[number] = part
    return -1


def _found() -> bool:
    """Tell the compiler where the functions of libdeflate are; False if there are none, or they are hidden."""
    if deflate is None:
        return False
    try:
        library = ctypes.CDLL(deflate._deflate.__file__)
        for name in ("alloc_decompressor", "free_decompressor", "zlib_decompress"):
            function = getattr(library, f"libdeflate_{name}")
            llvmlite.binding.add_symbol(f"surrogate_deflate_{name}", ctypes.cast(function, ctypes.c_void_p).value)
    except (AttributeError, OSError):
        return False
    return True


def _function(name: str, result: Any, *arguments: Any) -> Any:
    return types.ExternalFunction(f"surrogate_deflate_{name}", signature(result, *arguments))


# libdeflate.h: struct *libdeflate_alloc_decompressor(void); void libdeflate_free_decompressor(struct *);
# enum libdeflate_zlib_decompress(struct *, const void *in, size_t, void *out, size_t, size_t *written): with NULL at
# the end, less than the whole size is an error; 0 is success.
_allocate = _function("alloc_decompressor", types.uintp)
_free = _function("free_decompressor", types.void, types.uintp)
_zlib = _function(
    "zlib_decompress", types.int32, types.uintp, types.uintp, types.uintp, types.uintp, types.uintp, types.uintp
)


@njit(cache=True, nogil=True)
def _all_at_once(block, offsets, lengths, target):  # pragma: no cover (compiled)
    engine = _allocate()
    broken = -1 if engine != 0 else 0
    size = target.shape[1]
    for number in range(offsets.size if engine != 0 else 0):
        begin, length = offsets[number], lengths[number]
        if begin < 0 or length < 0 or begin + length > block.size:
            broken = number
            break
        if _zlib(engine, block[begin:].ctypes.data, length, target[number].ctypes.data, size, 0) != 0:
            broken = number
            break
    if engine != 0:
        _free(engine)
    return broken


inflate_chunks: Expand = _all_at_once if _found() else chunk_by_chunk
"""As :func:`chunk_by_chunk`, in any number of threads at the same time."""
