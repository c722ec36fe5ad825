"""The energy equation: conservative finite volumes in cells of the mesh.

    C DT/Dt = div(k grad T) + sources - C_a T u_r

advected by limited linear reconstruction (MUSCL) in two stages (Heun), diffused by Crank-Nicolson in alternating
directions. The increment, not the temperature, is what is split, so steady states do not depend on the time step;
the angular sweep comes first, so the sum over angle of the update sees exactly the wall fluxes of the mean of the
old and the new temperature: the heat budget closes to round-off.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from surrogate.simulator.elementary import FAST
from surrogate.simulator.mesh import Mesh

LIMITED = 0
"""Van Leer's limiter: no new extrema."""
UNLIMITED = 1
"""Third-order upwind-biased reconstruction without limiter, for steady benchmarks."""


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
        sweep_angle(corner, factors)
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


@njit(cache=True, fastmath=FAST)
def sweep_angle(values, factors):
    """Solve the tridiagonal systems along the angle in place, values of shape (angular cells, radial cells)."""
    columns, rows = values.shape
    for i in range(rows):
        values[0, i] *= factors.angular_inverse[0, i]
    for j in range(1, columns):
        for i in range(rows):
            values[j, i] = (values[j, i] + factors.angular_coupling[j, i] * values[j - 1, i]) * factors.angular_inverse[
                j, i
            ]
    for j in range(columns - 2, -1, -1):
        for i in range(rows):
            values[j, i] += factors.angular_upper[j, i] * values[j + 1, i]


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
    sweep_angle(turned, factors)
    if mesh.periodic:
        for i in range(rows):
            ends = (turned[0, i] + turned[columns - 1, i]) * factors.angular_scale[i]
            for j in range(columns):
                turned[j, i] += ends * factors.angular_corner[j, i]
    for i in range(rows):
        for j in range(columns):
            change[i, j] = turned[j, i] * capacity[i, j] * mesh.volume[i]
    for j in range(columns):
        change[0, j] *= factors.radial_inverse[0, j]
    for i in range(1, rows):
        for j in range(columns):
            change[i, j] = (change[i, j] + factors.radial_coupling[i, j] * change[i - 1, j]) * factors.radial_inverse[
                i, j
            ]
    for i in range(rows - 2, -1, -1):
        for j in range(columns):
            change[i, j] += factors.radial_upper[i, j] * change[i + 1, j]


@njit(cache=True, fastmath=FAST)
def _limited_slope(a, b):
    """Van Leer's harmonic mean of two gradients, zero at an extremum."""
    product = a * b
    return 2.0 * product / (a + b) if product > 0.0 else 0.0


@njit(cache=True, fastmath=FAST)
def gradients(values, inner, outer, mesh, radial, angular):
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


@njit(cache=True, fastmath=FAST)
def advect(values, radial, angular, psi, mesh, scheme, rate):
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


@njit(cache=True, fastmath=FAST)
def energy_step(temperature, counted, psi, inner, outer, time_step, source, cooling, phase_slope, transitions, capacity,
                conductance_r, conductance_t, mesh, factors, scheme, tally):  # fmt: skip
    """Advance the temperature in place by one time step.

    Parameters
    ----------
    temperature : array, shape (radial cells, angular cells)
    counted : array, shape (radial cells, angular cells)
        Function of state of the phases (:func:`surrogate.simulator.properties.phase_state`); advanced in place.
    psi : array, shape (radial cells + 1, angular cells + 3)
    inner, outer : float
        Wall temperatures.
    time_step : float
        That of `factors`.
    source : array, shape (radial cells, angular cells)
        Heating rate times cell volume.
    cooling : array, shape (radial cells, angular cells)
        Adiabatic cooling rate per temperature.
    phase_slope : array, shape (radial cells, angular cells)
        Derivative of `counted` by temperature.
    transitions : bool
        Whether there are any phase transitions.
    capacity, conductance_r, conductance_t : array
    factors : Factors
    scheme : int
    tally : array, shape (5,)
        Heat added to: in through the inner wall, out through the outer wall, sources, adiabatic, change of phase.
    """
    rows, columns = temperature.shape
    radial = np.empty((rows + 1, columns))
    angular = np.empty((rows, columns + 3))
    first = np.empty_like(temperature)
    second = np.empty_like(temperature)
    latent = np.zeros_like(temperature)
    diffusion = np.empty_like(temperature)
    change = np.empty_like(temperature)
    turned = np.empty((columns, rows))
    gradients(temperature, inner, outer, mesh, radial, angular)
    for i in range(rows):
        for j in range(columns):
            diffusion[i, j] = source[i, j] + (
                conductance_r[i + 1, j] * radial[i + 1, j] - conductance_r[i, j] * radial[i, j]
                + conductance_t[i, j + 1] * angular[i, j + 2] - conductance_t[i, j] * angular[i, j + 1]
            )  # fmt: skip
    advect(temperature, radial, angular, psi, mesh, scheme, first)
    if transitions:
        gradients(counted, counted[0, 0], counted[rows - 1, 0], mesh, radial, angular)
        advect(counted, radial, angular, psi, mesh, scheme, latent)
    for i in range(rows):
        volume = mesh.volume[i]
        for j in range(columns):
            local = cooling[i, j] * volume * temperature[i, j] + latent[i, j]
            change[i, j] = time_step * (first[i, j] + diffusion[i, j] - local)
    implicit_increment(change, capacity, mesh, factors, turned)
    predicted = temperature + change
    gradients(predicted, inner, outer, mesh, radial, angular)
    advect(predicted, radial, angular, psi, mesh, scheme, second)
    first += second
    if transitions:
        for i in range(rows):
            for j in range(columns):
                change[i, j] = counted[i, j] + phase_slope[i, j] * change[i, j]
        gradients(change, change[0, 0], change[rows - 1, 0], mesh, radial, angular)
        advect(change, radial, angular, psi, mesh, scheme, second)
        latent += second
    for i in range(rows):
        volume = mesh.volume[i]
        for j in range(columns):
            predicted[i, j] = 0.5 * (temperature[i, j] + predicted[i, j])
            local = cooling[i, j] * volume * predicted[i, j] + 0.5 * latent[i, j]
            change[i, j] = time_step * (0.5 * first[i, j] + diffusion[i, j] - local)
    implicit_increment(change, capacity, mesh, factors, turned)
    heat_in = 0.0
    heat_out = 0.0
    for j in range(columns):
        heat_in += conductance_r[0, j] * (inner - temperature[0, j] - 0.5 * change[0, j])
        heat_out += conductance_r[rows, j] * (temperature[rows - 1, j] + 0.5 * change[rows - 1, j] - outer)
    sources = 0.0
    adiabatic = 0.0
    released = 0.0
    for i in range(rows):
        volume = mesh.volume[i]
        for j in range(columns):
            converted = phase_slope[i, j] * change[i, j]
            sources += source[i, j]
            adiabatic -= volume * cooling[i, j] * predicted[i, j]
            released += volume * converted
            counted[i, j] += converted
            temperature[i, j] += change[i, j]
    tally[0] += time_step * heat_in / mesh.spacing[0]
    tally[1] += time_step * heat_out / mesh.spacing[rows]
    tally[2] += time_step * sources
    tally[3] += time_step * adiabatic
    tally[4] += released


def wall_flux(temperature: np.ndarray, inner: float, outer: float, conductance_r: np.ndarray, mesh: Mesh) -> np.ndarray:
    """Mean outward conductive flux through the inner and the outer wall, shape (2,), dimensionless."""
    bottom = np.mean(conductance_r[0] * (inner - temperature[0])) / mesh.spacing[0]
    top = np.mean(conductance_r[-1] * (temperature[-1] - outer)) / mesh.spacing[-1]
    lengths = mesh.face_metric[[0, -1]] * mesh.step
    return np.array([bottom, top]) / lengths
