"""Any gridded run, told by the configuration which array is what: NetCDF, HDF5, Zarr or NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from surrogate.annulus import Annulus
from surrogate.corpus.readers import ReaderError
from surrogate.corpus.readers.containers import Container, is_container, open_container
from surrogate.corpus.readers.lazy import complete_parameters, given_parameters, lazy_run
from surrogate.corpus.regrid import linear_weights
from surrogate.fields import SERIES
from surrogate.parameters import PARAMETER_NAMES
from surrogate.planet import unit_registry

AXES = ("time", "radius", "angle")


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid")


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
        As pint spells it; default K, Gyr, m, rad.
    scale, offset : float
        Of dimensionless or shifted values.
    """

    variable: str | None = None
    values: list[float] | None = None
    range: tuple[float, float] | None = None
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0

    def convert(self, stored: Any, unit: str, what: str) -> np.ndarray:
        """Turn stored values into `unit`."""
        values = np.asarray(stored)
        if (self.scale, self.offset) != (1.0, 0.0):
            values = values * self.scale + self.offset
        if self.unit is None or self.unit == unit:
            return values
        registry = unit_registry()
        try:
            ends: Any = registry.Quantity(np.array([0.0, 1.0]), self.unit).to(unit).magnitude
        except Exception as error:  # pint: an unknown unit or a wrong dimension
            raise ReaderError(f"unit of {what}: {self.unit!r} cannot become {unit!r}: {error}") from error
        return values * (ends[1] - ends[0]) + ends[0]


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
        temperature in K, the name of a time series in K, or "extrapolate".
    parameters : mapping or str
        Numbers (with units), names of variables or attributes; or a CSV table.
    series : mapping
        Names of time series in the file, SI units, by a name of :data:`surrogate.fields.SERIES`.
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
    walls: Literal["included"] | dict[Literal["core", "surface"], float | str] = "included"
    parameters: dict[str, Any] | str | None = None
    series: dict[str, str] = Field(default_factory=dict)

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
        if set(self.series) - set(SERIES):
            raise ValueError(f"series must be some of {SERIES}, got {sorted(self.series)}")
        return self


class GriddedReader:
    """Reads arrays on (time, radius, angle), flattened or not; asked only when no other reader takes a file."""

    name = "gridded"
    fallback = True

    def accepts(self, path: Path) -> bool:
        """Take NetCDF, HDF5, Zarr and NumPy by their names."""
        return is_container(path)

    def open(self, path: Path, options: Mapping[str, Any]) -> xr.Dataset:
        """Open lazily.

        Raises
        ------
        ReaderError
            Naming the file, the variable or the option, and what was expected.
        """
        try:
            settings = GriddedOptions.model_validate(dict(options))
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors()]
            raise ReaderError(f"{path}: options of reader 'gridded': {'; '.join(lines)}") from None
        container = open_container(path)
        try:
            return _Run(container, settings).dataset()
        except Exception:
            container.close()
            raise


class _Run:
    """One gridded file and how it is to be understood."""

    def __init__(self, container: Container, settings: GriddedOptions) -> None:
        self.container, self.settings = container, settings
        self.name = settings.temperature.variable or ("array" if set(container.arrays) == {"array"} else "temperature")
        self.sizes = self._sizes(container[self.name].shape)
        self.time = self._axis("time", "Gyr")
        radius, radius_faces = self._positions("radius", "m")
        angle, angle_faces = self._positions("angle", "rad")
        if settings.walls == "included" and "radius" not in settings.nodes:
            # The first and the last row are the walls: faces lie between the centres, and on the walls.
            inner = radius[1:-1]
            radius_faces = np.concatenate([radius[:1], 0.5 * (inner[1:] + inner[:-1]), radius[-1:]])
        try:
            self.annulus = Annulus(radius_faces, angle_faces - min(angle_faces[0], 0.0))
        except ValueError as error:
            raise ReaderError(f"{container.path}: {error}") from error
        source = radius if settings.walls == "included" else np.r_[radius_faces[0], radius, radius_faces[-1]]
        self.radial = linear_weights(source, self.annulus.radius)
        self.lateral = linear_weights(angle, 0.5 * (angle_faces[1:] + angle_faces[:-1]))
        self.walls = {name: self._wall(name) for name in ("core", "surface")} if settings.walls != "included" else {}

    def _sizes(self, shape: tuple[int, ...]) -> dict[str, int]:
        dimensions, given = self.settings.dimensions, self.settings.shape
        if len(shape) != len(dimensions):
            raise ReaderError(
                f"{self.container.path}: variable {self.name!r} has shape {shape}, expected dimensions {dimensions}"
            )
        sizes: dict[str, int] = {}
        for entry, size in zip(dimensions, shape, strict=True):
            parts = entry.split()
            sizes |= {parts[0]: size} if len(parts) == 1 else {part: given[part] for part in parts}  # type: ignore[index]
            if np.prod([sizes[part] for part in parts]) != size:
                raise ReaderError(
                    f"{self.container.path}: variable {self.name!r}: axis {entry!r} has size {size}, "
                    f"expected the product of {[sizes[part] for part in parts]}"
                )
        return sizes

    def _kept(self, axis: str) -> int:
        return self.sizes[axis] - sum(self.settings.ghosts.get(axis, (0, 0)))  # type: ignore[call-overload]

    def _trim(self, values: np.ndarray, axis: str, place: int = 0) -> np.ndarray:
        """Drop the ghosts of an axis and turn it round."""
        first, last = self.settings.ghosts.get(axis, (0, 0))  # type: ignore[call-overload]
        part = slice(first, values.shape[place] - last)
        values = np.moveaxis(np.moveaxis(values, place, 0)[part], 0, place)
        return np.flip(values, place) if axis in self.settings.reverse else values

    def _axis(self, axis: str, unit: str) -> np.ndarray:
        quantity: Quantity = getattr(self.settings, axis)
        count = self._kept(axis)
        if quantity.values is not None:
            stored = np.array(quantity.values, dtype=float)
        elif quantity.range is not None:
            stored = np.linspace(*quantity.range, count)
        else:
            stored = np.ravel(self.container.values(quantity.variable or axis)).astype(float)
        if stored.size == self.sizes[axis] != count:
            stored = self._trim(stored, axis)
        elif axis in self.settings.reverse:
            stored = stored[::-1]
        if stored.size != count:
            raise ReaderError(f"{self.container.path}: {axis} has {stored.size} values, the temperature {count}")
        result = quantity.convert(stored, unit, axis).astype(float)
        if not np.all(np.isfinite(result)) or np.any(np.diff(result) <= 0):
            raise ReaderError(f"{self.container.path}: {axis} must increase and be finite; option 'reverse' turns it")
        return result

    def _positions(self, axis: str, unit: str) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the stored rows or columns, and faces of the cells that they become."""
        quantity: Quantity = getattr(self.settings, axis)
        nodes = axis in self.settings.nodes
        count = self._kept(axis)
        walls = axis == "radius" and self.settings.walls == "included"
        if quantity.range is not None and not nodes:
            cells = count - 2 if walls else count
            faces = quantity.convert(np.linspace(*quantity.range, cells + 1), unit, axis).astype(float)
            centres = 0.5 * (faces[1:] + faces[:-1])
            return (np.r_[faces[0], centres, faces[-1]] if walls else centres), faces
        positions = self._axis(axis, unit)
        if nodes:
            return positions, positions
        middle = 0.5 * (positions[1:] + positions[:-1])
        ends = (2 * positions[0] - middle[0], 2 * positions[-1] - middle[-1])
        return positions, np.r_[ends[0], middle, ends[1]]

    def _wall(self, name: str) -> np.ndarray | None:
        """Temperature of a wall at each time; None where it is extrapolated."""
        given = self.settings.walls[name]  # type: ignore[index]
        if given == "extrapolate":
            return None
        if isinstance(given, str):
            values = self._trim(np.ravel(self.container.values(given)), "time")
            if values.size != self.time.size:
                raise ReaderError(
                    f"{self.container.path}: {given!r} has {values.size} values for {self.time.size} times"
                )
            return values
        return np.full(self.time.size, float(given))

    def load(self, number: int) -> np.ndarray:
        """Read one snapshot, shape (radius, angle), K, walls included."""
        order = [entry.split() for entry in self.settings.dimensions]
        forward = number if "time" not in self.settings.reverse else self.time.size - 1 - number
        step = forward + self.settings.ghosts.get("time", (0, 0))[0]
        place = next(place for place, entry in enumerate(order) if "time" in entry)
        if order[place] == ["time"]:
            index = tuple(step if entry == ["time"] else slice(None) for entry in order)
            stored = self.container.values(self.name, index)
            axes = [axis for entry in order if entry != ["time"] for axis in entry]
            stored = stored.reshape([self.sizes[axis] for axis in axes])
        else:  # time is flattened together with another axis
            axes = [axis for entry in order for axis in entry]
            stored = self.container.values(self.name).reshape([self.sizes[axis] for axis in axes])
            stored = np.take(stored, step, axis=axes.index("time"))
            axes.remove("time")
        field = stored if axes == ["radius", "angle"] else stored.T
        for where, axis in enumerate(("radius", "angle")):
            field = self._trim(field, axis, where)
        field = self.settings.temperature.convert(field, "K", "temperature")
        if self.walls:
            field = np.concatenate([self._wall_row(field, 0, number), field, self._wall_row(field, -1, number)])
        return self._even(self.radial @ field)

    def _wall_row(self, field: np.ndarray, row: int, number: int) -> np.ndarray:
        wall = self.walls["core" if row == 0 else "surface"]
        if wall is not None:
            return np.full((1, field.shape[1]), wall[number])
        beside = field[1] if row == 0 else field[-2]
        return (1.5 * field[row] - 0.5 * beside)[None]

    def _even(self, field: np.ndarray) -> np.ndarray:
        """Columns at the centres of the cells; on nodes, the mean of each pair keeps the trapezoidal mean."""
        return (self.lateral @ field.T).T

    def dataset(self) -> xr.Dataset:
        """Return the run."""
        container, settings = self.container, self.settings
        given = given_parameters(settings.parameters, container.path)
        for name in PARAMETER_NAMES:
            source = given.get(name, name)
            if isinstance(source, str) and source in container.arrays:
                given[name] = float(np.ravel(container.values(source))[0])
            elif isinstance(source, str) and source in container.attributes:
                given[name] = float(np.ravel(container.attributes[source])[0])
        parameters = complete_parameters(given, container.path)
        series = {
            name: self._trim(np.ravel(container.values(source)), "time") for name, source in settings.series.items()
        }
        for name, values in series.items():
            if values.size != self.time.size:
                raise ReaderError(
                    f"{container.path}: series {name!r} has {values.size} values for {self.time.size} times"
                )
        attributes = {
            name: value
            for name, value in container.attributes.items()
            if name in ("simulation", "number", "budget_relative_error", "status", "solver", "title")
        }
        return lazy_run(self.load, self.time, self.annulus, parameters, series, attributes, container.close)
