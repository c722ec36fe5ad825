"""The energy equation: conservative finite volumes in cells of the mesh.

    C DT/Dt = div(k grad T) + sources - C_a T u_r

advected by limited linear reconstruction (MUSCL) in two stages (Heun), diffused by Crank-Nicolson in alternating
directions. The increment, not the temperature, is what is split, so steady states do not depend on the time step;
the angular sweep comes first, so the sum over angle of the update sees exactly the wall fluxes of the mean of the
old and the new temperature: the heat budget closes to round-off.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from surrogate.simulator.advection import advect, gradients
from surrogate.simulator.diffusion import implicit_increment
from surrogate.simulator.elementary import FAST
from surrogate.simulator.mesh import Mesh


@njit(cache=True, fastmath=FAST)
def energy_step(temperature, counted, psi, inner, outer, time_step, source, cooling, phase_slope, transitions, capacity,
                conductance_r, conductance_t, mesh, factors, scheme, tally):  # fmt: skip
    """Advance the temperature in place by one time step.

    Parameters
    ----------
    temperature : array, shape (radial cells, angular cells)
    counted : array, shape (radial cells, angular cells)
        Function of state of the phases (:func:`surrogate.simulator.phases.phase_state`); advanced in place.
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
