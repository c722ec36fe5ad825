"""The strain rates of a streamfunction: what the Stokes operators of both engines are made of.

In a spherical annulus e_tt = u_r/r across the plane joins e_rr, and the dissipation in the cells is

    4 eta (e_rr^2 + e_rr e_tt + e_tt^2) = 4 eta (e_rr + e_tt/2)^2 + 3 eta e_tt^2.

The first square takes the place of e_rr^2, with other coefficients. The second is one of the flux through a radial face
alone, as a drag on it would be. The sum stays positive definite, with the same stencil and a separable preconditioner.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from surrogate.simulator.mesh import Mesh


class Stencil(NamedTuple):
    """Coefficients of the strain rates of psi.

    Attributes
    ----------
    low, high : array, shape (radial cells,)
        e_rr of cell i (e_rr + e_tt/2 in a spherical annulus) is high (psi at its outer corners) - low (psi at its inner
        corners), each differenced in angle.
    below, above, sideways : array, shape (radial cells + 1,)
        Shear 2 e_rt at corner row i: below psi[i-1] + above psi[i+1] + sideways (psi[j-1] + psi[j+1] - 2 psi)
        - (below + above) psi[i].
    cell_volume, corner_volume : array, shapes (radial cells,), (radial cells + 1,)
        Quadrature weights; zero at free-slip walls.
    hoop : array, shape (radial cells + 1,)
        Resistance to stretching across the plane, over the viscosity, per squared flux through a radial face; zero but
        in a spherical annulus.
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
    hoop: np.ndarray
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
    low = 1.0 / (mesh.face_area[:-1] * mesh.step * mesh.thickness)
    high = 1.0 / (mesh.face_area[1:] * mesh.step * mesh.thickness)
    hoop = np.zeros(rows + 1)
    if mesh.spherical:
        low *= 1 - 0.25 * mesh.thickness / mesh.centres
        high *= 1 + 0.25 * mesh.thickness / mesh.centres
        hoop[1:-1] = (3.0 * mesh.spacing / (mesh.face_area * mesh.faces**2 * mesh.step))[1:-1]
    inverse = 1.0 / (mesh.centre_metric * mesh.side_area)
    below = np.zeros(rows + 1)
    above = np.zeros(rows + 1)
    below[1:] = -mesh.face_metric[1:] / mesh.spacing[1:] * inverse
    above[:-1] = -mesh.face_metric[:-1] / mesh.spacing[:-1] * inverse
    corner_volume = mesh.face_area * mesh.spacing * mesh.step
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
        low,
        high,
        below,
        above,
        1.0 / ((mesh.face_metric * mesh.step) * (mesh.face_area * mesh.step)),
        4.0 * mesh.volume,
        corner_volume,
        hoop,
        np.ascontiguousarray(modes),
        eigenvalues,
    )
