"""Snapshots of temperature, alone or a truth beside a prediction: grid and match are found once and handed on.

Every measure takes a run or a corpus (see :mod:`surrogate.fields`), or a plain array: an :class:`xarray.DataArray` with
the dimensions ``radius`` and ``angle`` (``height`` and ``x`` in a box), in any order, or a NumPy array of shape (...,
rows, columns). Of a plain array nothing else is assumed: every snapshot is real, columns are equally spaced, and nodes
count alike unless weights are given. Runs and corpora bring their cell volumes, which are zero in the wall rows.

What is told of ``radius`` and ``angle``, and of K and Gyr, holds for the dimensions and the units of the dataset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import xarray as xr

from surrogate.fields import FieldError, geometry_of, select_run, units_of, valid_snapshots
from surrogate.geometry import GRID_DIMENSIONS, Geometry
from surrogate.quantities import DIMENSIONAL, Units

TIME_TOLERANCE = 1e-6
"""Times of truth and prediction may differ by this much (a float32 round trip costs less)."""


@dataclass(frozen=True)
class Snapshots:
    """Temperatures on one grid; made by :func:`snapshots_of`.

    Attributes
    ----------
    temperature : xarray.DataArray, dims (..., radius, angle), K
        Lazy where it came lazy; NaN where a run has no further snapshot.
    weight : xarray.DataArray, dims (radius, angle)
        Of the nodes in a mean; their sum is 1.
    mask : xarray.DataArray of bool, dims (...)
        Which snapshots are real, not padding.
    times : xarray.DataArray or None
        Of every snapshot of a run or a corpus, Gyr; NaN for padding.
    geometry : Geometry or None
        The grid of a run or a corpus.
    dataset : xarray.Dataset or None
        The run or corpus.
    """

    temperature: xr.DataArray
    weight: xr.DataArray
    mask: xr.DataArray
    times: xr.DataArray | None = None
    geometry: Geometry | None = None
    dataset: xr.Dataset | None = None

    @property
    def dimensions(self) -> tuple[str, str]:
        """Names of the vertical and the lateral dimension."""
        vertical, lateral = self.temperature.dims[-2:]
        return str(vertical), str(lateral)

    @cached_property
    def units(self) -> Units:
        """How the temperatures are measured; those of a plain array are taken to be K."""
        return DIMENSIONAL if self.dataset is None else units_of(self.dataset)

    @property
    def is_corpus(self) -> bool:
        """Whether it is a corpus."""
        return self.dataset is not None and "simulation" in self.temperature.dims

    def known(self) -> tuple[xr.Dataset, Geometry, xr.DataArray]:
        """Dataset, grid and times of a run or a corpus.

        Raises
        ------
        surrogate.fields.FieldError
            For a plain array, which has none of them.
        """
        if self.dataset is None or self.geometry is None or self.times is None:
            raise FieldError("this needs a run or a corpus, with its grid and times (surrogate.fields), got an array")
        return self.dataset, self.geometry, self.times

    def run(self, position: int) -> Snapshots:
        """Run number `position` (0, 1, ...) of a corpus, loaded, on the same grid."""
        return _of_dataset(select_run(self.known()[0], position).load(), self.weight, self.geometry)

    def runs(self) -> Iterator[Snapshots]:
        """Yield the runs of a corpus, or the run itself, one in memory at a time."""
        if self.is_corpus:
            for position in range(self.temperature.sizes["simulation"]):
                yield self.run(position)
        else:
            yield _of_dataset(self.known()[0].compute(), self.weight, self.geometry)


def _of_dataset(dataset: xr.Dataset, weight: xr.DataArray, geometry: Geometry | None) -> Snapshots:
    temperature = dataset["temperature"]
    if "simulation" in temperature.dims:
        mask = xr.DataArray(valid_snapshots(dataset), dims=("simulation", "time"))
        return Snapshots(temperature, weight, mask, dataset["snapshot_time"], geometry, dataset)
    mask = xr.DataArray(np.ones(dataset.sizes["time"], dtype=bool), dims=("time",))
    return Snapshots(temperature, weight, mask, dataset["time"], geometry, dataset)


Fields: TypeAlias = xr.Dataset | xr.DataArray | np.ndarray | Snapshots
"""What a measure takes."""


def snapshots_of(fields: Fields, weights: Any = None) -> Snapshots:
    """Take the temperatures of a run, a corpus or a plain array.

    Parameters
    ----------
    fields : xarray.Dataset, xarray.DataArray or array, shape (..., radius, angle)
    weights : array, shape (radius, angle), optional
        Of the nodes, not negative; divided by its sum. Default: the cell volumes of a dataset, 1 for a plain array.

    Raises
    ------
    surrogate.fields.FieldError
        If the field has no radius and angle, or weights are of another shape.

    Examples
    --------
    >>> snapshots_of(np.full((3, 6, 4), 1700.0)).weight.sum().item()
    1.0
    """
    if isinstance(fields, Snapshots):
        return fields
    geometry = geometry_of(fields) if isinstance(fields, xr.Dataset) else None
    temperature = fields["temperature"] if isinstance(fields, xr.Dataset) else _with_names(fields)
    dimensions, shape = temperature.dims[-2:], temperature.shape[-2:]
    if weights is None:
        weight = np.full(shape, 1.0 / np.prod(shape)) if geometry is None else geometry.weight
    else:
        weight = (
            weights.transpose(*dimensions).values if isinstance(weights, xr.DataArray) else np.asarray(weights, float)
        )
        if weight.shape != shape or not np.all(weight >= 0) or not weight.sum() > 0:
            raise FieldError(f"weights: expected numbers from 0 up, some above, of shape {shape}, got {weight.shape}")
        weight = weight / weight.sum()
    share = xr.DataArray(weight, dims=dimensions)
    if isinstance(fields, xr.Dataset):
        return _of_dataset(fields, share, geometry)
    every = xr.DataArray(np.ones(temperature.shape[:-2], dtype=bool), dims=temperature.dims[:-2])
    return Snapshots(temperature, share, every)


def _with_names(values: xr.DataArray | np.ndarray) -> xr.DataArray:
    """Plain array with the dimensions (..., radius, angle), or (..., height, x)."""
    if isinstance(values, xr.DataArray):
        for dimensions in GRID_DIMENSIONS:
            if set(dimensions) <= set(values.dims):
                return values.transpose(..., *dimensions)
        raise FieldError(
            f"expected the dimensions 'radius' and 'angle', or 'height' and 'x', got {values.dims}: rename those of "
            "the field to these"
        )
    if np.ndim(values) < 2:
        raise FieldError(f"expected an array of shape (..., radius, angle), got shape {np.shape(values)}")
    leading = [f"axis_{number}" for number in range(np.ndim(values) - 2)]
    return xr.DataArray(values, dims=(*leading, *GRID_DIMENSIONS[0]))


@dataclass(frozen=True)
class Pair:
    """A truth and a prediction of the same snapshots (:func:`pair`); measures take it in place of both."""

    truth: Snapshots
    prediction: Snapshots

    @cached_property
    def true(self) -> xr.DataArray:
        """Temperature of the truth, float64, K."""
        return self.truth.temperature.astype(float)

    @cached_property
    def predicted(self) -> xr.DataArray:
        """Temperature of the prediction, float64, K, on the very coordinates of the truth."""
        # xarray would otherwise silently keep only the coordinates that agree to the last bit.
        one, other = self.truth.temperature, self.prediction.temperature
        return xr.DataArray(other.data, coords=one.coords, dims=one.dims, attrs=other.attrs).astype(float)

    @property
    def dimensions(self) -> tuple[str, str]:
        """Names of the vertical and the lateral dimension."""
        return self.truth.dimensions

    @property
    def units(self) -> Units:
        """How the temperatures are measured."""
        return self.truth.units

    @property
    def weight(self) -> xr.DataArray:
        """Of the nodes, dims (radius, angle)."""
        return self.truth.weight


def pair(truth: Fields | Pair, prediction: Fields | None = None, name: str = "prediction", weights: Any = None) -> Pair:
    """Bring a truth and a prediction together: same grid, same runs, same times, or a clear error.

    No temperature is read. A pair is returned as it is.

    Parameters
    ----------
    truth, prediction : xarray.Dataset, xarray.DataArray or array
        Runs, corpora or plain arrays, see the module.
    name : str
        What to call the prediction in an error.
    weights : array, shape (radius, angle), optional
        See :func:`snapshots_of`.

    Raises
    ------
    surrogate.fields.FieldError
        If dimensions, sizes, grids, run numbers, times or other coordinates differ.
    """
    if isinstance(truth, Pair):
        return truth
    if prediction is None:
        raise TypeError("a truth needs a prediction beside it")
    both = Pair(snapshots_of(truth, weights), snapshots_of(prediction, weights))
    one, other = both.truth.temperature, both.prediction.temperature
    if one.dims != other.dims or one.shape != other.shape:
        raise FieldError(
            f"{name}: temperature has dimensions {dict(other.sizes)}, expected those of the truth, {dict(one.sizes)}"
        )
    if both.truth.dataset is None or both.prediction.dataset is None:
        _same_coordinates(one, other, name)
        return both
    if both.truth.units != both.prediction.units:
        raise FieldError(f"{name}: is {both.prediction.units.name}, the truth {both.truth.units.name}")
    if both.truth.geometry != both.prediction.geometry:
        raise FieldError(f"{name}: its grid differs from that of the truth")
    if both.truth.is_corpus and not np.array_equal(one["simulation"].values, other["simulation"].values):
        raise FieldError(
            f"{name}: has the runs {other['simulation'].values[:5]} ..., expected {one['simulation'].values[:5]} ..."
        )
    times, others = (snapshots.known()[2].values for snapshots in (both.truth, both.prediction))
    if np.any(np.isnan(times) != np.isnan(others)):
        raise FieldError(f"{name}: its runs have other numbers of snapshots than the truth")
    difference = np.nanmax(np.abs(times - others), initial=0.0)
    if difference > TIME_TOLERANCE:
        raise FieldError(f"{name}: its times differ from those of the truth by up to {difference:.3g}")
    return both


def _same_coordinates(one: xr.DataArray, other: xr.DataArray, name: str) -> None:
    """Refuse plain arrays that say of themselves that they lie elsewhere."""
    for dimension in set(one.indexes) & set(other.indexes):
        true, predicted = one[dimension].values, other[dimension].values
        numbers = np.issubdtype(true.dtype, np.number) and np.issubdtype(predicted.dtype, np.number)
        if not (np.allclose(true, predicted, rtol=1e-6) if numbers else np.array_equal(true, predicted)):
            raise FieldError(f"{name}: its coordinate {dimension!r} differs from that of the truth")


def labelled(values: xr.DataArray, name: str, units: str, long_name: str) -> xr.DataArray:
    """Give a result its name, units and long name."""
    values = values.rename(name)
    values.attrs = {"units": units, "long_name": long_name}
    return values
