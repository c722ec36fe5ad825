"""Implicit diffusion in alternating directions, on the increment of the temperature.

The angular sweep comes first, so the sum over angle of the update sees exactly the wall fluxes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from surrogate.simulator.elementary import FAST
from surrogate.simulator.mesh import Mesh


class Factors(NamedTuple):
    """Tridiagonal factors of one time step.

    Attributes
    ----------
    angular_coupling, angular_inverse, angular_upper : array, shape (angular cells + 1 or angular cells, radial cells)
        Transposed: the sweep along the angle runs over all radii at once.
    angular_corner, angular_scale : array, shapes (angular cells, radial cells), (radial cells,)
        Response to the closing element of a periodic angle, and its scale (Sherman-Morrison).
    radial_coupling, radial_inverse, radial_upper : array, shape (radial cells + 1 or radial cells, angular cells)
    """

    angular_coupling: np.ndarray
    angular_inverse: np.ndarray
    angular_upper: np.ndarray
    angular_corner: np.ndarray
    angular_scale: np.ndarray
    radial_coupling: np.ndarray
    radial_inverse: np.ndarray
    radial_upper: np.ndarray


def make_factors(mesh: Mesh) -> Factors:
    """Empty factors for a mesh."""
    rows, columns = mesh.rows, mesh.columns
    return Factors(
        np.zeros((columns + 1, rows)), np.zeros((columns, rows)), np.zeros((columns, rows)),
        np.zeros((columns, rows)), np.zeros(rows),
        np.zeros((rows + 1, columns)), np.zeros((rows, columns)), np.zeros((rows, columns)),
    )  # fmt: skip


@njit(cache=True, fastmath=FAST)
def factorise_diffusion(capacity, conductance_r, conductance_t, half_step, mesh, factors):
    """Fill the factors of (C V - dt/2 L_angle) and (C V - dt/2 L_radius).

    Parameters
    ----------
    capacity : array, shape (radial cells, angular cells)
    conductance_r, conductance_t : array
        As :func:`surrogate.simulator.properties.thermal_coefficients` fills them.
    half_step : float
        Half the time step.
    """
    rows, columns = capacity.shape
    coupling = factors.angular_coupling
    inverse = factors.angular_inverse
    upper = factors.angular_upper
    for j in range(columns + 1):
        for i in range(rows):
            coupling[j, i] = half_step * conductance_t[i, j]
    for j in range(columns):
        for i in range(rows):
            diagonal = capacity[i, j] * mesh.volume[i] + coupling[j, i] + coupling[j + 1, i]
            # A periodic angle is the plain sweep of a changed matrix plus a correction of rank one.
            if j == 0:
                diagonal += coupling[0, i]
            else:
                diagonal -= coupling[j, i] * upper[j - 1, i]
            if j == columns - 1:
                diagonal += coupling[columns, i]
            inverse[j, i] = 1.0 / diagonal
            upper[j, i] = coupling[j + 1, i] / diagonal
    if mesh.periodic:
        corner = factors.angular_corner
        corner[:, :] = 0.0
        # The change is c (e_0 + e_n)(e_0 + e_n)^T: it cancels the doubled ends and closes the ring.
        corner[0, :] = coupling[0]
        corner[columns - 1, :] = coupling[0]
        sweep(corner, coupling, inverse, upper)
        for i in range(rows):
            factors.angular_scale[i] = 1.0 / (1.0 - corner[0, i] - corner[columns - 1, i])
    low = factors.radial_coupling
    for i in range(rows + 1):
        scale = half_step / mesh.spacing[i]
        for j in range(columns):
            low[i, j] = scale * conductance_r[i, j]
    for i in range(rows):
        for j in range(columns):
            diagonal = capacity[i, j] * mesh.volume[i] + low[i, j] + low[i + 1, j]
            if i > 0:
                diagonal -= low[i, j] * factors.radial_upper[i - 1, j]
            factors.radial_inverse[i, j] = 1.0 / diagonal
            factors.radial_upper[i, j] = low[i + 1, j] / diagonal


@njit(cache=True, fastmath=FAST, inline="always")
def sweep(values, coupling, inverse, upper):
    """Solve tridiagonal systems along the first axis in place, all columns at once (Thomas' algorithm).

    Inlined: the compiler then knows that the arrays do not overlap.

    Parameters
    ----------
    values : array, shape (n, systems)
        Right-hand sides in, solutions out.
    coupling : array, shape (n + 1, systems)
        Minus the off-diagonal elements: row ``m`` couples unknowns ``m - 1`` and ``m``.
    inverse, upper : array, shape (n, systems)
        Inverse pivots and eliminated upper diagonal, as :func:`factorise_diffusion` fills them.
    """
    count, systems = values.shape
    for s in range(systems):
        values[0, s] *= inverse[0, s]
    for m in range(1, count):
        for s in range(systems):
            values[m, s] = (values[m, s] + coupling[m, s] * values[m - 1, s]) * inverse[m, s]
    for m in range(count - 2, -1, -1):
        for s in range(systems):
            values[m, s] += upper[m, s] * values[m + 1, s]


@njit(cache=True, fastmath=FAST)
def implicit_increment(change, capacity, mesh, factors, turned):
    """Turn an explicit change of heat, shape (radial cells, angular cells), into an increment of temperature.

    turned : array, shape (angular cells, radial cells)
        Work space.
    """
    rows, columns = change.shape
    for i in range(rows):
        for j in range(columns):
            turned[j, i] = change[i, j]
    sweep(turned, factors.angular_coupling, factors.angular_inverse, factors.angular_upper)
    if mesh.periodic:
        for i in range(rows):
            ends = (turned[0, i] + turned[columns - 1, i]) * factors.angular_scale[i]
            for j in range(columns):
                turned[j, i] += ends * factors.angular_corner[j, i]
    for i in range(rows):
        for j in range(columns):
            change[i, j] = turned[j, i] * capacity[i, j] * mesh.volume[i]
    sweep(change, factors.radial_coupling, factors.radial_inverse, factors.radial_upper)
