"""Runs in this package's own NetCDF4 form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from surrogate.corpus.readers import ReaderError
from surrogate.corpus.readers.chunks import ChunkReader
from surrogate.fields import RUN_DIMENSIONS, SERIES, open_netcdf
from surrogate.parameters import PARAMETER_NAMES

SUFFIXES = (".nc", ".nc4")

DESCRIPTION = ("units",)
PACKING = ("_FillValue", "scale_factor", "add_offset", "missing_value")


class NativeReader:
    """Reads what :func:`surrogate.fields.write_netcdf` writes; no options."""

    name = "native"

    def accepts(self, path: Path) -> bool:
        """Take NetCDF files that hold ``temperature`` on our grid, or that cannot be opened at all."""
        if path.suffix not in SUFFIXES or not path.is_file():
            return False
        try:
            with h5py.File(path, "r") as file:
                return "temperature" in file and "radius_bounds" in file
        except OSError:
            # Truncated: opening it says so. A file of the older NetCDF format is another reader's.
            with path.open("rb") as stream:
                return stream.read(3) != b"CDF"

    def open(self, path: Path, options: Mapping[str, Any]) -> xr.Dataset:
        """Open lazily; what is not as we write it (packed, another order) goes the general way of xarray.

        Raises
        ------
        FieldError, ReaderError
        """
        if options:
            raise ReaderError(f"{path}: the native reader has no options, got {sorted(options)}")
        try:
            file = h5py.File(path, "r")
        except OSError:
            return open_netcdf(path)  # says what is wrong
        run = _plain_run(file)
        if run is None:
            file.close()
            return open_netcdf(path)
        run.set_close(file.close)
        return run


def _plain_run(file: h5py.File) -> xr.Dataset | None:
    """Build the run from HDF5 alone, in a fraction of the time that opening with xarray takes; None if it is not plain.

    The variables of the convention are taken, with their units; others are left aside.
    """
    expected: dict[str, tuple[str, ...]] = {
        "time": ("time",),
        "radius": ("radius",),
        "angle": ("angle",),
        "radius_bounds": ("radius", "bound"),
        "angle_bounds": ("angle", "bound"),
        **dict.fromkeys(PARAMETER_NAMES, ()),
        **dict.fromkeys((name for name in SERIES if name in file), ("time",)),
    }
    items = {name: file.get(name) for name in ("temperature", *expected)}
    if not all(isinstance(item, h5py.Dataset) for item in items.values()):
        return None
    stored = items["temperature"]
    about = _attributes(stored)
    if stored.dtype != np.float32 or not _is_plain(about) or _dimensions(stored) != RUN_DIMENSIONS:
        return None
    sizes = {**dict(zip(RUN_DIMENSIONS, stored.shape, strict=True)), "bound": 2}
    variables: dict[str, Any] = {}
    for name, dimensions in expected.items():
        item = items[name]
        notes = _attributes(item)
        if item.shape != tuple(sizes[axis] for axis in dimensions) or item.dtype.kind != "f" or not _is_plain(notes):
            return None
        variables[name] = (dimensions, item[()], _only_description(notes))
    temperature = indexing.LazilyIndexedArray(_Temperature(ChunkReader(stored)))
    variables["temperature"] = (RUN_DIMENSIONS, temperature, _only_description(about))
    coordinates = {name: variables.pop(name) for name in expected if name not in SERIES}
    attributes = {
        name: _value(value) for name, value in file.attrs.items() if name not in ("_NCProperties", "coordinates")
    }
    run = xr.Dataset(variables, coordinates, attributes)
    run.temperature.encoding["chunksizes"] = stored.chunks
    return run


def _attributes(item: h5py.Dataset) -> dict[str, Any]:
    """Attributes that matter here; those that link dimensions are slow to read."""
    return {name: _attribute(item, name) for name in item.attrs if name in DESCRIPTION or name in PACKING}


def _attribute(item: h5py.Dataset, name: str) -> Any:
    """Read an attribute of one text or number, in half the time of ``item.attrs[name]``, which reads all others."""
    stored = h5py.h5a.open(item.id, name.encode())
    kind = stored.dtype
    if (
        stored.shape not in ((), (1,))
        or kind.kind not in "Of"
        or (kind.kind == "O" and not h5py.check_string_dtype(kind))
    ):
        return _value(item.attrs[name])
    value = np.empty(stored.shape, kind)
    stored.read(value)
    return value.item().decode("utf-8", "surrogateescape") if kind.kind == "O" else value.item()


def _is_plain(attributes: Mapping[str, Any]) -> bool:
    """Whether values mean what they are: not packed, and nothing but NaN stands for what is missing."""
    fill = attributes.get("_FillValue", np.nan)
    return np.ndim(fill) == 0 and bool(np.isnan(fill)) and not set(PACKING[1:]) & set(attributes)


def _only_description(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if name in DESCRIPTION}


def _dimensions(item: h5py.Dataset) -> tuple[str, ...]:
    links = item.attrs.get("DIMENSION_LIST", ())
    return tuple(item.file[link[0]].name.strip("/") if len(link) else "" for link in links)


def _value(stored: Any) -> Any:
    """Return an attribute as xarray gives it: text, or a number out of its array of one."""
    return stored.item() if isinstance(stored, np.ndarray) and stored.size == 1 else stored


class _Temperature(BackendArray):
    """The temperature of a file, read along time."""

    def __init__(self, reader: ChunkReader) -> None:
        self.reader, self.shape, self.dtype = reader, reader.shape, reader.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        numbers = np.atleast_1d(np.arange(self.shape[0])[key[0]])
        if not numbers.size:
            return np.empty((0, *self.shape[1:]), self.dtype)[(slice(None), *key[1:])]
        low, high = int(numbers.min()), int(numbers.max()) + 1
        values = self.reader.read(low, high)
        if not isinstance(key[0], slice):
            return values[(0, *key[1:])]
        return values[:: key[0].step or 1][(slice(None), *key[1:])]
