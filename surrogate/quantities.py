"""What the quantities of a corpus are called and measured in: K, Gyr, m and W/m2 of a planet, or dimensionless.

:mod:`surrogate.fields` spells datasets by it; tables, labels and sentences ask the :class:`Units` of the dataset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

# name: (units, long name)
VARIABLES: dict[str, tuple[str, str]] = {
    "temperature": ("K", "temperature"),
    "time": ("Gyr", "time since the start of the thermal evolution"),
    "snapshot_time": ("Gyr", "time of each snapshot since the start of the thermal evolution"),
    "snapshot_count": ("1", "number of snapshots of the run"),
    "radius": ("m", "radius"),
    "angle": ("rad", "angle along the sector"),
    "height": ("m", "height above the lower wall"),
    "x": ("m", "distance along the box"),
    "radius_bounds": ("m", "lower and upper face of each row; equal at the walls"),
    "angle_bounds": ("rad", "faces of each column"),
    "height_bounds": ("m", "lower and upper face of each row; equal at the walls"),
    "x_bounds": ("m", "faces of each column"),
    "surface_heat_flux": ("W m-2", "mean conductive heat flux through the surface, outward"),
    "core_mantle_boundary_heat_flux": (
        "W m-2",
        "mean conductive heat flux through the core-mantle boundary, outward",
    ),
    "mean_temperature": ("K", "volume-averaged temperature of the mantle"),
    "core_temperature": ("K", "temperature of the core-mantle boundary"),
    "root_mean_square_velocity": ("m s-1", "root-mean-square velocity"),
    "velocity_radial": ("m s-1", "velocity outward"),
    "velocity_angular": ("m s-1", "velocity along the angle"),
    "viscosity": ("Pa s", "viscosity"),
    "dissipation": ("W m-3", "viscous dissipation"),
    "potential_temperature": ("K", "temperature of the interior, brought to the surface along the adiabat"),
    "lithosphere_thickness": (
        "m",
        "depth at which the lateral mean reaches the temperature of the lithosphere's base",
    ),
    "lithosphere_gradient": ("K m-1", "mean temperature gradient of the lithosphere"),
    "crust_heat_flux": ("W m-2", "heat produced in the crust per area of the surface"),
    "total_surface_heat_flux": ("W m-2", "heat flux through the surface, that from the crust included"),
    "urey_ratio": ("1", "heat produced in mantle and crust over the total heat flux through the surface"),
    "crust_concentration": ("1", "concentration of heat sources in the crust over that of the primitive mantle"),
}
"""Unit and long name of every variable of the convention, where it is dimensional."""

SERIES = (
    "surface_heat_flux",
    "core_mantle_boundary_heat_flux",
    "mean_temperature",
    "core_temperature",
    "root_mean_square_velocity",
)
"""Time series that a run may carry beside its temperature."""

_DIMENSIONLESS_NAMES = {
    "time": "time since the start, in times of diffusion across the layer",
    "snapshot_time": "time of each snapshot since the start, in times of diffusion across the layer",
    "surface_heat_flux": "Nusselt number of the upper wall: its mean heat flux over that of conduction alone",
    "core_mantle_boundary_heat_flux": "Nusselt number of the lower wall: its mean heat flux over that of conduction",
    "mean_temperature": "volume-averaged temperature",
    "core_temperature": "temperature of the lower wall",
    "root_mean_square_velocity": "root-mean-square velocity, in layers per diffusion time",
}


class Shown(NamedTuple):
    """How a quantity stands in pictures and sentences: its title, its unit there, the factor to it, and one value."""

    title: str
    unit: str
    factor: float
    template: str

    def label(self, title: str = "") -> str:
        """Title, or another one, with the unit: "temperature [K]"."""
        return (title or self.title) + (f" [{self.unit}]" if self.unit else "")

    def text(self, value: float) -> str:
        """One value with its unit: "1.25 Gyr"."""
        return self.template.format(self.factor * value)


@dataclass(frozen=True)
class Units:
    """How a corpus is measured; :data:`DIMENSIONAL` or :data:`DIMENSIONLESS`, never a mixture.

    Attributes
    ----------
    name : str
    temperature, time, length, heat_flux : Shown
    walls : tuple of str
        What the lower and the upper wall are called.
    accuracy, accuracy_title : str
        The headline measure: a relative accuracy divides by the temperature, which must not come near zero.
    plausible : tuple of float
        Outside this range a temperature cannot be right, most often for a wrong unit.
    degree : float
        A difference of temperature as small as one kelvin is in a planet; tolerances are multiples of it.

    Examples
    --------
    >>> DIMENSIONAL.time.text(1.25), DIMENSIONLESS.temperature.label(), DIMENSIONLESS.unit("surface_heat_flux")
    ('1.25 Gyr', 'temperature', '1')
    """

    name: str
    temperature: Shown
    time: Shown
    length: Shown
    heat_flux: Shown
    walls: tuple[str, str]
    accuracy: str
    accuracy_title: str
    plausible: tuple[float, float]
    degree: float

    @property
    def dimensional(self) -> bool:
        """Whether temperatures are in K."""
        return self.name == "dimensional"

    def degrees(self, value: float) -> str:
        """Write an error of a temperature: "12.3 K"."""
        return f"{value:.1f} K" if self.dimensional else f"{value:.4f}"

    def unit(self, variable: str) -> str:
        """Return the unit of a variable of the convention, as its attribute ``units`` spells it."""
        stated = VARIABLES[variable][0]
        return stated if self.dimensional or stated == "rad" else "1"

    def described(self, variable: str) -> dict[str, str]:
        """Return the attributes of a variable of the convention."""
        long_name = VARIABLES[variable][1]
        if not self.dimensional:
            long_name = _DIMENSIONLESS_NAMES.get(variable, long_name)
        return {"units": self.unit(variable), "long_name": long_name}


DIMENSIONAL = Units(
    "dimensional",
    Shown("temperature", "K", 1.0, "{:.4g} K"),
    Shown("time", "Gyr", 1.0, "{:.2f} Gyr"),
    Shown("depth", "km", 1e-3, "{:.0f} km"),
    Shown("heat flux", "mW/m²", 1e3, "{:.1f} mW/m²"),
    ("core-mantle boundary", "surface"),
    "relative_accuracy",
    "relative accuracy",
    (50.0, 6000.0),
    1.0,
)
"""A planet: K, Gyr, m, W/m2."""

DIMENSIONLESS = Units(
    "dimensionless",
    Shown("temperature", "", 1.0, "{:.3g}"),
    Shown("time [diffusion times]", "", 1.0, "t = {:.3g}"),
    Shown("depth", "", 1.0, "{:.3g}"),
    Shown("Nusselt number", "", 1.0, "{:.3g}"),
    ("lower wall", "upper wall"),
    "range_accuracy",
    "accuracy (error over the range)",
    (-10.0, 20.0),
    1e-3,
)
"""No planet: temperature over the drop across the layer, lengths over its thickness, time over that of diffusion."""

_BY_UNIT: Mapping[str, Units] = {"K": DIMENSIONAL, "Gyr": DIMENSIONAL, "1": DIMENSIONLESS}


def units_by(unit: str | None) -> Units:
    """Return the units of a corpus from the unit of its temperature or time.

    Raises
    ------
    ValueError
        If neither has this unit.
    """
    if unit is None or unit not in _BY_UNIT:
        raise ValueError(f"units {unit!r}, expected K and Gyr, or 1 for both in a dimensionless corpus")
    return _BY_UNIT[unit]


def units_named(name: str) -> Units:
    """Return :data:`DIMENSIONAL` or :data:`DIMENSIONLESS` by its name."""
    return {units.name: units for units in (DIMENSIONAL, DIMENSIONLESS)}[name]
