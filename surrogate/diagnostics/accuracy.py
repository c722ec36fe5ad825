"""How far a predicted temperature is from the true one.

Every function takes a truth and a prediction, runs, corpora or plain arrays (:mod:`surrogate.diagnostics.pairing`), and
gives one number per snapshot, on all dimensions but radius and angle, unless it says otherwise. Padded snapshots give
NaN. Everything stays lazy on Dask arrays. A :class:`~surrogate.diagnostics.pairing.Pair` may stand for both.

Two means over a snapshot occur. The **paper's** measures (:func:`relative_accuracy`, :func:`mean_square_error`)
average over all nodes alike, wall rows included (Agarwal et al. 2021, arXiv:2108.10105). All others weight the nodes:
by `weights` where they are given, else by cell volume in a run or a corpus, so that the walls, which are known, do not
count, and all alike in a plain array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from surrogate.diagnostics.pairing import Fields, Pair, labelled, pair, snapshots_of
from surrogate.fields import FieldError
from surrogate.geometry import Geometry


def _mean_square(values: xr.DataArray, weight: xr.DataArray) -> xr.DataArray:
    return (values**2 * weight).sum(weight.dims, skipna=False)


def _snapshot_mean(values: xr.DataArray, snapshots: xr.DataArray, keep: Sequence[str]) -> xr.DataArray:
    """Mean over all real snapshots and over all dimensions not kept; NaN in a real snapshot stays NaN."""
    over = [dimension for dimension in values.dims if dimension not in keep]
    count = int(snapshots.sum()) * int(np.prod([values.sizes[name] for name in over if name not in snapshots.dims]))
    return values.where(snapshots, 0.0).sum(over, skipna=False) / count


def relative_accuracy(truth: Fields | Pair, prediction: Fields | None = None) -> xr.DataArray:
    """Mean over all nodes of 100 - 100 abs(T - T^) / T, per snapshot, in percent: the paper's headline.

    It is dominated by the mean profile: read it beside :func:`lateral_anomaly_error`.

    Raises
    ------
    surrogate.fields.FieldError
        For dimensionless temperatures, which come near zero: :func:`range_accuracy` is their measure.

    Examples
    --------
    >>> truth = np.full((2, 6, 4), 1000.0)
    >>> relative_accuracy(truth, truth - 10.0).values
    array([99., 99.])
    """
    both = pair(truth, prediction)
    if not both.units.dimensional:
        raise FieldError("relative accuracy: divides by the temperature, which a dimensionless corpus has near 0")
    accuracy = 100.0 - 100.0 * (abs(both.true - both.predicted) / both.true).mean(both.dimensions, skipna=False)
    return labelled(accuracy, "relative_accuracy", "percent", "relative accuracy")


def mean_absolute_error(truth: Fields | Pair, prediction: Fields | None = None) -> xr.DataArray:
    """Mean over all nodes of the size of the error, per snapshot, K."""
    both = pair(truth, prediction)
    error = abs(both.true - both.predicted).mean(both.dimensions, skipna=False)
    return labelled(error, "mean_absolute_error", both.units.unit("temperature"), "mean absolute error")


def range_accuracy(truth: Fields | Pair, prediction: Fields | None = None, span: float | None = None) -> xr.DataArray:
    """Mean over all nodes of 100 - 100 abs(T - T^) / `span`, per snapshot, in percent: the headline without kelvin.

    Parameters
    ----------
    truth, prediction : xarray.Dataset, xarray.DataArray or array
    span : float, optional
        Default the range of all temperatures of the truth.

    Examples
    --------
    >>> truth = np.linspace(0.0, 2.0, 24).reshape(6, 4)
    >>> range_accuracy(truth, truth + 0.1).round(3).item()
    95.0
    """
    both = pair(truth, prediction)
    span = temperature_span(both.truth) if span is None else span
    accuracy = 100.0 - 100.0 / span * mean_absolute_error(both)
    return labelled(accuracy, "range_accuracy", "percent", "accuracy (error over the range of temperature)")


def headline_accuracy(
    truth: Fields | Pair, prediction: Fields | None = None, span: float | None = None
) -> xr.DataArray:
    """Choose :func:`relative_accuracy`, or without kelvin :func:`range_accuracy`; the name of the result says which."""
    both = pair(truth, prediction)
    return relative_accuracy(both) if both.units.dimensional else range_accuracy(both, span=span)


def temperature_span(truth: Fields) -> float:
    """Range of all temperatures of a truth, K."""
    temperature = snapshots_of(truth).temperature
    return float(temperature.max() - temperature.min())


def temperature_maximum(truth: Fields) -> float:
    """Largest temperature of a truth, K: the scale of the paper's mean square errors."""
    return float(snapshots_of(truth).temperature.max())


def mean_square_error(
    truth: Fields | Pair, prediction: Fields | None = None, scale: float | None = None
) -> xr.DataArray:
    """Mean over all nodes of the squared error of T / `scale`, per snapshot.

    Parameters
    ----------
    truth, prediction : xarray.Dataset, xarray.DataArray or array
    scale : float, optional
        K; default the largest temperature of the truth. The paper divides by the maximum of its whole corpus.
    """
    both = pair(truth, prediction)
    scale = temperature_maximum(both.truth) if scale is None else scale
    error = (((both.true - both.predicted) / scale) ** 2).mean(both.dimensions, skipna=False)
    return labelled(error, "mean_square_error", "1", "mean square error of the scaled temperature")


def root_mean_square_error(truth: Fields | Pair, prediction: Fields | None = None, weights: Any = None) -> xr.DataArray:
    """Weighted root-mean-square error per snapshot, K."""
    both = pair(truth, prediction, weights=weights)
    error = _mean_square(both.true - both.predicted, both.weight) ** 0.5
    return labelled(error, "root_mean_square_error", both.units.unit("temperature"), "root-mean-square error")


def variance_scaled_error(truth: Fields | Pair, prediction: Fields | None = None, weights: Any = None) -> xr.DataArray:
    """VRMSE per snapshot: root of the mean square error over the spatial variance of the truth.

    A prediction of the weighted mean scores 1.
    """
    both = pair(truth, prediction, weights=weights)
    mean = (both.true * both.weight).sum(both.dimensions, skipna=False)
    variance = _mean_square(both.true - mean, both.weight)
    error = (_mean_square(both.true - both.predicted, both.weight) / variance) ** 0.5
    return labelled(error, "variance_scaled_error", "1", "root-mean-square error over the standard deviation (VRMSE)")


def _anomaly(temperature: xr.DataArray) -> xr.DataArray:
    return temperature - temperature.mean(temperature.dims[-1:], skipna=False)


def lateral_anomaly_squares(
    truth: Fields | Pair, prediction: Fields | None = None, weights: Any = None
) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean squares, K2, of the error of the lateral anomaly T - <T>(r), and of the true anomaly itself.

    Ratios over many snapshots are made of sums of these, so that snapshots before the onset of convection, which
    have almost no lateral structure, do not dominate.
    """
    both = pair(truth, prediction, weights=weights)
    anomaly = _anomaly(both.true)
    return _mean_square(_anomaly(both.predicted) - anomaly, both.weight), _mean_square(anomaly, both.weight)


def lateral_anomaly_error(truth: Fields | Pair, prediction: Fields | None = None, weights: Any = None) -> xr.DataArray:
    """Norm of the error of the lateral anomaly T - <T>(r) over the norm of the true anomaly, per snapshot.

    A prediction without lateral structure scores 1, one with the right plumes in unrelated places about 1.4: only
    below 1 does a prediction know anything of where plumes are. A truth without lateral structure gives NaN.

    Examples
    --------
    >>> truth = 1700.0 + 50.0 * np.random.default_rng(0).standard_normal((6, 16))
    >>> round(lateral_anomaly_error(truth, np.full((6, 16), 1700.0)).item(), 6)
    1.0
    """
    error, norm = lateral_anomaly_squares(truth, prediction, weights)
    ratio = (error / norm.where(norm > 0)) ** 0.5
    return labelled(ratio, "lateral_anomaly_error", "1", "error of the lateral anomaly over its norm")


def profile_error(truth: Fields | Pair, prediction: Fields | None = None, weights: Any = None) -> xr.DataArray:
    """Weighted root-mean-square error of the lateral-mean profile per snapshot, K.

    Examples
    --------
    >>> truth = np.full((3, 6, 16), 1700.0)
    >>> profile_error(truth, truth + 2.0).values
    array([2., 2., 2.])
    """
    both = pair(truth, prediction, weights=weights)
    vertical, lateral = both.dimensions
    difference = (both.true - both.predicted).mean(lateral, skipna=False)
    error = (difference**2 * both.weight.sum(lateral)).sum(vertical, skipna=False) ** 0.5
    return labelled(
        error, "profile_error", both.units.unit("temperature"), "root-mean-square error of the lateral-mean profile"
    )


def error_by_radius(truth: Fields | Pair, prediction: Fields | None = None) -> xr.DataArray:
    """Root-mean-square error over all snapshots and angles, K, dims (radius,)."""
    both = pair(truth, prediction)
    error = _snapshot_mean((both.true - both.predicted) ** 2, both.truth.mask, both.dimensions[:1]) ** 0.5
    return labelled(error, "error_by_radius", both.units.unit("temperature"), "root-mean-square error")


def error_map(truth: Fields | Pair, prediction: Fields | None = None) -> xr.DataArray:
    """Root-mean-square error over all snapshots, K, dims (radius, angle)."""
    both = pair(truth, prediction)
    error = _snapshot_mean((both.true - both.predicted) ** 2, both.truth.mask, both.dimensions) ** 0.5
    return labelled(error, "error_map", both.units.unit("temperature"), "root-mean-square error")


def error_by_time(
    truth: Fields | Pair, prediction: Fields | None = None, edges: Sequence[float] | None = None
) -> xr.DataArray:
    """Volume-weighted root-mean-square error in bins of time, K, dims (time,): the centres of the bins, Gyr.

    Parameters
    ----------
    truth, prediction : xarray.Dataset
        Runs or corpora, which have times.
    edges : sequence of float, Gyr, optional
        Increasing; default 15 equal bins from the first to the last snapshot. An empty bin gives NaN.
    """
    both = pair(truth, prediction)
    squares = np.asarray(root_mean_square_error(both).values).ravel() ** 2
    times = np.asarray(both.truth.known()[2].values, dtype=float).ravel()
    valid = np.isfinite(times)
    if edges is None:
        edges = np.linspace(times[valid].min(), np.nextafter(times[valid].max(), np.inf), 16).tolist()
    limits = np.asarray(edges, dtype=float)
    if limits.size < 2 or np.any(np.diff(limits) <= 0):
        raise ValueError(f"error_by_time: edges must be at least two increasing times in Gyr, got {list(edges)}")
    count, _ = np.histogram(times[valid], limits)
    total, _ = np.histogram(times[valid], limits, weights=squares[valid])
    error = np.sqrt(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))
    centres = 0.5 * (limits[1:] + limits[:-1])
    unit = both.units.unit("temperature")
    return labelled(xr.DataArray(error, {"time": centres}, ("time",)), "error_by_time", unit, "root-mean-square error")


def spectral_error(truth: Fields | Pair, prediction: Fields | None = None, weights: Any = None) -> xr.Dataset:
    """Lateral power of truth, prediction and error by wavenumber, averaged over volume and snapshots.

    What a wavenumber is, the sides of the domain decide (:meth:`surrogate.geometry.Geometry.lateral_power`): half waves
    between mirrors, as which the sides of a plain array are taken, whole waves in a periodic one. Power sums to the
    mean square (Parseval); wavenumber 0 is the lateral mean.

    Returns
    -------
    xarray.Dataset
        ``truth``, ``prediction``, ``error``, K2, dims (wavenumber,).
    """
    both = pair(truth, prediction, weights=weights)
    vertical, lateral = both.dimensions
    rows = both.weight.sum(lateral)
    geometry = both.truth.geometry or Geometry.box(1, both.true.sizes[lateral])

    def power(values: xr.DataArray) -> xr.DataArray:
        spectrum = xr.apply_ufunc(
            geometry.lateral_power,
            values,
            input_core_dims=[[lateral]],
            output_core_dims=[["wavenumber"]],
            dask="parallelized",
            output_dtypes=[float],
            dask_gufunc_kwargs={"output_sizes": {"wavenumber": geometry.wavenumbers}},
        )
        return _snapshot_mean((spectrum * rows).sum(vertical, skipna=False), both.truth.mask, ["wavenumber"])

    spectra = {
        "truth": power(both.true),
        "prediction": power(both.predicted),
        "error": power(both.true - both.predicted),
    }
    square = "K2" if both.units.dimensional else "1"
    return xr.Dataset(
        {name: values.assign_attrs(units=square) for name, values in spectra.items()},
        {"wavenumber": np.arange(geometry.wavenumbers)},
    )
