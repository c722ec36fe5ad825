"""How likely observations are for what a surrogate predicts: logarithms that stay finite, and right, in the tails.

Functions take arrays of NumPy, or tensors with ``xp=keras.ops``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

LEVEL = 0.683
"""Level whose calibrated half-width stands for one standard deviation."""


def _tail() -> np.ndarray:
    """Chebyshev coefficients of ln Phi(-z) + z^2 / 2 - ln t in t = 1 / (1 + z / 2), smooth from t = 0 to 1."""

    def smooth(t: np.ndarray) -> np.ndarray:
        z = 2.0 / t - 2.0
        return np.asarray(np.log(0.5 * special.erfcx(z / np.sqrt(2.0))) - np.log(t))

    fitted = np.polynomial.Chebyshev.interpolate(lambda t: smooth(np.maximum(t, 1e-6)), 24, domain=[0.0, 1.0])
    return np.asarray(fitted.coef)


_TAIL = _tail()


def log_normal_cdf(x: Any, xp: Any = np) -> Any:
    """Logarithm of the standard normal distribution function, any shape.

    Examples
    --------
    >>> values = np.array([-40.0, -1.0, 3.0])
    >>> bool(np.allclose(log_normal_cdf(values), special.log_ndtr(values), rtol=1e-9))
    True
    """
    size = xp.abs(x)
    t = 1.0 / (1.0 + 0.5 * size)
    twice, last, before = 2.0 * (2.0 * t - 1.0), 0.0, 0.0
    for coefficient in _TAIL[:0:-1]:  # Clenshaw
        last, before = twice * last - before + float(coefficient), last
    below = 0.5 * twice * last - before + float(_TAIL[0]) + xp.log(t) - 0.5 * size * size
    return xp.where(x < 0, below, xp.log1p(-xp.exp(below)))


def log_interval(value: Any, width: Any, low: float, high: float, xp: Any = np) -> Any:
    """Logarithm of the probability that a normal quantity lies in an interval.

    Parameters
    ----------
    value, width : array
        Mean and standard deviation.
    low, high : float
        One of them may be infinite.

    Examples
    --------
    >>> float(log_interval(np.array(0.0), np.array(1.0), -1.0, 1.0).round(4)), float(np.log(0.6827).round(4))
    (-0.3817, -0.3817)
    >>> bool(np.isfinite(log_interval(np.array(50.0), np.array(1.0), 0.0, 10.0)))
    True
    """
    if np.isneginf(low):
        return log_normal_cdf((high - value) / width, xp)
    if np.isposinf(high):
        return log_normal_cdf((value - low) / width, xp)
    # On the side of the lower tail, where the difference of two numbers near 1 does not lose them.
    middle, half = -xp.abs(value - 0.5 * (low + high)) / width, 0.5 * (high - low) / width
    upper, lower = log_normal_cdf(middle + half, xp), log_normal_cdf(middle - half, xp)
    return upper + xp.log(-xp.expm1(lower - upper))


def log_value(value: Any, width: Any, measured: float, error: float, xp: Any = np) -> Any:
    """Logarithm of the density of a measured value, per standard error of the measurement.

    Parameters
    ----------
    value, width : array
        Predicted mean, and standard deviation of what the surrogate and the model miss.
    measured, error : float
        What was measured, and its standard error.

    Examples
    --------
    >>> float(log_value(np.array(5.0), np.array(0.0), 5.0, 2.0).round(3))
    -0.919
    """
    variance = 1.0 + (width / error) ** 2
    # The width stays in: it depends on the parameters.
    return -0.5 * (((value - measured) / error) ** 2 / variance + xp.log(variance) + float(np.log(2 * np.pi)))


def misfit(value: Any, width: Any, low: float, high: float) -> np.ndarray:
    """How many widths a prediction lies outside an interval; zero inside."""
    return np.asarray(np.maximum(np.maximum(low - value, value - high), 0.0) / np.maximum(width, 1e-300))
