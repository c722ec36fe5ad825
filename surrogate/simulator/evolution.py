"""The thermal evolution of a planet."""

from __future__ import annotations

from typing import Any

import numpy as np

from surrogate.geometry import Geometry
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameters
from surrogate.planet import MARS, Planet
from surrogate.quantities import DIMENSIONAL
from surrogate.settings import EvolutionSettings
from surrogate.simulator import properties
from surrogate.simulator.numba_engine import materials
from surrogate.simulator.numba_engine.step import Convection
from surrogate.simulator.problem import initial_temperature, planet_mesh, run_key
from surrogate.simulator.properties import Rheology
from surrogate.simulator.simulation import Simulation
from surrogate.units import GIGAYEAR


class Evolution(Simulation):
    """A thermal evolution in progress.

    Parameters
    ----------
    parameters : Parameters
    settings : EvolutionSettings
    planet : Planet
    seed, number : int
        Of the initial perturbation.
    """

    title = "2D thermal evolution of a planetary mantle"
    units = DIMENSIONAL
    time_name = "Gyr"
    settings: EvolutionSettings

    def __init__(
        self,
        parameters: Parameters,
        settings: EvolutionSettings,
        planet: Planet = MARS,
        seed: int = 2108,
        number: int = 0,
    ) -> None:
        EVOLUTION_PARAMETERS.check_names(parameters)
        self.planet = planet
        physics, mesh = settings.physics, planet_mesh(settings, planet)
        thermal = properties.planet_thermal(mesh, parameters, planet, physics)
        self.rheology: Rheology = properties.planet_rheology(mesh, parameters, planet, settings.viscosity_contrast)
        layer = Convection(
            mesh,
            thermal,
            initial_temperature(mesh, parameters, settings, planet, seed, number),
            planet.initial_core_temperature,
            planet.surface_temperature,
            tolerance=settings.stokes_tolerance,
            dissipation=planet.dissipation_number / thermal.buoyancy if physics.viscous_dissipation else 0.0,
        )
        # Volumetric heat capacity is conductivity over diffusivity, so heating and core are on the time scale.
        length, capacity = planet.mantle_thickness, planet.conductivity / planet.diffusivity
        profile = properties.heating_profile(mesh, parameters, planet, physics) * physics.radiogenic_heating
        self.heating_scale = (
            profile * planet.mantle_density * planet.time_scale / capacity
        )  # K per diffusion time, kg/W
        self.solidus = properties.melt_limit(mesh, planet, physics)
        angles = np.linspace(0.0, np.radians(settings.sector_degrees), mesh.columns + 1)
        self.geometry = Geometry(mesh.faces * planet.mantle_thickness, angles, settings.geometry)
        core = planet.core_density * planet.core_heat_capacity * planet.core_radius
        gigayear, flux = GIGAYEAR / planet.time_scale, planet.conductivity / length
        super().__init__(
            parameters,
            settings,
            layer,
            run_key(parameters, settings, planet, seed, number),
            seed,
            number,
            time_unit=gigayear,
            longest_step=settings.maximum_time_step * 1e-3 * gigayear,
            series_scale=np.array([flux, flux, 1.0, 1.0, length / planet.time_scale]),
            core_factor=3.0 * capacity * length / core if physics.core_cooling else 0.0,
        )

    def _set_viscosity(self) -> None:
        materials.arrhenius(self.layer.temperature, self.rheology, self.layer.log_viscosity)

    def _extract_melt(self) -> None:
        if self.solidus is not None:
            self.melted += materials.extract_melt(self.layer.temperature, self.solidus, self.mesh)

    def _heating(self) -> np.ndarray:
        return self.heating_scale * float(self.planet.radiogenic_heating(self.time / self.time_unit))

    def heat_sources(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the heating rate of each isotope at time zero and its rate of decay, per diffusion time."""
        planet = self.planet
        production = [
            isotope.mass_fraction * isotope.heat_production * np.exp2(planet.age / isotope.half_life)
            for isotope in planet.isotopes
        ]
        decay = np.array([np.log(2.0) / isotope.half_life for isotope in planet.isotopes]) / self.time_unit
        return np.array(production)[:, None] * self.heating_scale, decay

    def budget(self) -> dict[str, float]:
        """Return the heat budget so far in K, and ``budget_phase_work``, the work within what the transitions give."""
        worked = self.layer.phase_worked / (self.mesh.volume.sum() * self.mesh.columns)
        return {**super().budget(), "budget_phase_work": float(worked)}

    def _budget_terms(
        self, entered: float, left: float, sources: float, adiabatic: float, phases: float
    ) -> dict[str, float]:
        volume = self.mesh.volume.sum() * self.mesh.columns
        viscous, worked = self.layer.dissipated / volume, self.layer.phase_worked / volume
        terms = {
            "budget_core_heat": entered,
            "budget_surface_heat": -left,
            "budget_radiogenic_heat": sources - viscous - worked,
            "budget_viscous_dissipation": viscous,
            "budget_adiabatic_heat": adiabatic,
            "budget_phase_transitions": phases + worked,
        }
        if self.solidus is not None:
            terms["budget_melt_extraction"] = -self.melted / volume
        return terms

    def _attributes(self) -> dict[str, Any]:
        planet = self.planet
        return {
            "planet": planet.name,
            "length_scale_m": planet.mantle_thickness,
            "time_scale_Gyr": 1.0 / self.time_unit,
            "temperature_scale_K": planet.temperature_scale,
            "rayleigh_number": planet.rayleigh_number(self.parameters.reference_viscosity),
            "dissipation_number": planet.dissipation_number,
        }
