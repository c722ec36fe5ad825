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

from surrogate.diagnostics.eigen import leading_eigenpairs
from surrogate.diagnostics.gram import COLUMN_BLOCK, Centred, add_outer, covariance, gram, prepare
from surrogate.diagnostics.pairing import mask_of, times_of, weight_of
from surrogate.fields import FieldError

MEMORY = 1e9
"""Bytes that rows of a matrix of snapshots may take, unless the caller says otherwise."""

RESOLUTION = {"float64": 1e-6, "float32": 1e-5}
"""Smallest singular value, over the first, whose mode the arithmetic of the products can tell from rounding."""

TOLERANCE = {"float64": 1e-6, "float32": 1e-5}
"""Residual allowed in an eigenpair of the products; those in single precision only choose a subspace, in which the
matrix itself is decomposed once more, so that the residual enters squared."""

CHANGED = 1e-2
"""Relative difference between two readings of the same energy that no rounding, nor a randomised method, explains."""


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
    values, left, right, _ = _exact(source, min(count or min(matrix.shape), *matrix.shape), remove_mean)
    if source.dtype is np.float64:
        return values
    # The squares of small values are lost in single precision: once more from the matrix itself.
    resolved = _resolved(source, values)
    refined = _refine(source, remove_mean, values[:resolved], left, right)[0]
    return np.concatenate([refined, values[resolved:]])


def _products(source: Centred, remove_mean: bool) -> tuple[np.ndarray, np.ndarray]:
    """Gram or covariance matrix, whichever is smaller, and the mean row that it is about (zero if none), scaled."""
    snapshots, nodes = source.matrix.shape
    shift = source.shift * source.scale
    if snapshots <= nodes:
        products, of_shift = gram(source, with_shift=not remove_mean)
        ones = np.ones(snapshots)
        if remove_mean:
            mean = products.mean(axis=0)
            add_outer(products, -ones, mean)
            add_outer(products, mean.mean() - mean, ones)
        else:
            add_outer(products, of_shift + shift @ shift, ones)
            add_outer(products, ones, of_shift)
    else:
        products, total = covariance(source)
        if remove_mean:
            add_outer(products, -total / snapshots, total)
        else:
            add_outer(products, total + snapshots * shift, shift)
            add_outer(products, shift, total)
    return products, shift


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
        values, left, right, total = _exact(source, limit, remove_mean)
    elif method == "randomised":
        from surrogate.diagnostics.randomised import randomised

        values, left, right, total = randomised(source, limit, remove_mean, seed)
    else:
        raise ValueError(f"POD: method {method!r}: expected 'exact' or 'randomised'")
    count = min(kept_modes(values, total, tolerance), max(_resolved(source, values), 1))
    values, coefficients, patterns, mean = _refine(source, remove_mean, values[:count], left, right)
    return _as_dataset(dataset, values, total, patterns, coefficients, mean, {
        "method": method, "weighted": str(weighted), "mean_removed": str(remove_mean), "tolerance": tolerance,
    })  # fmt: skip


def _exact(
    source: Centred, limit: int, remove_mean: bool
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None, float]:
    """Singular values, left vectors (snapshot, mode) or scaled right vectors (node, mode), and the total energy."""
    products, _ = _products(source, remove_mean)
    total = float(np.trace(products))
    if not np.isfinite(total):
        raise FieldError("POD: the snapshots have infinite values, or values too large to be squared")
    squares, vectors = leading_eigenpairs(products, limit, TOLERANCE[np.dtype(source.dtype).name])
    values = np.sqrt(squares)
    gramian = source.matrix.shape[0] <= source.matrix.shape[1]
    return (values, vectors, None, total) if gramian else (values, None, vectors, total)


def _resolved(source: Centred, values: np.ndarray) -> int:
    """Count the singular values that the products tell from rounding; the rest have no direction."""
    return int((values > values[0] * RESOLUTION[np.dtype(source.dtype).name]).sum())


def _refine(
    source: Centred, remove_mean: bool, values: np.ndarray, left: np.ndarray | None, right: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Decompose once more within the subspace of given vectors, in one pass over the matrix (Rayleigh-Ritz).

    The vectors of the products, whose squares lose digits, only choose the subspace. Patterns come out on nodes of no
    weight, too.

    Returns
    -------
    values : array, shape (mode,)
    coefficients : array, shape (mode, snapshot)
    patterns : array, shape (mode, node)
    mean : array, shape (node,)
        That was removed; zero if none.
    """
    snapshots, nodes = source.matrix.shape
    count = len(values)
    if left is not None:
        # A row of ones beside the vectors sums the rows in the same product.
        vectors = left[:, :count]
        rows_of = np.concatenate([vectors.T, np.ones((1, snapshots))]).astype(source.dtype)
        sums = np.zeros((count + 1, nodes))
        for start, stop in reversed(source.slabs()):  # the products were left with the last slab in memory
            for columns, tile in source.tiles(start, stop):
                sums[:, columns] += rows_of[:, start:stop] @ tile
        patterns, total = sums[:-1], sums[-1]
        # Vectors of centred rows sum to zero, so that any constant row drops out; otherwise the shift comes back.
        if not remove_mean:
            patterns += np.outer(vectors.sum(axis=0), source.shift)
        scaled = patterns * source.scale if source.weighted else patterns
        squares, rotation = scipy.linalg.eigh(scaled @ scaled.T)
        coefficients = vectors.T
    else:
        assert right is not None  # one of the two is always given
        vectors = right[:, :count] * source.scale[:, None]
        narrow = vectors.astype(source.dtype)
        total, patterns, coefficients = np.zeros(nodes), np.zeros((count, nodes)), np.zeros((count, snapshots))
        for start, stop in reversed(source.slabs(COLUMN_BLOCK)):
            block = source.hold(start, stop)
            total += np.ones(len(block), dtype=block.dtype) @ block
            part = (block @ narrow).T
            coefficients[:, start:stop] = part
            patterns += part @ block
        offset = -total / snapshots if remove_mean else source.shift
        # Rows are off by the offset in both products.
        patterns += np.outer(offset @ vectors, total)
        coefficients += (offset @ vectors)[:, None]
        patterns += np.outer(coefficients.sum(axis=1), offset)
        squares, rotation = scipy.linalg.eigh(coefficients @ coefficients.T)
    if abs(squares.sum() - np.sum(values**2)) > CHANGED * np.sum(values**2):
        raise FieldError(
            f"POD: the snapshots have {squares.sum():.6g} K2 in the leading modes where they had "
            f"{np.sum(values**2):.6g} when they were read before: the data changed meanwhile"
        )
    squares, rotation = np.clip(squares[::-1], np.finfo(float).tiny, None), rotation[:, ::-1]
    values = np.sqrt(squares)
    # The patterns that come out of the products are as long as their singular value, or its square.
    patterns = (rotation / (values if left is not None else squares)).T @ patterns
    coefficients = rotation.T @ coefficients
    mean = source.shift + total / snapshots if remove_mean else np.zeros(nodes)
    if left is not None:
        coefficients *= values[:, None]
    return values, coefficients, patterns, mean


def _as_dataset(
    dataset: xr.Dataset,
    values: np.ndarray,
    total: float,
    patterns: np.ndarray,
    coefficients: np.ndarray,
    mean: np.ndarray,
    attributes: dict[str, Any],
) -> xr.Dataset:
    shape = dataset["temperature"].shape[-2:]
    mask = mask_of(dataset).values
    coordinates: dict[str, Any] = {
        "mode": ("mode", np.arange(1, len(values) + 1)),
        "snapshot_time": ("snapshot", np.asarray(times_of(dataset).values)[mask], {"units": "Gyr"}),
        **{name: dataset[name] for name in ("radius", "angle", "radius_bounds", "angle_bounds")},
    }
    if "simulation" in dataset["temperature"].dims:
        numbers = np.broadcast_to(dataset["simulation"].values[:, None], mask.shape)
        coordinates["simulation"] = ("snapshot", numbers[mask])
    return xr.Dataset(
        {
            "singular_value": ("mode", values, {"units": "K"}),
            "energy": ("mode", values**2 / total if total else np.zeros_like(values), {"units": "1"}),
            "pattern": (("mode", "radius", "angle"), patterns.reshape(-1, *shape), {"units": "1"}),
            "coefficient": (("mode", "snapshot"), coefficients, {"units": "K"}),
            "mean": (("radius", "angle"), mean.reshape(shape), {"units": "K"}),
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
