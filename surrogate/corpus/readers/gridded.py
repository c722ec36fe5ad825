"""Any gridded run, told by the configuration which array is what: NetCDF, HDF5, Zarr or NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from pydantic import ValidationError

from surrogate.annulus import Annulus
from surrogate.corpus.readers import ReaderError
from surrogate.corpus.readers.containers import Container, is_container, open_container
from surrogate.corpus.readers.lazy import complete_parameters, given_parameters, lazy_run
from surrogate.corpus.readers.mapping import GriddedOptions, Quantity
from surrogate.corpus.regrid import linear_weights
from surrogate.fields import VARIABLES
from surrogate.parameters import PARAMETER_NAMES

SMALLEST = 1e3
"""m. A planet of a smaller radius is one whose radii have another unit, or none."""


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
        if radius_faces[-1] < SMALLEST:
            raise ReaderError(
                f"{container.path}: radius spans {radius_faces[0]:.4g} .. {radius_faces[-1]:.4g} m; give its unit, or "
                "'dimensionless' and scales.length"
            )
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
        result = self._in_unit(quantity, stored, unit, axis).astype(float)
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
            faces = self._in_unit(quantity, np.linspace(*quantity.range, cells + 1), unit, axis).astype(float)
            centres = 0.5 * (faces[1:] + faces[:-1])
            return (np.r_[faces[0], centres, faces[-1]] if walls else centres), faces
        positions = self._axis(axis, unit)
        if nodes:
            return positions, positions
        middle = 0.5 * (positions[1:] + positions[:-1])
        ends = (2 * positions[0] - middle[0], 2 * positions[-1] - middle[-1])
        return positions, np.r_[ends[0], middle, ends[1]]

    def _in_unit(self, quantity: Quantity, stored: Any, unit: str, what: str) -> np.ndarray:
        try:
            return quantity.convert(stored, unit, what, self.settings.scales)
        except ReaderError as error:
            raise ReaderError(f"{self.container.path}: {error}") from None

    def _series(self, given: str | Quantity, unit: str, what: str) -> np.ndarray:
        """Read a time series, in `unit`; one value is for all times."""
        quantity = Quantity(variable=given) if isinstance(given, str) else given
        if quantity.values is not None:
            stored = np.array(quantity.values, dtype=float)
        else:
            stored = self._trim(np.ravel(self.container.values(quantity.variable or what)), "time")
        if stored.size == 1:
            stored = np.full(self.time.size, stored[0])
        if stored.size != self.time.size:
            raise ReaderError(f"{self.container.path}: {what} has {stored.size} values for {self.time.size} times")
        return self._in_unit(quantity, stored, unit, what)

    def _wall(self, name: str) -> np.ndarray | None:
        """Temperature of a wall at each time; None where it is extrapolated."""
        given = self.settings.walls[name]  # type: ignore[index]
        if given == "extrapolate":
            return None
        if isinstance(given, str | Quantity):
            return self._series(given, "K", f"wall {name!r}")
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
        field = self._in_unit(self.settings.temperature, field, "K", "temperature")
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
            name: self._series(source, VARIABLES[name][0], f"series {name!r}")
            for name, source in settings.series.items()
        }
        attributes = {
            name: value
            for name, value in container.attributes.items()
            if name in ("simulation", "number", "budget_relative_error", "status", "solver", "title")
        }
        return lazy_run(self.load, self.time, self.annulus, parameters, series, attributes, container.close)
