"""How the configuration says which array of a gridded file is what, in which unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from surrogate.corpus.readers import ReaderError
from surrogate.geometry import Kind
from surrogate.quantities import DIMENSIONAL, SERIES, Units
from surrogate.quantities import DIMENSIONLESS as DIMENSIONLESS_UNITS
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

Axis = Literal["time", "radius", "angle", "height", "x"]


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
        if unit in ("rad", "1"):
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
    geometry : str
        "cylinder", "spherical_annulus" or "box". The axes are time, radius and angle in an annulus; time, height and x
        in a box.
    periodic : bool
        Whether the last column is the neighbour of the first; a full circle always is.
    dimensionless : bool
        Whether the corpus has no units at all: no K, no Gyr, no m. Lengths are then divided by the thickness of the
        layer and times by its square, so that a run in diffusion times stays one; the file must not state units.
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
    time, radius, angle, height, x : Mapped
    nodes : list of str
        Axes whose values lie on the faces, ends included, instead of the centres.
    extent : pair, optional
        Where the walls lie, if the stored rows do not tell: rows on Chebyshev points have none on them.
    walls : "included" or mapping
        Whether the first and the last row are the walls; else what they are: ``{core: ..., surface: ...}``, in a box
        ``{lower: ..., upper: ...}``, each a temperature ("250 K"), the name of a time series, a Mapped, or
        "extrapolate".
    parameters : mapping or str
        Numbers (with units), names of variables or attributes; or a CSV table.
    series : mapping
        Time series, by a name of :data:`surrogate.fields.SERIES`: the name in the file if it is in SI units, or a
        Mapped.
    scales : Scales
        Of quantities whose unit is "dimensionless".
    """

    geometry: Kind = "cylinder"
    periodic: bool = False
    dimensionless: bool = False
    temperature: Mapped = Field(default_factory=Mapped)
    dimensions: list[str] | None = None
    shape: dict[Axis, int] = Field(default_factory=dict)
    ghosts: dict[Axis, tuple[int, int]] = Field(default_factory=dict)
    reverse: list[Axis] = Field(default_factory=list)
    time: Mapped = Field(default_factory=lambda: Mapped(variable="time"))
    radius: Mapped = Field(default_factory=lambda: Mapped(variable="radius"))
    angle: Mapped = Field(default_factory=lambda: Mapped(variable="angle"))
    height: Mapped = Field(default_factory=lambda: Mapped(variable="height"))
    x: Mapped = Field(default_factory=lambda: Mapped(variable="x"))
    nodes: list[Axis] = Field(default_factory=list)
    extent: tuple[float | str, float | str] | None = None
    walls: Literal["included"] | dict[str, float | str | Mapped] = "included"
    parameters: dict[str, Any] | str | None = None
    series: dict[str, str | Mapped] = Field(default_factory=dict)
    scales: Scales = Field(default_factory=Scales)

    @model_validator(mode="after")
    def _consistent(self) -> GriddedOptions:
        names = (*self.dimensions_given, *self.shape, *self.ghosts, *self.reverse, *self.nodes)
        foreign = [name for entry in names for name in entry.split() if name not in self.axes]
        foreign += sorted({"radius", "angle", "height", "x"} & self.model_fields_set - set(self.axes))
        if sorted(" ".join(self.dimensions_given).split()) != sorted(self.axes) or foreign:
            extra = f"; in a {self.geometry} there is no {', '.join(foreign)}" if foreign else ""
            raise ValueError(f"dimensions must name each of {self.axes} once, got {self.dimensions}{extra}")
        for entry in self.dimensions_given:
            unknown = [name for name in entry.split() if " " in entry and name not in self.shape]
            if unknown:
                raise ValueError(f"shape must give the sizes of {unknown}, which are flattened together")
        if isinstance(self.walls, dict) and sorted(self.walls) != sorted(self.wall_names):
            raise ValueError(f"walls must give both {' and '.join(map(repr, self.wall_names))}")
        if self.vertical in self.nodes and (self.walls != "included" or self.extent is not None):
            raise ValueError(
                f"rows on nodes include the walls ({self.vertical}): walls must be 'included', without extent"
            )
        if self.extent is not None and self.walls == "included":
            raise ValueError("extent says where the walls lie: set what they are in walls, too")
        walls = self.walls.values() if isinstance(self.walls, dict) else ()
        told = (self.temperature, *(getattr(self, axis) for axis in self.axes), *walls, *self.series.values())
        if self.scales.model_fields_set and not any(getattr(part, "unit", None) == DIMENSIONLESS for part in told):
            raise ValueError("scales are given, but no quantity has the unit 'dimensionless'")
        if self.scales.model_fields_set and self.dimensionless:
            raise ValueError("scales make a run dimensional: not together with dimensionless")
        if set(self.series) - set(SERIES):
            raise ValueError(f"series must be some of {SERIES}, got {sorted(self.series)}")
        return self

    @property
    def axes(self) -> tuple[str, str, str]:
        """Time, the vertical and the lateral axis."""
        return ("time", "height", "x") if self.geometry == "box" else ("time", "radius", "angle")

    @property
    def vertical(self) -> str:
        """The axis between the walls."""
        return self.axes[1]

    @property
    def dimensions_given(self) -> tuple[str, ...]:
        """Axes of the temperature, in their order."""
        return self.axes if self.dimensions is None else tuple(self.dimensions)

    @property
    def wall_names(self) -> tuple[str, str]:
        """What the walls are called."""
        return ("lower", "upper") if self.geometry == "box" else ("core", "surface")

    @property
    def units(self) -> Units:
        """Of the run."""
        return DIMENSIONLESS_UNITS if self.dimensionless else DIMENSIONAL
