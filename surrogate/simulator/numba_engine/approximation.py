"""Approximations of exp, log and a power that the compiler can vectorise: no call into a library, no branch.

They cost a few nanoseconds less per cell than the library's, which at this grid size is a fifth of a time step.
"""

from __future__ import annotations

import numpy as np

from surrogate.kernels import kernel


@kernel(inline="always")
def exponential(x: float) -> float:
    """exp(x) for abs(x) < 50, relative error below 1e-8 within 20 and 3e-5 at 50: (exp(x / 64))^64 by Taylor.

    >>> bool(abs(exponential(-18.0) / np.exp(-18.0) - 1) < 1e-8)
    True
    """
    y = x * 0.015625
    p = 1.0 + y * (
        1.0 + y * (0.5 + y * (1 / 6 + y * (1 / 24 + y * (1 / 120 + y * (1 / 720 + y * (1 / 5040 + y / 40320))))))
    )
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    return p * p


@kernel(inline="always")
def log_one_plus(x: float) -> float:
    """ln(1 + x) for x in 0 .. 1, absolute error below 1e-8: twice the series of artanh(x / (2 + x)).

    >>> bool(abs(log_one_plus(1.0) - np.log(2.0)) < 1e-8)
    True
    """
    z = x / (2.0 + x)
    s = z * z
    return (
        2.0 * z * (1.0 + s * (1 / 3 + s * (1 / 5 + s * (1 / 7 + s * (1 / 9 + s * (1 / 11 + s * (1 / 13 + s / 15)))))))
    )


@kernel(inline="always")
def power_minus_048(x: float) -> float:
    """x^-0.48 for x in 0.3 .. 20, relative error below 2e-7.

    x^-0.48 = x^-1/2 x^0.02, and the second factor is so close to one that a short logarithm of x^1/4 will do.

    >>> bool(abs(power_minus_048(7.0) / 7.0**-0.48 - 1) < 2e-7)
    True
    """
    root: float = np.sqrt(x)
    y: float = np.sqrt(root)
    z = (y - 1.25) / (y + 1.25)
    s = z * z
    logarithm = 0.22314355131420976 + 2.0 * z * (1.0 + s * (1 / 3 + s * (1 / 5 + s * (1 / 7 + s / 9))))
    t = 0.08 * logarithm
    return (1.0 + t * (1.0 + t * (0.5 + t * (1 / 6 + t / 24)))) / root
