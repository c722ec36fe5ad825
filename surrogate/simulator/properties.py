"""Material properties of a run, row by row: rheology, conductivity, expansivity, phases, heat sources, solidus.

Temperatures are absolute, in the unit of the caller (K for a planet, the temperature difference for a benchmark);
lengths are in mantle thicknesses, times in diffusion times, viscosity in units of the reference viscosity.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from surrogate.minerals import olivine_conductivity, olivine_expansivity, peridotite_solidus
from surrogate.parameters import Parameters
from surrogate.planet import Planet
from surrogate.settings import Physics
from surrogate.simulator.mesh import Mesh
from surrogate.units import GAS_CONSTANT


class Rheology(NamedTuple):
    """Arrhenius law ln(eta / eta_ref) = enthalpy / T - offset, row by row.

    Attributes
    ----------
    enthalpy : array, shape (radial cells,)
        (E + P V) / R, in the unit of temperature.
    offset : float
        The same at the reference temperature and pressure, divided by that temperature.
    contrast : float
        Logarithm of the ratio to the current minimum at which viscosity is cut.
    """

    enthalpy: np.ndarray
    offset: float
    contrast: float


class Thermal(NamedTuple):
    """Coefficients of the energy equation and of buoyancy; arrays over rows have shape (radial cells,).

    Attributes
    ----------
    buoyancy : float
        Rayleigh number per unit of temperature.
    reference_temperature : float
        Temperature of zero buoyancy.
    dissipation : float
        Di, zero where adiabatic heating is off.
    olivine_conductivity, olivine_expansivity : bool
        Variable, or constant at the reference value.
    conductivity_row : array
        Conductivity at 300 K over its reference value.
    conductivity_walls : array, shape (2,)
        The same at the inner and the outer wall.
    expansivity_row : array
        Pressure factor of the expansivity over its reference value.
    depth : array
        Depth of the cell centres.
    transition_depth, transition_slope, transition_sharpness, transition_density, transition_work : array
        One entry a transition: depth at zero absolute temperature, depth per temperature, inverse half width, Rayleigh
        number of the density step, and the work of lifting it by a mantle thickness over the heat capacity.
    """

    buoyancy: float
    reference_temperature: float
    dissipation: float
    olivine_conductivity: bool
    olivine_expansivity: bool
    conductivity_row: np.ndarray
    conductivity_walls: np.ndarray
    expansivity_row: np.ndarray
    depth: np.ndarray
    transition_depth: np.ndarray
    transition_slope: np.ndarray
    transition_sharpness: np.ndarray
    transition_density: np.ndarray
    transition_work: np.ndarray


def planet_rheology(mesh: Mesh, parameters: Parameters, planet: Planet, contrast: float) -> Rheology:
    """Arrhenius diffusion creep of a run, cut at `contrast` times the smallest viscosity."""
    depth = (mesh.faces[-1] - mesh.centres) * planet.mantle_thickness
    enthalpy = parameters.activation_energy + planet.pressure(depth) * parameters.activation_volume
    reference = parameters.activation_energy + planet.rheology_reference_pressure * parameters.activation_volume
    offset = reference / (GAS_CONSTANT * planet.rheology_reference_temperature)
    return Rheology(enthalpy / GAS_CONSTANT, offset, float(np.log(contrast)))


def planet_thermal(mesh: Mesh, parameters: Parameters, planet: Planet, physics: Physics) -> Thermal:
    """Coefficients of the extended Boussinesq equations of a run."""
    length = planet.mantle_thickness
    depth = mesh.faces[-1] - mesh.centres
    pressure = planet.pressure(depth * length)
    walls = planet.pressure(np.array([length, 0.0]))
    weight = planet.mantle_density * planet.gravity  # Pa per m of depth
    transitions = planet.phase_transitions if physics.phase_transitions else ()
    viscous = planet.diffusivity * parameters.reference_viscosity / length**3
    return Thermal(
        buoyancy=planet.rayleigh_number(parameters.reference_viscosity) / planet.temperature_scale,
        reference_temperature=planet.surface_temperature,
        dissipation=planet.dissipation_number if physics.adiabatic_heating else 0.0,
        olivine_conductivity=physics.conductivity == "olivine",
        olivine_expansivity=physics.expansivity == "olivine",
        conductivity_row=np.asarray(olivine_conductivity(300.0, pressure)) / planet.conductivity,
        conductivity_walls=np.asarray(olivine_conductivity(300.0, walls)) / planet.conductivity,
        expansivity_row=olivine_expansivity(1.0, pressure) / olivine_expansivity(1.0, 0.0) / planet.expansivity,
        depth=depth,
        transition_depth=np.array(
            [(step.pressure - step.clapeyron_slope * step.temperature) / weight / length for step in transitions]
        ),
        transition_slope=np.array([step.clapeyron_slope / weight / length for step in transitions]),
        transition_sharpness=np.array([2.0 * length / step.width for step in transitions]),
        transition_density=np.array([step.density_step * planet.gravity / viscous for step in transitions]),
        transition_work=np.array(
            [
                step.density_step * planet.gravity * length / (planet.mantle_density * planet.mantle_heat_capacity)
                for step in transitions
            ]
        ),
    )


def boussinesq_thermal(mesh: Mesh, rayleigh: float) -> Thermal:
    """Boussinesq fluid with constant properties, for benchmarks: every other term is off."""
    ones = np.ones(mesh.rows)
    none = np.empty(0)
    depth = mesh.faces[-1] - mesh.centres
    return Thermal(rayleigh, 0.0, 0.0, False, False, ones, np.ones(2), ones, depth, none, none, none, none, none)


def conduction(mesh: Mesh) -> np.ndarray:
    """Temperature of every row between walls at 1 and 0, at rest without heat sources, shape (radial cells,)."""
    resistance = np.cumsum(mesh.spacing / mesh.face_area)
    return np.asarray(1.0 - resistance[:-1] / resistance[-1])


def heating_profile(mesh: Mesh, parameters: Parameters, planet: Planet, physics: Physics) -> np.ndarray:
    """Heat production of every row over that of the primitive mantle, shape (radial cells,).

    The mantle is depleted by what the crust holds. With ``crust_heating: none`` the crust's own heat does not enter:
    its cells (or their covered share) produce nothing. With ``crust_heating: enriched`` the crust holds
    `crustal_enrichment` times the concentration of the mantle below and the volume mean is exactly one: the share
    of the crust differs between the sphere and the cylinder, so the profile is normalised on the mesh.
    """
    depth_of_top = (mesh.faces[-1] - mesh.faces[1:]) * planet.mantle_thickness
    covered = np.clip((planet.crust_thickness - depth_of_top) / (mesh.thickness * planet.mantle_thickness), 0.0, 1.0)
    if physics.crust_heating == "none":
        profile: np.ndarray = planet.mantle_depletion(parameters.crustal_enrichment) * (1.0 - covered)
        return profile
    profile = 1.0 + (parameters.crustal_enrichment - 1.0) * covered
    return np.asarray(profile / (mesh.volume @ profile / mesh.volume.sum()))


def melt_limit(mesh: Mesh, planet: Planet, physics: Physics) -> np.ndarray | None:
    """Temperature above which melt leaves each row, K, shape (radial cells,); infinite where melt stays.

    Melt rises to the surface where it is lighter than the rock, at pressures below ``physics.melt_pressure``; at higher
    pressures it is denser and stays. None where ``physics.melting`` is off.
    """
    if physics.melting == "none":
        return None
    pressure = planet.pressure((mesh.faces[-1] - mesh.centres) * planet.mantle_thickness)
    return np.where(pressure < 1e9 * physics.melt_pressure, peridotite_solidus(pressure), np.inf)
