"""Chunks of one shard decompressed in one go, without the interpreter between them.

A thread that reads while another one trains would otherwise ask for Python's global lock at every chunk, and wait for
it: for chunks of a dozen kB, several times as long as the decompression takes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import llvmlite.binding
import numpy as np
from numba import njit, types
from numba.core.typing import signature
from numcodecs import blosc

HEADER = 16
"""Bytes at the beginning of a chunk of Blosc 1: flags, then sizes of the values, of the blocks and of the chunk."""

Decompress = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], int]


def chunk_by_chunk(block: np.ndarray, offsets: np.ndarray, lengths: np.ndarray, target: np.ndarray) -> int:
    """Decompress chunks.

    Parameters
    ----------
    block : array of uint8
        Holds the chunks.
    offsets, lengths : arrays of int64, shape (chunk,)
        Where they lie in it.
    target : array of uint8, shape (chunk, bytes)
        Becomes the values.

    Returns
    -------
    int
        Number of the first chunk that is broken, or -1.

    Examples
    --------
    >>> chunk = np.frombuffer(blosc.compress(np.arange(8.0), b"lz4", 5), np.uint8)
    >>> values = np.zeros((1, 64), np.uint8)
    >>> chunk_by_chunk(chunk, np.array([0]), np.array([chunk.size]), values), values.view(float)[0].tolist()
    (-1, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    """
    for number, (offset, length) in enumerate(zip(offsets.tolist(), lengths.tolist(), strict=True)):
        try:
            blosc.decompress(block[offset : offset + length], target[number])
        except (RuntimeError, ValueError):
            return number
    return -1


def _found() -> bool:
    """Tell the compiler where the function of the Blosc library is that numcodecs carries; False if that is hidden."""
    try:
        function = ctypes.CDLL(blosc.__file__).blosc_decompress_ctx
    except (AttributeError, OSError):
        return False
    llvmlite.binding.add_symbol("surrogate_blosc_decompress", ctypes.cast(function, ctypes.c_void_p).value)
    return True


# int blosc_decompress_ctx(const void *source, void *target, size_t size of the target, int threads)
_decompress_one = types.ExternalFunction(
    "surrogate_blosc_decompress", signature(types.int32, types.uintp, types.uintp, types.uintp, types.int32)
)


@njit(cache=True, nogil=True)
def _whole_number(block, place):  # pragma: no cover (compiled)
    return (
        np.int64(block[place])
        | np.int64(block[place + 1]) << 8
        | np.int64(block[place + 2]) << 16
        | np.int64(block[place + 3]) << 24
    )


@njit(cache=True, nogil=True)
def _all_at_once(block, offsets, lengths, target):  # pragma: no cover (compiled)
    size = target.shape[1]
    for number in range(offsets.size):
        begin, length = offsets[number], lengths[number]
        # The library trusts the sizes that the chunk states: nothing is read or written beyond it.
        if begin < 0 or length < HEADER or begin + length > block.size:
            return number
        if _whole_number(block, begin + 4) != size or _whole_number(block, begin + 12) != length:
            return number
        done = _decompress_one(block[begin:].ctypes.data, target[number].ctypes.data, size, 1)  # type: ignore[call-overload]
        if done != size:
            return number
    return -1


decompress_chunks: Decompress = _all_at_once if _found() else chunk_by_chunk
"""As :func:`chunk_by_chunk`, in any number of threads at the same time."""
