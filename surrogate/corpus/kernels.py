"""Loops over the values of a snapshot, compiled: each reads them once, while they are in the cache."""

from __future__ import annotations

import numpy as np
from numba import njit

from surrogate.corpus.inflate import crc32

# Sums may be reordered, so that they can be done in parallel; nothing is assumed about NaN and infinity.
SUMS = {"reassoc", "contract"}


def checksum_of(snapshot: np.ndarray) -> bytes:
    """CRC-32 of the bytes of a contiguous array."""
    return crc32(snapshot.reshape(-1).view(np.uint8).data).to_bytes(4, "little")


def extremes(snapshot: np.ndarray) -> tuple[float, float]:
    """Lowest and highest value of a contiguous float32 array; infinite where any value is not finite.

    Examples
    --------
    >>> extremes(np.array([[3.0, -2.5], [0.0, 7.0]], dtype=np.float32))
    (-2.5, 7.0)
    >>> extremes(np.array([[3.0, np.nan]], dtype=np.float32))
    (3.0, inf)
    """
    keys = np.array(_extreme_keys(snapshot.reshape(-1).view(np.int32)), dtype=np.int32)
    low, high = _reordered(keys).view(np.float32).tolist()
    return (low if np.isfinite(low) else -np.inf), (high if np.isfinite(high) else np.inf)


def _reordered(bits: np.ndarray) -> np.ndarray:
    """Bits of floats as integers in the same order, and back."""
    return bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF))


@njit(cache=True, nogil=True)
def _extreme_keys(bits):  # pragma: no cover (compiled)
    # Comparing integers is not held up by NaN, which lies beyond infinity in this order, on one side or the other.
    low, high = np.int32(2147483647), np.int32(-2147483648)
    for number in range(bits.size):
        key = bits[number] ^ ((bits[number] >> np.int32(31)) & np.int32(0x7FFFFFFF))
        low, high = min(low, key), max(high, key)
    return low, high


@njit(cache=True, nogil=True, fastmath=SUMS)
def add_moments(snapshot, reference, sums, squares):  # pragma: no cover (compiled)
    """Add, for each row, the sums of `snapshot` - `reference` and of its square.

    Parameters
    ----------
    snapshot : array of float32, shape (radius, angle)
    reference : array of float32, shape (radius,)
    sums, squares : array of float64, shape (radius,)
        Changed in place. Within a row single precision is enough, since what is added up is small.
    """
    for row in range(snapshot.shape[0]):
        total, square = np.float32(0.0), np.float32(0.0)
        for column in range(snapshot.shape[1]):
            rest = snapshot[row, column] - reference[row]
            total += rest
            square += rest * rest
        sums[row] += total
        squares[row] += square


@njit(cache=True, nogil=True)
def walls(snapshot):  # pragma: no cover (compiled)
    """Return by how much the first and the last row of `snapshot` vary, and the mean of the last.

    Parameters
    ----------
    snapshot : array of float32, shape (radius, angle)
    """
    total = 0.0
    spread = np.float32(0.0)
    for row in (0, snapshot.shape[0] - 1):
        low, high = snapshot[row, 0], snapshot[row, 0]
        total = 0.0
        for column in range(snapshot.shape[1]):
            value = snapshot[row, column]
            low, high = min(low, value), max(high, value)
            total += value
        spread = max(spread, high - low)
    return float(spread), total / snapshot.shape[1]


@njit(cache=True, nogil=True)
def pack(values, scale, offset, steps, rounded):  # pragma: no cover (compiled)
    """Round finite values to multiples of `scale` from `offset`; all arguments are float32 or of one axis.

    Parameters
    ----------
    values : array of float32, shape (n,)
    scale, offset : float32
        A power of two as scale makes the division exact.
    steps : array of int16, shape (n,)
        Becomes the numbers of steps.
    rounded : array of float32, shape (n,)
        Becomes the values that these stand for.
    """
    for number in range(values.size):
        step = np.rint((values[number] - offset) / scale)
        steps[number] = np.int16(step)
        rounded[number] = step * scale + offset
