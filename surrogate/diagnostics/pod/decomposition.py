"""The decomposition of a run or a corpus, and what is read off it."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import xarray as xr

from surrogate.diagnostics.pairing import Snapshots, snapshots_of
from surrogate.diagnostics.pod.exact import Decomposition, exact, refine, resolved, truncated
from surrogate.diagnostics.pod.gram import MEMORY, prepare
from surrogate.fields import FieldError


def snapshot_matrix(dataset: xr.Dataset | Snapshots) -> Any:
    """Return the real snapshots of a run or a corpus as the rows of a matrix, shape (snapshot, node); lazy if it was.

    Rows follow simulation, then time; columns follow radius, then angle.
    """
    snapshots = snapshots_of(dataset)
    temperature = snapshots.temperature
    nodes = int(np.prod(temperature.shape[-2:]))
    if not snapshots.is_corpus:
        return temperature.data.reshape((-1, nodes))
    counts = snapshots.known()[0]["snapshot_count"].values
    rows = [temperature.data[run, : int(count)] for run, count in enumerate(counts)]
    if temperature.chunks is None:
        return np.concatenate(rows).reshape((-1, nodes))
    from dask.array.core import concatenate

    return concatenate(rows).reshape((-1, nodes))  # type: ignore[no-untyped-call]


def singular_values(
    dataset: xr.Dataset | Snapshots,
    count: int | None = None,
    remove_mean: bool = False,
    weighted: bool = False,
    memory: float = MEMORY,
) -> np.ndarray:
    """Singular values of the matrix of snapshots of a run or a corpus, descending, shape (count,), K.

    The defaults are the paper's definition: no mean removed, all nodes alike.

    Examples
    --------
    >>> from surrogate.geometry import Geometry
    >>> from surrogate.fields import make_run
    >>> from surrogate.parameters import Parameters
    >>> constant = make_run(np.full((4, 5, 4), 1000.0), np.arange(4.0), Geometry.quarter(3, 4),
    ...     Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0))
    >>> [round(float(value), 3) for value in singular_values(constant, 2)]  # 1000 K times the root of 80 values
    [8944.272, 0.0]
    """
    snapshots = snapshots_of(dataset)
    matrix = snapshot_matrix(snapshots)
    source = prepare(matrix, snapshots.weight.values.ravel() if weighted else None, memory, snapshots.units.dimensional)
    found = exact(source, min(count or min(matrix.shape), *matrix.shape), remove_mean)
    if source.dtype is np.float64:
        return found.values
    # The squares of small values are lost in single precision: once more from the matrix itself.
    known = resolved(source, found.values)
    return np.concatenate([refine(source, remove_mean, found, known).values, found.values[known:]])


def decompose(
    dataset: xr.Dataset | Snapshots,
    modes: int | None = None,
    tolerance: float = 0.0,
    remove_mean: bool = True,
    weighted: bool = True,
    memory: float = MEMORY,
) -> xr.Dataset:
    """Decompose the snapshots of a run or a corpus.

    Parameters
    ----------
    dataset : xarray.Dataset
        NumPy or Dask; a Dask array is read in blocks of rows and never held whole.
    modes : int, optional
        At most so many; default all.
    tolerance : float
        Relative error allowed, see the truncation rule of the package.
    remove_mean : bool
        Subtract the mean over all snapshots first.
    weighted : bool
        Inner product by cell volume; otherwise all nodes alike.
    memory : float
        Bytes that rows of the matrix may take.

    Returns
    -------
    xarray.Dataset
        ``singular_value(mode)`` in K, ``energy(mode)`` (share of the sum of squares), ``pattern(mode, radius,
        angle)`` (the modes), ``coefficient(mode, snapshot)`` in K, ``mean(radius, angle)`` in K (zero if not
        removed), ``weight(radius, angle)`` (of the inner product), such that snapshots are mean plus the sum over
        modes of coefficient times pattern; ``snapshot_time(snapshot)`` and, for a corpus, ``simulation(snapshot)``.
    """
    snapshots = snapshots_of(dataset)
    matrix = snapshot_matrix(snapshots)
    weight = snapshots.weight if weighted else xr.ones_like(snapshots.weight)
    found, energy = truncated(
        prepare(matrix, weight.values.ravel(), memory, snapshots.units.dimensional), modes, remove_mean, tolerance
    )
    attributes: dict[str, str | float] = {
        "weighted": str(weighted),
        "mean_removed": str(remove_mean),
        "tolerance": tolerance,
    }
    return _as_dataset(snapshots, found, energy, attributes).assign(weight=weight)


def _as_dataset(
    snapshots: Snapshots, found: Decomposition, energy: float, attributes: dict[str, str | float]
) -> xr.Dataset:
    dataset, _, times = snapshots.known()
    shape, mask = snapshots.temperature.shape[-2:], snapshots.mask.values
    grid, units = snapshots.dimensions, snapshots.units
    kelvin = {"units": units.unit("temperature")}
    coordinates: dict[str, Any] = {
        "mode": ("mode", np.arange(1, len(found.values) + 1)),
        "snapshot_time": ("snapshot", np.asarray(times.values)[mask], {"units": units.unit("time")}),
        **{name: dataset[name] for axis in grid for name in (axis, f"{axis}_bounds")},
    }
    if snapshots.is_corpus:
        numbers = np.broadcast_to(dataset["simulation"].values[:, None], mask.shape)
        coordinates["simulation"] = ("snapshot", numbers[mask])
    return xr.Dataset(
        {
            "singular_value": ("mode", found.values, kelvin),
            "energy": ("mode", found.values**2 / (energy or 1.0), {"units": "1"}),
            "pattern": (("mode", *grid), found.patterns.reshape(-1, *shape), {"units": "1"}),
            "coefficient": (("mode", "snapshot"), found.coefficients, kelvin),
            "mean": (grid, found.mean.reshape(shape), kelvin),
        },
        coordinates,
        attributes,
    )


def reconstruct(decomposition: xr.Dataset, modes: int | None = None) -> xr.DataArray:
    """Snapshots from the first `modes` modes, K, dims (snapshot, radius, angle)."""
    part = decomposition.isel(mode=slice(0, modes))
    snapshots: xr.DataArray = decomposition["mean"] + xr.dot(part["coefficient"], part["pattern"], dim="mode")
    return snapshots


def subspace_angles(one: xr.Dataset, other: xr.Dataset, modes: int) -> np.ndarray:
    """Principal angles between the spans of the first `modes` modes of two decompositions, degrees, ascending.

    0 where a direction is shared, 90 where one span holds a direction that the other does not know; in the inner
    product of the first.
    """
    available = min(one.sizes["mode"], other.sizes["mode"])
    if modes > available:
        raise FieldError(f"subspace_angles: {modes} modes asked for, the decompositions hold {available}")
    root = np.sqrt(one["weight"].values).ravel()
    spans = [(entry["pattern"].values[:modes].reshape(modes, -1) * root).T for entry in (one, other)]
    angles: np.ndarray = np.degrees(np.sort(scipy.linalg.subspace_angles(*spans)))
    return angles


def sum_ratio(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Sum of the predicted singular values over the sum of the true ones, percent (the paper's figure)."""
    return float(100.0 * np.sum(prediction) / np.sum(truth))
