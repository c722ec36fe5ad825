"""How answers depend on the parameters: derivatives by automatic differentiation, and Sobol indices."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import stats

from surrogate.annulus import Annulus
from surrogate.parameters import ParameterSpace
from surrogate.query.engine import Engine
from surrogate.query.errors import QueryError
from surrogate.query.series import SERIES, SeriesReader

QUANTITIES = ("profile", *SERIES)
"""What can be differentiated and attributed."""

STEP = 1e-3
"""Largest change of a wall temperature, K, in the directional difference of a heat flux."""


class Sensitivity:
    """Derivatives and variances of what a surrogate answers.

    Parameters
    ----------
    engine : Engine
    series : SeriesReader
    space : ParameterSpace
        With the trained ranges.
    annulus : Annulus
    """

    def __init__(self, engine: Engine, series: SeriesReader, space: ParameterSpace, annulus: Annulus) -> None:
        self._engine, self._series, self._space, self._annulus = engine, series, space, annulus

    def jacobian(self, parameters: np.ndarray, times: np.ndarray) -> xr.Dataset:
        """Differentiate; see :meth:`surrogate.query.Surrogate.jacobian`."""
        profile, profile_slopes = self._engine.derivatives("profile", parameters, times)
        walls, wall_slopes = self._engine.derivatives("walls", parameters, times)
        # Fluxes are smooth functions of the walls in double precision: a directional difference is exact to 1e-8.
        step = STEP / np.maximum(np.abs(wall_slopes).max(axis=(1, 2, 3), keepdims=True), 1e-12)
        ahead, behind = (
            self._series.read(walls + side * step * wall_slopes, profile + side * step[..., 0] * profile_slopes)
            for side in (1, -1)
        )
        slopes = {name: (ahead[name] - behind[name]) / (2 * step[:, :, 0, 0]) for name in SERIES}
        spans = self._space.high - self._space.low
        return self._named({"profile": profile_slopes, **slopes}, times, "derivative of").assign(
            span=("parameter", spans, {"long_name": "trained range on the natural axis"})
        )

    def sobol_indices(self, times: np.ndarray, samples: int, method: str, seed: int) -> xr.Dataset:
        """Attribute variance; see :meth:`surrogate.query.Surrogate.sobol_indices`."""
        if isinstance(samples, bool) or not isinstance(samples, int | np.integer) or samples < 2:
            raise QueryError(f"samples: expected at least 2, got {samples!r}")
        if samples & (samples - 1):
            raise QueryError(f"samples: expected a power of two, got {samples}")
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
        latents = self._engine.latents(method, parameters, times)
        profile = self._engine.expand(latents, "profile").astype(float)
        return {"profile": profile, **self._series.read(self._engine.expand(latents, "walls"), profile)}

    def _named(self, values: dict[str, np.ndarray], times: np.ndarray, what: str) -> xr.Dataset:
        variables = {}
        for name, entry in values.items():
            rows = ("radius",) if entry.ndim == 3 else ()
            variables[name] = (("parameter", "time", *rows), entry, {"long_name": f"{what} {name.replace('_', ' ')}"})
        return xr.Dataset(
            variables,
            {
                "parameter": list(self._space.names),
                "time": ("time", times, {"units": "Gyr"}),
                "radius": ("radius", self._annulus.radius, {"units": "m"}),
            },
        )
