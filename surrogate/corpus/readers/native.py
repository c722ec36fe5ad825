"""Runs in this package's own NetCDF4 form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import xarray as xr

from surrogate.corpus.readers import ReaderError
from surrogate.fields import open_netcdf

SUFFIXES = (".nc", ".nc4")


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
        """Open lazily; see :func:`surrogate.fields.open_netcdf`."""
        if options:
            raise ReaderError(f"{path}: the native reader has no options, got {sorted(options)}")
        return open_netcdf(path)
