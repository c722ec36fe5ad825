r"""Stokes flow on the staggered mesh, solved for the discrete streamfunction.

Fluxes through the faces of a cell are differences of the streamfunction psi at its corners, so the velocity is
free of divergence to round-off whatever the tolerance of the solver:

.. math:: u_r = \frac{1}{r} \partial_\theta \psi, \qquad u_\theta = -\partial_r \psi .

The discrete dissipation, a sum over cells of 4 eta e_rr^2 and over corners of eta (2 e_rt)^2 times their volumes, is a
positive definite quadratic form of psi; its minimum under the work of buoyancy is the flow. It is solved by conjugate
gradients without a matrix; the preconditioner is the same operator for a viscosity that depends on radius only, which
separates into one pentadiagonal system in radius for each angular mode.

psi = 0 on the walls: closed sides, or, in a full annulus with free-slip walls, the choice of the rigid rotation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from surrogate.simulator.elementary import FAST, exponential
from surrogate.simulator.mesh import Mesh


class Stencil(NamedTuple):
    """Coefficients of the strain rates of psi.

    Attributes
    ----------
    low, high : array, shape (radial cells,)
        e_rr of cell i is high (psi at its outer corners) - low (psi at its inner corners), each differenced in angle.
    below, above, sideways : array, shape (radial cells + 1,)
        Shear 2 e_rt at corner row i: below psi[i-1] + above psi[i+1] + sideways (psi[j-1] + psi[j+1] - 2 psi)
        - (below + above) psi[i].
    cell_volume, corner_volume : array, shapes (radial cells,), (radial cells + 1,)
        Quadrature weights; zero at free-slip walls.
    modes : array, shape (unknown columns, unknown columns)
        Orthonormal angular modes, one a column.
    eigenvalues : array, shape (unknown columns,)
        Of minus the second angular difference, for each mode.
    """

    low: np.ndarray
    high: np.ndarray
    below: np.ndarray
    above: np.ndarray
    sideways: np.ndarray
    cell_volume: np.ndarray
    corner_volume: np.ndarray
    modes: np.ndarray
    eigenvalues: np.ndarray


def make_stencil(mesh: Mesh, inner_no_slip: bool = False, outer_no_slip: bool = False) -> Stencil:
    """Prepare the operator; walls are free-slip unless said otherwise.

    Raises
    ------
    ValueError
        For a full annulus with a no-slip wall, where psi differs between the walls.
    """
    if mesh.periodic and (inner_no_slip or outer_no_slip):
        raise ValueError("a full annulus needs free slip on both walls")
    rows, columns = mesh.rows, mesh.columns
    low = 1.0 / (mesh.face_metric[:-1] * mesh.step * mesh.thickness)
    high = 1.0 / (mesh.face_metric[1:] * mesh.step * mesh.thickness)
    inverse = 1.0 / (mesh.centre_metric * mesh.thickness)
    below = np.zeros(rows + 1)
    above = np.zeros(rows + 1)
    below[1:] = -mesh.face_metric[1:] / mesh.spacing[1:] * inverse
    above[:-1] = -mesh.face_metric[:-1] / mesh.spacing[:-1] * inverse
    corner_volume = mesh.face_metric * mesh.spacing * mesh.step
    corner_volume[0] *= inner_no_slip
    corner_volume[-1] *= outer_no_slip
    count = np.arange(columns)
    if mesh.periodic:
        order = (count + 1) // 2
        phase = 2 * np.pi * np.outer(count, order) / columns
        modes = np.where((count % 2 == 1) & (2 * order < columns), np.sin(phase), np.cos(phase))
        modes /= np.linalg.norm(modes, axis=0)
        eigenvalues = (2 * np.sin(np.pi * order / columns)) ** 2
    else:
        order = count[1:]
        modes = np.sqrt(2.0 / columns) * np.sin(np.pi * np.outer(order, order) / columns)
        eigenvalues = (2 * np.sin(np.pi * order / columns / 2)) ** 2
    return Stencil(
        low, high, below, above, 1.0 / (mesh.face_metric * mesh.step) ** 2, 4.0 * mesh.volume, corner_volume,
        np.ascontiguousarray(modes), eigenvalues,
    )  # fmt: skip


@njit(cache=True, fastmath=FAST)
def viscosity_weights(log_viscosity, stencil, periodic, cell_weight, corner_weight, cell_mean, corner_mean):
    """Fill viscosity times volume in cells and at corners, and the lateral log-means of the viscosity alone.

    At a corner the viscosity is the geometric mean of the cells around it (the best of the usual means).

    Parameters
    ----------
    log_viscosity : array, shape (radial cells, angular cells)
    cell_weight, corner_weight : array, shapes (radial cells, angular cells), (radial cells + 1, angular cells + 1)
    cell_mean, corner_mean : array, shapes (radial cells,), (radial cells + 1,)
    """
    rows, columns = log_viscosity.shape
    for i in range(rows):
        total = 0.0
        for j in range(columns):
            total += log_viscosity[i, j]
            cell_weight[i, j] = stencil.cell_volume[i] * exponential(log_viscosity[i, j])
        cell_mean[i] = np.exp(total / columns)
    first = 0 if periodic else 1
    for i in range(rows + 1):
        inner = max(i - 1, 0)
        outer = min(i, rows - 1)
        volume = stencil.corner_volume[i]
        total = 0.0
        corner_weight[i, 0] = 0.0
        corner_weight[i, columns] = 0.0
        if volume == 0.0:
            corner_weight[i, :] = 0.0
            corner_mean[i] = 0.0
            continue
        for j in range(1, columns):
            value = 0.25 * (log_viscosity[inner, j - 1] + log_viscosity[outer, j - 1]
                            + log_viscosity[inner, j] + log_viscosity[outer, j])  # fmt: skip
            total += value
            corner_weight[i, j] = volume * exponential(value)
        if periodic:
            value = 0.25 * (log_viscosity[inner, columns - 1] + log_viscosity[outer, columns - 1]
                            + log_viscosity[inner, 0] + log_viscosity[outer, 0])  # fmt: skip
            total += value
            corner_weight[i, 0] = volume * exponential(value)
            corner_weight[i, columns] = corner_weight[i, 0]
        corner_mean[i] = np.exp(total / (columns - first))


@njit(cache=True)
def spread(unknowns, periodic, psi):
    """Copy the unknowns, shape (radial cells - 1, unknown columns), into padded psi; walls and closed sides stay 0."""
    count, width = unknowns.shape
    first = 1 if periodic else 2
    for i in range(count):
        for j in range(width):
            psi[i + 1, j + first] = unknowns[i, j]
        if periodic:
            psi[i + 1, 0] = unknowns[i, width - 1]
            psi[i + 1, width + 1] = unknowns[i, 0]
            psi[i + 1, width + 2] = unknowns[i, 1]


@njit(cache=True, fastmath=FAST)
def stresses(psi, stencil, cell_weight, corner_weight, periodic, normal, shear):
    """Fill viscosity times volume times strain rate: 4 eta e_rr V in cells, eta 2 e_rt V at corners (padded)."""
    rows, columns = cell_weight.shape
    for i in range(rows):
        low = stencil.low[i]
        high = stencil.high[i]
        for j in range(columns):
            normal[i, j + 1] = cell_weight[i, j] * (
                high * (psi[i + 1, j + 2] - psi[i + 1, j + 1]) - low * (psi[i, j + 2] - psi[i, j + 1])
            )
        normal[i, 0] = normal[i, columns] if periodic else 0.0
    for i in range(rows + 1):
        below = stencil.below[i]
        above = stencil.above[i]
        side = stencil.sideways[i]
        centre = -below - above - 2.0 * side
        under = max(i - 1, 0)  # at the walls psi is zero, so the row itself may stand for the one beyond
        over = min(i + 1, rows)
        for j in range(columns + 1):
            shear[i, j + 1] = corner_weight[i, j] * (
                above * psi[over, j + 1] + below * psi[under, j + 1] + centre * psi[i, j + 1]
                + side * (psi[i, j] + psi[i, j + 2])
            )  # fmt: skip
        shear[i, 0] = shear[i, columns] if periodic else 0.0


@njit(cache=True, fastmath=FAST)
def apply_operator(unknowns, stencil, cell_weight, corner_weight, drag, periodic, psi, normal, shear, result):
    """Fill result = K unknowns, shapes (radial cells - 1, unknown columns); psi, normal, shear are work space."""
    spread(unknowns, periodic, psi)
    stresses(psi, stencil, cell_weight, corner_weight, periodic, normal, shear)
    count, width = unknowns.shape
    first = 1 if periodic else 2
    for row in range(count):
        i = row + 1
        high = stencil.high[i - 1]
        low = stencil.low[i]
        from_below = stencil.above[i - 1]
        from_above = stencil.below[i + 1]
        side = stencil.sideways[i]
        centre = -stencil.below[i] - stencil.above[i] - 2.0 * side
        for column in range(width):
            c = column + first
            result[row, column] = (
                high * (normal[i - 1, c - 1] - normal[i - 1, c]) + low * (normal[i, c] - normal[i, c - 1])
                + from_below * shear[i - 1, c] + from_above * shear[i + 1, c] + centre * shear[i, c]
                + side * (shear[i, c - 1] + shear[i, c + 1])
                + drag[i, c - 1] * (psi[i, c] - psi[i, c - 1]) - drag[i, c] * (psi[i, c + 1] - psi[i, c])
            )  # fmt: skip
