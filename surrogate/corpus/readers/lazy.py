"""What readers have in common: temperatures that are read snapshot by snapshot, and parameters that stand elsewhere."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from surrogate.annulus import Annulus
from surrogate.corpus.readers import ReaderError
from surrogate.fields import make_run, validate
from surrogate.parameters import PARAMETER_NAMES, Parameters


class Snapshots(BackendArray):
    """A temperature of which only the snapshots that are asked for are read.

    Parameters
    ----------
    load : callable
        ``load(number)`` returns snapshot `number` as an array, shape (radius, angle), K.
    shape : tuple of int
        (time, radius, angle).
    """

    def __init__(self, load: Callable[[int], np.ndarray], shape: tuple[int, int, int]) -> None:
        self.load, self.shape, self.dtype = load, shape, np.dtype(np.float32)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Read what `key` asks for, in xarray's way of saying it."""
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        numbers = np.arange(self.shape[0])[key[0]]
        if numbers.ndim == 0:
            return self._snapshot(int(numbers))[np.ix_(*self._axes(key[1:]))].reshape(self._shape_of(key[1:]))
        rows, columns = self._axes(key[1:])
        result = np.empty((len(numbers), len(rows), len(columns)), dtype=self.dtype)
        for place, number in enumerate(numbers):
            result[place] = self._snapshot(int(number))[np.ix_(rows, columns)]
        return result.reshape(len(numbers), *self._shape_of(key[1:]))

    def _snapshot(self, number: int) -> np.ndarray:
        snapshot = np.asarray(self.load(number), dtype=self.dtype)
        if snapshot.shape != self.shape[1:]:
            raise ReaderError(f"snapshot {number} has shape {snapshot.shape}, expected {self.shape[1:]}")
        return snapshot

    def _axes(self, key: tuple[Any, ...]) -> list[np.ndarray]:
        return [np.atleast_1d(np.arange(size)[part]) for size, part in zip(self.shape[1:], key, strict=True)]

    def _shape_of(self, key: tuple[Any, ...]) -> list[int]:
        sizes = zip(self.shape[1:], key, strict=True)
        return [len(np.arange(size)[part]) for size, part in sizes if np.ndim(np.arange(size)[part])]


def lazy_run(
    load: Callable[[int], np.ndarray],
    time: Any,
    annulus: Annulus,
    parameters: Parameters,
    series: Mapping[str, Any] | None = None,
    attributes: Mapping[str, Any] | None = None,
    close: Callable[[], None] | None = None,
) -> xr.Dataset:
    """Build a run dataset whose temperature is read when it is needed.

    Parameters
    ----------
    load : callable
        ``load(number)`` returns snapshot `number`, shape (radius, angle), K, wall rows included.
    time : array, shape (time,), Gyr
    annulus, parameters, series, attributes
        As :func:`surrogate.fields.make_run` takes them.
    close : callable, optional
        Called when the dataset is closed.

    Examples
    --------
    >>> run = lazy_run(lambda number: np.full((5, 4), 1000.0 + number), [0.0, 1.0, 2.0], Annulus.quarter(3, 4),
    ...     Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0))
    >>> float(run.temperature[2, 0, 0])
    1002.0
    """
    time = np.asarray(time, dtype=float)
    series = {name: np.asarray(values, dtype=float) for name, values in (series or {}).items()}
    # make_run looks at the values of the temperature: it gets one invented snapshot, and is lent the rest.
    first = {name: values[:1] for name, values in series.items()}
    form = make_run(np.full((1, *annulus.shape), 1000.0), time[:1], annulus, parameters, first, attributes)
    snapshots = indexing.LazilyIndexedArray(Snapshots(load, (len(time), *annulus.shape)))
    run = form.drop_dims("time").assign_coords(time=("time", time, form.time.attrs))
    run["temperature"] = (form.temperature.dims, snapshots, form.temperature.attrs)
    for name, values in series.items():
        run[name] = ("time", values, form[name].attrs)
    validate(run, values=False)
    if close is not None:
        run.set_close(close)
    return run


def given_parameters(option: Any, path: Path) -> dict[str, Any]:
    """Return the parameters that the option ``parameters`` of a reader gives for the run at `path`.

    Parameters
    ----------
    option : None, mapping or str
        Nothing; values by name; or the name of a CSV table with the column ``run`` (the name of the file or folder,
        with or without its suffix) and one column per parameter, SI units.
    path : Path

    Returns
    -------
    dict
        Some or all of the five.

    Raises
    ------
    ReaderError
        Naming the table and what is missing in it.
    """
    if option is None:
        return {}
    if isinstance(option, Mapping):
        return dict(option)
    table = Path(str(option))
    if not table.is_file():
        raise ReaderError(f"{table}: no such file; option 'parameters' must be a mapping or a CSV table")
    with table.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    if not rows or "run" not in rows[0]:
        raise ReaderError(f"{table}: expected the column 'run' and columns of parameters, got {list(rows[0:1])}")
    names = {path.name, path.stem, str(path)}
    found = [row for row in rows if row["run"] in names]
    if len(found) != 1:
        raise ReaderError(f"{table}: {len(found)} rows for run {path.name!r}, expected one (column 'run')")
    return {name: found[0][name] for name in PARAMETER_NAMES if found[0].get(name)}


def complete_parameters(values: Mapping[str, Any], path: Path) -> Parameters:
    """Check that the five parameters are there.

    Raises
    ------
    ReaderError
        Naming the file and the parameter, and how to give it.
    """
    try:
        return Parameters.create(values)
    except ValueError as error:
        raise ReaderError(f"{path}: {error}; the reader's option 'parameters' gives what the file does not") from error
