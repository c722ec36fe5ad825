"""The physics report card: how far a history, simulated or predicted, breaks what it must keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from scipy.integrate import cumulative_trapezoid

from surrogate.diagnostics.pairing import mask_of
from surrogate.diagnostics.physics import (
    Conductivity,
    CrustHeating,
    core_residual,
    energy_budget,
    heat_production,
    plumes,
)
from surrogate.fields import annulus_of, iterate_runs
from surrogate.parameters import PARAMETERS
from surrogate.planet import MARS, Planet

TOLERANCES: dict[str, float] = {
    "surface_temperature_deviation": 5.0,
    "core_mantle_boundary_spread": 5.0,
    "fraction_out_of_range": 1e-3,
    "budget_residual": 0.1,
    "core_drift": 100.0,
    "parameters_outside_range": 0,
}
"""Above these a card says ``passed: False``: K, K, share of the nodes, share of the budget's terms, K, parameters."""

CONSTANT_CORE = 1e-3
"""K. A core-mantle boundary that changes less than this in a run is held, and no core cools below it."""

RANGE_TOLERANCE = 20.0
"""K by which a temperature may leave the range before it counts: compression, and overshoots of a solver."""


def check(
    dataset: xr.Dataset,
    planet: Planet = MARS,
    conductivity: Conductivity = "olivine",
    range_tolerance: float = RANGE_TOLERANCE,
    crust_heating: CrustHeating = "none",
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, Any]:
    """Check a run or a corpus against what every thermal evolution must keep.

    Parameters
    ----------
    dataset : xarray.Dataset
    planet : Planet
    conductivity : {"constant", "olivine"}
        Law of the simulations, for the heat fluxes of the budget.
    range_tolerance : float
        K.
    crust_heating : {"none", "enriched"}
        Law of the simulations, for the heating in the budget.
    ranges : mapping, optional
        Trained range of each parameter, SI units; default those of :data:`surrogate.parameters.PARAMETERS`. A
        parameter that is not in it is not held against anything.

    Returns
    -------
    dict
        JSON-ready. ``surface_temperature_deviation`` (largest, K, from the planet's), ``core_mantle_boundary_spread``
        (largest lateral range of the isothermal core-mantle boundary, K), ``minimum_temperature``,
        ``maximum_temperature`` (K), ``fraction_out_of_range`` (share of nodes colder than the surface, or hotter than
        the hottest start and the radiogenic heat since then explain, by more than the tolerance),
        ``largest_excursion`` (K, out of that range), ``budget_residual`` (root mean square over that of the sum of the
        sizes of the terms), ``budget_drift`` (K, what the residuals add up to over the history that drifts most),
        ``core_drift`` (K, how far the core's temperature gets from what its flux makes of it; 0 where it is held),
        ``plumes`` and ``downwellings`` (mean number at mid-depth), ``parameters_outside_range`` (how many of the five,
        of the run with most), and ``passed`` (per entry of :data:`TOLERANCES`).
    """
    # One run in memory at a time.
    runs = iterate_runs(dataset) if "simulation" in dataset["temperature"].dims else iter([dataset])
    limits = {entry.name: (entry.low, entry.high) for entry in PARAMETERS} if ranges is None else ranges
    return together([card_of(run, planet, conductivity, range_tolerance, crust_heating, limits) for run in runs])


def together(cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Put the cards of several runs (:func:`card_of`) together to what :func:`check` returns of all of them."""
    terms = {name: np.concatenate([card[name] for card in cards]) for name in ("residual", "size")}
    largest = ("surface_temperature_deviation", "core_mantle_boundary_spread", "maximum_temperature",
               "largest_excursion", "budget_drift", "core_drift", "parameters_outside_range")  # fmt: skip
    result: dict[str, Any] = {name: max(card[name] for card in cards) for name in largest}
    result["minimum_temperature"] = min(card["minimum_temperature"] for card in cards)
    snapshots = np.array([card["snapshots"] for card in cards], dtype=float)
    for name in ("fraction_out_of_range", "plumes", "downwellings"):
        result[name] = float(np.average([card[name] for card in cards], weights=snapshots))
    size = float(np.sqrt(np.mean(terms["size"] ** 2))) if terms["size"].size else 0.0
    result["budget_residual"] = float(np.sqrt(np.mean(terms["residual"] ** 2))) / size if size else None
    result["passed"] = {name: result[name] is None or bool(result[name] <= limit) for name, limit in TOLERANCES.items()}
    return result


def _within(value: float, low: float, high: float) -> bool:
    slack = 1e-6 * max(abs(low), abs(high))  # of single precision
    return low - slack <= value <= high + slack


def card_of(
    run: xr.Dataset,
    planet: Planet,
    conductivity: Conductivity,
    tolerance: float,
    crust_heating: CrustHeating,
    ranges: Mapping[str, tuple[float, float]],
) -> dict[str, Any]:
    """Check one run; the arguments are those of :func:`check`."""
    run = run.compute()
    temperature = run["temperature"].values.astype(float)
    finite = np.isfinite(temperature)
    if not finite.all():
        raise ValueError(f"report card: temperature is not finite at {int((~finite).sum())} nodes")
    bottom = temperature[:, 0]
    # Nothing gets hotter than the hottest start, or the core's, plus the radiogenic heat of all the time until then.
    heating = heat_production(run, planet, crust_heating)[1].values
    warmed = np.concatenate([[0.0], cumulative_trapezoid(heating, run["time"].values)])
    start = max(planet.initial_core_temperature, float(run["initial_temperature"]))
    high = (start + warmed)[:, None, None]
    excursion = np.maximum(planet.surface_temperature - temperature, temperature - high)
    card: dict[str, Any] = {
        "snapshots": int(mask_of(run).sum()),
        "surface_temperature_deviation": float(np.abs(temperature[:, -1] - planet.surface_temperature).max()),
        "core_mantle_boundary_spread": float(np.ptp(bottom, axis=-1).max()),
        "minimum_temperature": float(temperature.min()),
        "maximum_temperature": float(temperature.max()),
        "fraction_out_of_range": float((excursion > tolerance).mean()),
        "largest_excursion": float(max(excursion.max(), 0.0)),
        "parameters_outside_range": sum(not _within(float(run[name]), *limits) for name, limits in ranges.items()),
        "residual": np.zeros(0),
        "size": np.zeros(0),
        "budget_drift": 0.0,
        "core_drift": 0.0,
    }
    if run.sizes["time"] > 1:
        budget = energy_budget(run, planet, conductivity, crust_heating)
        card["residual"] = budget["residual"].values
        card["size"] = sum(np.abs(budget[name].values) for name in ("inflow", "outflow", "heating"))
        steps = np.diff(run["time"].values)
        if np.ptp(bottom.mean(axis=-1)) > CONSTANT_CORE:
            card["core_drift"] = float(np.abs(core_residual(run, planet, conductivity).values).max())
        card["budget_drift"] = float(np.abs(np.cumsum(card["residual"] * steps)).max())
    middle = float(np.mean(annulus_of(run).radius_faces[[0, -1]]))
    card["plumes"] = float(np.mean([len(found) for found in plumes(run, middle)]))
    card["downwellings"] = float(np.mean([len(found) for found in plumes(run, middle, cold=True)]))
    return card
