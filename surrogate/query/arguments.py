"""What a user may pass as parameters and times, brought to plain arrays; what is wrong with it is said clearly.

Labels win over positions wherever an object has labels: names of a mapping, index or columns of pandas, coordinates and
variables of xarray, fields of a named tuple or a structured array. Units that an object states are converted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from surrogate.parameters import EVOLUTION_PARAMETERS, ParameterSpace
from surrogate.quantities import DIMENSIONAL, Units
from surrogate.query.errors import QueryError
from surrogate.units import read_quantity

ARGUMENTS = ("time", "method", "interval", "band", "extrapolate", "samples", "seed")
"""What a question has beside its parameters: a misspelt keyword may mean one of these."""


@dataclass(frozen=True)
class Sets:
    """Parameter sets of one question.

    Attributes
    ----------
    values : array, shape (simulation, n)
        In the order and units of the parameter space.
    labels : array, shape (simulation,)
        What the sets are called in the answer: numbers or text.
    single : bool
        Whether one set was asked for on its own, so that the answer has no dimension ``simulation``.
    """

    values: np.ndarray
    labels: np.ndarray
    single: bool


def read_sets(
    parameters: Any = None, keywords: Mapping[str, Any] | None = None, space: ParameterSpace = EVOLUTION_PARAMETERS
) -> Sets:
    """Read one or many parameter sets.

    Parameters
    ----------
    parameters : optional
        One set: a mapping, a `pandas.Series`, a named tuple, or n numbers in the units of the parameters. Many sets: a
        list of those, an array of shape (n sets, n), a `pandas.DataFrame`, an `xarray.Dataset` with the parameters as
        variables, an `xarray.DataArray` with their names along one dimension.
    keywords : mapping, optional
        Values by name, which complete or replace those of a single set: numbers, strings with a unit, quantities.
        Equally long sequences of them make many sets.
    space : ParameterSpace, optional
        Default: the parameters of the simulator's thermal evolutions.

    Returns
    -------
    Sets

    Raises
    ------
    QueryError
        Naming what is missing, unknown, of the wrong unit or shape.

    Examples
    --------
    >>> sets = read_sets(keywords=dict(reference_viscosity=["1e20 Pa s", 1e21], activation_energy="300 kJ/mol",
    ...     activation_volume=6e-6, crustal_enrichment=10, initial_temperature="1400 degC"))
    >>> sets.values[:, 0].tolist(), sets.values[0, 4].item(), sets.single
    ([1e+20, 1e+21], 1673.15, False)
    """
    names = tuple([entry.name for entry in space.parameters])
    given, labels = _by_name(parameters, names)
    if keywords:
        if labels is not None:
            raise QueryError(
                f"{', '.join(keywords)}: keywords cannot be combined with a table of parameters; add a column to it"
            )
        given = {**given, **keywords}
    _check_names(given, names)
    columns: list[np.ndarray] = []
    positive: list[bool] = []
    lengths: dict[str, int] = {}
    reordered, unlabelled = False, False
    for entry in space.parameters:
        value = given[entry.name]
        positive.append(entry.logarithmic or entry.low > 0)
        if type(value) not in (float, int):
            if isinstance(value, pd.Series | xr.DataArray):
                own, value = _labelled(value)
                if own is not None and labels is not None and own.tolist() != labels.tolist():
                    value, reordered = _aligned(value, own, labels, entry.name), True
                labels = own if labels is None else labels
                unlabelled |= own is None and value.ndim > 0
            unlabelled |= isinstance(value, list | tuple | np.ndarray)
            try:
                value = read_quantity(value, entry.unit, entry.name)
            except ValueError as error:
                raise QueryError(str(error)) from None
        if np.ndim(value) > 1:
            raise QueryError(f"{entry.name}: expected one value for each set, got shape {np.shape(value)}")
        if np.ndim(value):
            lengths[entry.name] = len(value)
        columns.append(np.atleast_1d(value))
    if reordered and unlabelled:
        raise QueryError("parameters: labels in different orders do not go together with sequences that have none")
    count = max(map(len, columns))
    if not min(map(len, columns)):
        raise QueryError("parameters: expected at least one set, got none")
    if len(set(lengths.values())) > 1:
        raise QueryError(f"parameters: sequences must be equally long, got {lengths}")
    values = np.empty((count, len(columns)))
    for number, column in enumerate(columns):
        values[:, number] = column
    bad = ~np.isfinite(values) | (np.array(positive) & (values <= 0))
    if bad.any():
        row, number = np.argwhere(bad)[0]
        expected = "finite, positive values" if positive[number] else "finite values"
        raise QueryError(
            f"{names[number]}: expected {expected} in {space[int(number)].unit}, "
            f"got {values[row, number]:g} in row {row} ({bad[:, number].sum()} bad of {count})"
        )
    return Sets(values, np.arange(count) if labels is None else labels, not lengths)


def _by_name(parameters: Any, names: tuple[str, ...]) -> tuple[dict[str, Any], np.ndarray | None]:
    """Values by the name of the parameter, and the labels of the sets if `parameters` is a table of many."""
    if parameters is None:
        return {}, None
    if isinstance(parameters, pd.DataFrame):
        return _from_table(parameters, names)
    if isinstance(parameters, xr.Dataset):
        return _from_dataset(parameters, names)
    if isinstance(parameters, xr.DataArray):
        return _from_labelled_array(parameters, names)
    if isinstance(parameters, pd.Series):
        if pd.api.types.is_string_dtype(parameters.index) or set(names) & set(parameters.index):
            return _of_row({str(key): entry for key, entry in parameters.items()}, names), None
        parameters = parameters.to_numpy()
    if isinstance(parameters, Mapping):
        return dict(parameters), None
    if isinstance(parameters, tuple) and hasattr(parameters, "_fields"):
        return _of_row(dict(zip(parameters._fields, parameters, strict=True)), names), None
    fields = getattr(getattr(parameters, "dtype", None), "names", None)
    if fields:
        kept = {name: parameters[name] for name in fields if name in names}
        return kept, np.arange(len(parameters)) if np.ndim(parameters) else None
    plain = isinstance(parameters, list | tuple) and set(map(type, parameters)) <= {float, int}
    if not plain and isinstance(parameters, list | tuple) and any(_is_set(entry) for entry in parameters):
        if not all(_is_set(entry) for entry in parameters):
            raise QueryError("parameters: a list must hold parameter sets only")
        rows = [_by_name(entry, names)[0] for entry in parameters]
        for row in rows:
            _check_names(row, names)
        return {name: [row[name] for row in rows] for name in names}, np.arange(len(rows))
    return _from_positions(parameters, names)


def _of_row(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Values of one row of a table, which may have further columns."""
    return {name: row[name] for name in names} if set(names) <= set(row) else row


def _is_set(entry: Any) -> bool:
    return isinstance(entry, Mapping | pd.Series) or hasattr(entry, "_fields")


def _from_positions(parameters: Any, names: tuple[str, ...]) -> tuple[dict[str, Any], np.ndarray | None]:
    """Values of an object without labels: numbers in the order of the parameters."""
    try:
        array = np.asarray(parameters, dtype=float)
    except (TypeError, ValueError):
        raise QueryError(
            f"parameters: expected a mapping, a table or numbers in the order {', '.join(names)}, "
            f"got {type(parameters).__name__}"
        ) from None
    if hasattr(parameters, "units") or hasattr(parameters, "unit"):
        raise QueryError("parameters: one unit cannot be that of all parameters; give them by name")
    if array.ndim not in (1, 2) or array.shape[-1] != len(names) or not array.size:
        raise QueryError(
            f"parameters: expected an array of shape ({len(names)},) or (n, {len(names)}) for {', '.join(names)}, "
            f"got {array.shape}"
        )
    return dict(zip(names, array.T, strict=True)), None if array.ndim == 1 else np.arange(len(array))


def _from_table(table: pd.DataFrame, names: tuple[str, ...]) -> tuple[dict[str, Any], np.ndarray]:
    if not set(names) & set(table.columns) and set(names) & set(table.index):
        table = table.T  # one set a column
    _check_present(list(table.columns), names, "table")
    doubled = [name for name in names if isinstance(table[name], pd.DataFrame)]
    if doubled:
        raise QueryError(f"parameters: the table has several columns {', '.join(doubled)}")
    return {name: table[name].reset_index(drop=True) for name in names}, _labels(table.index)


def _from_dataset(dataset: xr.Dataset, names: tuple[str, ...]) -> tuple[dict[str, Any], np.ndarray | None]:
    _check_present(list(dataset.variables), names, "dataset")
    dimensions = {dimension for name in names for dimension in dataset[name].dims}
    for name in names:
        if dataset[name].ndim > 1 or len(dimensions) > 1:
            raise QueryError(
                f"{name}: expected one value per simulation, got dimensions {sorted(map(str, dimensions))}"
            )
    kept = {name: dataset[name].drop_vars(dataset[name].coords) for name in names}
    for dimension in dimensions:
        index = dataset.indexes.get(dimension)
        return kept, np.arange(dataset.sizes[dimension]) if index is None else _labels(index)
    return kept, None


def _from_labelled_array(array: xr.DataArray, names: tuple[str, ...]) -> tuple[dict[str, Any], np.ndarray | None]:
    """Read an array that has the names of the parameters along one dimension."""
    along = [
        dimension
        for dimension, index in array.indexes.items()
        if set(names) & set(index)  # a misspelt name is named below
    ]
    if len(along) != 1:
        if "units" in array.attrs:
            raise QueryError("parameters: one unit cannot be that of all parameters; give them by name")
        return _from_positions(array.values, names)
    _check_names(array.indexes[along[0]], names)
    unit = array.coords.get("units")
    kept = {}
    for position, name in enumerate(array.indexes[along[0]]):
        column = array.isel({along[0]: position}).reset_coords(drop=True)
        if unit is not None and unit.dims == (along[0],):
            column.attrs["units"] = str(unit.values[position])
        elif "units" in array.attrs:
            raise QueryError("parameters: one unit cannot be that of all parameters; give them by name")
        kept[str(name)] = column
    if array.ndim == 1:
        return kept, None
    (other,) = (dimension for dimension in array.dims if dimension != along[0])
    index = array.indexes.get(other)
    return (
        {name: column.drop_vars(column.coords) for name, column in kept.items()},
        np.arange(array.sizes[other]) if index is None else _labels(index),
    )


def _labels(index: pd.Index) -> np.ndarray:
    """Labels of the sets in the answer: the numbers or the text of an index that tells the sets apart."""
    if not index.is_unique:
        return np.arange(len(index))
    if pd.api.types.is_integer_dtype(index.dtype):
        return index.to_numpy(dtype=np.int64)
    if isinstance(index, pd.MultiIndex):
        return np.array([" ".join(map(str, entry)) for entry in index], dtype=str)
    return index.to_numpy().astype(str)


def _labelled(value: pd.Series | xr.DataArray) -> tuple[np.ndarray | None, Any]:
    """Labels of a sequence, None if it only has positions, and the sequence without them."""
    if isinstance(value, pd.Series):
        return None if isinstance(value.index, pd.RangeIndex) else _labels(value.index), value.reset_index(drop=True)
    index = value.indexes.get(value.dims[0]) if value.ndim == 1 else None
    return None if index is None or isinstance(index, pd.RangeIndex) else _labels(index), value.drop_vars(value.coords)


def _aligned(value: Any, own: np.ndarray, labels: np.ndarray, name: str) -> Any:
    """Bring the entries of a labelled sequence to the order of the labels that came first."""
    if sorted(map(str, own)) != sorted(map(str, labels)):
        raise QueryError(f"{name}: its labels {own.tolist()[:5]} are not those of the other parameters")
    order = pd.Index(own).get_indexer(pd.Index(labels))
    return value.iloc[order] if isinstance(value, pd.Series) else value.isel({value.dims[0]: order})


def _check_names(given: Iterable[Any], names: tuple[str, ...]) -> None:
    """Refuse what is missing or unknown, with what a misspelt name may mean."""
    found = set(given)
    if found == set(names):
        return
    complaints = []
    missing = [name for name in names if name not in found]
    if missing:
        complaints.append(f"missing {', '.join(missing)}")
    for name in sorted(map(str, found - set(names))):
        near = get_close_matches(name, [*names, *ARGUMENTS], 1)
        complaints.append(f"unknown {name}" + (f" (did you mean {near[0]}?)" if near else ""))
    raise QueryError(f"parameters: {'; '.join(complaints)}; expected {', '.join(names)}")


def _check_present(found: list[Any], names: tuple[str, ...], what: str) -> None:
    """Refuse a table that lacks a parameter; what else it holds is not ours."""
    missing = [name for name in names if name not in found]
    if missing:
        near = [match for name in missing for match in get_close_matches(name, list(map(str, found)), 1)]
        hint = f" (it has {', '.join(near)})" if near else ""
        raise QueryError(f"parameters: the {what} lacks {', '.join(missing)}{hint}")


def read_times(time: Any, default: Any, units: Units = DIMENSIONAL) -> np.ndarray:
    """Read the times of a question.

    Parameters
    ----------
    time : float, str, quantity, or a sequence, pandas or xarray object of them
        Bare numbers are Gyr, or diffusion times, since the start of the evolution. None takes `default`.
    default : array, shape (time,)
    units : Units, optional

    Returns
    -------
    array, shape (time,), increasing

    Raises
    ------
    QueryError

    Examples
    --------
    >>> read_times(["500 Myr", 4.5], None).tolist()
    [0.5, 4.5]
    """
    if time is None:
        return np.asarray(default, dtype=float)
    if isinstance(time, xr.Dataset | pd.DataFrame | Mapping | set | frozenset):
        raise QueryError(f"time: expected a time or a sequence of times, got {type(time).__name__}")
    unit = "Gyr" if units.dimensional else "dimensionless"
    try:
        times = np.atleast_1d(np.asarray(read_quantity(time, unit, "time"), dtype=float))
    except ValueError as error:
        raise QueryError(str(error)) from None
    if times.ndim > 1 or not times.size:
        raise QueryError(f"time: expected one or more times in one dimension, got shape {times.shape}")
    if not np.isfinite(times).all():
        raise QueryError(f"time: expected finite numbers in {unit}, got {times[~np.isfinite(times)][0]}")
    if times.min() < 0:
        raise QueryError(f"time: expected {unit} since the start of the evolution, not negative, got {times.min():g}")
    if (np.diff(times) <= 0).any():
        raise QueryError(f"time: expected increasing times, got {times.tolist()}")
    return times
