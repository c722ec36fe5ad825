"""Named arrays in NetCDF, HDF5, Zarr and NumPy files, read in slices, all in the same way."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from surrogate.corpus.readers import ReaderError
from surrogate.corpus.readers.chunks import ChunkReader

HDF5_SUFFIXES = (".nc", ".nc4", ".h5", ".hdf5", ".hdf", ".he5")
NUMPY_SUFFIXES = (".npy", ".npz")


class _Archive(Mapping[str, np.ndarray]):
    """An ``.npz``, each array of which is unpacked once: it cannot be sliced on disk."""

    def __init__(self, archive: Any) -> None:
        self._archive = archive
        self._held: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._held:
            self._held[name] = self._archive[name]
        return self._held[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._archive.files)

    def __len__(self) -> int:
        return len(self._archive.files)


class _Chunked:
    """An array of HDF5, read along its first axis past the library where that can be done."""

    def __init__(self, dataset: Any) -> None:
        self.shape, self.dtype, self.attrs = dataset.shape, dataset.dtype, dataset.attrs
        self._dataset = dataset
        self._reader: ChunkReader | None = None

    def __getitem__(self, part: Any) -> Any:
        first, *rest = part if isinstance(part, tuple) else (part,)
        whole = all(isinstance(entry, slice) and entry == slice(None) for entry in rest)
        if not (self.shape and whole and isinstance(first, int | slice | np.integer)):
            return self._dataset[part]
        if self._reader is None:
            self._reader = ChunkReader(self._dataset)
        if not isinstance(first, slice):
            number = range(self.shape[0])[first]
            return self._reader.read(number, number + 1)[0]
        low, high, step = first.indices(self.shape[0])
        return self._reader.read(low, high) if step == 1 and low < high else self._dataset[part]


@dataclass
class Container:
    """The arrays of one file or folder.

    Attributes
    ----------
    path : Path
    arrays : mapping
        Name to an array that can be sliced; nothing is read before.
    attributes : mapping
        Of the file.
    close : callable
    """

    path: Path
    arrays: Mapping[str, Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None

    def __getitem__(self, name: str) -> Any:
        """Return the array `name`, not read yet; the error names those that exist."""
        if name not in self.arrays:
            raise ReaderError(f"{self.path}: no variable {name!r}; found {sorted(self.arrays)}")
        return self.arrays[name]

    def values(self, name: str, part: Any = ...) -> np.ndarray:
        """Read (part of) an array as float, unpacked as CF says: scale_factor, add_offset, _FillValue."""
        array = self[name]
        raw = np.asarray(array[part])
        attributes = getattr(array, "attrs", None) or getattr(array, "_attributes", {})
        result = raw.astype(np.result_type(raw.dtype, np.float32), copy=False)
        fill = attributes.get("_FillValue")
        if fill is not None and not isinstance(fill, str):
            result = np.where(raw == np.ravel(fill)[0], np.nan, result)
        factor = np.ravel(attributes.get("scale_factor", 1.0))[0]
        offset = np.ravel(attributes.get("add_offset", 0.0))[0]
        return result if (factor, offset) == (1.0, 0.0) else result * factor + offset


def is_container(path: Path) -> bool:
    """Whether the name of a file or folder says that it holds named arrays."""
    if path.is_dir():
        return (path / "zarr.json").is_file() or (path / ".zgroup").is_file() or (path / ".zarray").is_file()
    return path.suffix.lower() in (*HDF5_SUFFIXES, *NUMPY_SUFFIXES)


def open_container(path: str | os.PathLike[str]) -> Container:
    """Open a file or folder of arrays; a plain ``.npy`` or a bare Zarr array has the one name ``"array"``.

    Raises
    ------
    ReaderError
        Naming the file: of another kind, truncated, or with objects that would need pickle.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return _open_zarr(path)
        if path.suffix.lower() == ".npy":
            return Container(path, {"array": np.load(path, mmap_mode="r", allow_pickle=False)})
        if path.suffix.lower() == ".npz":
            archive = np.load(path, allow_pickle=False)
            return Container(path, _Archive(archive), close=archive.close)
        with path.open("rb") as stream:
            classic = stream.read(3) == b"CDF"
        return _open_classic(path) if classic else _open_hdf5(path)
    except ReaderError:
        raise
    except Exception as error:  # every library has its own kind of error for a broken file
        raise ReaderError(f"{path}: truncated, or neither NetCDF, HDF5, Zarr nor NumPy: {error}") from error


def _open_zarr(path: Path) -> Container:
    import zarr

    opened = zarr.open(str(path), mode="r")
    if isinstance(opened, zarr.Array):
        return Container(path, {"array": opened}, dict(opened.attrs))
    return Container(path, dict(opened.arrays()), dict(opened.attrs))


def _open_hdf5(path: Path) -> Container:
    import h5py

    file = h5py.File(path, "r")
    arrays: dict[str, Any] = {}
    file.visititems(
        lambda name, item: arrays.update({name: _Chunked(item)}) if isinstance(item, h5py.Dataset) else None
    )
    return Container(path, arrays, dict(file.attrs), file.close)


def _open_classic(path: Path) -> Container:
    from scipy.io import netcdf_file

    # Without mmap: a mapped file cannot be closed while arrays of it live.
    file = netcdf_file(path, "r", mmap=False)
    return Container(path, dict(file.variables), dict(file._attributes), file.close)
