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
def advect(
    values: np.ndarray,
    inner: np.ndarray,
    outer: np.ndarray,
    psi: np.ndarray,
    mesh: Mesh,
    scheme: int,
    rate: np.ndarray,
) -> None:
    """Fill the rate of change by advection, -div(u values), times the cell volume.

    Parameters
    ----------
    values, rate : array, shape (radial cells, angular cells)
    inner, outer : array, shape (angular cells,)
        Wall values.
    psi : array, shape (radial cells + 1, angular cells + 3)
        Padded streamfunction; its differences are the fluxes through the faces.
    scheme : int
        LIMITED or UNLIMITED.
    """
    rows, columns = values.shape
    limited = scheme == LIMITED
    # Rows of work space: they stay in the nearest cache, and the compiler vectorises every loop over one of them.
    before = np.zeros(columns)  # radial gradients at the faces i - 1, i and i + 1
    below = np.empty(columns)
    above = np.empty(columns)
    under = np.zeros(columns)  # half a cell times the slope, in rows i - 1 and i
    here = np.empty(columns)
    across = np.zeros(columns + 3)  # differences along the angle, face j in column j + 1; zero at closed sides
    turn = np.empty(columns + 2)  # half of the reconstructed difference, cell j in column j + 1
    flux = np.zeros(columns + 1)
    last = columns - 1
    scale = 1.0 / mesh.spacing[0]
    for j in range(columns):
        below[j] = (values[0, j] - inner[j]) * scale
    for i in range(rows):
        scale = 1.0 / mesh.spacing[i + 1]
        if i + 1 < rows:
            for j in range(columns):
                above[j] = (values[i + 1, j] - values[i, j]) * scale
        else:
            for j in range(columns):
                above[j] = (outer[j] - values[i, j]) * scale
        if limited:
            half = 0.5 * mesh.thickness[i]
            for j in range(columns):
                here[j] = half * _limited_slope(below[j], above[j])
        if i == 0:
            for j in range(columns):
                rate[0, j] = 0.0
        elif limited:
            for j in range(columns):
                amount = psi[i, j + 2] - psi[i, j + 1]
                flux[j] = amount * (values[i - 1, j] + under[j] if amount >= 0.0 else values[i, j] - here[j])
        else:
            low = mesh.thickness[i - 1] / 6.0
            high = mesh.thickness[i] / 6.0
            for j in range(columns):
                amount = psi[i, j + 2] - psi[i, j + 1]
                from_below = values[i - 1, j] + low * (2.0 * below[j] + before[j])
                from_above = values[i, j] - high * (2.0 * below[j] + above[j])
                flux[j] = amount * (from_below if amount >= 0.0 else from_above)
        if i > 0:
            for j in range(columns):
                rate[i - 1, j] -= flux[j]
            for j in range(columns):
                rate[i, j] = flux[j]
        for j in range(columns):
            before[j] = below[j]
        for j in range(columns):
            below[j] = above[j]
        for j in range(columns):
            under[j] = here[j]
        for j in range(1, columns):
            across[j + 1] = values[i, j] - values[i, j - 1]
        if mesh.periodic:
            across[1] = values[i, 0] - values[i, last]
            across[columns + 1] = across[1]
            across[0] = across[columns]
            across[columns + 2] = across[2]
        if limited:
            for c in range(columns + 2):
                turn[c] = 0.5 * _limited_slope(across[c], across[c + 1])
            for j in range(1, columns):
                amount = psi[i, j + 1] - psi[i + 1, j + 1]
                flux[j] = amount * (values[i, j - 1] + turn[j] if amount >= 0.0 else values[i, j] - turn[j + 1])
        else:
            for j in range(1, columns):
                amount = psi[i, j + 1] - psi[i + 1, j + 1]
                from_left = values[i, j - 1] + (2.0 * across[j + 1] + across[j]) / 6.0
                from_right = values[i, j] - (2.0 * across[j + 1] + across[j + 2]) / 6.0
                flux[j] = amount * (from_left if amount >= 0.0 else from_right)
        flux[0] = 0.0
        if mesh.periodic:
            amount = psi[i, 1] - psi[i + 1, 1]
            if limited:
                from_left = values[i, last] + turn[0]
                from_right = values[i, 0] - turn[1]
            else:
                from_left = values[i, last] + (2.0 * across[1] + across[0]) / 6.0
                from_right = values[i, 0] - (2.0 * across[1] + across[2]) / 6.0
            flux[0] = amount * (from_left if amount >= 0.0 else from_right)
        flux[columns] = flux[0]
        for j in range(columns):
            rate[i, j] += flux[j] - flux[j + 1]
