"""Proper orthogonal decomposition (POD) of sets of snapshots.

Snapshots are the rows of a matrix ``X`` of shape (snapshot, node). With the diagonal matrix ``W`` of the inner
product (cell volumes divided by their sum, or the identity) the decomposition is ``X = U S V`` with orthonormal
coefficients, ``U' U = I``, and modes orthonormal in the inner product, ``V W V' = I``.

The exact method goes through the Gram matrix ``X W X'`` (method of snapshots, Sirovich 1987) or, when there are fewer
nodes than snapshots, through the covariance ``W^1/2 X' X W^1/2``. A constant row near the mean is subtracted before
any product, and a mean that shall stay in is put back as terms of rank one in double precision, so that a large mean
does not drown the small singular values.

**Truncation rule**: of at most `modes` modes, the smallest number r is kept for which the sum of the squared singular
values left out is at most `tolerance` squared times the sum of all of them; the relative error of the snapshots in
the norm of the inner product is then at most `tolerance`.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import scipy.linalg
import xarray as xr

from surrogate.diagnostics.exact import Decomposition, exact, refine, resolved
from surrogate.diagnostics.gram import prepare
from surrogate.diagnostics.pairing import mask_of, times_of, weight_of
from surrogate.fields import FieldError

MEMORY = 1e9
"""Bytes that rows of a matrix of snapshots may take, unless the caller says otherwise."""


def snapshot_matrix(dataset: xr.Dataset) -> Any:
    """Return the real snapshots of a run or a corpus as the rows of a matrix, shape (snapshot, node); lazy if it was.

    Rows follow simulation, then time; columns follow radius, then angle.
    """
    temperature = dataset["temperature"]
    nodes = int(np.prod(temperature.shape[-2:]))
    if temperature.ndim == 3:
        return temperature.data.reshape((-1, nodes))
    rows = [temperature.data[run, : int(count)] for run, count in enumerate(dataset.snapshot_count.values)]
    if temperature.chunks is None:
        return np.concatenate(rows).reshape((-1, nodes))
    import dask.array

    return dask.array.concatenate(rows).reshape((-1, nodes))


def kept_modes(singular_values: np.ndarray, total: float, tolerance: float) -> int:
    """Apply the truncation rule: the smallest r with sum(s[r:]**2) <= tolerance**2 * total, at least 1.

    Parameters
    ----------
    singular_values : array, descending
    total : float
        Sum of the squares of all singular values, also of those not in the array.
    tolerance : float
        Relative error allowed.

    Examples
    --------
    >>> kept_modes(np.array([3.0, 1.0, 0.1]), total=10.01, tolerance=0.05)
    2
    """
    left = total - np.cumsum(np.asarray(singular_values) ** 2)
    enough = np.flatnonzero(left <= tolerance**2 * total)
    return int(enough[0]) + 1 if enough.size else len(singular_values)


def singular_values(
    dataset: xr.Dataset,
    count: int | None = None,
    remove_mean: bool = False,
    weighted: bool = False,
    memory: float = MEMORY,
) -> np.ndarray:
    """Singular values of the matrix of snapshots of a run or a corpus, descending, shape (count,), K.

    The defaults are the paper's definition: no mean removed, all nodes alike.

    Examples
    --------
    >>> from surrogate.annulus import Annulus
    >>> from surrogate.fields import make_run
    >>> from surrogate.parameters import Parameters
    >>> constant = make_run(np.full((4, 5, 4), 1000.0), np.arange(4.0), Annulus.quarter(3, 4),
    ...     Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0))
    >>> [round(float(value), 3) for value in singular_values(constant, 2)]  # 1000 K times the root of 80 values
    [8944.272, 0.0]
    """
    matrix = snapshot_matrix(dataset)
    source = prepare(matrix, weight_of(dataset).values.ravel() if weighted else None, memory)
    found = exact(source, min(count or min(matrix.shape), *matrix.shape), remove_mean)
    if source.dtype is np.float64:
        return found.values
    # The squares of small values are lost in single precision: once more from the matrix itself.
    known = resolved(source, found.values)
    return np.concatenate([refine(source, remove_mean, found, known).values, found.values[known:]])


def decompose(
    dataset: xr.Dataset,
    modes: int | None = None,
    tolerance: float = 0.0,
    remove_mean: bool = True,
    weighted: bool = True,
    method: Literal["exact", "randomised"] = "exact",
    seed: int = 0,
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
        Relative error allowed, see the truncation rule of the module.
    remove_mean : bool
        Subtract the mean over all snapshots first.
    weighted : bool
        Inner product by cell volume; otherwise all nodes alike.
    method : {"exact", "randomised"}
        Randomised (Halko et al. 2011, with orthonormalised power iterations) is faster for few modes of many
        snapshots, but wrong in the tail of a slowly decaying spectrum.
    seed : int
        Of the randomised method.
    memory : float
        Bytes that rows of the matrix may take.

    Returns
    -------
    xarray.Dataset
        ``singular_value(mode)`` in K, ``energy(mode)`` (share of the sum of squares), ``pattern(mode, radius,
        angle)`` (the modes), ``coefficient(mode, snapshot)`` in K, ``mean(radius, angle)`` in K (zero if not
        removed), such that snapshots are mean plus the sum over modes of coefficient times pattern;
        ``snapshot_time(snapshot)`` and, for a corpus, ``simulation(snapshot)``.
    """
    matrix = snapshot_matrix(dataset)
    limit = min(matrix.shape) if modes is None else min(modes, *matrix.shape)
    weight = weight_of(dataset).values.ravel() if weighted else np.ones(matrix.shape[1])
    source = prepare(matrix, weight, memory)
    if method == "exact":
        found = exact(source, limit, remove_mean)
    elif method == "randomised":
        from surrogate.diagnostics.randomised import randomised

        found = randomised(source, limit, remove_mean, seed)
    else:
        raise ValueError(f"POD: method {method!r}: expected 'exact' or 'randomised'")
    count = min(kept_modes(found.values, found.energy, tolerance), max(resolved(source, found.values), 1))
    return _as_dataset(dataset, refine(source, remove_mean, found, count), found.energy, {
        "method": method, "weighted": str(weighted), "mean_removed": str(remove_mean), "tolerance": tolerance,
    })  # fmt: skip


def _as_dataset(dataset: xr.Dataset, found: Decomposition, energy: float, attributes: dict[str, Any]) -> xr.Dataset:
    shape = dataset["temperature"].shape[-2:]
    mask = mask_of(dataset).values
    coordinates: dict[str, Any] = {
        "mode": ("mode", np.arange(1, len(found.values) + 1)),
        "snapshot_time": ("snapshot", np.asarray(times_of(dataset).values)[mask], {"units": "Gyr"}),
        **{name: dataset[name] for name in ("radius", "angle", "radius_bounds", "angle_bounds")},
    }
    if "simulation" in dataset["temperature"].dims:
        numbers = np.broadcast_to(dataset["simulation"].values[:, None], mask.shape)
        coordinates["simulation"] = ("snapshot", numbers[mask])
    return xr.Dataset(
        {
            "singular_value": ("mode", found.values, {"units": "K"}),
            "energy": ("mode", found.values**2 / (energy or 1.0), {"units": "1"}),
            "pattern": (("mode", "radius", "angle"), found.patterns.reshape(-1, *shape), {"units": "1"}),
            "coefficient": (("mode", "snapshot"), found.coefficients, {"units": "K"}),
            "mean": (("radius", "angle"), found.mean.reshape(shape), {"units": "K"}),
        },
        coordinates,
        attributes,
    )


def reconstruct(decomposition: xr.Dataset, modes: int | None = None) -> xr.DataArray:
    """Snapshots from the first `modes` modes, K, dims (snapshot, radius, angle)."""
    part = decomposition.isel(mode=slice(0, modes))
    return decomposition["mean"] + xr.dot(part["coefficient"], part["pattern"], dim="mode")


def subspace_angles(one: xr.Dataset, other: xr.Dataset, modes: int, weighted: bool = True) -> np.ndarray:
    """Principal angles between the spans of the first `modes` modes of two decompositions, degrees, ascending.

    0 where a direction is shared, 90 where one span holds a direction that the other does not know.
    """
    root = np.sqrt(weight_of(one).values if weighted else np.ones(one["mean"].shape)).ravel()
    available = min(one.sizes["mode"], other.sizes["mode"])
    if modes > available:
        raise FieldError(f"subspace_angles: {modes} modes asked for, the decompositions hold {available}")
    spans = [(entry["pattern"].values[:modes].reshape(modes, -1) * root).T for entry in (one, other)]
    return np.degrees(np.sort(scipy.linalg.subspace_angles(*spans)))


def sum_ratio(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Sum of the predicted singular values over the sum of the true ones, percent (the paper's figure)."""
    return float(100.0 * np.sum(prediction) / np.sum(truth))
