"""Named arrays in NetCDF, HDF5, Zarr and NumPy files, read in slices, all in the same way.

Every number leaves a container through :meth:`Container.read`: unpacked and masked as xarray decodes CF, in the unit
that is asked for. What was never written (a lost chunk, a virtual dataset without its source) is an error, never the
value that stands for it.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from surrogate.corpus.readers import ReaderError
from surrogate.corpus.readers.classic import needed_bytes
from surrogate.corpus.readers.gaps import Check, Key, missing_in_hdf5, missing_in_zarr, nothing_missing
from surrogate.corpus.readers.selection import Selected
from surrogate.corpus.readers.tables import identifier
from surrogate.environment import explain
from surrogate.parameters import RESERVED, Stated, known_parameter
from surrogate.units import UnitError, read_quantity

HDF5_SUFFIXES = (".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".hdf", ".he5")
NUMPY_SUFFIXES = (".npy", ".npz")

_HDF5_BOOKKEEPING = {"DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME", "_Netcdf4Dimid", "_Netcdf4Coordinates"}
_DIMENSION_ONLY = b"This is a netCDF dimension but not a netCDF variable"
_NETCDF_FILL = {"i2": -32767, "i4": -2147483647, "u2": 65535, "f4": 2.0**123 * 0.9375, "f8": 2.0**123 * 0.9375}
_NETCDF_LOCK = threading.RLock()
"""The netCDF4 library crashes when threads use it at the same time."""


class _Stored(BackendArray):
    """An array of a file, read in slices."""

    def __init__(self, where: str, array: Any, missing: Check, lock: AbstractContextManager[Any]) -> None:
        self.where, self.array, self.missing, self.lock = where, array, missing, lock
        self.shape, self.dtype = tuple(array.shape), np.dtype(array.dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: Key) -> np.ndarray:
        try:
            with self.lock:
                missing = self.missing(key)
                if missing is None:
                    return np.asarray(self.array[key])
        except Exception as error:  # every library has its own kind of error for a broken file
            raise ReaderError(f"{self.where} cannot be read: {error}") from error
        raise ReaderError(f"{self.where}: {missing}")


@dataclass
class Container:
    """The arrays of one file or folder; close it after use, or use it in a ``with`` statement.

    Attributes
    ----------
    path : Path
    arrays : mapping
        Name to what the library offers; nothing is read before :meth:`read`.
    attributes : dict
        Of the file.
    broken : dict
        Name to reason: links whose target is not there.
    """

    path: Path
    arrays: Mapping[str, Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None
    _describe: Callable[[str, Any], tuple[Iterable[str] | None, dict[str, Any]]] = lambda name, array: (None, {})
    _missing: Callable[[Any], Check] = lambda array: nothing_missing
    _lock: AbstractContextManager[Any] = field(default_factory=nullcontext)

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def select(
        self, arrays: Mapping[str, tuple[str, Sequence[str], tuple[int, ...]]], others: Sequence[Container] = ()
    ) -> Container:
        """Return a container of some of the arrays, closed with this one.

        Parameters
        ----------
        arrays : mapping
            New name to the present one, the dimensions of what is selected, and the entry of the leading axes that is
            selected, () for all.
        others : sequence of Container
            Which hold arrays of the same names that follow those of this one in time.
        """
        everywhere = [self, *others]
        selected = {
            name: Selected(
                [entry.arrays[source] for entry in (everywhere if tuple(dimensions[:1]) == ("time",) else [self])],
                lead,
                dimensions,
                self._missing,
            )
            for name, (source, dimensions, lead) in arrays.items()
        }

        def describe(name: str, view: Any) -> tuple[Iterable[str] | None, dict[str, Any]]:
            return view.dimensions, self._describe(arrays[name][0], view.parts[0])[1]

        def close() -> None:
            for entry in everywhere:
                entry.close()

        return Container(self.path, selected, {}, {}, close, describe, lambda view: view.missing)

    def where(self, name: str) -> str:
        """File and variable, for messages."""
        return f"{self.path}: variable {name!r}"

    def shapes(self) -> dict[str, list[int]]:
        """Shapes of all arrays by name."""
        return {name: list(self.arrays[name].shape) for name in sorted(self.arrays)}

    def variable(self, name: str) -> xr.Variable:
        """Return an array as xarray decodes it, lazy, with its dimensions (``dim_0`` ... where it names none).

        Raises
        ------
        ReaderError
            Naming file and variable: none of that name, a link without target, or part of it was never written.
        """
        if name in self.broken:
            raise ReaderError(f"{self.where(name)}: {self.broken[name]}")
        if name not in self.arrays:
            raise ReaderError(f"{self.path}: no variable {name!r}; found {sorted(self.arrays)}")
        try:
            with self._lock, warnings.catch_warnings():
                warnings.simplefilter("ignore", xr.SerializationWarning)  # two fill values: both are masked
                array = self.arrays[name]
                stored = _Stored(self.where(name), array, self._missing(array), self._lock)
                missing = stored.missing((slice(None),) * len(stored.shape))
                if missing is not None:
                    raise ReaderError(f"{self.where(name)}: {missing}")
                given, attributes = self._describe(name, array)
                named = list(given or [])
                unique = len(set(named)) == len(named) == len(stored.shape)
                dimensions = named if unique else [f"dim_{axis}" for axis in range(len(stored.shape))]
                raw = xr.Variable(dimensions, indexing.LazilyIndexedArray(stored), attributes)
                decoded = xr.conventions.decode_cf_variable(
                    name, raw, concat_characters=False, decode_times=False, decode_timedelta=False
                )
        except ReaderError:
            raise
        except Exception as error:
            raise ReaderError(f"{self.where(name)} cannot be read: {error}") from error
        decoded.encoding["chunksizes"] = getattr(array, "chunks", None)
        return decoded

    def stated(self, name: str, parameter: str) -> Stated:
        """Read a parameter from an array that holds one value, or the same one throughout, with its unit."""
        variable = self.variable(name)
        values = np.unique(variable.values)
        if values.size != 1:
            raise ReaderError(f"{self.where(name)}: expected one value, got {values.size} different ones")
        try:
            return Stated.read(parameter, xr.Variable((), values[0], variable.attrs), self.where(name))
        except UnitError as error:
            raise ReaderError(str(error)) from error

    def scalars(self, used: Iterable[str], attributes: bool = True) -> tuple[dict[str, Stated], dict[str, str]]:
        """Read what may be parameters: arrays of one value and attributes that are numbers, by name.

        Parameters
        ----------
        used : iterable of str
            Arrays and attributes that are something else.
        attributes : bool
            Whether those of the file count.

        Returns
        -------
        dict of Stated, dict of str
            What was read; and why what begins like a number is none.

        Raises
        ------
        ReaderError
            Of a parameter that the simulator knows, if it cannot be read.
        """
        found: dict[str, Stated] = {}
        unread: dict[str, str] = {}
        sources: dict[str, Any] = dict(self.attributes) if attributes else {}
        for source in [*self.arrays, *sources]:
            name = identifier(source)
            known = known_parameter(name) is not None
            if source in used or name in found or name in RESERVED or not name.isidentifier() or name.startswith("_"):
                continue
            try:
                if source in self.arrays:
                    if known or (np.prod(self.arrays[source].shape) == 1 and self.variable(source).dtype.kind in "iuf"):
                        found[name] = self.stated(source, name)
                elif known or isinstance(sources[source], int | float | np.number | str):
                    found[name] = Stated.read(name, sources[source], f"{self.path}: attribute {source!r}")
            except ValueError as error:
                if known:
                    raise ReaderError(str(error)) from error
                if source in self.arrays or str(sources[source])[:1].isdecimal():
                    unread[name] = str(error)
        return found, unread

    def read(self, name: str, unit: str, part: Any = ..., stated: str | None = None) -> np.ndarray:
        """Read (part of) an array: NaN where the file masks, in `unit`.

        Parameters
        ----------
        name : str
        unit : str
            Wanted; of a file that states none, it is taken for granted.
        part : index
        stated : str, optional
            Unit that the configuration states; it must not contradict the file.

        Raises
        ------
        ReaderError
            Naming file, variable, the unit found and the one expected, or the chunk that is missing.
        """
        variable = self.variable(name)
        if variable.dtype.kind in "OUS" and variable.size > 1:
            raise ReaderError(f"{self.where(name)} holds text, expected numbers (attribute units says their unit)")
        try:
            return read_quantity(variable[part], unit, self.where(name), stated)
        except UnitError as error:
            raise ReaderError(str(error)) from error


def is_container(path: Path) -> bool:
    """Whether the name of a file or folder says that it holds named arrays."""
    if path.is_dir():
        return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))
    return path.suffix.lower() in (*HDF5_SUFFIXES, *NUMPY_SUFFIXES)


def open_container(path: str | os.PathLike[str]) -> Container:
    """Open a file or folder of arrays; a plain ``.npy`` or a bare Zarr array has the one name ``"array"``.

    Raises
    ------
    ReaderError
        Naming the file: of another kind, incomplete, in use by another process, or with objects that need pickle.
    """
    path = Path(path)
    kind = "Zarr" if path.is_dir() else path.suffix.lower()
    try:
        if path.is_dir():
            return _open_zarr(path)
        if kind == ".npy":
            return Container(path, {"array": np.load(path, mmap_mode="r", allow_pickle=False)})
        if kind == ".npz":
            archive = np.load(path, allow_pickle=False)
            return Container(path, _Archive(archive, path), close=archive.close)
        with path.open("rb") as stream:
            kind = "NetCDF" if stream.read(3) == b"CDF" else "NetCDF or HDF5"
        return _open_classic(path) if kind == "NetCDF" else _open_hdf5(path)
    except ReaderError:
        raise
    except OSError as error:
        raise ReaderError(f"{path}: {explain(error) or f'cannot be read as {kind}'} ({error})") from error
    except Exception as error:  # every library has its own kind of error for a broken file
        raise ReaderError(f"{path}: cannot be read as {kind}: {error}") from error


class _Archive(Mapping[str, np.ndarray]):
    """An ``.npz``, each array of which is unpacked once: it cannot be sliced on disk."""

    def __init__(self, archive: Any, path: Path) -> None:
        self._archive, self._path = archive, path
        self._held: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._archive.files:
            raise KeyError(name)
        if name not in self._held:
            self._held[name] = self._archive[name]
        return self._held[name]

    def __contains__(self, name: object) -> bool:
        return name in self._archive.files

    def __iter__(self) -> Iterator[str]:
        return iter(self._archive.files)

    def __len__(self) -> int:
        return len(self._archive.files)


def _clean(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as xarray wants them: texts and numbers out of their arrays of one."""
    result = {}
    for name, value in attributes.items():
        if isinstance(value, np.ndarray) and value.size == 1:
            value = value.reshape(())[()]
        result[str(name)] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return result


# ---- HDF5, NetCDF4 ----


def _open_hdf5(path: Path) -> Container:
    import h5py

    file = h5py.File(path, "r")
    try:
        arrays: dict[str, Any] = {}
        broken: dict[str, str] = {}
        _walk(file, "", (), arrays, broken)
        attributes = _hdf5_attributes(file)
    except Exception:
        file.close()
        raise
    netcdf = "_NCProperties" in attributes

    def describe(name: str, array: Any) -> tuple[Iterable[str] | None, dict[str, Any]]:
        about = _hdf5_attributes(array)
        if netcdf:
            _add_default_fill(about, array.dtype)
        return _hdf5_dimensions(array), about

    return Container(path, arrays, attributes, broken, file.close, describe, missing_in_hdf5)


def _walk(group: Any, prefix: str, above: tuple[Any, ...], arrays: dict[str, Any], broken: dict[str, str]) -> None:
    """Collect the datasets of a group and of those in it, through links; a link may lead back to where it is."""
    import h5py

    for name in group:
        try:
            item = group[name]
        except Exception:
            link = group.get(name, getlink=True)
            target = (
                f"{link.filename}:{link.path}" if isinstance(link, h5py.ExternalLink) else getattr(link, "path", "?")
            )
            broken[prefix + name] = f"is a link to {target}, which is not there"
            continue
        if isinstance(item, h5py.Dataset):
            if not (item.is_scale and bytes(item.attrs.get("NAME", b"")).startswith(_DIMENSION_ONLY)):
                arrays[prefix + name] = item
        elif isinstance(item, h5py.Group):
            about = h5py.h5o.get_info(item.id)
            mark = (about.fileno, about.addr)
            if mark not in above:
                _walk(item, f"{prefix}{name}/", (*above, mark), arrays, broken)


def hdf5_groups(path: Path) -> set[str]:
    """Return what is at the root of an HDF5 file, nothing of a file that is none or cannot be opened."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return set(file)
    except OSError:
        return set()


def hdf5_attributes(path: Path) -> dict[str, dict[str, Any]]:
    """Return the attributes of an HDF5 file ("") and of what is in it, by name: texts, numbers, lists of them."""
    import h5py

    found: dict[str, dict[str, Any]] = {}

    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if isinstance(value, np.ndarray):
            return [plain(entry) for entry in value.ravel().tolist()]
        return value.item() if isinstance(value, np.generic) else value

    def keep(name: str, item: Any) -> None:
        found[name] = {key: plain(value) for key, value in item.attrs.items()}

    try:
        with h5py.File(path, "r") as file:
            keep("", file)
            file.visititems(keep)
    except (OSError, RuntimeError) as error:
        raise ReaderError(f"{path}: {explain(error) or 'cannot be read as HDF5'} ({error})") from error
    return found


def _hdf5_attributes(item: Any) -> dict[str, Any]:
    import h5py

    found = {name: item.attrs[name] for name in item.attrs if name not in _HDF5_BOOKKEEPING}
    return _clean({name: value for name, value in found.items() if not isinstance(value, h5py.Empty)})


def _hdf5_dimensions(dataset: Any) -> list[str] | None:
    if dataset.is_scale:
        return [Path(dataset.name).name] if dataset.ndim == 1 else None
    if "DIMENSION_LIST" not in dataset.attrs:
        return None
    return [Path(axis[0].name).name if len(axis) else f"dim_{place}" for place, axis in enumerate(dataset.dims)]


# ---- NetCDF classic, 64-bit offset, CDF-5 ----


def _open_classic(path: Path) -> Container:
    import netCDF4

    needed, size = needed_bytes(path), path.stat().st_size
    if size < needed:  # the library would give zeros for what is not there
        raise ReaderError(f"{path}: holds {size} bytes of {needed}: a copy that stopped")
    with _NETCDF_LOCK:
        file = netCDF4.Dataset(path, "r")
        file.set_auto_maskandscale(False)
        attributes = _clean({name: file.getncattr(name) for name in file.ncattrs()})

    def describe(name: str, array: Any) -> tuple[Iterable[str] | None, dict[str, Any]]:
        about = _clean({key: array.getncattr(key) for key in array.ncattrs()})
        _add_default_fill(about, array.dtype)
        return array.dimensions, about

    def close() -> None:
        with _NETCDF_LOCK:
            if file.isopen():
                file.close()

    return Container(
        path, dict(file.variables), attributes, {}, close, describe, lambda _: nothing_missing, _NETCDF_LOCK
    )


def _add_default_fill(attributes: dict[str, Any], dtype: Any) -> None:
    """NetCDF fills what was never written with a value of its own, which xarray masks only if it is stated."""
    kind = np.dtype(dtype).str[1:] if not isinstance(dtype, type(str)) else ""
    if kind in _NETCDF_FILL and "_FillValue" not in attributes:
        attributes["_FillValue"] = np.dtype(kind).type(_NETCDF_FILL[kind])


# ---- Zarr ----


def _open_zarr(path: Path) -> Container:
    import zarr

    opened = zarr.open(str(path), mode="r")
    if isinstance(opened, zarr.Array):
        arrays = {"array": opened}
    else:
        arrays = {name: item for name, item in opened.members(max_depth=None) if isinstance(item, zarr.Array)}
    return Container(
        path,
        arrays,
        _clean(dict(opened.attrs)),
        {},
        lambda: None,
        lambda name, array: _describe_zarr(array),
        lambda array: missing_in_zarr(array, path / array.path),
    )


def _describe_zarr(array: Any) -> tuple[Iterable[str] | None, dict[str, Any]]:
    """Dimensions and attributes as xarray writes them, in both formats."""
    from xarray.backends.zarr import FillValueCoder

    attributes = _clean(dict(array.attrs))
    if array.metadata.zarr_format == 2:
        names = attributes.pop("_ARRAY_DIMENSIONS", None)
        if names is not None and array.fill_value is not None:
            attributes["_FillValue"] = array.fill_value
        return names, attributes
    if isinstance(attributes.get("_FillValue"), str):
        attributes["_FillValue"] = FillValueCoder.decode(attributes["_FillValue"], array.dtype)
    names = array.metadata.dimension_names
    return (None if names is None or None in names else names), attributes
