"""Runs in this package's own NetCDF4 form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from surrogate.corpus.readers import Notes, ReaderError
from surrogate.corpus.readers.containers import Container, open_container
from surrogate.corpus.readers.lazy import lazy_run
from surrogate.fields import RUN_DIMENSIONS, SERIES, VARIABLES, FieldError, geometry_of, space_of
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameters, ParameterSpace

SUFFIXES = (".nc", ".nc4")

BOUNDS = {"radius_bounds": ("radius", "bound"), "angle_bounds": ("angle", "bound")}


class NativeReader:
    """Reads what :func:`surrogate.fields.write_netcdf` writes; no options."""

    name = "native"

    def accepts(self, path: Path) -> bool:
        """Take NetCDF files that hold ``temperature`` on our grid, or that cannot be opened at all."""
        if path.suffix not in SUFFIXES or not path.is_file():
            return False
        try:
            with open_container(path) as container:
                return "temperature" in container.arrays and "radius_bounds" in container.arrays
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


def _run(container: Container) -> xr.Dataset:
    """Build the run: the variables of the convention in its units; others are left out."""
    variables = {name: container.variable(name) for name in container.arrays}
    for name, dimensions in {"temperature": RUN_DIMENSIONS, "time": ("time",), **BOUNDS}.items():
        if name not in variables or variables[name].dims != dimensions:
            found = variables[name].dims if name in variables else "none"
            raise FieldError(f"{container.where(name)}: expected one run, of dimensions {dimensions}, got {found}")
    space = space_of(xr.Dataset({name: ((), 0.0, variable.attrs) for name, variable in variables.items()}))
    space = ParameterSpace(
        [EVOLUTION_PARAMETERS[entry.name] if entry.name in EVOLUTION_PARAMETERS.names else entry for entry in space]
    )
    values = [container.single(entry.name, entry.unit) for entry in space]
    faces = {}
    for name, (axis, _) in BOUNDS.items():  # CF: bounds have the units of their coordinate
        stated = variables[axis].attrs.get("units") if axis in variables else None
        faces[name] = (
            ("radius" if name == "radius_bounds" else "angle", "bound"),
            container.read(name, VARIABLES[axis][0], stated=stated),
        )
    geometry = geometry_of(xr.Dataset(faces).assign_attrs())
    series = {name: container.read(name, VARIABLES[name][0]) for name in SERIES if name in variables}
    known = {*RUN_DIMENSIONS, *BOUNDS, *SERIES, *space.names, "temperature"}
    run = lazy_run(
        lambda number: container.read("temperature", "K", number),
        container.read("time", "Gyr"),
        geometry,
        Parameters.from_array(values, space),
        series,
        {name: value for name, value in container.attributes.items() if name not in ("_NCProperties", "coordinates")},
        container.close,
        Notes(left_out=tuple(name for name in sorted(variables) if name not in known)),
    )
    for axis in ("radius", "angle"):
        if axis in variables:
            run[axis] = (axis, container.read(axis, VARIABLES[axis][0]), run[axis].attrs)
    if variables["temperature"].attrs.get("units") == "K":  # as it is: blocks of snapshots are read at a time
        run["temperature"] = variables["temperature"]
    return run
