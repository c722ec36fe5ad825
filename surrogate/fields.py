"""The convention that every field dataset follows; nothing else knows how it is spelled.

Two shapes of dataset exist.

A **run** is one evolution: ``temperature(time, radius, angle)``, in a box ``temperature(time, height, x)``, with the
dimension coordinate ``time``, the parameters as scalar coordinates, and time series on ``time``.

A **corpus** is many runs: ``temperature(simulation, time, radius, angle)``. Runs may be sampled at different times
and differ in length, so ``time`` is then a plain dimension: ``snapshot_time(simulation, time)`` holds the times,
``snapshot_count(simulation)`` says how many are real, and the rest is NaN. :func:`select_run` and
:func:`stack_runs` go from one to the other.

Rows run from the core, or the lower wall, up. Row 0 lies on that wall and the last row on the surface: wall values are
part of the field, their rows have no volume (see :class:`surrogate.geometry.Geometry`). The bounds of the rows say in
``geometry`` what the domain is, those of the columns in ``periodic`` whether it closes on itself. All of a dataset is
measured in the units of a planet, or all of it is dimensionless (:mod:`surrogate.quantities`). Radii of a cylinder are
rescaled.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.files import atomic
from surrogate.geometry import GRID_DIMENSIONS, Geometry
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameter, Parameters, ParameterSpace
from surrogate.quantities import DIMENSIONAL, SERIES, Units, units_by

SPLITS = ("train", "validation", "test")


class FieldError(ValueError):
    """A dataset that does not follow the convention; the message names file, variable, and what was expected."""


def _grid_coordinates(geometry: Geometry, units: Units) -> dict[str, Any]:
    vertical, lateral = geometry.dimensions
    bounds = (("vertical_bounds", vertical), ("lateral_bounds", lateral))
    # CF: bounds have the units of their coordinate; xarray drops the attribute from files.
    about = {name: {"long_name": units.described(f"{name}_bounds")["long_name"]} for name in geometry.dimensions}
    about[vertical]["geometry"] = geometry.kind
    about[lateral]["periodic"] = np.int8(geometry.periodic)  # type: ignore[assignment]
    return {
        vertical: (
            vertical,
            geometry.vertical,
            {**units.described(vertical), "bounds": f"{vertical}_bounds", "positive": "up"},
        ),
        lateral: (lateral, geometry.lateral, {**units.described(lateral), "bounds": f"{lateral}_bounds"}),
        **{f"{name}_bounds": ((name, "bound"), getattr(geometry, part), about[name]) for part, name in bounds},
    }


def _parameter_attributes(space: ParameterSpace) -> dict[str, dict[str, Any]]:
    """By name the attributes of a coordinate that holds a parameter; :func:`space_of` reads them."""
    return {
        parameter.name: {
            "units": "1" if parameter.unit == "dimensionless" else parameter.unit.replace("**", ""),
            "long_name": parameter.description,
            "symbol": parameter.symbol,
            "axis_scale": "logarithmic" if parameter.logarithmic else "linear",
            "design_range": [parameter.low, parameter.high],
            "parameters": " ".join(space.names),
        }
        for parameter in space
    }


def space_of(dataset: xr.Dataset) -> ParameterSpace:
    """Return the parameters of a run or a corpus, as its coordinates describe them.

    Examples
    --------
    >>> run = make_run(np.full((2, 5, 4), 1700.0), [0.0, 1.0], Geometry.quarter(3, 4),
    ...     Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0))
    >>> space_of(run) == EVOLUTION_PARAMETERS
    True
    """
    described = {
        str(name): coordinate.attrs
        for name, coordinate in dataset.variables.items()
        if "parameters" in coordinate.attrs
    }
    if not described:  # written before parameters were described
        if not any(name in dataset.variables for name in EVOLUTION_PARAMETERS.names):
            raise FieldError(f"{_source(dataset)}: no variable is described as a parameter")
        return EVOLUTION_PARAMETERS
    names = str(next(iter(described.values()))["parameters"]).split()
    missing = [name for name in names if name not in described]
    if missing:
        raise FieldError(f"{_source(dataset)}: parameter {', '.join(missing)} is missing")
    return ParameterSpace([_described_parameter(name, described[name]) for name in names])


def _described_parameter(name: str, about: Mapping[str, Any]) -> Parameter:
    low, high = np.asarray(about["design_range"], dtype=float)
    return Parameter(
        name,
        "dimensionless" if about["units"] == "1" else re.sub(r"(?<=[a-zA-Z])\d", r"**\g<0>", str(about["units"])),
        float(low),
        float(high),
        str(about.get("symbol", "")),
        str(about.get("long_name", "")),
        about.get("axis_scale") == "logarithmic",
    )


def make_run(
    temperature: Any,
    time: Any,
    geometry: Geometry,
    parameters: Parameters,
    series: Mapping[str, Any] | None = None,
    attributes: Mapping[str, Any] | None = None,
    units: Units = DIMENSIONAL,
) -> xr.Dataset:
    """Build a run dataset.

    Parameters
    ----------
    temperature : array, shape (time, radius, angle), K
        Wall rows included.
    time : array, shape (time,), Gyr
    geometry : Geometry
    parameters : Parameters
    series : mapping, optional
        Time series by a name of :data:`surrogate.quantities.SERIES`, each of shape (time,).
    attributes : mapping, optional
        Global attributes: solver, version, seed, scales.
    units : Units, optional
        How all of it is measured; default :data:`~surrogate.quantities.DIMENSIONAL`.

    Returns
    -------
    xarray.Dataset

    Examples
    --------
    >>> run = make_run(np.full((2, 5, 4), 1700.0), [0.0, 1.0], Geometry.quarter(3, 4),
    ...     Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0))
    >>> run.temperature.dims
    ('time', 'radius', 'angle')
    """
    unknown = set(series or {}) - set(SERIES)
    if unknown:
        raise FieldError(f"unknown time series {sorted(unknown)}; expected some of {SERIES}")
    dimensions = ("time", *geometry.dimensions)
    variables: dict[str, Any] = {"temperature": (dimensions, temperature, units.described("temperature"))}
    for name, values in (series or {}).items():
        variables[name] = ("time", np.asarray(values, dtype=float), units.described(name))
    coordinates = {
        "time": ("time", np.asarray(time, dtype=float), units.described("time")),
        **_grid_coordinates(geometry, units),
        **{name: ((), parameters[name], about) for name, about in _parameter_attributes(parameters.space).items()},
    }
    try:
        run = xr.Dataset(variables, coordinates, {"Conventions": "CF-1.11", **(attributes or {})})
    except ValueError as error:  # shapes that do not fit each other
        raise FieldError(f"cannot build a run on a grid of {geometry.shape} from these arrays: {error}") from None
    return validate(run)


def make_corpus(
    temperature: Any,
    snapshot_time: Any,
    geometry: Geometry,
    parameters: Any,
    simulation: Any = None,
    series: Mapping[str, Any] | None = None,
    split: Any = None,
    attributes: Mapping[str, Any] | None = None,
    space: ParameterSpace = EVOLUTION_PARAMETERS,
    units: Units = DIMENSIONAL,
) -> xr.Dataset:
    """Build a corpus dataset from arrays (NumPy or Dask).

    Parameters
    ----------
    temperature : array, shape (simulation, time, radius, angle), K
        NaN where a run has no further snapshot.
    snapshot_time : array, shape (simulation, time), Gyr
        NaN where a run has no further snapshot.
    geometry : Geometry
    parameters : array, shape (simulation, n)
        In the order and units of `space`.
    simulation : array of int, shape (simulation,), optional
        Numbers of the runs; default 0, 1, ...
    series : mapping, optional
        Time series by a name of :data:`surrogate.quantities.SERIES`, each of shape (simulation, time).
    split : array of int, shape (simulation,), optional
        Index into :data:`SPLITS`.
    attributes : mapping, optional
    space : ParameterSpace, optional
        Default: the parameters of the simulator's thermal evolutions.
    units : Units, optional
        How all of it is measured; default :data:`~surrogate.quantities.DIMENSIONAL`.

    Returns
    -------
    xarray.Dataset
    """
    snapshot_time = np.asarray(snapshot_time, dtype=float)
    parameters = space.check(parameters)
    count = np.isfinite(snapshot_time).sum(axis=1)
    number = np.arange(len(count)) if simulation is None else np.asarray(simulation, dtype=np.int64)
    variables: dict[str, Any] = {
        "temperature": (("simulation", "time", *geometry.dimensions), temperature, units.described("temperature"))
    }
    for name, values in (series or {}).items():
        variables[name] = (("simulation", "time"), values, units.described(name))
    coordinates: dict[str, Any] = {
        "simulation": ("simulation", number, {"long_name": "number of the run"}),
        "snapshot_time": (("simulation", "time"), snapshot_time, units.described("snapshot_time")),
        "snapshot_count": ("simulation", count, units.described("snapshot_count")),
        **_grid_coordinates(geometry, units),
        **{
            name: ("simulation", parameters[:, column], about)
            for column, (name, about) in enumerate(_parameter_attributes(space).items())
        },
    }
    if split is not None:
        flags = {"flag_values": np.arange(3, dtype=np.int8), "flag_meanings": " ".join(SPLITS)}
        coordinates["split"] = ("simulation", np.asarray(split, dtype=np.int8), flags)
    return xr.Dataset(variables, coordinates, {"Conventions": "CF-1.11", **(attributes or {})})


def stack_runs(runs: Sequence[xr.Dataset], simulation: Any = None, split: Any = None) -> xr.Dataset:
    """Stack runs on one grid into a corpus in memory, padded with NaN to the longest run."""
    if not runs:
        raise FieldError("cannot stack an empty list of runs")
    geometry = geometry_of(runs[0])
    for number, run in enumerate(runs):
        if geometry_of(run) != geometry:
            raise FieldError(f"run {number} of {len(runs)}: its grid differs from that of the first run")
        if units_of(run) != units_of(runs[0]):
            raise FieldError(f"run {number} of {len(runs)}: it is {units_of(run).name}, unlike the first run")
    length = max(run.sizes["time"] for run in runs)
    dtype = np.result_type(np.float32, *{run.temperature.dtype for run in runs})  # NaN must fit
    temperature = np.full((len(runs), length, *geometry.shape), np.nan, dtype=dtype)
    times = np.full((len(runs), length), np.nan)
    common = [name for name in SERIES if all(name in run for run in runs)]
    series = {name: np.full((len(runs), length), np.nan) for name in common}
    for number, run in enumerate(runs):
        count = run.sizes["time"]
        temperature[number, :count] = run.temperature.values
        times[number, :count] = run.time.values
        for name in common:
            series[name][number, :count] = run[name].values
    space = space_of(runs[0])
    for number, run in enumerate(runs):
        if space_of(run).names != space.names:
            raise FieldError(f"run {number} of {len(runs)}: its parameters {space_of(run).names} are not {space.names}")
    parameters = np.stack([parameters_of(run).as_array() for run in runs])
    shared = {
        key: value
        for key, value in runs[0].attrs.items()
        if all(key in run.attrs and np.array_equal(run.attrs[key], value) for run in runs)
    }
    units = units_of(runs[0])
    return make_corpus(temperature, times, geometry, parameters, simulation, series, split, shared, space, units)


def select_run(corpus: xr.Dataset, position: int) -> xr.Dataset:
    """Return run number `position` (0, 1, ...) of a corpus as a run dataset, without padding; lazy if it was lazy."""
    count = int(corpus.snapshot_count[position])
    run = corpus.isel(simulation=position, time=slice(0, count))
    times = run.snapshot_time.values
    run = run.drop_vars(["snapshot_time", "snapshot_count"])
    return run.assign_coords(time=("time", times, units_of(corpus).described("time")))


def iterate_runs(corpus: xr.Dataset) -> Iterator[xr.Dataset]:
    """Yield the runs of a corpus one after the other."""
    for position in range(corpus.sizes["simulation"]):
        yield select_run(corpus, position)


def select_split(corpus: xr.Dataset, name: str) -> xr.Dataset:
    """Return the runs of one split: ``"train"``, ``"validation"`` or ``"test"``."""
    if name not in SPLITS:
        raise FieldError(f"split {name!r}: expected one of {SPLITS}")
    if "split" not in corpus.coords:
        raise FieldError("the corpus has no coordinate 'split'; it was not ingested by surrogate")
    return corpus.isel(simulation=np.flatnonzero(corpus.split.values == SPLITS.index(name)))


def valid_snapshots(corpus: xr.Dataset) -> np.ndarray:
    """Mask of real (not padded) snapshots, shape (simulation, time)."""
    return np.asarray(np.arange(corpus.sizes["time"])[None, :] < corpus.snapshot_count.values[:, None])


def geometry_of(dataset: xr.Dataset) -> Geometry:
    """Rebuild the grid of a run or a corpus from its bounds; one that does not say its kind is a sector or a box."""
    dimensions = _grid_dimensions(dataset)
    names = [f"{dimension}_bounds" for dimension in dimensions]
    for name in names:
        if name not in dataset:
            raise FieldError(f"{_source(dataset)}: variable {name!r} is missing; expected the faces of the grid")
    vertical, lateral = (np.asarray(dataset[name].values, dtype=float) for name in names)
    for name, bounds, least in zip(names, (vertical, lateral), (3, 1), strict=True):
        if bounds.ndim != 2 or bounds.shape[1] != 2 or bounds.shape[0] < least:
            raise FieldError(f"{_source(dataset)}: variable {name!r} has shape {bounds.shape}, expected (rows, 2)")
        if not np.allclose(bounds[1:, 0], bounds[:-1, 1], rtol=1e-6, atol=1e-6 * abs(bounds[-1, 1] - bounds[0, 0])):
            raise FieldError(f"{_source(dataset)}: variable {name!r} must leave no gap between neighbours")
    if vertical[0, 0] != vertical[0, 1] or vertical[-1, 0] != vertical[-1, 1]:
        raise FieldError(
            f"{_source(dataset)}: variable {names[0]!r}: the first and the last row must be walls, without volume"
        )
    kind = dataset[names[0]].attrs.get("geometry", "cylinder" if dimensions == ("radius", "angle") else "box")
    try:
        geometry = Geometry(
            np.r_[vertical[1:-1, 0], vertical[-1, 1]],
            np.r_[lateral[:, 0], lateral[-1, 1]],
            kind,
            bool(dataset[names[1]].attrs.get("periodic", False)),
        )
    except ValueError as error:
        raise FieldError(f"{_source(dataset)}: {error}") from None
    if geometry.dimensions != dimensions:
        raise FieldError(
            f"{_source(dataset)}: the geometry {kind!r} has the dimensions {geometry.dimensions}, found {dimensions}"
        )
    return geometry


def _grid_dimensions(dataset: xr.Dataset) -> tuple[str, str]:
    """Names of the vertical and the lateral dimension; those of an annulus where there are neither."""
    for dimensions in GRID_DIMENSIONS:
        if any(f"{dimension}_bounds" in dataset.variables for dimension in dimensions):
            return dimensions
    return GRID_DIMENSIONS[0]


def units_of(dataset: xr.Dataset, source: str | None = None) -> Units:
    """Return how a run or a corpus is measured, by the unit of its temperature or, without one, of its times."""
    where = source or _source(dataset)
    for name in ("temperature", "snapshot_time", "time"):
        if name in dataset.variables:
            try:
                return units_by(dataset[name].attrs.get("units"))
            except ValueError as error:
                raise FieldError(f"{where}: variable {name!r} has {error}") from None
    raise FieldError(f"{where}: neither temperature nor times, whose units would tell its own")


def parameters_of(run: xr.Dataset) -> Parameters:
    """Return the parameters of a run."""
    space = space_of(run)
    return Parameters.from_array(_parameter_columns(run, space), space)


def parameter_table(corpus: xr.Dataset) -> np.ndarray:
    """Return the parameters of every run of a corpus, shape (simulation, n), in the order of :func:`space_of`."""
    return _parameter_columns(corpus, space_of(corpus))


def _parameter_columns(dataset: xr.Dataset, space: ParameterSpace) -> np.ndarray:
    missing = [name for name in space.names if name not in dataset]
    if missing:
        raise FieldError(f"{_source(dataset)}: parameter {', '.join(missing)} is missing")
    return np.stack([np.asarray(dataset[name].values, dtype=float) for name in space.names], axis=-1)


def _source(dataset: xr.Dataset) -> str:
    return str(dataset.encoding.get("source", "dataset"))


def validate(dataset: xr.Dataset, source: str | None = None, values: bool = True) -> xr.Dataset:
    """Check that a run or a corpus follows the convention.

    Parameters
    ----------
    dataset : xarray.Dataset
    source : str, optional
        What to call it in an error, usually its file name.
    values : bool
        Also check the values of the temperature (reads them). NaN is allowed only as the padding of a corpus.

    Returns
    -------
    xarray.Dataset
        The same dataset.

    Raises
    ------
    FieldError
        Naming the file, the variable, what was expected and what came.
    """
    where = source or _source(dataset)
    if "temperature" not in dataset:
        raise FieldError(f"{where}: variable 'temperature' is missing; found {sorted(map(str, dataset.data_vars))}")
    temperature = dataset["temperature"]
    corpus = "simulation" in temperature.dims
    dimensions = _grid_dimensions(dataset)
    expected = (*(("simulation",) if corpus else ()), "time", *dimensions)
    if temperature.dims != expected:
        raise FieldError(f"{where}: variable 'temperature' has dimensions {temperature.dims}, expected {expected}")
    if 0 in temperature.shape:
        raise FieldError(f"{where}: variable 'temperature' is empty, shape {temperature.shape}")
    time_name = "snapshot_time" if corpus else "time"
    measured = units_of(dataset, where)
    for name in ("temperature", *dimensions, time_name, *(series for series in SERIES if series in dataset)):
        if name not in dataset.variables:
            raise FieldError(f"{where}: variable {name!r} is missing")
        units = dataset[name].attrs.get("units")
        if units != measured.unit(name):
            raise FieldError(f"{where}: variable {name!r} has units {units!r}, expected {measured.unit(name)!r}")
    geometry = geometry_of(dataset)
    if geometry.shape != temperature.shape[-2:]:
        raise FieldError(f"{where}: temperature has shape {temperature.shape}, its grid has {geometry.shape}")
    for name, rows, size in zip(
        dimensions, (geometry.vertical, geometry.lateral), (geometry.thickness, geometry.width), strict=True
    ):
        if not np.allclose(dataset[name].values, rows, rtol=1e-5, atol=1e-6 * size):
            raise FieldError(
                f"{where}: variable {name!r} disagrees with '{name}_bounds' (same order, core to surface?)"
            )
    times = np.asarray(dataset[time_name].values, dtype=float)
    if corpus:
        if "snapshot_count" not in dataset:
            raise FieldError(f"{where}: variable 'snapshot_count' is missing")
        counts = np.asarray(dataset["snapshot_count"].values)
        if np.any(counts < 1) or np.any(counts != np.isfinite(times).sum(axis=1)):
            raise FieldError(f"{where}: variable 'snapshot_count' disagrees with the times in 'snapshot_time'")
    mask = valid_snapshots(dataset) if corpus else np.ones(dataset.sizes["time"], dtype=bool)
    if not np.all(np.isfinite(times[mask])):
        raise FieldError(f"{where}: variable {time_name!r} has NaN or infinite values")
    steps = np.diff(times, axis=-1)
    if np.any(steps[np.isfinite(steps)] <= 0):
        raise FieldError(f"{where}: variable {time_name!r} must increase")
    if values:
        _validate_values(np.asarray(temperature.values)[mask], geometry, measured, where)
    return dataset


def _validate_values(temperature: np.ndarray, geometry: Geometry, units: Units, where: str) -> None:
    bad = ~np.isfinite(temperature)
    if bad.any():
        snapshots = int(bad.any(axis=(-2, -1)).sum())
        raise FieldError(
            f"{where}: variable 'temperature' has NaN or infinite values in {snapshots} of {len(temperature)} snapshots"
        )
    low, high = float(temperature.min()), float(temperature.max())
    least, most = units.plausible
    if low < least or high > most:
        raise FieldError(
            f"{where}: variable 'temperature' spans {low:.4g} .. {high:.4g}, "
            f"expected {'kelvin' if units.dimensional else 'dimensionless values'} within {least:g} .. {most:g}"
        )
    if problem := geometry.broken_seam(temperature):
        raise FieldError(f"{where}: variable 'temperature': {problem}")


def write_netcdf(dataset: xr.Dataset, path: str | os.PathLike[str], compress: bool = True) -> None:
    """Write a dataset as NetCDF4, atomically; what is lazy is computed piece by piece. One snapshot is one chunk."""
    import dask

    encoding: dict[Any, dict[str, Any]] = {}
    for name, variable in dataset.variables.items():
        if variable.ndim > 1 and variable.dtype.kind == "f":
            encoding[name] = {"zlib": True, "complevel": 1, "shuffle": True} if compress else {}
            if variable.ndim > 2 and variable.dims[-2:] in GRID_DIMENSIONS:
                encoding[name]["chunksizes"] = (*[1] * (variable.ndim - 2), *variable.shape[-2:])
    # HDF5 writes one piece at a time anyway; a thread of Dask's would open the file again that an interrupt removed.
    with atomic(path) as temporary, dask.config.set(scheduler="synchronous"):
        dataset.to_netcdf(temporary, engine="h5netcdf", encoding=encoding)


def open_netcdf(path: str | os.PathLike[str], check: bool = True, chunks: Any = None) -> xr.Dataset:
    """Open a NetCDF file that follows the convention.

    Raises
    ------
    FileNotFoundError, FieldError
        Naming the file: missing, not readable (truncated, not NetCDF), or against the convention.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; expected a NetCDF file of a run")
    try:
        # h5netcdf: the netCDF4 library crashes under Dask's threads.
        dataset = xr.open_dataset(path, engine="h5netcdf", chunks=chunks, decode_times=False)
    except Exception as error:  # every HDF5 layer raises its own kind for a broken file
        raise FieldError(f"{path}: cannot be read as NetCDF4 (truncated or of another format): {error}") from error
    return validate(dataset, str(path), values=False) if check else dataset
