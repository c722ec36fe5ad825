"""The Stokes equations solved iteratively: conjugate gradients, preconditioned by a viscosity of radius only."""

from __future__ import annotations

import numpy as np
from numba import njit

from surrogate.simulator.elementary import FAST
from surrogate.simulator.stokes import apply_operator


@njit(cache=True, fastmath=FAST)
def factorise(stencil, cell_mean, corner_mean, drag, factors):
    """Fill the L D L^T factors, shape (3, radial cells - 1, modes), of the operator for a viscosity of radius only.

    factors[0] is 1 / D, factors[1] and factors[2] are the two lower diagonals of L.
    """
    rows = cell_mean.size
    count = rows - 1
    modes = stencil.eigenvalues.size
    for row in range(count):
        i = row + 1
        c = cell_mean[i - 1] * stencil.cell_volume[i - 1]
        d = cell_mean[i] * stencil.cell_volume[i]
        diagonal_cells = c * stencil.high[i - 1] ** 2 + d * stencil.low[i] ** 2 + np.mean(drag[i, 1:-1])
        next_cells = -d * stencil.low[i] * stencil.high[i]
        inner = corner_mean[i - 1] * stencil.corner_volume[i - 1]
        here = corner_mean[i] * stencil.corner_volume[i]
        outer = corner_mean[i + 1] * stencil.corner_volume[i + 1]
        diagonal_walls = inner * stencil.above[i - 1] ** 2 + outer * stencil.below[i + 1] ** 2
        centre = -stencil.below[i] - stencil.above[i]
        centre_next = -stencil.below[i + 1] - stencil.above[i + 1]
        second = outer * stencil.below[i + 1] * stencil.above[i + 1] if row + 2 < count else 0.0
        for k in range(modes):
            s = stencil.eigenvalues[k]
            corner = centre - s * stencil.sideways[i]
            corner_next = centre_next - s * stencil.sideways[i + 1]
            diagonal = s * diagonal_cells + here * corner * corner + diagonal_walls
            first = s * next_cells + here * corner * stencil.above[i] + outer * corner_next * stencil.below[i + 1]
            if row > 0:
                one = factors[1, row - 1, k]
                diagonal -= one * one / factors[0, row - 1, k]
                first -= factors[2, row - 1, k] * one / factors[0, row - 1, k]
            if row > 1:
                two = factors[2, row - 2, k]
                diagonal -= two * two / factors[0, row - 2, k]
            inverse = 1.0 / diagonal
            factors[0, row, k] = inverse
            factors[1, row, k] = first * inverse
            factors[2, row, k] = second * inverse


@njit(cache=True, fastmath=FAST)
def precondition(residual, stencil, factors, work, result):
    """Fill result = M^-1 residual, both of shape (radial cells - 1, unknown columns)."""
    np.dot(residual, stencil.modes, work)
    count, modes = work.shape
    for k in range(modes):
        work[1, k] -= factors[1, 0, k] * work[0, k]
    for row in range(2, count):
        for k in range(modes):
            work[row, k] -= factors[1, row - 1, k] * work[row - 1, k] + factors[2, row - 2, k] * work[row - 2, k]
    for k in range(modes):
        work[count - 1, k] *= factors[0, count - 1, k]
        work[count - 2, k] = (
            work[count - 2, k] * factors[0, count - 2, k] - factors[1, count - 2, k] * work[count - 1, k]
        )
    for row in range(count - 3, -1, -1):
        for k in range(modes):
            work[row, k] = (work[row, k] * factors[0, row, k] - factors[1, row, k] * work[row + 1, k]
                            - factors[2, row, k] * work[row + 2, k])  # fmt: skip
    np.dot(work, stencil.modes.T, result)


@njit(cache=True, fastmath=FAST)
def _dot(a, b):
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            total += a[i, j] * b[i, j]
    return total


@njit(cache=True, fastmath=FAST)
def conjugate_gradients(load, solution, stencil, cell_weight, corner_weight, drag, factors, periodic, tolerance, limit):
    """Improve `solution` in place until its energy-norm error is `tolerance` of the norm of the flow.

    Parameters
    ----------
    load, solution : array, shape (radial cells - 1, unknown columns)
    drag : array, shape (radial cells + 1, angular cells + 2)
        From :func:`surrogate.simulator.forcing.stratification_drag`.
    tolerance : float
        The error is measured by the preconditioner, sqrt(r M^-1 r) against sqrt(load . solution); the plain residual
        would be ruled by the stiff lid.
    limit : int
        Largest number of iterations.

    Returns
    -------
    int
        Iterations, or -1 if the tolerance was not met.
    """
    rows, columns = cell_weight.shape
    psi = np.zeros((rows + 1, columns + 3))
    normal = np.zeros((rows, columns + 2))
    shear = np.zeros((rows + 1, columns + 3))
    image = np.empty_like(load)
    work = np.empty_like(load)
    preconditioned = np.empty_like(load)
    apply_operator(solution, stencil, cell_weight, corner_weight, drag, periodic, psi, normal, shear, image)
    residual = load - image
    precondition(residual, stencil, factors, work, preconditioned)
    direction = preconditioned.copy()
    product = _dot(residual, preconditioned)
    for iteration in range(limit + 1):
        if product <= tolerance * tolerance * abs(_dot(load, solution)) or product < 1e-300:
            return iteration
        if iteration == limit or not product < np.inf:
            break
        apply_operator(direction, stencil, cell_weight, corner_weight, drag, periodic, psi, normal, shear, image)
        step = product / _dot(direction, image)
        for i in range(load.shape[0]):
            for j in range(load.shape[1]):
                solution[i, j] += step * direction[i, j]
                residual[i, j] -= step * image[i, j]
        precondition(residual, stencil, factors, work, preconditioned)
        previous = product
        product = _dot(residual, preconditioned)
        ratio = product / previous
        for i in range(load.shape[0]):
            for j in range(load.shape[1]):
                direction[i, j] = preconditioned[i, j] + ratio * direction[i, j]
    return -1
