"""How the configuration says which array of a gridded file is what, in which unit."""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from surrogate.corpus.readers import ReaderError
from surrogate.fields import SERIES
from surrogate.units import GIGAYEAR, to_magnitude, unit_registry

DIMENSIONLESS = "dimensionless"

SCALES = {
    "length": "m",
    "temperature": "K",
    "temperature_offset": "K",
    "time": "s",
    "diffusivity": "m**2/s",
    "conductivity": "W/m/K",
}
"""Units of the scales."""

AXES = ("time", "radius", "angle")


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Scales(_Options):
    """What values whose unit is "dimensionless" are counted in; numbers are SI, text carries its unit.

    Attributes
    ----------
    length : float or str
        Lengths are divided by it: most often the depth of the mantle.
    temperature : float or str
        Temperature difference.
    temperature_offset : float or str
        The temperature that is zero.
    time : float or str, optional
        Or the thermal `diffusivity`, m2/s: the time is then length squared over it.
    diffusivity : float or str, optional
    conductivity : float or str, optional
        Thermal conductivity, W/m/K: heat fluxes are counted in conductivity * temperature / length.

    Examples
    --------
    >>> scales = Scales(length="1700 km", diffusivity="1e-6 m^2/s")
    >>> round(scales.of("Gyr", "time")[0], 2)
    91.58
    """

    length: float | str | None = None
    temperature: float | str | None = None
    temperature_offset: float | str = 0.0
    time: float | str | None = None
    diffusivity: float | str | None = None
    conductivity: float | str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Scales:
        for name, unit in SCALES.items():
            given = getattr(self, name)
            if given is None:
                continue
            value = to_magnitude(given, unit, name)
            if value <= 0 and name != "temperature_offset":
                raise ValueError(f"{name} must be positive, got {given}")
            if isinstance(given, str):
                setattr(self, name, value)
        if self.time is not None and self.diffusivity is not None:
            raise ValueError("give time or diffusivity, not both")
        return self

    def of(self, unit: str, what: str) -> tuple[float, float]:
        """Return factor and offset that turn dimensionless values into `unit`.

        Raises
        ------
        ReaderError
            Naming the scale that is missing.
        """
        if unit == "rad":
            return 1.0, 0.0
        if unit == "m":
            return self._need("length", what), 0.0
        if unit == "K":
            return self._need("temperature", what), float(self.temperature_offset)
        if unit == "W m-2":
            flux = self._need("conductivity", what) * self._need("temperature", what) / self._need("length", what)
            return flux, 0.0
        if self.time is not None:
            seconds = self._need("time", what)
        else:
            seconds = self._need("length", what) ** 2 / self._need("diffusivity", what)
        return (self._need("length", what) / seconds if unit == "m s-1" else seconds / GIGAYEAR), 0.0

    def _need(self, name: str, what: str) -> float:
        value = getattr(self, name)
        if value is None:
            raise ReaderError(f"unit of {what}: 'dimensionless' needs scales.{name}, in {SCALES[name]}")
        return float(value)


class Quantity(_Options):
    """A quantity and its unit: value in SI (time: Gyr) = (stored * scale + offset) in `unit`.

    Attributes
    ----------
    variable : str, optional
        Array that holds it.
    values : list of float, optional
        Or the values themselves.
    range : (float, float), optional
        Or equally spaced values between first and last, both included (time, and nodes), or the outermost faces
        (radius and angle at centres).
    unit : str, optional
        As pint spells it; default K, Gyr, m, rad. "dimensionless": in what :class:`Scales` says.
    scale, offset : float
        Of dimensionless or shifted values.
    """

    variable: str | None = None
    values: list[float] | None = None
    range: tuple[float, float] | None = None
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0

    def convert(self, stored: Any, unit: str, what: str, scales: Scales) -> np.ndarray:
        """Turn stored values into `unit`."""
        values = np.asarray(stored)
        if (self.scale, self.offset) != (1.0, 0.0):
            values = values * self.scale + self.offset
        if self.unit is None or self.unit == unit:
            return values
        if self.unit == DIMENSIONLESS:
            factor, offset = scales.of(unit, what)
            return values * factor + offset
        registry = unit_registry()
        try:
            ends: Any = registry.Quantity(np.array([0.0, 1.0]), self.unit).to(_spelled(unit)).magnitude
        except Exception as error:  # pint: an unknown unit or a wrong dimension
            raise ReaderError(f"unit of {what}: {self.unit!r} cannot become {unit!r}: {error}") from error
        return values * (ends[1] - ends[0]) + ends[0]


def _spelled(unit: str) -> str:
    """Return a unit of the convention as pint spells it.

    >>> _spelled("W m-2")
    'W m**-2'
    """
    return re.sub(r"(?<=[a-z])(-\d)", r"**\1", unit)


class GriddedOptions(_Options):
    """Settings of the reader of gridded files.

    Attributes
    ----------
    temperature : Quantity
        `variable`: the array (default "temperature"; "array" in a ``.npy``).
    dimensions : list of str
        Axes of that array in their order; two in one entry ("radius angle") are flattened together.
    shape : mapping, optional
        Sizes of flattened axes.
    ghosts : mapping
        Rows or columns to drop at the beginning and the end of an axis, e.g. ``{angle: [1, 1]}``.
    reverse : list of str
        Axes that run the other way: radius inward, angle clockwise, time backwards.
    time, radius, angle : Quantity
    nodes : list of str
        Axes whose values lie on the faces, ends included, instead of the centres.
    walls : "included" or mapping
        Whether the first and the last row are the walls; else what they are: ``{core: ..., surface: ...}``, each a
        temperature in K, the name of a time series in K, a Quantity, or "extrapolate".
    parameters : mapping or str
        Numbers (with units), names of variables or attributes; or a CSV table.
    series : mapping
        Time series, by a name of :data:`surrogate.fields.SERIES`: the name in the file if it is in SI units, or a
        Quantity.
    scales : Scales
        Of quantities whose unit is "dimensionless".
    """

    temperature: Quantity = Field(default_factory=Quantity)
    dimensions: list[str] = Field(default_factory=lambda: list(AXES))
    shape: dict[Literal["time", "radius", "angle"], int] = Field(default_factory=dict)
    ghosts: dict[Literal["time", "radius", "angle"], tuple[int, int]] = Field(default_factory=dict)
    reverse: list[Literal["time", "radius", "angle"]] = Field(default_factory=list)
    time: Quantity = Field(default_factory=lambda: Quantity(variable="time"))
    radius: Quantity = Field(default_factory=lambda: Quantity(variable="radius"))
    angle: Quantity = Field(default_factory=lambda: Quantity(variable="angle"))
    nodes: list[Literal["radius", "angle"]] = Field(default_factory=list)
    walls: Literal["included"] | dict[Literal["core", "surface"], float | str | Quantity] = "included"
    parameters: dict[str, Any] | str | None = None
    series: dict[str, str | Quantity] = Field(default_factory=dict)
    scales: Scales = Field(default_factory=Scales)

    @model_validator(mode="after")
    def _consistent(self) -> GriddedOptions:
        axes = " ".join(self.dimensions).split()
        if sorted(axes) != sorted(AXES):
            raise ValueError(f"dimensions must name each of {AXES} once, got {self.dimensions}")
        for entry in self.dimensions:
            unknown = [name for name in entry.split() if " " in entry and name not in self.shape]
            if unknown:
                raise ValueError(f"shape must give the sizes of {unknown}, which are flattened together")
        if isinstance(self.walls, dict) and sorted(self.walls) != ["core", "surface"]:
            raise ValueError("walls must give both 'core' and 'surface'")
        if "radius" in self.nodes and self.walls != "included":
            raise ValueError("radii on nodes include the walls: set walls to 'included'")
        walls = self.walls.values() if isinstance(self.walls, dict) else ()
        told = (self.temperature, self.time, self.radius, self.angle, *walls, *self.series.values())
        if self.scales.model_fields_set and not any(getattr(part, "unit", None) == DIMENSIONLESS for part in told):
            raise ValueError("scales are given, but no quantity has the unit 'dimensionless'")
        if set(self.series) - set(SERIES):
            raise ValueError(f"series must be some of {SERIES}, got {sorted(self.series)}")
        return self
