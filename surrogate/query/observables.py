"""Observables: what a planet shows, of many sets of parameters at chosen times, with their calibrated errors."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import xarray as xr

from surrogate.planet import Planet
from surrogate.query.bundle.content import Bundle
from surrogate.query.engine import Engine, Progress, reduced
from surrogate.query.errors import BundleError, QueryError
from surrogate.query.intervals.widths import features_of, half_width
from surrogate.query.series import SeriesReader

POINTS_AT_ONCE = 2048
"""Sets of parameters whose fields are expanded at once."""

WITH_CRUST = ("crust_heat_flux", "total_surface_heat_flux", "urey_ratio", "crust_concentration")
"""Names of what needs to know how much heat the crust produces."""

WIDTH_OF = {"core_temperature": "profile", "total_surface_heat_flux": "surface_heat_flux"}
"""Calibrated quantities whose errors others have; the urey ratio takes that of the flux in proportion."""


def mantle_heat(planet: Planet, time: Any) -> Any:
    """Heat production of mantle and crust per area of the surface, W/m2, `time` Gyr after formation.

    >>> from surrogate.planet import MARS
    >>> round(1e3 * float(mantle_heat(MARS, 4.5)), 2)
    13.35
    """
    base = planet.planet_radius - planet.crust_thickness
    volume = (base**3 - planet.core_radius**3) / (3 * planet.planet_radius**2)
    return planet.mantle_density * volume * planet.radiogenic_heating(time)


def crust_heat(planet: Planet, enrichment: Any, time: Any) -> Any:
    """Heat produced in the crust per area of the surface, W/m2.

    Parameters
    ----------
    planet : Planet
    enrichment : float or array
        Concentration of heat sources in the crust over that in the mantle below.
    time : float or array, Gyr

    Examples
    --------
    >>> from surrogate.planet import MARS
    >>> [round(1e3 * float(crust_heat(MARS, enrichment, 4.5)), 1) for enrichment in (10, 20, 50)]
    [4.8, 7.1, 9.8]
    """
    base = planet.planet_radius - planet.crust_thickness
    volume = (planet.planet_radius**3 - base**3) / (3 * planet.planet_radius**2)
    return planet.crust_density * volume * planet.radiogenic_heating(time) * crust_concentration(planet, enrichment)


def crust_concentration(planet: Planet, enrichment: Any) -> Any:
    """Concentration of heat sources in the crust over that of the primitive mantle.

    >>> from surrogate.planet import MARS
    >>> [round(float(crust_concentration(MARS, enrichment)), 1) for enrichment in (22.9, 37.0, 48.5)]
    [10.0, 12.0, 13.0]
    """
    return enrichment / (1.0 + planet.crust_mass_ratio * enrichment)


class Observables:
    """What can be observed of the evolutions that a surrogate predicts.

    Parameters
    ----------
    bundle : Bundle
    engine : Engine
    method : str
        Of the surrogate's means.

    Attributes
    ----------
    names : tuple of str
        What this bundle offers.
    calibrated, offered : tuple of str
        Those whose errors it knows, and those of them that it can tell.
    """

    def __init__(self, bundle: Bundle, engine: Engine, method: str = "fnn") -> None:
        self._bundle, self._engine, self._method, self._space = bundle, engine, method, bundle.space
        self._planet = bundle.planet
        self._reader = SeriesReader(bundle.geometry, bundle.planet, bundle.conductivity, bundle.space, bundle.units)
        crust = bundle.units.dimensional and "crustal_enrichment" in bundle.space.names
        self._crust = bundle.space.names.index("crustal_enrichment") if crust else None
        self._calibration = bundle.calibration(method) if bundle.calibrated(method) else xr.Dataset()
        self.names = (*self._reader.names, "core_temperature", *(() if self._crust is None else WITH_CRUST))
        self.calibrated = tuple(name for name in self.names if self._calibrated(name))
        unknown = ("total_surface_heat_flux", "urey_ratio") if bundle.crust_heating == "unknown" else ()
        self.offered = tuple(name for name in self.calibrated if name not in unknown)

    def _calibrated(self, name: str) -> bool:
        exact = name in ("crust_heat_flux", "crust_concentration")
        needed = "surface_heat_flux" if name == "urey_ratio" else WIDTH_OF.get(name, name)
        return exact or f"{needed}_quantile" in self._calibration

    def check(self, name: str) -> None:
        """Refuse an observable that this bundle cannot tell.

        Raises
        ------
        QueryError, BundleError
        """
        if name not in self.names:
            near = get_close_matches(str(name), self.names, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise QueryError(f"observable {name!r}{hint}: expected one of {', '.join(self.names)}")
        if name in ("total_surface_heat_flux", "urey_ratio") and self._bundle.crust_heating == "unknown":
            raise BundleError(
                f"{name}: {self._bundle.source} was written before bundles said whether their fields hold the heat of "
                "the crust (crust_heating); write it again from its corpus"
            )

    def evaluate(
        self, parameters: np.ndarray, times: Sequence[float] | np.ndarray, names: Sequence[str], label: str = ""
    ) -> dict[str, np.ndarray]:
        """Values by name, each of shape (simulation, time), in the units of :data:`surrogate.quantities.VARIABLES`.

        Parameters
        ----------
        parameters : array, shape (simulation, n)
        times : sequence of float, Gyr
            Increasing.
        names : sequence of str
        label : str
            What long work is called while its progress is shown.
        """
        for name in names:
            self.check(name)
        when, parts = np.asarray(times, dtype=float), []
        rows = max(1, POINTS_AT_ONCE // len(when))
        progress = Progress(len(parameters), label) if label else None
        for start in range(0, len(parameters), rows):
            sets = parameters[start : start + rows]
            expanded = self._engine.expand(self._engine.latents(self._method, sets, when), "series")
            parts.append(self.of_rows(expanded, sets[:, None], when, names))
            if progress is not None:
                progress.advance(len(sets))
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    def read(self, temperature: np.ndarray, parameters: np.ndarray, time: Any) -> dict[str, np.ndarray]:
        """All observables of fields, shape (time, radius, angle), K: of a simulation, say, to compare with."""
        field = np.asarray(temperature, dtype=float)
        walls = np.concatenate([field[:, :2], field[:, -2:]], axis=1).reshape(len(field), -1)
        rows = np.concatenate([walls, field.mean(axis=-1)], axis=1)
        return self.of_rows(rows, np.asarray(parameters, dtype=float), np.asarray(time, dtype=float), self.names)

    def of_rows(
        self, rows: Any, parameters: Any, times: np.ndarray, names: Sequence[str], xp: Any = np
    ) -> dict[str, Any]:
        """Values by name of rows, shape (..., time, node), as the engine expands "series".

        Parameters
        ----------
        rows : array
        parameters : array, shape (..., time or 1, n)
        times : array, shape (time,), Gyr
        names : sequence of str
        xp : module
            Of the arrays: NumPy, or ``keras.ops`` inside a graph.
        """
        values = self._reader.read(rows, parameters, xp)
        values["core_temperature"] = rows[..., -self._bundle.geometry.shape[0]] * 1.0
        if self._crust is not None:
            single = float if xp is np else np.float32
            enrichment, flux = parameters[..., self._crust] + np.zeros(times.shape, single), values["surface_heat_flux"]
            heat = crust_heat(self._planet, 1.0, times) / crust_concentration(self._planet, 1.0)
            values["crust_concentration"] = crust_concentration(self._planet, enrichment)
            values["crust_heat_flux"] = values["crust_concentration"] * heat.astype(single)
            within = self._bundle.crust_heating == "enriched"
            values["total_surface_heat_flux"] = flux if within else flux + values["crust_heat_flux"]
            values["urey_ratio"] = mantle_heat(self._planet, times).astype(single) / values["total_surface_heat_flux"]
        return {name: values[name] for name in names}

    def half_widths(
        self, values: dict[str, np.ndarray], parameters: np.ndarray, times: Sequence[float] | np.ndarray, level: float
    ) -> dict[str, np.ndarray]:
        """Half-widths of values from :meth:`evaluate`, shape (simulation, time); NaN where not calibrated."""
        scaled, when = self._bundle.nearness.scale(parameters), np.asarray(times, dtype=float)
        features = features_of(scaled, self.distance(parameters))
        widths = {}
        for name, found in values.items():
            if name not in self.calibrated:
                widths[name] = np.full(found.shape, np.nan)
            elif name in ("crust_heat_flux", "crust_concentration"):
                widths[name] = np.zeros(found.shape)
            elif name == "urey_ratio":
                flux = half_width(self._calibration, "surface_heat_flux", features, when, level)
                widths[name] = found**2 * flux / mantle_heat(self._planet, when)
            else:
                wide = half_width(self._calibration, WIDTH_OF.get(name, name), features, when, level)
                widths[name] = wide[..., 0] if name == "core_temperature" else wide
        return widths

    def distance(self, parameters: np.ndarray) -> np.ndarray:
        """Distance of parameters to the nearest training runs over its threshold, shape (simulation,)."""
        nearness, rows = self._bundle.nearness, 8192
        scaled = nearness.scale(parameters)
        parts = [nearness.distance(scaled[start : start + rows]) for start in range(0, len(scaled), rows)]
        return np.asarray(np.concatenate(parts) / nearness.threshold)

    def graph(self, unit: Any, wanted: Sequence[tuple[str, float]]) -> Any:
        """Observables inside one graph, which can be differentiated.

        Parameters
        ----------
        unit : tensor, shape (n, parameter)
            Points of the unit cube over the trained ranges.
        wanted : sequence of tuple
            Name and time, Gyr, of each observable.

        Returns
        -------
        tensor, shape (n, observable)
        """
        from keras import ops

        predictor, space = self._engine.predictor(self._method), self._space
        if not hasattr(predictor, "graph"):
            raise QueryError(f"{self._method} has no graph that could be differentiated")
        varies = (space.high > space.low).astype(np.float32)
        natural = space.low + ops.cast(unit, "float32") * (space.high - space.low).astype(np.float32)
        columns = [
            10.0 ** natural[:, column] if entry.logarithmic else natural[:, column]
            for column, entry in enumerate(space.parameters)
        ]
        parameters, answers = ops.stack(columns, axis=1), {}
        for time in dict.fromkeys(time for _, time in wanted):
            ages = self._engine.features(self._method, np.ones((1, len(space))), np.array([time]))[0, -1]
            rows = ops.concatenate([(2.0 * unit - 1.0) * varies, ops.zeros_like(unit[:, :1]) + ages], axis=1)
            series = reduced(self._engine.decoded(predictor.graph(rows)), "series")
            names = [name for name, age in wanted if age == time]
            answers[time] = self.of_rows(series, parameters, np.array(time), names, ops)
        return ops.stack([answers[time][name] for name, time in wanted], axis=1)
