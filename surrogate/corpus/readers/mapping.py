"""How the configuration says which array of a gridded file is what, in which unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from surrogate.corpus.readers import ReaderError
from surrogate.quantities import SERIES
from surrogate.units import GIGAYEAR, read_quantity, to_magnitude

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
            value = to_magnitude(given, unit, name, difference=name == "temperature")
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
            return self._need("temperature", what), to_magnitude(self.temperature_offset, "K", "temperature_offset")
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
            raise ReaderError(f"{what}: unit 'dimensionless' needs scales.{name}, in {SCALES[name]}")
        return to_magnitude(value, SCALES[name], name, difference=name == "temperature")


class Mapped(_Options):
    """Where a quantity is found, and its unit: value in SI (time: Gyr) = (stored * scale + offset) in `unit`.

    Attributes
    ----------
    variable : str, optional
        Array that holds it.
    values : list of float or str, optional
        Or the values themselves; text carries its unit.
    range : pair of float or str, optional
        Or equally spaced values between first and last, both included (time, and nodes), or the outermost faces
        (radius and angle at centres).
    unit : str, optional
        As pint or UDUNITS spell it; default: what the file states, or else K, Gyr, m, rad. It must not contradict the
        file. "dimensionless": in what :class:`Scales` says.
    scale, offset : float
        Of dimensionless or shifted values; the file must not state a unit then.
    """

    variable: str | None = None
    values: list[float | str] | None = None
    range: tuple[float | str, float | str] | None = None
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0

    def convert(
        self, read: Callable[[str, str | None], np.ndarray], unit: str, what: str, scales: Scales
    ) -> np.ndarray:
        """Read values in `unit`; ``read(unit, stated)`` reads what is stored."""
        shifted = (self.scale, self.offset) != (1.0, 0.0)
        if self.unit != DIMENSIONLESS and not shifted:
            return read(unit, self.unit)
        values = read(DIMENSIONLESS, None)
        if shifted:
            values = values * self.scale + self.offset
        if self.unit != DIMENSIONLESS:
            return read_quantity(values, unit, what, self.unit)
        factor, offset = scales.of(unit, what)
        return values * factor + offset


class GriddedOptions(_Options):
    """Settings of the reader of gridded files.

    Attributes
    ----------
    temperature : Mapped
        `variable`: the array (default "temperature"; "array" in a ``.npy``).
    dimensions : list of str
        Axes of that array in their order (default: as the file names them, else time, radius, angle); two in one entry
        ("radius angle") are flattened together.
    shape : mapping, optional
        Sizes of flattened axes.
    ghosts : mapping
        Rows or columns to drop at the beginning and the end of an axis, e.g. ``{angle: [1, 1]}``.
    reverse : list of str
        Axes that run the other way: radius inward, angle clockwise, time backwards.
    time, radius, angle : Mapped
    nodes : list of str
        Axes whose values lie on the faces, ends included, instead of the centres.
    walls : "included" or mapping
        Whether the first and the last row are the walls; else what they are: ``{core: ..., surface: ...}``, each a
        temperature ("250 K"), the name of a time series, a Mapped, or "extrapolate".
    parameters : mapping or str
        Numbers (with units), names of variables or attributes; or a CSV table.
    series : mapping
        Time series, by a name of :data:`surrogate.quantities.SERIES`: the name in the file if it is in SI units, or a
        Mapped.
    scales : Scales
        Of quantities whose unit is "dimensionless".
    """

    temperature: Mapped = Field(default_factory=Mapped)
    dimensions: list[str] | None = None
    shape: dict[Literal["time", "radius", "angle"], int] = Field(default_factory=dict)
    ghosts: dict[Literal["time", "radius", "angle"], tuple[int, int]] = Field(default_factory=dict)
    reverse: list[Literal["time", "radius", "angle"]] = Field(default_factory=list)
    time: Mapped = Field(default_factory=lambda: Mapped(variable="time"))
    radius: Mapped = Field(default_factory=lambda: Mapped(variable="radius"))
    angle: Mapped = Field(default_factory=lambda: Mapped(variable="angle"))
    nodes: list[Literal["radius", "angle"]] = Field(default_factory=list)
    walls: Literal["included"] | dict[Literal["core", "surface"], float | str | Mapped] = "included"
    parameters: dict[str, Any] | str | None = None
    series: dict[str, str | Mapped] = Field(default_factory=dict)
    scales: Scales = Field(default_factory=Scales)

    @model_validator(mode="after")
    def _consistent(self) -> GriddedOptions:
        given = AXES if self.dimensions is None else self.dimensions
        axes = " ".join(given).split()
        if sorted(axes) != sorted(AXES):
            raise ValueError(f"dimensions must name each of {AXES} once, got {self.dimensions}")
        for entry in given:
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
