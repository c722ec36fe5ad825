"""What a streamfunction says: velocities, viscous heat, the time to cross a cell."""

from __future__ import annotations

import numpy as np
from numba import njit

from surrogate.simulator.elementary import FAST
from surrogate.simulator.mesh import Mesh
from surrogate.simulator.stokes import stresses


@njit(cache=True, fastmath=FAST)
def dissipated_heat(psi, stencil, cell_weight, corner_weight, periodic, factor, heat):
    """Add the viscous dissipation of every cell, times its volume and `factor`, to `heat` (shape of the cells).

    A corner gives equal shares to its cells, so the sum is psi K psi.
    """
    rows, columns = cell_weight.shape
    normal = np.zeros((rows, columns + 2))
    shear = np.zeros((rows + 1, columns + 3))
    stresses(psi, stencil, cell_weight, corner_weight, periodic, normal, shear)
    for i in range(rows + 1):
        for j in range(columns + 1):
            weight = corner_weight[i, j]
            shear[i, j + 1] = shear[i, j + 1] ** 2 / weight if weight > 0.0 else 0.0
    for i in range(rows):
        inner = 0.5 if i == 0 else 0.25
        outer = 0.5 if i == rows - 1 else 0.25
        for j in range(columns):
            heat[i, j] += factor * (
                normal[i, j + 1] ** 2 / cell_weight[i, j]
                + inner * (shear[i, j + 1] + shear[i, j + 2])
                + outer * (shear[i + 1, j + 1] + shear[i + 1, j + 2])
            )


@njit(cache=True, fastmath=FAST)
def fastest_rate(psi, mesh):
    """Largest number of cells crossed per unit time: max over cells of u_r / dr + u_theta / (r dtheta)."""
    rows = mesh.thickness.size
    fastest = 0.0
    for i in range(rows):
        radial_low = 1.0 / (mesh.face_metric[i] * mesh.step * mesh.thickness[i])
        radial_high = 1.0 / (mesh.face_metric[i + 1] * mesh.step * mesh.thickness[i])
        angular = 1.0 / (mesh.centre_metric[i] * mesh.step * mesh.thickness[i])
        for j in range(mesh.columns):
            inner = abs(psi[i, j + 2] - psi[i, j + 1]) * radial_low
            outer = abs(psi[i + 1, j + 2] - psi[i + 1, j + 1]) * radial_high
            left = abs(psi[i + 1, j + 1] - psi[i, j + 1])
            right = abs(psi[i + 1, j + 2] - psi[i, j + 2])
            fastest = max(fastest, max(inner, outer) + max(left, right) * angular)
    return fastest


def velocity(psi: np.ndarray, mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Face velocities (radial, angular) of padded psi, shapes (rows + 1, columns), (rows, columns + 1)."""
    corners = psi[:, 1 : mesh.columns + 2]
    radial = np.diff(corners, axis=1) / (mesh.face_metric[:, None] * mesh.step)
    angular = -np.diff(corners, axis=0) / mesh.thickness[:, None]
    return radial, angular


def root_mean_square_velocity(psi: np.ndarray, mesh: Mesh) -> float:
    """Root of the volume mean of the squared speed."""
    radial, angular = velocity(psi, mesh)
    square = 0.5 * (radial[1:] ** 2 + radial[:-1] ** 2 + angular[:, 1:] ** 2 + angular[:, :-1] ** 2)
    return float(np.sqrt(mesh.average(square)))
