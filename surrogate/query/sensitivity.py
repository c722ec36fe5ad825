"""How answers depend on the parameters: derivatives by automatic differentiation, and Sobol indices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy.stats import qmc

from surrogate.parameters import PARAMETER_NAMES, PARAMETERS
from surrogate.query.arguments import QueryError, read_sets, read_times
from surrogate.query.reductions import SERIES, series_of

if TYPE_CHECKING:
    from surrogate.query.surrogate import Surrogate

QUANTITIES = ("profile", *SERIES)
"""What can be differentiated and attributed."""


def jacobian(surrogate: Surrogate, parameters: Any = None, *, time: Any = None, **keywords: Any) -> xr.Dataset:
    """Differentiate profile, mean temperature and heat fluxes of the FNN by the parameters.

    The networks are differentiated automatically (forward mode, one direction per parameter).

    Parameters
    ----------
    surrogate : Surrogate
    parameters, time, **keywords
        One set and times, as in :meth:`Surrogate.predict`.

    Returns
    -------
    xarray.Dataset
        Each quantity on (parameter, time[, radius]): its derivative by the parameter on its natural axis, K or W/m2
        per decade of the viscosity and per SI unit of the others; and ``span``, the trained range on that axis, so
        that derivative times span compares parameters.

    Raises
    ------
    QueryError
        If more than one set is asked for.
    """
    sets, times = read_sets(parameters, keywords), read_times(time, surrogate.default_times)
    if len(sets.values) != 1:
        raise QueryError(f"jacobian: expected one set of parameters, got {len(sets.values)}")
    profile, profile_slopes = surrogate.engine.derivatives("profile", sets.values[0], times)
    walls, wall_slopes = surrogate.engine.derivatives("walls", sets.values[0], times)
    # Fluxes are smooth functions of the walls in double precision: a directional difference is exact to 1e-8.
    small = 1e-3 / np.maximum(np.abs(wall_slopes).max(axis=(1, 2, 3), keepdims=True), 1e-12)
    ahead, behind = (
        series_of(walls + side * small * wall_slopes, profile[None] + side * small[..., 0] * profile_slopes,
                  surrogate.annulus, surrogate.planet, surrogate.conductivity)
        for side in (1, -1)
    )  # fmt: skip
    slopes = {name: (ahead[name] - behind[name]) / (2 * small[:, :, 0, 0]) for name in SERIES}
    return _dataset(surrogate, {"profile": profile_slopes, **slopes}, times, "derivative of").assign(
        span=("parameter", _spans(surrogate), {"long_name": "trained range on the natural axis"})
    )


def sobol_indices(
    surrogate: Surrogate, *, time: Any = None, samples: int = 1024, method: str = "fnn", seed: int = 0
) -> xr.Dataset:
    """Share of the variance of profile, mean temperature and heat fluxes that each parameter explains.

    Parameters are drawn independently and uniformly on their natural axes over the trained ranges. First-order indices
    by Saltelli et al. (2010), total indices by Jansen (1999), on scrambled Sobol points.

    Parameters
    ----------
    surrogate : Surrogate
    time : as in :meth:`Surrogate.predict`
    samples : int
        Base points, best a power of two; the surrogate is asked 7 times as often.
    method : {"fnn", "lstm", "ensemble"}
    seed : int

    Returns
    -------
    xarray.Dataset
        ``{quantity}_first`` and ``{quantity}_total`` on (parameter, time[, radius]); NaN where nothing varies.
    """
    times = read_times(time, surrogate.default_times)
    if samples < 2:
        raise QueryError(f"samples: expected at least 2, got {samples}")
    count = len(PARAMETERS)
    unit = qmc.Sobol(2 * count, rng=np.random.default_rng(seed)).random(samples)
    first, second = unit[:, :count], unit[:, count:]
    mixed = []
    for column in range(count):
        part = first.copy()
        part[:, column] = second[:, column]
        mixed.append(part)
    values = _quantities(surrogate, _points(surrogate, np.concatenate([first, second, *mixed])), times, method)
    indices = {}
    for name, answer in values.items():
        a, b, *crossed = np.split(answer.astype(float), count + 2)
        variance = np.concatenate([a, b]).var(axis=0)
        threshold = 1e-9 * max(float(np.max(np.square(np.concatenate([a, b])).mean(axis=0))), 1e-300)
        variance = np.where(variance > threshold, variance, np.nan)
        indices[f"{name}_first"] = np.stack([(b * (c - a)).mean(axis=0) / variance for c in crossed])
        indices[f"{name}_total"] = np.stack([0.5 * ((a - c) ** 2).mean(axis=0) / variance for c in crossed])
    return _dataset(surrogate, indices, times, "Sobol index of").assign_attrs(samples=samples, method=method, seed=seed)


def _spans(surrogate: Surrogate) -> np.ndarray:
    ends = [[p.transform(value) for value in surrogate.parameter_ranges[p.name]] for p in PARAMETERS]
    return np.diff(np.array(ends, dtype=float), axis=1)[:, 0]


def _points(surrogate: Surrogate, unit: np.ndarray) -> np.ndarray:
    low = np.array([p.transform(surrogate.parameter_ranges[p.name][0]) for p in PARAMETERS], dtype=float)
    natural = low + _spans(surrogate) * unit
    return np.stack([p.inverse(natural[:, column]) for column, p in enumerate(PARAMETERS)], axis=1)


def _quantities(
    surrogate: Surrogate, parameters: np.ndarray, times: np.ndarray, method: str = "fnn"
) -> dict[str, np.ndarray]:
    profile = surrogate.engine.answer(method, parameters, times, "profile")
    walls = surrogate.engine.answer(method, parameters, times, "walls")
    series = series_of(walls.astype(float), profile, surrogate.annulus, surrogate.planet, surrogate.conductivity)
    return {"profile": profile.astype(float), **series}


def _dataset(surrogate: Surrogate, values: dict[str, np.ndarray], times: np.ndarray, what: str) -> xr.Dataset:
    variables = {}
    for name, entry in values.items():
        rows = ("radius",) if entry.ndim == 3 else ()
        variables[name] = (("parameter", "time", *rows), entry, {"long_name": f"{what} {name.replace('_', ' ')}"})
    return xr.Dataset(
        variables,
        {
            "parameter": list(PARAMETER_NAMES),
            "time": ("time", times, {"units": "Gyr"}),
            "radius": ("radius", surrogate.annulus.radius, {"units": "m"}),
        },
    )
