"""Transport by the flow: gradients at the faces, limited linear reconstruction (MUSCL), conservative fluxes."""

from __future__ import annotations

import numpy as np

from surrogate.kernels import kernel
from surrogate.simulator.mesh import Mesh

LIMITED = 0
"""Van Leer's limiter: no new extrema."""
UNLIMITED = 1
"""Third-order upwind-biased reconstruction without limiter, for steady benchmarks."""


@kernel()
def _limited_slope(a: float, b: float) -> float:
    """Van Leer's harmonic mean of two gradients, zero at an extremum."""
    product = a * b
    return 2.0 * product / (a + b) if product > 0.0 else 0.0


@kernel()
def gradients(
    values: np.ndarray, inner: float, outer: float, mesh: Mesh, radial: np.ndarray, angular: np.ndarray
) -> None:
    """Fill the radial gradients and the angular differences of a cell field at the faces.

    Parameters
    ----------
    values : array, shape (radial cells, angular cells)
    inner, outer : float
        Wall values.
    radial : array, shape (radial cells + 1, angular cells)
    angular : array, shape (radial cells, angular cells + 3)
        Padded as psi: face j is column j + 1; zero at closed sides.
    """
    rows, columns = values.shape
    for j in range(columns):
        radial[0, j] = (values[0, j] - inner) / mesh.spacing[0]
        radial[rows, j] = (outer - values[rows - 1, j]) / mesh.spacing[rows]
    for i in range(1, rows):
        scale = 1.0 / mesh.spacing[i]
        for j in range(columns):
            radial[i, j] = (values[i, j] - values[i - 1, j]) * scale
    for i in range(rows):
        for j in range(1, columns):
            angular[i, j + 1] = values[i, j] - values[i, j - 1]
        angular[i, 0] = 0.0
        angular[i, 1] = 0.0
        angular[i, columns + 1] = 0.0
        angular[i, columns + 2] = 0.0
        if mesh.periodic:
            angular[i, 1] = values[i, 0] - values[i, columns - 1]
            angular[i, columns + 1] = angular[i, 1]
            angular[i, 0] = angular[i, columns]
            angular[i, columns + 2] = angular[i, 2]


@kernel()
def advect(
    values: np.ndarray,
    radial: np.ndarray,
    angular: np.ndarray,
    psi: np.ndarray,
    mesh: Mesh,
    scheme: int,
    rate: np.ndarray,
) -> None:
    """Fill the rate of change by advection, -div(u values), times the cell volume.

    Parameters
    ----------
    values, rate : array, shape (radial cells, angular cells)
    radial, angular : array
        From :func:`gradients`.
    psi : array, shape (radial cells + 1, angular cells + 3)
        Padded streamfunction; its differences are the fluxes through the faces.
    scheme : int
        LIMITED or UNLIMITED.
    """
    rows, columns = values.shape
    limited = scheme == LIMITED
    flux = np.empty(columns + 1)
    slope = np.zeros((2, columns + 2))  # half a cell times the reconstructed slope
    rate[:, :] = 0.0
    for i in range(rows):
        half = 0.5 * mesh.thickness[i]
        if limited:
            for j in range(columns):
                slope[0, j] = slope[1, j]
                slope[1, j] = half * _limited_slope(radial[i, j], radial[i + 1, j])
        if i == 0:
            continue
        below = mesh.thickness[i - 1] / 6.0
        above = mesh.thickness[i] / 6.0
        for j in range(columns):
            amount = psi[i, j + 2] - psi[i, j + 1]
            if limited:
                from_below = values[i - 1, j] + slope[0, j]
                from_above = values[i, j] - slope[1, j]
            else:
                from_below = values[i - 1, j] + below * (2.0 * radial[i, j] + radial[i - 1, j])
                from_above = values[i, j] - above * (2.0 * radial[i, j] + radial[i + 1, j])
            flux[j] = amount * (from_below if amount >= 0.0 else from_above)
        for j in range(columns):
            rate[i - 1, j] -= flux[j]
            rate[i, j] += flux[j]
    last = columns - 1
    for i in range(rows):
        if limited:
            for c in range(columns + 2):
                slope[0, c] = 0.5 * _limited_slope(angular[i, c], angular[i, c + 1])  # cell j is column j + 1
        for j in range(1, columns):
            amount = psi[i, j + 1] - psi[i + 1, j + 1]
            if limited:
                from_left = values[i, j - 1] + slope[0, j]
                from_right = values[i, j] - slope[0, j + 1]
            else:
                from_left = values[i, j - 1] + (2.0 * angular[i, j + 1] + angular[i, j]) / 6.0
                from_right = values[i, j] - (2.0 * angular[i, j + 1] + angular[i, j + 2]) / 6.0
            flux[j] = amount * (from_left if amount >= 0.0 else from_right)
        flux[0] = 0.0
        if mesh.periodic:
            amount = psi[i, 1] - psi[i + 1, 1]
            if limited:
                from_left = values[i, last] + slope[0, 0]
                from_right = values[i, 0] - slope[0, 1]
            else:
                from_left = values[i, last] + (2.0 * angular[i, 1] + angular[i, 0]) / 6.0
                from_right = values[i, 0] - (2.0 * angular[i, 1] + angular[i, 2]) / 6.0
            flux[0] = amount * (from_left if amount >= 0.0 else from_right)
        flux[columns] = flux[0]
        for j in range(columns):
            rate[i, j] += flux[j] - flux[j + 1]
