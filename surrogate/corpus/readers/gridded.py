"""Any gridded run, told by the configuration which array is what: NetCDF, HDF5, Zarr or NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from pydantic import ValidationError

from surrogate.corpus.readers import Notes, ReaderError
from surrogate.corpus.readers.containers import Container, is_container, open_container
from surrogate.corpus.readers.lazy import given_parameters, lazy_run, stated_parameters
from surrogate.corpus.readers.mapping import GriddedOptions, Mapped
from surrogate.corpus.readers.tables import identifier
from surrogate.corpus.regrid import linear_weights
from surrogate.geometry import Geometry
from surrogate.parameters import Parameters, Stated
from surrogate.quantities import VARIABLES
from surrogate.units import UnitError, read_quantity, to_magnitude

SMALLEST_PLANET = 1e3
"""m. A planet of a smaller radius is one whose radii have another unit, or none."""

SLAB_BYTES = 2**26
"""Snapshots that share chunks are read together up to this size."""

KEPT_ATTRIBUTES = ("simulation", "number", "budget_relative_error", "status", "solver", "title", "seed")


class GriddedReader:
    """Reads arrays on time, rows and columns, flattened or not; asked only when no other reader takes a file."""

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
        return read_mapped(open_container(path), options, self.name)


def read_mapped(
    container: Container, options: Mapping[str, Any], reader: str, warnings: tuple[str, ...] = ()
) -> xr.Dataset:
    """Make a run of the arrays of a container, which is closed with it, or at once if that fails.

    Parameters
    ----------
    container : Container
    options : mapping
        As :class:`surrogate.corpus.readers.mapping.GriddedOptions` takes them.
    reader : str
        Whose options they are, for errors.
    warnings : tuple of str
        What else is to be said of the file.

    Raises
    ------
    ReaderError
        Naming the file, the variable or the option, and what was expected.
    """
    path = container.path
    try:
        return _Run(container, GriddedOptions.model_validate(dict(options))).dataset(warnings)
    except ValidationError as error:
        container.close()
        lines = [f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors()]
        raise ReaderError(f"{path}: options of reader {reader!r}: {'; '.join(lines)}") from None
    except ValueError as error:  # units, and what a run must be
        container.close()
        raise ReaderError(str(error) if str(path) in str(error) else f"{path}: {error}") from error
    except Exception:
        container.close()
        raise


class _Run:
    """One gridded file and how it is to be understood."""

    def __init__(self, container: Container, settings: GriddedOptions) -> None:
        self.container, self.settings = container, settings
        self.used: set[str] = set()
        self.warnings: tuple[str, ...] = ()
        self.name = settings.temperature.variable or ("array" if set(container.arrays) == {"array"} else "temperature")
        self.used.add(self.name)
        variable = container.variable(self.name)
        self.order = [entry.split() for entry in self._dimensions(variable)]
        self.sizes = self._sizes(variable.shape)
        self.slab: tuple[int, np.ndarray] | None = None
        chunks = variable.encoding.get("chunksizes")
        together = chunks[self.order.index(["time"])] if chunks and ["time"] in self.order else 1
        self.together = together if together * 8 * variable[:1].size <= SLAB_BYTES else 1
        self.units, (_, self.vertical, self.across) = settings.units, settings.axes
        self.time = self._axis("time", self.units.unit("time"))
        rows, faces = self._positions(self.vertical)
        columns, sides = self._positions(self.across)
        if settings.walls == "included" and self.vertical not in settings.nodes:
            # The first and the last row are the walls: faces lie between the centres, and on the walls.
            inner = rows[1:-1]
            faces = np.concatenate([rows[:1], 0.5 * (inner[1:] + inner[:-1]), rows[-1:]])
        elif settings.extent is not None:
            extent = list(settings.extent)
            ends = read_quantity(extent, self.units.unit(self.vertical), f"{container.path}: option extent")
            faces = np.r_[ends[0], faces[1:-1], ends[1]]
        if self.units.dimensional and faces[-1] < SMALLEST_PLANET:
            raise ReaderError(
                f"{container.path}: {self.vertical} spans {faces[0]:.4g} .. {faces[-1]:.4g} m; give its unit, or "
                "'dimensionless' and scales.length; or dimensionless: true for a corpus without units"
            )
        source = rows if settings.walls == "included" else np.r_[faces[0], rows, faces[-1]]
        # Distance of each wall from the row next to it, over that between this one and the next but one.
        self.beyond = (
            (source[0] - source[1]) / (source[1] - source[2]),
            (source[-1] - source[-2]) / (source[-2] - source[-3]),
        )
        base, size = (faces[0] if settings.geometry == "box" else 0.0), 1.0
        if not self.units.dimensional:
            size = (faces[-1] - faces[0]).item()
            self.time = self.time / size**2
            if abs(size - 1.0) > 1e-3:
                self.warnings = (
                    f"lengths and times are counted in the thickness of the layer, {size:.6g} in the file",
                )
        width = size if settings.geometry == "box" else 1.0
        # Angles, and places along a box, count from the edge.
        self.geometry = Geometry(
            (faces - base) / size, (sides - sides[0]) / width, settings.geometry, settings.periodic
        )
        self.radial = linear_weights((source - base) / size, self.geometry.vertical)
        self.lateral = linear_weights(columns, 0.5 * (sides[1:] + sides[:-1]))
        for weights in (self.radial, self.lateral):
            weights.eliminate_zeros()  # what is masked stays where it is
        self.walls = {name: self._wall(name) for name in settings.wall_names} if settings.walls != "included" else {}
        if self.geometry.periodic:
            last = self.load(self.time.size - 1)
            if np.ptp(last, axis=1).max() > 0 and np.array_equal(last[:, 0], last[:, -1]):
                raise ReaderError(
                    f"{container.where(self.name)}: the last column repeats the first, of a periodic run; "
                    f"ghosts: {{{self.across}: [0, 1]}} drops it"
                )

    def _dimensions(self, variable: xr.Variable) -> list[str]:
        """Axes of the temperature in their order, as told, or else as the file names them."""
        told, named = self.settings.dimensions, [str(name) for name in variable.dims]
        if sorted(named) != sorted(self.settings.axes):
            return list(self.settings.dimensions_given)
        if told is not None and told != named:
            raise ReaderError(
                f"{self.container.where(self.name)} has the dimensions {named}, but the configuration states {told}"
            )
        return named

    def _sizes(self, shape: tuple[int, ...]) -> dict[str, int]:
        given, where = self.settings.shape, self.container.where(self.name)
        if len(shape) != len(self.order):
            raise ReaderError(
                f"{where} has shape {shape}, expected dimensions {[' '.join(entry) for entry in self.order]}"
            )
        sizes: dict[str, int] = {}
        for parts, size in zip(self.order, shape, strict=True):
            sizes |= {parts[0]: size} if len(parts) == 1 else {part: given[part] for part in parts}  # type: ignore[index]
            if np.prod([sizes[part] for part in parts]) != size:
                raise ReaderError(
                    f"{where}: axis {' '.join(parts)!r} has size {size}, "
                    f"expected the product of {[sizes[part] for part in parts]}"
                )
        if 0 in sizes.values():
            raise ReaderError(f"{where} is empty, shape {shape}")
        return sizes

    def _kept(self, axis: str) -> int:
        return self.sizes[axis] - sum(self._ghosts(axis))

    def _ghosts(self, axis: str) -> tuple[int, int]:
        return self.settings.ghosts.get(axis, (0, 0))  # type: ignore[call-overload, no-any-return]

    def _trim(self, values: np.ndarray, axis: str, place: int = 0) -> np.ndarray:
        """Drop the ghosts of an axis and turn it round."""
        first, last = self._ghosts(axis)
        values = np.take(values, range(first, values.shape[place] - last), place)
        return np.flip(values, place) if axis in self.settings.reverse else values

    def _read(self, option: Mapped, unit: str, what: str, count: int = 0, part: Any = ...) -> np.ndarray:
        """Read a quantity wherever it stands, in `unit`."""
        if option.values is not None or option.range is not None:
            given: Any = option.values if option.values is not None else list(option.range or ())
            name = f"{self.container.path}: option {what}"

            def read(unit: str, stated: str | None) -> np.ndarray:
                numbers = read_quantity(given, unit, name, stated)
                return numbers if option.values is not None else np.linspace(numbers[0], numbers[1], count)

        else:
            variable = option.variable or what
            name = self.container.where(variable)
            self.used.add(variable)
            if what == self.settings.vertical and self.container.variable(variable).attrs.get("positive") == "down":
                raise ReaderError(f"{name} counts downwards (positive: down): a depth, expected a {what}")

            def read(unit: str, stated: str | None) -> np.ndarray:
                return self.container.read(variable, unit, part, stated)

        return option.convert(read, unit, name, self.settings.scales)

    def _line(self, values: np.ndarray, what: str) -> np.ndarray:
        """Return values along one axis as such."""
        if sum(size > 1 for size in values.shape) > 1:
            raise ReaderError(f"{self.container.path}: {what} has shape {values.shape}, expected one axis")
        return values.ravel()

    def _axis(self, axis: str, unit: str) -> np.ndarray:
        option: Mapped = getattr(self.settings, axis)
        count = self._kept(axis)
        stored = self._line(self._read(option, unit, axis, count), axis)
        if stored.size == self.sizes[axis] != count:
            stored = self._trim(stored, axis)
        elif axis in self.settings.reverse:
            stored = stored[::-1]
        if stored.size != count:
            raise ReaderError(f"{self.container.path}: {axis} has {stored.size} values, the temperature {count}")
        result = np.asarray(stored, dtype=float)
        if not np.all(np.isfinite(result)) or np.any(np.diff(result) <= 0):
            raise ReaderError(f"{self.container.path}: {axis} must increase and be finite; option 'reverse' turns it")
        return result

    def _positions(self, axis: str) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the stored rows or columns, and faces of the cells that they become."""
        option: Mapped = getattr(self.settings, axis)
        unit = self.units.unit(axis)
        nodes = axis in self.settings.nodes
        count = self._kept(axis)
        walls = axis == self.vertical and self.settings.walls == "included"
        if count < (4 if walls else 2):
            raise ReaderError(f"{self.container.path}: {axis} has {count} values, expected {4 if walls else 2} or more")
        if option.range is not None and not nodes:
            cells = count - 2 if walls else count
            faces = self._read(option, unit, axis, cells + 1)
            centres = 0.5 * (faces[1:] + faces[:-1])
            return (np.r_[faces[0], centres, faces[-1]] if walls else centres), faces
        positions = self._axis(axis, unit)
        if nodes:
            return positions, positions
        middle = 0.5 * (positions[1:] + positions[:-1])
        ends = (2 * positions[0] - middle[0], 2 * positions[-1] - middle[-1])
        return positions, np.r_[ends[0], middle, ends[1]]

    def _series(self, given: str | Mapped, unit: str, what: str) -> np.ndarray:
        """Read a time series, in `unit`; one value is for all times."""
        option = Mapped(variable=given) if isinstance(given, str) else given
        values = self._line(self._read(option, unit, what, self.time.size), what)
        if option.values is None and option.range is None and values.size == self.sizes["time"]:
            values = self._trim(values, "time")
        if values.size == 1:
            values = np.full(self.time.size, values[0])
        if values.size != self.time.size:
            raise ReaderError(f"{self.container.path}: {what} has {values.size} values for {self.time.size} times")
        return values

    def _wall(self, name: str) -> np.ndarray | None:
        """Temperature of a wall at each time; None where it is extrapolated."""
        given = self.settings.walls[name]  # type: ignore[index]
        if given == "extrapolate":
            return None
        if isinstance(given, Mapped) or (isinstance(given, str) and given in {*self.container.arrays}):
            return self._series(given, self.units.unit("temperature"), f"wall {name!r}")
        try:
            unit, where = self.units.unit("temperature"), f"{self.container.path}: option walls.{name}"
            return np.full(self.time.size, to_magnitude(given, unit, where))
        except UnitError as error:
            raise ReaderError(f"{error}; the file has {sorted(self.container.arrays)}") from None

    def load(self, number: int) -> np.ndarray:
        """Read one snapshot, shape (rows, columns), walls included."""
        forward = number if "time" not in self.settings.reverse else self.time.size - 1 - number
        field, axes = self._stored(forward + self._ghosts("time")[0])
        field = field if axes == [self.vertical, self.across] else field.T
        for where, axis in enumerate((self.vertical, self.across)):
            field = self._trim(field, axis, where)
        if self.walls:
            field = np.concatenate([self._wall_row(field, 0, number), field, self._wall_row(field, -1, number)])
        # On nodes, the mean of each pair of columns keeps the trapezoidal mean.
        even: np.ndarray = (self.lateral @ (self.radial @ field).T).T
        return even

    def _stored(self, step: int) -> tuple[np.ndarray, list[str]]:
        """Read a snapshot as it is stored, in K, and the order of its axes; those that share its chunks are kept."""
        axes = [axis for entry in self.order for axis in entry if axis != "time"]
        option, time = self.settings.temperature, ["time"] in self.order
        start, length = (step // self.together * self.together, self.together) if time else (0, self.sizes["time"])
        if self.slab is None or self.slab[0] != start:
            part = tuple(slice(start, start + length) if entry == ["time"] else slice(None) for entry in self.order)
            option = option.model_copy(update={"variable": self.name})
            stored = self._read(option, self.units.unit("temperature"), self.name, 0, part)
            flat = [axis for entry in self.order for axis in entry]
            block = stored.reshape([-1 if axis == "time" else self.sizes[axis] for axis in flat])
            self.slab = (start, np.moveaxis(block, flat.index("time"), 0))
        return self.slab[1][step - start], axes

    def _wall_row(self, field: np.ndarray, row: int, number: int) -> np.ndarray:
        wall = self.walls[self.settings.wall_names[row]]
        if wall is not None:
            return np.full((1, field.shape[1]), wall[number])
        near, beside, share = (0, 1, self.beyond[0]) if row == 0 else (-1, -2, self.beyond[1])
        edge: np.ndarray = field[near] + share * (field[near] - field[beside])
        return edge[None]

    def _parameters(self) -> tuple[Parameters, dict[str, str]]:
        """Return the parameters: as given, out of a table, or as variables and attributes of the file."""
        container = self.container
        given, unread = given_parameters(self.settings.parameters, container.path)
        for name, source in given.items():
            if isinstance(source, str) and source in container.arrays:
                given[name] = container.stated(source, name)
            elif isinstance(source, str) and source in container.attributes:
                where = f"{container.path}: attribute {source!r}"
                given[name] = Stated.read(name, container.attributes[source], where)
            else:
                continue
            self.used.add(source)
        found, others = container.scalars({*self.used, *KEPT_ATTRIBUTES, *VARIABLES})
        self.used |= {source for source in container.arrays if identifier(source) in {*found, *others}}
        return stated_parameters({**found, **given}, container.path), {**others, **unread}

    def dataset(self, warnings: tuple[str, ...]) -> xr.Dataset:
        """Return the run."""
        container, settings = self.container, self.settings
        series = {
            name: self._series(source, self.units.unit(name), f"series {name!r}")
            for name, source in settings.series.items()
        }
        parameters, unread = self._parameters()
        unused = sorted({*container.arrays, *container.broken} - self.used)
        attributes = {name: value for name, value in container.attributes.items() if name in KEPT_ATTRIBUTES}
        notes = Notes(tuple(f"variable {name!r}" for name in unused), (*warnings, *self.warnings), unread)
        parts = self.load, self.time, self.geometry, parameters, series, attributes, container.close, notes
        return lazy_run(*parts, self.units)
