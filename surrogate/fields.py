"""The convention that every field dataset follows; nothing else knows how it is spelled.

Two shapes of dataset exist.

A **run** is one thermal evolution: ``temperature(time, radius, angle)`` with the dimension coordinate ``time``
in Gyr, the parameters as scalar coordinates, and time series on ``time``.

A **corpus** is many runs: ``temperature(simulation, time, radius, angle)``. Runs may be sampled at different times
and differ in length, so ``time`` is then a plain dimension: ``snapshot_time(simulation, time)`` holds the times in
Gyr, ``snapshot_count(simulation)`` says how many are real, and the rest is NaN. :func:`select_run` and
:func:`stack_runs` go from one to the other.

Rows run from the core up. Row 0 is the core-mantle boundary and the last row is the surface: wall values are part
of the field, their rows have no volume (see :class:`surrogate.geometry.Geometry`). Radii are those of the rescaled
cylinder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.files import atomic
from surrogate.geometry import Geometry
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameter, Parameters, ParameterSpace

RUN_DIMENSIONS = ("time", "radius", "angle")
CORPUS_DIMENSIONS = ("simulation", *RUN_DIMENSIONS)
SPLITS = ("train", "validation", "test")

# name: (units, long name)
VARIABLES: dict[str, tuple[str, str]] = {
    "temperature": ("K", "temperature"),
    "time": ("Gyr", "time since the start of the thermal evolution"),
    "snapshot_time": ("Gyr", "time of each snapshot since the start of the thermal evolution"),
    "snapshot_count": ("1", "number of snapshots of the run"),
    "radius": ("m", "radius in the rescaled cylinder"),
    "angle": ("rad", "angle along the sector"),
    "radius_bounds": ("m", "lower and upper face of each row; equal at the walls"),
    "angle_bounds": ("rad", "faces of each column"),
    "surface_heat_flux": ("W m-2", "mean conductive heat flux through the surface, outward"),
    "core_mantle_boundary_heat_flux": (
        "W m-2",
        "mean conductive heat flux through the core-mantle boundary, outward",
    ),
    "mean_temperature": ("K", "volume-averaged temperature of the mantle"),
    "core_temperature": ("K", "temperature of the core-mantle boundary"),
    "root_mean_square_velocity": ("m s-1", "root-mean-square velocity"),
    "potential_temperature": ("K", "temperature of the interior, brought to the surface along the adiabat"),
    "lithosphere_thickness": (
        "m",
        "depth at which the lateral mean reaches the temperature of the lithosphere's base",
    ),
    "lithosphere_gradient": ("K m-1", "mean temperature gradient of the lithosphere"),
    "crust_heat_flux": ("W m-2", "heat produced in the crust per area of the surface"),
    "total_surface_heat_flux": ("W m-2", "heat flux through the surface, that from the crust included"),
    "urey_ratio": ("1", "heat produced in mantle and crust over the total heat flux through the surface"),
    "crust_concentration": ("1", "concentration of heat sources in the crust over that of the primitive mantle"),
}

SERIES = (
    "surface_heat_flux",
    "core_mantle_boundary_heat_flux",
    "mean_temperature",
    "core_temperature",
    "root_mean_square_velocity",
)
"""Time series that a run may carry beside its temperature."""

PLAUSIBLE_TEMPERATURE = (50.0, 6000.0)
"""Outside this range, K, a temperature cannot be right: most often a wrong unit."""


class FieldError(ValueError):
    """A dataset that does not follow the convention; the message names file, variable, and what was expected."""


def _described(name: str) -> dict[str, str]:
    units, long_name = VARIABLES[name]
    return {"units": units, "long_name": long_name}


def _bounds(name: str) -> dict[str, str]:
    # CF: bounds have the units of their coordinate; xarray drops the attribute from files.
    return {"long_name": VARIABLES[name][1]}


def _grid_coordinates(geometry: Geometry) -> dict[str, Any]:
    return {
        "radius": (
            "radius",
            geometry.vertical,
            {**_described("radius"), "bounds": "radius_bounds", "positive": "up"},
        ),
        "angle": ("angle", geometry.lateral, {**_described("angle"), "bounds": "angle_bounds"}),
        "radius_bounds": (("radius", "bound"), geometry.vertical_bounds, _bounds("radius_bounds")),
        "angle_bounds": (("angle", "bound"), geometry.lateral_bounds, _bounds("angle_bounds")),
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
        "dimensionless" if about["units"] == "1" else str(about["units"]).replace("m3", "m**3"),
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
        Time series by a name of :data:`SERIES`, each of shape (time,).
    attributes : mapping, optional
        Global attributes: solver, version, seed, scales.

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
    variables: dict[str, Any] = {"temperature": (RUN_DIMENSIONS, temperature, _described("temperature"))}
    for name, values in (series or {}).items():
        variables[name] = ("time", np.asarray(values, dtype=float), _described(name))
    coordinates = {
        "time": ("time", np.asarray(time, dtype=float), _described("time")),
        **_grid_coordinates(geometry),
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
        Time series by a name of :data:`SERIES`, each of shape (simulation, time).
    split : array of int, shape (simulation,), optional
        Index into :data:`SPLITS`.
    attributes : mapping, optional
    space : ParameterSpace, optional
        Default: the parameters of the simulator's thermal evolutions.

    Returns
    -------
    xarray.Dataset
    """
    snapshot_time = np.asarray(snapshot_time, dtype=float)
    parameters = space.check(parameters)
    count = np.isfinite(snapshot_time).sum(axis=1)
    number = np.arange(len(count)) if simulation is None else np.asarray(simulation, dtype=np.int64)
    variables: dict[str, Any] = {"temperature": (CORPUS_DIMENSIONS, temperature, _described("temperature"))}
    for name, values in (series or {}).items():
        variables[name] = (("simulation", "time"), values, _described(name))
    coordinates: dict[str, Any] = {
        "simulation": ("simulation", number, {"long_name": "number of the run"}),
        "snapshot_time": (("simulation", "time"), snapshot_time, _described("snapshot_time")),
        "snapshot_count": ("simulation", count, _described("snapshot_count")),
        **_grid_coordinates(geometry),
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
    return make_corpus(temperature, times, geometry, parameters, simulation, series, split, shared, space)


def select_run(corpus: xr.Dataset, position: int) -> xr.Dataset:
    """Return run number `position` (0, 1, ...) of a corpus as a run dataset, without padding; lazy if it was lazy."""
    count = int(corpus.snapshot_count[position])
    run = corpus.isel(simulation=position, time=slice(0, count))
    times = run.snapshot_time.values
    run = run.drop_vars(["snapshot_time", "snapshot_count"])
    return run.assign_coords(time=("time", times, _described("time")))


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
    """Rebuild the grid of a run or a corpus from its bounds."""
    for name in ("radius_bounds", "angle_bounds"):
        if name not in dataset:
            raise FieldError(f"{_source(dataset)}: variable {name!r} is missing; expected the faces of the grid")
    radius = np.asarray(dataset["radius_bounds"].values, dtype=float)
    angle = np.asarray(dataset["angle_bounds"].values, dtype=float)
    for name, bounds, least in (("radius_bounds", radius, 3), ("angle_bounds", angle, 1)):
        if bounds.ndim != 2 or bounds.shape[1] != 2 or bounds.shape[0] < least:
            raise FieldError(f"{_source(dataset)}: variable {name!r} has shape {bounds.shape}, expected (rows, 2)")
        if not np.allclose(bounds[1:, 0], bounds[:-1, 1], rtol=1e-6):
            raise FieldError(f"{_source(dataset)}: variable {name!r} must leave no gap between neighbours")
    if radius[0, 0] != radius[0, 1] or radius[-1, 0] != radius[-1, 1]:
        raise FieldError(
            f"{_source(dataset)}: variable 'radius_bounds': the first and the last row must be walls, without volume"
        )
    try:
        return Geometry(np.r_[radius[1:-1, 0], radius[-1, 1]], np.r_[angle[:, 0], angle[-1, 1]])
    except ValueError as error:
        raise FieldError(f"{_source(dataset)}: {error}") from None


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
    expected = CORPUS_DIMENSIONS if corpus else RUN_DIMENSIONS
    if temperature.dims != expected:
        raise FieldError(f"{where}: variable 'temperature' has dimensions {temperature.dims}, expected {expected}")
    if 0 in temperature.shape:
        raise FieldError(f"{where}: variable 'temperature' is empty, shape {temperature.shape}")
    time_name = "snapshot_time" if corpus else "time"
    for name in ("temperature", "radius", "angle", time_name):
        if name not in dataset.variables:
            raise FieldError(f"{where}: variable {name!r} is missing")
        units = dataset[name].attrs.get("units")
        if units != VARIABLES[name][0]:
            raise FieldError(f"{where}: variable {name!r} has units {units!r}, expected {VARIABLES[name][0]!r}")
    geometry = geometry_of(dataset)
    if geometry.shape != temperature.shape[-2:]:
        raise FieldError(f"{where}: temperature has shape {temperature.shape}, its grid has {geometry.shape}")
    for name, rows in (("radius", geometry.vertical), ("angle", geometry.lateral)):
        if not np.allclose(dataset[name].values, rows, rtol=1e-5, atol=1e-6 * abs(rows[-1])):
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
        _validate_values(np.asarray(temperature.values)[mask], where)
    return dataset


def _validate_values(temperature: np.ndarray, where: str) -> None:
    bad = ~np.isfinite(temperature)
    if bad.any():
        snapshots = int(bad.any(axis=(-2, -1)).sum())
        raise FieldError(
            f"{where}: variable 'temperature' has NaN or infinite values in {snapshots} of {len(temperature)} snapshots"
        )
    low, high = float(temperature.min()), float(temperature.max())
    if low < PLAUSIBLE_TEMPERATURE[0] or high > PLAUSIBLE_TEMPERATURE[1]:
        raise FieldError(
            f"{where}: variable 'temperature' spans {low:.4g} .. {high:.4g}, "
            f"expected kelvin within {PLAUSIBLE_TEMPERATURE[0]:g} .. {PLAUSIBLE_TEMPERATURE[1]:g}"
        )


def write_netcdf(dataset: xr.Dataset, path: str | os.PathLike[str], compress: bool = True) -> None:
    """Write a dataset as NetCDF4, atomically; what is lazy is computed piece by piece. One snapshot is one chunk."""
    import dask

    encoding: dict[Any, dict[str, Any]] = {}
    for name, variable in dataset.variables.items():
        if variable.ndim > 1 and variable.dtype.kind == "f":
            encoding[name] = {"zlib": True, "complevel": 1, "shuffle": True} if compress else {}
            if variable.ndim > 2 and variable.dims[-2:] == RUN_DIMENSIONS[-2:]:
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
