"""What a temperature field makes of the material: viscosity, conductivity, expansivity, phase transitions, melt.

Latent heat is written in a form that is conserved, see :func:`phase_state`.
"""

from __future__ import annotations

import numpy as np

from surrogate.kernels import kernel
from surrogate.simulator.mesh import Mesh
from surrogate.simulator.numba_engine.approximation import exponential, log_one_plus, power_minus_048
from surrogate.simulator.properties import Rheology, Thermal


def extract_melt(temperature: np.ndarray, solidus: np.ndarray, mesh: Mesh) -> float:
    """Cool every cell to its solidus, in place: the heat in excess melts rock, and leaves at once with the melt.

    Parameters
    ----------
    temperature : array, shape (radial cells, angular cells)
    solidus : array, shape (radial cells,)

    Returns
    -------
    float
        The heat that left: temperature integrated over the area.
    """
    excess = np.maximum(temperature - solidus[:, None], 0.0)
    temperature -= excess
    return float(mesh.volume @ excess.sum(axis=1))


@kernel()
def arrhenius(temperature: np.ndarray, rheology: Rheology, log_viscosity: np.ndarray) -> float:
    """Fill ln(eta / eta_ref), shape (radial cells, angular cells); returns its minimum."""
    rows, columns = temperature.shape
    lowest = np.inf
    for i in range(rows):
        enthalpy = rheology.enthalpy[i]
        for j in range(columns):
            value = enthalpy / temperature[i, j] - rheology.offset
            log_viscosity[i, j] = value
            lowest = min(lowest, value)
    highest = lowest + rheology.contrast
    for i in range(rows):
        for j in range(columns):
            log_viscosity[i, j] = min(log_viscosity[i, j], highest)
    return lowest


@kernel()
def thermal_coefficients(
    temperature: np.ndarray,
    inner: float,
    outer: float,
    thermal: Thermal,
    mesh: Mesh,
    buoyancy: np.ndarray,
    conductance_r: np.ndarray,
    conductance_t: np.ndarray,
    capacity: np.ndarray,
    adiabatic: np.ndarray,
    phase_slope: np.ndarray,
    stiffness: np.ndarray,
    lapse: np.ndarray,
) -> None:
    """Fill what the temperature field makes of the material, to be held over one Stokes step.

    Parameters
    ----------
    temperature : array, shape (radial cells, angular cells)
    inner, outer : float
        Wall temperatures.
    thermal : Thermal
    mesh : Mesh
    buoyancy : array, shape (radial cells, angular cells)
        Radial body force of the thermal expansion is added.
    conductance_r : array, shape (radial cells + 1, angular cells)
        Heat through a radial face per unit gradient: conductivity times face length.
    conductance_t : array, shape (radial cells, angular cells + 1)
        Heat through an angular face per unit temperature difference; zero at insulating sides.
    capacity : array, shape (radial cells, angular cells)
        Heat capacity with the latent heat of transitions, over the plain one.
    adiabatic : array, shape (radial cells, angular cells)
        Cooling rate per temperature and rising velocity, Di alpha.
    phase_slope : array, shape (radial cells, angular cells)
        From :func:`phase_state`.
    stiffness, lapse : array, shape (radial cells, angular cells)
        In: the parts of the phases. Out: derivative of the whole force by temperature, whole cooling per height.
    """
    rows, columns = temperature.shape
    conductivity = np.ones((rows, columns))
    expansivity = np.ones(columns)
    for i in range(rows):
        if thermal.olivine_expansivity:
            factor = thermal.expansivity_row[i]
            for j in range(columns):
                value = temperature[i, j]
                expansivity[j] = factor * (3.15e-5 + 1.02e-8 * value - 0.76 / (value * value))
        for j in range(columns):
            buoyancy[i, j] += thermal.buoyancy * expansivity[j] * (temperature[i, j] - thermal.reference_temperature)
        for j in range(columns):
            stiffness[i, j] += thermal.buoyancy * expansivity[j]
        for j in range(columns):
            capacity[i, j] = 1.0 - phase_slope[i, j]
        for j in range(columns):
            adiabatic[i, j] = thermal.dissipation * expansivity[j]
        for j in range(columns):
            lapse[i, j] = (lapse[i, j] + thermal.dissipation * expansivity[j] * temperature[i, j]) / capacity[i, j]
        if thermal.olivine_conductivity:
            for j in range(columns):
                conductivity[i, j] = thermal.conductivity_row[i] * power_minus_048(temperature[i, j] / 300.0)
    wall_inner = 1.0
    wall_outer = 1.0
    if thermal.olivine_conductivity:
        wall_inner = thermal.conductivity_walls[0] * power_minus_048(inner / 300.0)
        wall_outer = thermal.conductivity_walls[1] * power_minus_048(outer / 300.0)
    for i in range(1, rows):
        weight = mesh.face_weight[i]
        length = mesh.face_area[i] * mesh.step
        for j in range(columns):
            conductance_r[i, j] = length * (weight * conductivity[i - 1, j] + (1.0 - weight) * conductivity[i, j])
    for j in range(columns):
        conductance_r[0, j] = 0.5 * mesh.face_area[0] * mesh.step * (wall_inner + conductivity[0, j])
        conductance_r[rows, j] = 0.5 * mesh.face_area[rows] * mesh.step * (wall_outer + conductivity[rows - 1, j])
    for i in range(rows):
        factor = mesh.side_area[i] / (mesh.centre_metric[i] * mesh.step)
        for j in range(1, columns):
            conductance_t[i, j] = 0.5 * factor * (conductivity[i, j - 1] + conductivity[i, j])
        side = 0.5 * factor * (conductivity[i, 0] + conductivity[i, columns - 1]) if mesh.periodic else 0.0
        conductance_t[i, 0] = side
        conductance_t[i, columns] = side


@kernel()
def phase_state(
    temperature: np.ndarray,
    thermal: Thermal,
    buoyancy: np.ndarray,
    stiffness: np.ndarray,
    lapse: np.ndarray,
    phase: np.ndarray,
    phase_slope: np.ndarray,
    phase_work: np.ndarray,
) -> None:
    """Fill the buoyancy and the latent heat of the phase transitions.

    The latent heat of a transition with phase function G(x), x the depth below where it stands at the local
    temperature, is proportional to T DG/Dt. With F the integral of G over x and s the depth per temperature,

        T DG/Dt = D(T G + F / s)/Dt + G u_r / s,

    the change of a function of state, which the energy step conserves, and a term that is exactly the work of the
    transition's buoyancy. Discretised so, transitions and dissipation balance, as they do in the equations.

    Parameters
    ----------
    temperature : array, shape (radial cells, angular cells)
    thermal : Thermal
    buoyancy : array, shape (radial cells, angular cells)
        Minus the weight of the denser phases.
    stiffness : array, shape (radial cells, angular cells)
        Derivative of `buoyancy` by temperature.
    lapse : array, shape (radial cells, angular cells)
        Cooling per height of rising material, by latent heat.
    phase, phase_slope : array, shape (radial cells, angular cells)
        The function of state, in units of temperature, and its derivative by temperature.
    phase_work : array, shape (radial cells, angular cells)
        Heating rate per rising velocity.
    """
    rows, columns = temperature.shape
    phase[:, :] = 0.0
    phase_slope[:, :] = 0.0
    phase_work[:, :] = 0.0
    buoyancy[:, :] = 0.0
    stiffness[:, :] = 0.0
    lapse[:, :] = 0.0
    # Rows of work space, and one array filled per loop: only such loops does the compiler vectorise.
    share = np.empty(columns)
    narrow = np.empty(columns)
    integral = np.empty(columns)
    for n in range(thermal.transition_depth.size):
        sharpness = thermal.transition_sharpness[n]
        work = thermal.transition_work[n]
        slope = thermal.transition_slope[n]
        weight = thermal.transition_density[n]
        for i in range(rows):
            depth = thermal.depth[i] - thermal.transition_depth[n]
            for j in range(columns):
                # G = 1 / (1 + exp(-2 x)), x the depth over the half width; beyond 10 it is 0 or 1 to 2e-9.
                excess = depth - slope * temperature[i, j]
                decay = exponential(-2.0 * min(abs(excess) * sharpness, 10.0))
                share[j] = (1.0 if excess > 0.0 else decay) / (1.0 + decay)
                integral[j] = max(excess, 0.0) + 0.5 / sharpness * log_one_plus(decay)
            for j in range(columns):
                narrow[j] = slope * 2.0 * share[j] * (1.0 - share[j]) * sharpness
            for j in range(columns):
                phase[i, j] += work * (slope * share[j] * temperature[i, j] + integral[j])
            for j in range(columns):
                phase_work[i, j] += work * share[j]
            for j in range(columns):
                buoyancy[i, j] -= weight * share[j]
            for j in range(columns):
                stiffness[i, j] += weight * narrow[j]
            for j in range(columns):
                lapse[i, j] += work * narrow[j] * temperature[i, j]
            for j in range(columns):
                phase_slope[i, j] -= work * slope * narrow[j] * temperature[i, j]


@kernel()
def settle_phases(
    temperature: np.ndarray, phase: np.ndarray, phase_slope: np.ndarray, counted: np.ndarray, mesh: Mesh
) -> float:
    """Heat the cells by what the phases have changed beyond their linear estimate; returns that heat.

    The energy step counts latent heat with the function of state linear in temperature. What it missed is given
    to the same cell here, so that in the long run every transition releases exactly its heat.

    Parameters
    ----------
    temperature : array, shape (radial cells, angular cells)
        Changed in place.
    phase, phase_slope : array, shape (radial cells, angular cells)
        From :func:`phase_state`, at `temperature` before the change.
    counted : array, shape (radial cells, angular cells)
        What `phase` was when heat was last counted; brought up to date.
    """
    rows, columns = temperature.shape
    total = 0.0
    for i in range(rows):
        row = 0.0
        for j in range(columns):
            warming = (phase[i, j] - counted[i, j]) / (1.0 - phase_slope[i, j])
            temperature[i, j] += warming
            counted[i, j] += warming
            row += warming
        total += row * mesh.volume[i]
    return total
