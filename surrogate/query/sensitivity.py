"""How answers depend on the parameters: derivatives by automatic differentiation, and Sobol indices."""

from __future__ import annotations

import numpy as np
import xarray as xr

from surrogate.geometry import Geometry
from surrogate.parameters import ParameterSpace
from surrogate.query.engine import Engine
from surrogate.query.errors import QueryError
from surrogate.query.series import SeriesReader

STEP = 1e-3
"""Largest change of a temperature, K, in the directional difference of a time series."""

LARGEST_STEP = 1e-4
"""Share of the trained range over which such a difference is taken at most."""


class Sensitivity:
    """Derivatives and variances of what a surrogate answers.

    Parameters
    ----------
    engine : Engine
    series : SeriesReader
    space : ParameterSpace
        With the trained ranges.
    geometry : Geometry
    """

    def __init__(self, engine: Engine, series: SeriesReader, space: ParameterSpace, geometry: Geometry) -> None:
        self._engine, self._series, self._space, self._geometry = engine, series, space, geometry

    def jacobian(self, parameters: np.ndarray, times: np.ndarray) -> xr.Dataset:
        """Differentiate; see :meth:`surrogate.query.Surrogate.jacobian`."""
        rows, row_slopes = self._engine.derivatives("series", parameters, times)
        spans = self._space.high - self._space.low
        # Time series are smooth functions of the rows in double precision: a directional difference is exact to 1e-8.
        step = STEP / np.maximum(np.abs(row_slopes).max(axis=-1, keepdims=True), 1e-12)
        step = np.maximum(np.minimum(step, LARGEST_STEP * spans[:, None, None]), 1e-12)
        natural = self._space.natural(parameters) + np.zeros((len(spans), len(times), 1))
        turn = step * np.eye(len(spans))[:, None]
        ahead, behind = (
            self._series.read(rows + side * step * row_slopes, self._space.from_natural(natural + side * turn))
            for side in (1, -1)
        )
        slopes = {name: (ahead[name] - behind[name]) / (2 * step[..., 0]) for name in self._series.names}
        profile_slopes = row_slopes[..., -self._geometry.shape[0] :]
        return self._named({"profile": profile_slopes, **slopes}, times, "derivative of").assign(
            span=("parameter", spans, {"long_name": "trained range on the natural axis"})
        )

    def sobol_indices(self, times: np.ndarray, samples: int, method: str, seed: int) -> xr.Dataset:
        """Attribute variance; see :meth:`surrogate.query.Surrogate.sobol_indices`."""
        if isinstance(samples, bool) or not isinstance(samples, int | np.integer) or samples < 2:
            raise QueryError(f"samples: expected at least 2, got {samples!r}")
        if samples & (samples - 1):
            raise QueryError(f"samples: expected a power of two, got {samples}")
        from scipy import stats

        shapes: dict[str, tuple[int, ...]] = {}
        sizes: list[np.ndarray] = []

        def answer(unit: np.ndarray) -> np.ndarray:
            """Values of all quantities, shape (value, point), at points of the unit cube, shape (parameter, point)."""
            values = self._quantities(self._space.unscale(unit.T), times, method)
            shapes.update({name: entry.shape[1:] for name, entry in values.items()})
            flat = np.concatenate([entry.reshape(len(entry), -1) for entry in values.values()], axis=1).T
            sizes.append(flat.std(axis=1))
            return flat

        with np.errstate(divide="ignore", invalid="ignore"):
            found = stats.sobol_indices(
                func=answer,
                n=int(samples),
                dists=[stats.uniform()] * len(self._space),
                rng=np.random.default_rng(seed),
            )
        indices, start = {}, 0
        for name, shape in shapes.items():
            part = slice(start, start + int(np.prod(shape)))
            start = part.stop
            varies = np.max([size[part] for size in sizes], axis=0)
            varies = varies > 1e-6 * max(float(varies.max()), 1e-30)
            for kind, values in (("first", found.first_order), ("total", found.total_order)):
                known = np.where(varies[:, None], values[part], np.nan).T
                indices[f"{name}_{kind}"] = known.reshape(len(self._space), *shape)
        return self._named(indices, times, "Sobol index of").assign_attrs(samples=samples, method=method, seed=seed)

    def _quantities(self, parameters: np.ndarray, times: np.ndarray, method: str) -> dict[str, np.ndarray]:
        rows = self._engine.expand(self._engine.latents(method, parameters, times), "series").astype(float)
        profile = rows[..., -self._geometry.shape[0] :]
        return {"profile": profile, **self._series.read(rows, parameters[:, None])}

    def _named(self, values: dict[str, np.ndarray], times: np.ndarray, what: str) -> xr.Dataset:
        variables, vertical = {}, self._geometry.dimensions[0]
        for name, entry in values.items():
            rows = (vertical,) if entry.ndim == 3 else ()
            variables[name] = (("parameter", "time", *rows), entry, {"long_name": f"{what} {name.replace('_', ' ')}"})
        return xr.Dataset(
            variables,
            {
                "parameter": list(self._space.names),
                "time": ("time", times, {"units": self._series.units.unit("time")}),
                vertical: (vertical, self._geometry.vertical, {"units": self._series.units.unit(vertical)}),
            },
        )
