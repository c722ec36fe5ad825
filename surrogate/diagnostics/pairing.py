"""Bring a truth and a prediction together: same grid, same runs, same times, or a clear error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from surrogate.fields import FieldError, annulus_of, valid_snapshots

TIME_TOLERANCE = 1e-6
"""Times of truth and prediction may differ by this much, Gyr (a float32 round trip costs less)."""


class Pair(NamedTuple):
    """A truth and a prediction of the same snapshots.

    Attributes
    ----------
    truth, prediction : xarray.DataArray, dims ([simulation], time, radius, angle), K
        float64, lazy where the datasets are; NaN where a run has no further snapshot.
    weight : xarray.DataArray, dims (radius, angle)
        Cell volumes divided by their sum; zero in the wall rows.
    """

    truth: xr.DataArray
    prediction: xr.DataArray
    weight: xr.DataArray


def weight_of(dataset: xr.Dataset) -> xr.DataArray:
    """Cell volumes divided by their sum, dims (radius, angle); zero in the wall rows."""
    return xr.DataArray(annulus_of(dataset).weight, dims=("radius", "angle"))


def mask_of(dataset: xr.Dataset) -> xr.DataArray:
    """Mask of the real (not padded) snapshots of a run or a corpus, dims ([simulation], time)."""
    if "simulation" in dataset.temperature.dims:
        return xr.DataArray(valid_snapshots(dataset), dims=("simulation", "time"))
    return xr.DataArray(np.ones(dataset.sizes["time"], dtype=bool), dims=("time",))


def times_of(dataset: xr.Dataset) -> xr.DataArray:
    """Time of every snapshot of a run or a corpus, Gyr; NaN for padding."""
    return dataset["snapshot_time" if "simulation" in dataset.temperature.dims else "time"]


def match(truth: xr.Dataset, prediction: xr.Dataset, name: str = "prediction") -> None:
    """Check that a prediction has the snapshots of the truth; no temperature is read.

    Parameters
    ----------
    truth, prediction : xarray.Dataset
        Runs or corpora.
    name : str
        What to call the prediction in an error.

    Raises
    ------
    surrogate.fields.FieldError
        If dimensions, sizes, grids, run numbers or times differ.
    """
    one, other = truth["temperature"], prediction["temperature"]
    if one.dims != other.dims or one.shape != other.shape:
        raise FieldError(
            f"{name}: temperature has dimensions {dict(other.sizes)}, expected those of the truth, {dict(one.sizes)}"
        )
    if annulus_of(truth) != annulus_of(prediction):
        raise FieldError(f"{name}: its grid differs from that of the truth")
    if "simulation" in one.dims and not np.array_equal(truth.simulation.values, prediction.simulation.values):
        raise FieldError(
            f"{name}: has the runs {prediction.simulation.values[:5]} ..., expected {truth.simulation.values[:5]} ..."
        )
    difference = np.abs(times_of(truth).values - times_of(prediction).values)
    if np.any(np.isnan(times_of(truth).values) != np.isnan(times_of(prediction).values)):
        raise FieldError(f"{name}: its runs have other numbers of snapshots than the truth")
    if np.nanmax(difference, initial=0.0) > TIME_TOLERANCE:
        raise FieldError(f"{name}: its times differ from those of the truth by up to {np.nanmax(difference):.3g} Gyr")


def pair(truth: xr.Dataset, prediction: xr.Dataset, name: str = "prediction") -> Pair:
    """Return both temperatures of a truth and a prediction of the same snapshots (:func:`match`).

    xarray would otherwise silently keep only the coordinates that agree to the last bit.
    """
    match(truth, prediction, name)
    one, other = truth["temperature"], prediction["temperature"]
    aligned = xr.DataArray(other.data, coords=one.coords, dims=one.dims, attrs=other.attrs)
    return Pair(one.astype(float), aligned.astype(float), weight_of(truth))
