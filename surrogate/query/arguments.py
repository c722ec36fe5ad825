"""What a user may pass as parameters and times, brought to plain arrays; what is wrong with it is said clearly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from surrogate.parameters import PARAMETER_NAMES, PARAMETERS, Parameters
from surrogate.units import to_magnitude


class QueryError(ValueError):
    """A question that cannot be answered; the message names the argument and what was expected."""


class OutOfRangeWarning(UserWarning):
    """Parameters or times outside the range of the training runs: the answer is an extrapolation."""


@dataclass(frozen=True)
class Sets:
    """Parameter sets of one query.

    Attributes
    ----------
    values : array, shape (simulation, 5), SI units
        In the order of :data:`surrogate.parameters.PARAMETERS`.
    simulation : array of int, shape (simulation,)
        Numbers that label the sets in the answer.
    single : bool
        Whether one set was asked for on its own, so that the answer has no dimension ``simulation``.
    """

    values: np.ndarray
    simulation: np.ndarray
    single: bool


def read_sets(parameters: Any = None, keywords: Mapping[str, Any] | None = None) -> Sets:
    """Read one or many parameter sets.

    Parameters
    ----------
    parameters : optional
        A `Parameters`, a mapping, five numbers in SI units: one set. A list of those, an array of shape (n, 5), a
        `pandas.DataFrame` with the five columns or an `xarray.Dataset` with the five variables: many sets.
    keywords : mapping, optional
        Values by name, which complete or replace those of a single set: numbers in SI units, strings with a unit,
        pint quantities. Equally long sequences of them make many sets.

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
    keywords = dict(keywords or {})
    try:
        table = isinstance(parameters, xr.Dataset | pd.DataFrame)  # a Dataset is a Mapping, too
        if parameters is None or (isinstance(parameters, Mapping | Parameters) and not table):
            given = parameters.as_dict() if isinstance(parameters, Parameters) else dict(parameters or {})
            return _from_mapping({**given, **keywords})
        if keywords:
            raise QueryError(
                f"{', '.join(keywords)}: keywords cannot be combined with a table of parameters; add a column to it"
            )
        if isinstance(parameters, xr.Dataset):
            return _from_dataset(parameters)
        if isinstance(parameters, pd.DataFrame):
            return _from_table(parameters)
        if isinstance(parameters, Sequence) and not isinstance(parameters, str | bytes):
            if all(isinstance(entry, Mapping | Parameters) for entry in parameters) and len(parameters):
                rows = [entry if isinstance(entry, Parameters) else Parameters.create(entry) for entry in parameters]
                return _numbered(np.stack([row.as_array() for row in rows]))
            if any(isinstance(entry, Mapping | Parameters) for entry in parameters):
                raise QueryError("parameters: a list must hold parameter sets only")
        return _from_numbers(parameters)
    except QueryError:
        raise
    except ValueError as error:
        raise QueryError(str(error)) from None


def _numbered(values: np.ndarray, simulation: Any = None, single: bool = False) -> Sets:
    simulation = np.arange(len(values)) if simulation is None else np.asarray(simulation, dtype=np.int64)
    return Sets(values, simulation, single)


def _many(value: Any) -> bool:
    # A pint quantity says of itself that it has a length even where its magnitude has none.
    return not isinstance(value, str | bytes) and np.ndim(getattr(value, "magnitude", value)) == 1


def _from_mapping(given: dict[str, Any]) -> Sets:
    lengths = {name: len(value) for name, value in given.items() if _many(value)}
    if not lengths:
        return _numbered(Parameters.create(given).as_array()[None], single=True)
    if len(set(lengths.values())) > 1:
        raise QueryError(f"parameters: sequences must be equally long, got {lengths}")
    count = next(iter(lengths.values()))
    rows = [
        Parameters.create({name: _item(value, row) if name in lengths else value for name, value in given.items()})
        for row in range(count)
    ]
    if not rows:
        raise QueryError("parameters: expected at least one set, got none")
    return _numbered(np.stack([row.as_array() for row in rows]))


def _item(values: Any, row: int) -> Any:
    return values.iloc[row] if isinstance(values, pd.Series) else values[row]


def _check_names(found: Any, what: str) -> None:
    missing = [name for name in PARAMETER_NAMES if name not in found]
    if missing:
        raise QueryError(f"parameters: the {what} lacks {', '.join(missing)}")


def _from_table(table: pd.DataFrame) -> Sets:
    _check_names(table.columns, "table")
    integers = pd.api.types.is_integer_dtype(table.index.dtype) and table.index.is_unique
    return _numbered(_columns([table[name].to_numpy() for name in PARAMETER_NAMES]), table.index if integers else None)


def _from_dataset(dataset: xr.Dataset) -> Sets:
    _check_names(dataset.variables, "dataset")
    columns = []
    for parameter in PARAMETERS:
        variable = dataset[parameter.name]
        units = variable.attrs.get("units", parameter.unit)
        factor = 1.0
        if units not in (parameter.unit, parameter.unit.replace("**", ""), "1", ""):
            factor = to_magnitude(f"1 {units}", parameter.unit, parameter.name)
        if variable.ndim > 1:
            raise QueryError(f"{parameter.name}: expected one value per simulation, got dimensions {variable.dims}")
        columns.append(np.atleast_1d(np.asarray(variable.values, dtype=float)) * factor)
    single = all(dataset[name].ndim == 0 for name in PARAMETER_NAMES)
    numbers = dataset["simulation"].values if "simulation" in dataset.coords and not single else None
    return _numbered(_columns(columns), numbers, single)


def _from_numbers(values: Any) -> Sets:
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise QueryError(
            f"parameters: expected Parameters, a mapping, a table or numbers in SI units, got {type(values).__name__}"
        ) from None
    if array.ndim not in (1, 2) or array.shape[-1] != len(PARAMETERS) or not array.size:
        raise QueryError(
            f"parameters: expected an array of shape (5,) or (n, 5) for {', '.join(PARAMETER_NAMES)}, got {array.shape}"
        )
    return _numbered(_columns(list(np.atleast_2d(array).T)), single=array.ndim == 1)


def _columns(columns: list[np.ndarray]) -> np.ndarray:
    checked = []
    for parameter, column in zip(PARAMETERS, columns, strict=True):
        if column.dtype.kind in "OUST":
            column = np.array([to_magnitude(value, parameter.unit, parameter.name) for value in column])
        column = np.asarray(column, dtype=float)
        bad = np.flatnonzero(~(np.isfinite(column) & (column > 0)))
        if bad.size:
            raise QueryError(
                f"{parameter.name}: expected finite, positive values in {parameter.unit}, got {column[bad[0]]:g} "
                f"in row {bad[0]} ({bad.size} bad of {column.size})"
            )
        checked.append(column)
    if not checked[0].size:
        raise QueryError("parameters: expected at least one set, got none")
    return np.stack(checked, axis=-1)


def read_times(time: Any, default: Any) -> np.ndarray:
    """Read the times of a query.

    Parameters
    ----------
    time : float, str, pint.Quantity, or a sequence of them
        Bare numbers are Gyr since the start of the evolution. None takes `default`.
    default : array, shape (time,), Gyr

    Returns
    -------
    array, shape (time,), Gyr, increasing

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
    entries = list(time) if _many(time) else [time]
    try:
        if isinstance(time, np.ndarray) and time.ndim > 1:
            raise ValueError(f"time: expected one dimension, got shape {time.shape}")
        times = np.array([to_magnitude(_plain(entry), "Gyr", "time") for entry in entries])
    except ValueError as error:
        raise QueryError(str(error)) from None
    if not times.size:
        raise QueryError("time: expected at least one time, got none")
    if np.any(times < 0):
        raise QueryError(f"time: expected Gyr since the start of the evolution, not negative, got {times.min():g}")
    if np.any(np.diff(times) <= 0):
        raise QueryError(f"time: expected increasing times, got {times.tolist()}")
    return times


def _plain(entry: Any) -> Any:
    return entry.item() if isinstance(entry, np.ndarray | np.generic | xr.DataArray) else entry
