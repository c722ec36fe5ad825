"""Physical constants of a planet, and the scales that make its equations dimensionless (SI units).

Every constant of the planet lives here or in the configuration, nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Isotope:
    """A heat-producing isotope.

    Attributes
    ----------
    name : str
    mass_fraction : float
        Mass of the isotope today per mass of primitive mantle, kg/kg.
    heat_production : float
        W per kg of the isotope.
    half_life : float
        Gyr.
    """

    name: str
    mass_fraction: float
    heat_production: float
    half_life: float


@dataclass(frozen=True)
class PhaseTransition:
    """A solid-solid phase transition of the mantle.

    Attributes
    ----------
    pressure : float
        Pressure of the transition at `temperature`, Pa.
    temperature : float
        K.
    clapeyron_slope : float
        Pa/K; positive where the transition is exothermic for sinking material.
    density_step : float
        kg/m3, denser below.
    width : float
        Depth range over which the phase function goes from about 0.12 to 0.88, m.
    """

    pressure: float
    temperature: float
    clapeyron_slope: float
    density_step: float
    width: float


def _martian_isotopes() -> tuple[Isotope, ...]:
    # Waenke & Dreibus: U 16 ppb, Th 56 ppb, K 305 ppm in the primitive mantle.
    return (
        Isotope("U238", 16e-9 * 0.9928, 9.46e-5, 4.47),
        Isotope("U235", 16e-9 * 0.0072, 5.69e-4, 0.704),
        Isotope("Th232", 56e-9, 2.64e-5, 14.0),
        Isotope("K40", 305e-6 * 1.19e-4, 2.92e-5, 1.25),
    )


def _martian_transitions() -> tuple[PhaseTransition, ...]:
    # Where they stand was read off published temperature fields of the GAIA corpus (+-20 km). How strong they are
    # could not be: slope and density steps were fitted, together with the reference of the rheology, on 40 rows of
    # published GAIA runs (docs/simulator.md).
    return (
        PhaseTransition(11.4e9, 1830.0, 3e6, 160.0, 200e3),
        PhaseTransition(16.8e9, 2050.0, 3e6, 70.0, 200e3),
    )


_POSITIVE = (
    "core_radius",
    "planet_radius",
    "gravity",
    "mantle_density",
    "crust_density",
    "core_density",
    "mantle_heat_capacity",
    "core_heat_capacity",
    "expansivity",
    "diffusivity",
    "conductivity",
    "surface_temperature",
    "temperature_scale",
    "rheology_reference_temperature",
)
"""Constants of a planet that enter a denominator, a scale or a volume."""


@dataclass(frozen=True)
class Planet:
    """Constants of a terrestrial planet with a silicate mantle over a liquid core (SI units).

    The defaults are those of the Mars-like planet of the reference corpus (arXiv:2108.10105).

    Attributes
    ----------
    core_radius, planet_radius : float
        m.
    gravity : float
        m/s2, constant through the mantle.
    mantle_density, crust_density, core_density : float
        kg/m3.
    mantle_heat_capacity, core_heat_capacity : float
        J/kg/K.
    expansivity : float
        Reference thermal expansivity, 1/K.
    diffusivity : float
        Reference thermal diffusivity, m2/s. It sets the time scale.
    conductivity : float
        Reference thermal conductivity, W/m/K.
    surface_temperature : float
        K.
    temperature_scale : float
        Initial temperature difference between core-mantle boundary and surface, K.
    crust_thickness : float
        m.
    rheology_reference_temperature : float
        Temperature at which the reference viscosity holds, K; fitted on published GAIA runs.
    rheology_reference_pressure : float
        Pressure at which the reference viscosity holds, Pa; fitted on published GAIA runs.
    boundary_layer_thickness : float
        Of the linear thermal boundary layers of the initial state, m.
    age : float
        Length of the thermal evolution, Gyr.
    isotopes : tuple of Isotope
    phase_transitions : tuple of PhaseTransition

    Examples
    --------
    >>> from surrogate.units import GIGAYEAR
    >>> round(MARS.time_scale / GIGAYEAR, 2)
    91.58
    >>> round(float(np.log10(MARS.rayleigh_number(1e19))), 1)
    8.5
    """

    name: str = "Mars"
    core_radius: float = 1.7e6
    planet_radius: float = 3.4e6
    gravity: float = 3.7
    mantle_density: float = 3500.0
    crust_density: float = 2900.0
    core_density: float = 7000.0
    mantle_heat_capacity: float = 1200.0
    core_heat_capacity: float = 850.0
    expansivity: float = 2.5e-5
    diffusivity: float = 1e-6
    conductivity: float = 4.0
    surface_temperature: float = 250.0
    temperature_scale: float = 2000.0
    crust_thickness: float = 64.3e3
    rheology_reference_temperature: float = 1575.0
    rheology_reference_pressure: float = 0.0
    boundary_layer_thickness: float = 300e3
    age: float = 4.5
    isotopes: tuple[Isotope, ...] = field(default_factory=_martian_isotopes)
    phase_transitions: tuple[PhaseTransition, ...] = field(default_factory=_martian_transitions)

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ValueError(f"planet: {name} must be a finite, positive number, got {value}")
        if not self.core_radius < self.planet_radius - self.crust_thickness:
            raise ValueError(
                f"planet: core_radius ({self.core_radius:g} m) must be less than planet_radius - crust_thickness "
                f"({self.planet_radius - self.crust_thickness:g} m)"
            )

    @property
    def mantle_thickness(self) -> float:
        """Length scale, m."""
        return self.planet_radius - self.core_radius

    @property
    def time_scale(self) -> float:
        """Diffusion time of the mantle, thickness squared over diffusivity, s."""
        return self.mantle_thickness**2 / self.diffusivity

    @property
    def initial_core_temperature(self) -> float:
        """Initial temperature of the core-mantle boundary, K."""
        return self.surface_temperature + self.temperature_scale

    @property
    def dissipation_number(self) -> float:
        """Di = alpha g D / c_p."""
        return self.expansivity * self.gravity * self.mantle_thickness / self.mantle_heat_capacity

    @property
    def cylinder_radius_ratio(self) -> float:
        """Inner over outer radius of the 2D cylinder with the boundary areas of the sphere (van Keken 2001)."""
        return (self.core_radius / self.planet_radius) ** 2

    @property
    def cylinder_inner_radius(self) -> float:
        """Inner radius of the rescaled cylinder, m; the mantle keeps its thickness."""
        ratio = self.cylinder_radius_ratio
        return self.mantle_thickness * ratio / (1 - ratio)

    def rayleigh_number(self, reference_viscosity: float) -> float:
        """Thermal Rayleigh number rho g alpha dT D3 / (eta kappa) for a viscosity in Pa s."""
        numerator = self.mantle_density * self.gravity * self.expansivity * self.temperature_scale
        return numerator * self.mantle_thickness**3 / (reference_viscosity * self.diffusivity)

    def pressure(self, depth: Any) -> Any:
        """Hydrostatic pressure, Pa, at a depth in m (float or array)."""
        return self.mantle_density * self.gravity * depth

    def radiogenic_heating(self, time: Any) -> Any:
        """Heat production of the primitive mantle, W/kg, `time` Gyr after formation (float or array).

        >>> round(float(MARS.radiogenic_heating(0.0)) * 1e11, 1), round(float(MARS.radiogenic_heating(4.5)) * 1e12, 1)
        (2.3, 4.1)
        """
        before_present = self.age - np.asarray(time, dtype=float)
        return sum(
            isotope.mass_fraction * isotope.heat_production * np.exp2(before_present / isotope.half_life)
            for isotope in self.isotopes
        )

    @property
    def crust_mass_ratio(self) -> float:
        """Mass of the crust over the mass of the mantle (spherical shells)."""
        crust_base = self.planet_radius - self.crust_thickness
        crust = self.crust_density * (self.planet_radius**3 - crust_base**3)
        mantle = self.mantle_density * (crust_base**3 - self.core_radius**3)
        return crust / mantle

    def mantle_depletion(self, crustal_enrichment: float) -> float:
        """Fraction of the primitive heat production left in a mantle below an enriched crust.

        The crust holds `crustal_enrichment` times the concentration of the mantle below it.

        >>> [round(MARS.mantle_depletion(factor), 2) for factor in (1, 20, 50)]
        [0.95, 0.47, 0.26]
        """
        return 1.0 / (1.0 + self.crust_mass_ratio * crustal_enrichment)


MARS = Planet()
"""The Mars-like planet of the reference corpus."""
