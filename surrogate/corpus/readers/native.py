"""Runs in this package's own NetCDF4 form."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from surrogate.corpus.readers import Notes, ReaderError
from surrogate.corpus.readers.containers import Container, open_container
from surrogate.corpus.readers.lazy import lazy_run, stated_parameters
from surrogate.fields import FieldError, geometry_of, space_of
from surrogate.geometry import GRID_DIMENSIONS
from surrogate.quantities import DIMENSIONAL, DIMENSIONLESS, SERIES

SUFFIXES = (".nc", ".nc4")


class NativeReader:
    """Reads what :func:`surrogate.fields.write_netcdf` writes; no options."""

    name = "native"

    def accepts(self, path: Path) -> bool:
        """Take NetCDF files that hold ``temperature`` on our grid, or that cannot be opened at all."""
        if path.suffix not in SUFFIXES or not path.is_file():
            return False
        try:
            with open_container(path) as container:
                return "temperature" in container.arrays and bool(_bounds(container.arrays))
        except ReaderError:
            # Opening it says what is wrong. A file of the older NetCDF format is another reader's.
            with path.open("rb") as stream:
                return stream.read(3) != b"CDF"

    def open(self, path: Path, options: Mapping[str, Any]) -> xr.Dataset:
        """Open lazily.

        Raises
        ------
        FieldError, ReaderError
        """
        if options:
            raise ReaderError(f"{path}: the native reader has no options, got {sorted(options)}")
        container = open_container(path)
        try:
            return _run(container)
        except Exception as error:
            container.close()
            if isinstance(error, FieldError) and str(path) not in str(error):
                raise FieldError(f"{path}: {str(error).removeprefix('dataset: ')}") from error
            raise


def _bounds(names: Collection[str]) -> tuple[str, ...]:
    """Names of the vertical and the lateral dimension whose bounds are there; none without those of the rows."""
    return next((axes for axes in GRID_DIMENSIONS if f"{axes[0]}_bounds" in names), ())


def _run(container: Container) -> xr.Dataset:
    """Build the run: the variables of the convention in its units; others are left out."""
    variables = {name: container.variable(name) for name in container.arrays}
    axes = _bounds(variables) or GRID_DIMENSIONS[0]
    bounds = {f"{axis}_bounds": (axis, "bound") for axis in axes}
    for name, dimensions in {"temperature": ("time", *axes), "time": ("time",), **bounds}.items():
        if name not in variables or variables[name].dims != dimensions:
            found = variables[name].dims if name in variables else "none"
            raise FieldError(f"{container.where(name)}: expected one run, of dimensions {dimensions}, got {found}")
    shells = xr.Dataset({name: ((), 0.0, variable.attrs) for name, variable in variables.items()})
    space = space_of(shells) if any("parameters" in entry.attrs for entry in variables.values()) else ()
    values = {entry.name: container.stated(entry.name, entry.name) for entry in space}
    fields = {"time", *axes, *bounds, *SERIES, "temperature"}
    others, unread = container.scalars({*values, *fields}, attributes=False)
    parameters = stated_parameters({**values, **others}, container.path, {entry.name: entry for entry in space})
    units = DIMENSIONLESS if variables["temperature"].attrs.get("units") == "1" else DIMENSIONAL
    faces = {}
    for name, dimensions in bounds.items():  # CF: bounds have the units of their coordinate
        stated = variables[dimensions[0]].attrs.get("units") if dimensions[0] in variables else None
        read = container.read(name, units.unit(dimensions[0]), stated=stated)
        faces[name] = (dimensions, read, variables[name].attrs)
    geometry = geometry_of(xr.Dataset(faces))
    series = {name: container.read(name, units.unit(name)) for name in SERIES if name in variables}
    known = {*fields, *parameters, *unread}
    run = lazy_run(
        lambda number: container.read("temperature", units.unit("temperature"), number),
        container.read("time", units.unit("time")),
        geometry,
        parameters,
        series,
        {name: value for name, value in container.attributes.items() if name not in ("_NCProperties", "coordinates")},
        container.close,
        Notes(tuple(f"variable {name!r}" for name in sorted(variables) if name not in known), unread=unread),
        units,
    )
    for axis in axes:
        if axis in variables:
            run[axis] = (axis, container.read(axis, units.unit(axis)), run[axis].attrs)
    if variables["temperature"].attrs.get("units") == units.unit(
        "temperature"
    ):  # as it is: blocks of snapshots are read at a time
        run["temperature"] = variables["temperature"]
    return run
