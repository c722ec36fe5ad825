"""What readers have in common: temperatures that are read snapshot by snapshot, and parameters that stand elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from surrogate.corpus.readers import Notes, ReaderError, attach_notes
from surrogate.corpus.readers.tables import read_table_row
from surrogate.fields import make_run, validate
from surrogate.geometry import Geometry
from surrogate.parameters import Parameter, Parameters, ParameterSpace, Stated, known_parameter
from surrogate.quantities import DIMENSIONAL, Units


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
        numbers, rows, columns = (np.arange(size)[part] for size, part in zip(self.shape, key, strict=True))
        inside = np.ix_(np.atleast_1d(rows), np.atleast_1d(columns))
        shape = (numbers.size, *(axis.size for axis in inside))
        result = np.empty((numbers.size, inside[0].size, inside[1].size), dtype=self.dtype)
        for place, number in enumerate(np.atleast_1d(numbers).tolist()):
            result[place] = self._snapshot(number)[inside]
        return result.reshape([size for size, axis in zip(shape, (numbers, rows, columns), strict=True) if axis.ndim])

    def _snapshot(self, number: int) -> np.ndarray:
        snapshot = np.asarray(self.load(number), dtype=self.dtype)
        if snapshot.shape != self.shape[1:]:
            raise ReaderError(f"snapshot {number} has shape {snapshot.shape}, expected {self.shape[1:]}")
        return snapshot


def lazy_run(
    load: Callable[[int], np.ndarray],
    time: Any,
    geometry: Geometry,
    parameters: Parameters,
    series: Mapping[str, Any] | None = None,
    attributes: Mapping[str, Any] | None = None,
    close: Callable[[], None] | None = None,
    notes: Notes | None = None,
    units: Units = DIMENSIONAL,
) -> xr.Dataset:
    """Build a run dataset whose temperature is read when it is needed.

    Parameters
    ----------
    load : callable
        ``load(number)`` returns snapshot `number`, shape (radius, angle), K, wall rows included.
    time : array, shape (time,), Gyr
    geometry, parameters, series, attributes
        As :func:`surrogate.fields.make_run` takes them.
    close : callable, optional
        Called when the dataset is closed.
    notes : Notes, optional
        What is left out, and what looked odd.
    units : Units, optional

    Examples
    --------
    >>> run = lazy_run(lambda number: np.full((5, 4), 1000.0 + number), [0.0, 1.0, 2.0], Geometry.quarter(3, 4),
    ...     Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0))
    >>> float(run.temperature[2, 0, 0])
    1002.0
    """
    time = np.asarray(time, dtype=float)
    series = {name: np.asarray(values, dtype=float) for name, values in (series or {}).items()}
    # make_run looks at the values of the temperature: it gets one invented snapshot, and is lent the rest.
    first = {name: values[:1] for name, values in series.items()}
    invented = np.full((1, *geometry.shape), np.mean(units.plausible))
    form = make_run(invented, time[:1], geometry, parameters, first, attributes, units)
    snapshots = indexing.LazilyIndexedArray(Snapshots(load, (len(time), *geometry.shape)))
    run = form.drop_dims("time").assign_coords(time=("time", time, form.time.attrs))
    run["temperature"] = (form.temperature.dims, snapshots, form.temperature.attrs)
    for name, values in series.items():
        run[name] = ("time", values, form[name].attrs)
    validate(run, values=False)
    if close is not None:
        run.set_close(close)
    return attach_notes(run, notes)


def given_parameters(option: Any, path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the parameters that the option ``parameters`` of a reader gives for the run at `path`.

    Parameters
    ----------
    option : None, mapping or str
        Nothing; values by name; or the name of a table, as :func:`surrogate.corpus.readers.tables.read_table_row`
        reads it.
    path : Path

    Returns
    -------
    values : dict
        Values by name, as :func:`stated_parameters` takes them.
    unread : dict
        By name, why a cell of the table is no number.

    Raises
    ------
    ReaderError
        Naming the table, line and column.
    """
    if option is None or isinstance(option, Mapping):
        return dict(option or {}), {}
    row = read_table_row(Path(str(option)), path)
    return dict(row.values), row.unread


def stated_parameters(
    values: Mapping[str, Any], path: Path, described: Mapping[str, Parameter] | None = None
) -> Parameters:
    """Return the parameters of a run as its file, or whoever describes it, states them; the corpus chooses among them.

    Parameters
    ----------
    values : mapping
        Numbers, texts and quantities, with their unit if it is known: "50 MPa".
    path : Path
        Of the run, for errors.
    described : mapping, optional
        What more is known of some of them.

    Raises
    ------
    ReaderError
        Naming file and parameter: none at all, or one that cannot be read.

    Examples
    --------
    >>> point = stated_parameters({"rayleigh_number": 1e6, "yield_stress": "50 MPa"}, Path("run.npz"))
    >>> point.rayleigh_number, point["yield_stress"], point.space["yield_stress"].unit
    (1000000.0, 50.0, 'MPa')
    """
    if not values:
        raise ReaderError(f"{path}: no parameters; the reader's option 'parameters' gives what the file does not state")
    read, space = [], []
    try:
        for name, value in values.items():
            stated = value if isinstance(value, Stated) else Stated.read(name, value, f"{path}: parameter {name!r}")
            read.append(stated.value)
            known = known_parameter(name) if stated.unit else None  # else the corpus says in which unit it is
            entry = (described or {}).get(name) or known or Parameter(name, stated.unit)
            space.append(entry.in_unit(stated.unit) if stated.unit else replace(entry, unit=""))
        return Parameters.from_array(read, ParameterSpace(space))
    except ValueError as error:
        raise ReaderError(str(error) if str(path) in str(error) else f"{path}: {error}") from error
