"""How far a predicted temperature is from the true one.

Every function takes a truth and a prediction, both runs or both corpora (see :mod:`surrogate.fields`), and gives one
number per snapshot, dims ``([simulation], time)``, unless it says otherwise. Padded snapshots give NaN. Everything
stays lazy on Dask arrays.

Two means over a snapshot occur. The **paper's** measures (:func:`relative_accuracy`, :func:`mean_square_error`)
average over all nodes alike, wall rows included (Agarwal et al. 2021, arXiv:2108.10105). All others weight by cell
volume, so that the walls, which are known, do not count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from surrogate.diagnostics.pairing import mask_of, pair, times_of

FIELD = ("radius", "angle")


def _named(values: xr.DataArray, name: str, units: str, long_name: str) -> xr.DataArray:
    values = values.rename(name)
    values.attrs = {"units": units, "long_name": long_name}
    return values


def _mean_square(values: xr.DataArray, weight: xr.DataArray) -> xr.DataArray:
    return (values**2 * weight).sum(FIELD, skipna=False)


def _snapshot_mean(values: xr.DataArray, snapshots: xr.DataArray, keep: Sequence[str]) -> xr.DataArray:
    """Mean over all real snapshots and over all dimensions not kept; NaN in a real snapshot stays NaN."""
    over = [dimension for dimension in values.dims if dimension not in keep]
    count = int(snapshots.sum()) * int(np.prod([values.sizes[name] for name in over if name not in snapshots.dims]))
    return values.where(snapshots, 0.0).sum(over, skipna=False) / count


def relative_accuracy(truth: xr.Dataset, prediction: xr.Dataset) -> xr.DataArray:
    """Mean over all nodes of 100 - 100 |T - T^| / T, per snapshot, in percent: the paper's headline.

    It is dominated by the mean profile: read it beside :func:`lateral_anomaly_error`.

    Examples
    --------
    >>> from surrogate.annulus import Annulus
    >>> from surrogate.fields import make_run
    >>> from surrogate.parameters import Parameters
    >>> def run(kelvin):
    ...     return make_run(np.full((1, 6, 4), kelvin), [1.0], Annulus.quarter(4, 4),
    ...         Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0))
    >>> float(relative_accuracy(run(1000.0), run(990.0))[0])
    99.0
    """
    true, predicted, _ = pair(truth, prediction)
    accuracy = 100.0 - 100.0 * (abs(true - predicted) / true).mean(FIELD, skipna=False)
    return _named(accuracy, "relative_accuracy", "percent", "relative accuracy")


def temperature_maximum(truth: xr.Dataset) -> float:
    """Largest temperature of a dataset, K: the scale of the paper's mean square errors."""
    return float(truth["temperature"].max())


def mean_square_error(truth: xr.Dataset, prediction: xr.Dataset, scale: float | None = None) -> xr.DataArray:
    """Mean over all nodes of the squared error of T / `scale`, per snapshot.

    Parameters
    ----------
    truth, prediction : xarray.Dataset
    scale : float, optional
        K; default the largest temperature of the truth. The paper divides by the maximum of its whole corpus.
    """
    true, predicted, _ = pair(truth, prediction)
    scale = temperature_maximum(truth) if scale is None else scale
    error = (((true - predicted) / scale) ** 2).mean(FIELD, skipna=False)
    return _named(error, "mean_square_error", "1", "mean square error of the scaled temperature")


def root_mean_square_error(truth: xr.Dataset, prediction: xr.Dataset) -> xr.DataArray:
    """Volume-weighted root-mean-square error per snapshot, K."""
    true, predicted, weight = pair(truth, prediction)
    error = _mean_square(true - predicted, weight) ** 0.5
    return _named(error, "root_mean_square_error", "K", "root-mean-square error")


def variance_scaled_error(truth: xr.Dataset, prediction: xr.Dataset) -> xr.DataArray:
    """VRMSE per snapshot: root of the mean square error over the spatial variance of the truth.

    A prediction of the volume mean scores 1.
    """
    true, predicted, weight = pair(truth, prediction)
    variance = _mean_square(true - (true * weight).sum(FIELD, skipna=False), weight)
    error = (_mean_square(true - predicted, weight) / variance) ** 0.5
    return _named(error, "variance_scaled_error", "1", "root-mean-square error over the standard deviation (VRMSE)")


def _anomaly(temperature: xr.DataArray) -> xr.DataArray:
    return temperature - temperature.mean("angle", skipna=False)


def lateral_anomaly_squares(truth: xr.Dataset, prediction: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean squares, K2, of the error of the lateral anomaly T - <T>(r), and of the true anomaly itself.

    Ratios over many snapshots are made of sums of these, so that snapshots before the onset of convection, which
    have almost no lateral structure, do not dominate.
    """
    true, predicted, weight = pair(truth, prediction)
    anomaly = _anomaly(true)
    return _mean_square(_anomaly(predicted) - anomaly, weight), _mean_square(anomaly, weight)


def lateral_anomaly_error(truth: xr.Dataset, prediction: xr.Dataset) -> xr.DataArray:
    """Norm of the error of the lateral anomaly T - <T>(r) over the norm of the true anomaly, per snapshot.

    A prediction without lateral structure scores 1, one with the right plumes in unrelated places about 1.4: only
    below 1 does a prediction know anything of where plumes are.
    """
    error, norm = lateral_anomaly_squares(truth, prediction)
    ratio = (error / norm.where(norm > 0)) ** 0.5
    return _named(ratio, "lateral_anomaly_error", "1", "error of the lateral anomaly over its norm")


def profile_error(truth: xr.Dataset, prediction: xr.Dataset) -> xr.DataArray:
    """Volume-weighted root-mean-square error of the lateral-mean profile per snapshot, K."""
    true, predicted, weight = pair(truth, prediction)
    difference = (true - predicted).mean("angle", skipna=False)
    error = (difference**2 * weight.sum("angle")).sum("radius", skipna=False) ** 0.5
    return _named(error, "profile_error", "K", "root-mean-square error of the lateral-mean profile")


def error_by_radius(truth: xr.Dataset, prediction: xr.Dataset) -> xr.DataArray:
    """Root-mean-square error over all snapshots and angles, K, dims (radius,)."""
    true, predicted, _ = pair(truth, prediction)
    error = _snapshot_mean((true - predicted) ** 2, mask_of(truth), ["radius"]) ** 0.5
    return _named(error, "error_by_radius", "K", "root-mean-square error")


def error_map(truth: xr.Dataset, prediction: xr.Dataset) -> xr.DataArray:
    """Root-mean-square error over all snapshots, K, dims (radius, angle)."""
    true, predicted, _ = pair(truth, prediction)
    error = _snapshot_mean((true - predicted) ** 2, mask_of(truth), FIELD) ** 0.5
    return _named(error, "error_map", "K", "root-mean-square error")


def error_by_time(truth: xr.Dataset, prediction: xr.Dataset, edges: Sequence[float] | None = None) -> xr.DataArray:
    """Volume-weighted root-mean-square error in bins of time, K, dims (time,): the centres of the bins, Gyr.

    Parameters
    ----------
    truth, prediction : xarray.Dataset
    edges : sequence of float, Gyr, optional
        Increasing; default 15 equal bins from the first to the last snapshot. An empty bin gives NaN.
    """
    squares = np.asarray(root_mean_square_error(truth, prediction).values).ravel() ** 2
    times = np.asarray(times_of(truth).values, dtype=float).ravel()
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
    return _named(xr.DataArray(error, {"time": centres}, ("time",)), "error_by_time", "K", "root-mean-square error")


def spectral_error(truth: xr.Dataset, prediction: xr.Dataset) -> xr.Dataset:
    """Lateral power of truth, prediction and error by wavenumber, averaged over volume and snapshots.

    The side walls are insulating mirrors, so fields are cosine series in the angle: wavenumber l has the pattern
    cos(l pi angle / sector width), half a wave per sector for l = 1. Power sums over l to the mean square
    (Parseval); l = 0 is the lateral mean.

    Returns
    -------
    xarray.Dataset
        ``truth``, ``prediction``, ``error``, K2, dims (wavenumber,).
    """
    from scipy.fft import dct

    true, predicted, weight = pair(truth, prediction)
    rows = weight.sum("angle")
    snapshots = mask_of(truth)

    def power(values: xr.DataArray) -> xr.DataArray:
        columns = values.sizes["angle"]
        spectrum = xr.apply_ufunc(
            lambda field: dct(field, type=2, axis=-1, norm="ortho") ** 2 / columns,
            values, input_core_dims=[["angle"]], output_core_dims=[["wavenumber"]],
            dask="parallelized", output_dtypes=[float],
            dask_gufunc_kwargs={"output_sizes": {"wavenumber": columns}},
        )  # fmt: skip
        return _snapshot_mean((spectrum * rows).sum("radius", skipna=False), snapshots, ["wavenumber"])

    spectra = {"truth": power(true), "prediction": power(predicted), "error": power(true - predicted)}
    return xr.Dataset(
        {name: values.assign_attrs(units="K2") for name, values in spectra.items()},
        {"wavenumber": np.arange(true.sizes["angle"])},
    )
