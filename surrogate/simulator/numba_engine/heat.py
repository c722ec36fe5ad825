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

from surrogate.kernels import kernel
from surrogate.simulator.mesh import Mesh
from surrogate.simulator.numba_engine.stokes import stresses
from surrogate.simulator.numba_engine.transport import advect
from surrogate.simulator.stencil import Stencil


@kernel()
def set_heat_sources(
    psi: np.ndarray, adiabatic: np.ndarray, phase_work: np.ndarray, heating: np.ndarray, mesh: Mesh, source: np.ndarray
) -> float:
    """Turn the cooling rate per velocity into a cooling rate, and set the source; returns the heat of the phases.

    heating : array, shape (radial cells,)
        Heating rate of each row.
    """
    rows, columns = source.shape
    total = 0.0
    for i in range(rows):
        low = 0.5 / (mesh.face_area[i] * mesh.step)
        high = 0.5 / (mesh.face_area[i + 1] * mesh.step)
        volume = mesh.volume[i]
        produced = heating[i] * volume
        for j in range(columns):
            rising = low * (psi[i, j + 2] - psi[i, j + 1]) + high * (psi[i + 1, j + 2] - psi[i + 1, j + 1])
            adiabatic[i, j] *= rising
            work = phase_work[i, j] * rising * volume
            source[i, j] = produced + work
            total += work
    return total


@kernel()
def dissipated_heat(
    psi: np.ndarray,
    stencil: Stencil,
    cell_weight: np.ndarray,
    corner_weight: np.ndarray,
    periodic: bool,
    factor: float,
    heat: np.ndarray,
) -> None:
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


@kernel()
def hoop_heat(psi: np.ndarray, resistance: np.ndarray, factor: float, heat: np.ndarray) -> None:
    """Add the viscous heat of stretching across the plane, in equal shares to the cells on either side of a face.

    resistance : array, shape (radial cells + 1, angular cells + 2)
        From :func:`surrogate.simulator.numba_engine.stokes.hoop_resistance`.
    """
    rows, columns = heat.shape
    for i in range(1, rows):
        for j in range(columns):
            half = 0.5 * factor * resistance[i, j + 1] * (psi[i, j + 2] - psi[i, j + 1]) ** 2
            heat[i - 1, j] += half
            heat[i, j] += half


@kernel()
def fastest_rate(psi: np.ndarray, mesh: Mesh) -> float:
    """Largest number of cells crossed per unit time: max over cells of u_r / dr + u_theta / (r dtheta)."""
    rows = mesh.thickness.size
    fastest = 0.0
    for i in range(rows):
        radial_low = 1.0 / (mesh.face_area[i] * mesh.step * mesh.thickness[i])
        radial_high = 1.0 / (mesh.face_area[i + 1] * mesh.step * mesh.thickness[i])
        angular = 1.0 / (mesh.centre_metric[i] * mesh.step * mesh.side_area[i])
        for j in range(mesh.columns):
            inner = abs(psi[i, j + 2] - psi[i, j + 1]) * radial_low
            outer = abs(psi[i + 1, j + 2] - psi[i + 1, j + 1]) * radial_high
            left = abs(psi[i + 1, j + 1] - psi[i, j + 1])
            right = abs(psi[i + 1, j + 2] - psi[i, j + 2])
            fastest = max(fastest, max(inner, outer) + max(left, right) * angular)
    return fastest


class DiffusionFactors(NamedTuple):
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


def empty_diffusion_factors(mesh: Mesh) -> DiffusionFactors:
    """Empty factors for a mesh."""
    rows, columns = mesh.rows, mesh.columns
    return DiffusionFactors(
        np.zeros((columns + 1, rows)),
        np.zeros((columns, rows)),
        np.zeros((columns, rows)),
        np.zeros((columns, rows)),
        np.zeros(rows),
        np.zeros((rows + 1, columns)),
        np.zeros((rows, columns)),
        np.zeros((rows, columns)),
    )


@kernel()
def factorise_diffusion(
    capacity: np.ndarray,
    conductance_r: np.ndarray,
    conductance_t: np.ndarray,
    half_step: float,
    mesh: Mesh,
    factors: DiffusionFactors,
) -> None:
    """Fill the factors of (C V - dt/2 L_angle) and (C V - dt/2 L_radius).

    Parameters
    ----------
    capacity : array, shape (radial cells, angular cells)
    conductance_r, conductance_t : array
        As :func:`surrogate.simulator.numba_engine.materials.thermal_coefficients` fills them.
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
        _solve_tridiagonal(corner, coupling, inverse, upper)
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


@kernel(inline="always")
def _solve_tridiagonal(values: np.ndarray, coupling: np.ndarray, inverse: np.ndarray, upper: np.ndarray) -> None:
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


@kernel()
def _transpose(values: np.ndarray, turned: np.ndarray) -> None:
    """Fill `turned` with the transpose, in strips of eight: whole columns would evict one another from the cache."""
    rows, columns = values.shape
    whole = rows - rows % 8
    for strip in range(0, whole, 8):
        for j in range(columns):
            for i in range(8):
                turned[j, strip + i] = values[strip + i, j]
    for i in range(whole, rows):
        for j in range(columns):
            turned[j, i] = values[i, j]


@kernel()
def implicit_increment(
    change: np.ndarray, capacity: np.ndarray, mesh: Mesh, factors: DiffusionFactors, turned: np.ndarray
) -> None:
    """Turn an explicit change of heat, shape (radial cells, angular cells), into an increment of temperature.

    turned : array, shape (angular cells, radial cells)
        Work space.
    """
    rows, columns = change.shape
    _transpose(change, turned)
    _solve_tridiagonal(turned, factors.angular_coupling, factors.angular_inverse, factors.angular_upper)
    if mesh.periodic:
        for i in range(rows):
            ends = (turned[0, i] + turned[columns - 1, i]) * factors.angular_scale[i]
            for j in range(columns):
                turned[j, i] += ends * factors.angular_corner[j, i]
    _transpose(turned, change)
    for i in range(rows):
        for j in range(columns):
            change[i, j] *= capacity[i, j] * mesh.volume[i]
    _solve_tridiagonal(change, factors.radial_coupling, factors.radial_inverse, factors.radial_upper)


@kernel()
def _conduct(
    temperature: np.ndarray,
    inner: float,
    outer: float,
    conductance_r: np.ndarray,
    conductance_t: np.ndarray,
    mesh: Mesh,
    source: np.ndarray,
    rate: np.ndarray,
) -> None:
    """Fill the heat that conduction and sources give to every cell in unit time."""
    rows, columns = temperature.shape
    below = np.empty(columns)
    above = np.empty(columns)
    across = np.zeros(columns + 1)
    scale = 1.0 / mesh.spacing[0]
    for j in range(columns):
        below[j] = conductance_r[0, j] * (temperature[0, j] - inner) * scale
    for i in range(rows):
        scale = 1.0 / mesh.spacing[i + 1]
        if i + 1 < rows:
            for j in range(columns):
                above[j] = conductance_r[i + 1, j] * (temperature[i + 1, j] - temperature[i, j]) * scale
        else:
            for j in range(columns):
                above[j] = conductance_r[rows, j] * (outer - temperature[i, j]) * scale
        for j in range(1, columns):
            across[j] = conductance_t[i, j] * (temperature[i, j] - temperature[i, j - 1])
        if mesh.periodic:
            across[0] = conductance_t[i, 0] * (temperature[i, 0] - temperature[i, columns - 1])
            across[columns] = across[0]
        for j in range(columns):
            rate[i, j] = source[i, j] + above[j] - below[j] + across[j + 1] - across[j]
        for j in range(columns):
            below[j] = above[j]


@kernel()
def energy_step(
    temperature: np.ndarray,
    counted: np.ndarray,
    psi: np.ndarray,
    inner: float,
    outer: float,
    time_step: float,
    source: np.ndarray,
    cooling: np.ndarray,
    phase_slope: np.ndarray,
    capacity: np.ndarray,
    conductance_r: np.ndarray,
    conductance_t: np.ndarray,
    mesh: Mesh,
    factors: DiffusionFactors,
    scheme: int,
    tally: np.ndarray,
) -> None:
    """Advance the temperature in place by one time step.

    Parameters
    ----------
    temperature : array, shape (radial cells, angular cells)
    counted : array, shape (radial cells, angular cells)
        Function of state of the phases, from ``materials.phase_state``; advanced in place.
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
    capacity, conductance_r, conductance_t : array
    factors : DiffusionFactors
    scheme : int
    tally : array, shape (5,)
        Heat added to: in through the inner wall, out through the outer wall, sources, adiabatic, change of phase.
    """
    rows, columns = temperature.shape
    content = np.empty_like(temperature)
    rate = np.empty_like(temperature)
    first = np.empty_like(temperature)
    steady = np.empty_like(temperature)
    change = np.empty_like(temperature)
    predicted = np.empty_like(temperature)
    turned = np.empty((columns, rows))
    # What the flow carries is the temperature less what the phases hold of it; at the walls the phases do not change.
    wall_inner = inner - counted[0]
    wall_outer = outer - counted[rows - 1]
    for i in range(rows):
        for j in range(columns):
            content[i, j] = temperature[i, j] - counted[i, j]
    _conduct(temperature, inner, outer, conductance_r, conductance_t, mesh, source, steady)
    advect(content, wall_inner, wall_outer, psi, mesh, scheme, first)
    for i in range(rows):
        volume = mesh.volume[i]
        for j in range(columns):
            local = cooling[i, j] * volume * temperature[i, j]
            change[i, j] = time_step * (first[i, j] + steady[i, j] - local)
    implicit_increment(change, capacity, mesh, factors, turned)
    for i in range(rows):
        for j in range(columns):
            content[i, j] += capacity[i, j] * change[i, j]
    wall_inner -= phase_slope[0] * change[0]
    wall_outer -= phase_slope[rows - 1] * change[rows - 1]
    advect(content, wall_inner, wall_outer, psi, mesh, scheme, rate)
    for i in range(rows):
        volume = mesh.volume[i]
        for j in range(columns):
            predicted[i, j] = temperature[i, j] + 0.5 * change[i, j]
        for j in range(columns):
            local = cooling[i, j] * volume * predicted[i, j]
            change[i, j] = time_step * (0.5 * (first[i, j] + rate[i, j]) + steady[i, j] - local)
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
    lengths = mesh.face_area[[0, -1]] * mesh.step
    return np.array([bottom, top]) / lengths
