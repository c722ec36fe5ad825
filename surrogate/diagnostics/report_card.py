"""The physics report card: how far a history, simulated or predicted, breaks what it must keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import numpy as np
import xarray as xr
from scipy.integrate import cumulative_trapezoid

from surrogate.diagnostics.pairing import Snapshots, snapshots_of
from surrogate.diagnostics.physics import (
    Conductivity,
    CrustHeating,
    core_residual,
    energy_budget,
    heat_production,
    plumes,
)
from surrogate.fields import space_of
from surrogate.planet import MARS, Planet

TOLERANCES: dict[str, float] = {
    "surface_temperature_deviation": 5.0,
    "core_mantle_boundary_spread": 5.0,
    "fraction_out_of_range": 1e-3,
    "budget_residual": 0.1,
    "core_drift": 100.0,
    "parameters_outside_range": 0,
}
"""Above these a card says ``passed: False``: K, K, share of the nodes, share of the budget's terms, K, parameters.

Those in K are in degrees of the units (:class:`surrogate.quantities.Units`) where a corpus is dimensionless.
"""

IN_DEGREES = ("surface_temperature_deviation", "core_mantle_boundary_spread", "core_drift")
"""Entries of :data:`TOLERANCES` that are temperatures."""

CONSTANT_CORE = 1e-3
"""K. A core-mantle boundary that changes less than this in a run is held, and no core cools below it."""

RANGE_TOLERANCE = 20.0
"""K by which a temperature may leave the range before it counts: compression, and overshoots of a solver."""


class ReportCard(TypedDict):
    """What :func:`check` found, over all runs; JSON-ready."""

    surface_temperature_deviation: float
    core_mantle_boundary_spread: float
    minimum_temperature: float
    maximum_temperature: float
    fraction_out_of_range: float
    largest_excursion: float
    budget_residual: float | None
    budget_drift: float
    core_drift: float
    plumes: float
    downwellings: float
    parameters_outside_range: int
    passed: dict[str, bool]


@dataclass(frozen=True)
class RunCard:
    """What is found of one run; `residual` and `size` are those of the terms of its budget, K/Gyr, per interval."""

    snapshots: int
    surface_temperature_deviation: float
    core_mantle_boundary_spread: float
    minimum_temperature: float
    maximum_temperature: float
    fraction_out_of_range: float
    largest_excursion: float
    budget_drift: float
    core_drift: float
    plumes: float
    downwellings: float
    parameters_outside_range: int
    residual: np.ndarray
    size: np.ndarray
    degree: float = 1.0


def check(
    dataset: xr.Dataset,
    planet: Planet = MARS,
    conductivity: Conductivity = "olivine",
    range_tolerance: float = RANGE_TOLERANCE,
    crust_heating: CrustHeating = "none",
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> ReportCard:
    """Check a run or a corpus against what every thermal evolution must keep.

    Parameters
    ----------
    dataset : xarray.Dataset
    planet : Planet
    conductivity : {"constant", "olivine"}
        Law of the simulations, for the heat fluxes of the budget.
    range_tolerance : float
        K; degrees of the units.
    crust_heating : {"none", "enriched"}
        Law of the simulations, for the heating in the budget.
    ranges : mapping, optional
        Trained range of each parameter, in its unit; default those that the dataset names. A parameter that is not in
        it is not held against anything.

    Returns
    -------
    ReportCard
        ``surface_temperature_deviation`` (largest, K, from the planet's), ``core_mantle_boundary_spread``
        (largest lateral range of the isothermal core-mantle boundary, K), ``minimum_temperature``,
        ``maximum_temperature`` (K), ``fraction_out_of_range`` (share of nodes colder than the surface, or hotter than
        the hottest start and the radiogenic heat since then explain, by more than the tolerance),
        ``largest_excursion`` (K, out of that range), ``budget_residual`` (root mean square over that of the sum of the
        sizes of the terms; None where that is not known, of a single snapshot, or of a corpus without the parameter
        ``crustal_enrichment``, or ``internal_heating`` without a planet, which says how it is heated),
        ``budget_drift`` (K, what the residuals add up to over the history that drifts most),
        ``core_drift`` (K, how far the core's temperature gets from what its flux makes of it; 0 where it is held),
        ``plumes`` and ``downwellings`` (mean number at mid-depth), ``parameters_outside_range`` (how many, of
        the run with most), and ``passed`` (per entry of :data:`TOLERANCES`).
    """
    limits = space_of(dataset).ranges if ranges is None else ranges
    runs = snapshots_of(dataset).runs()
    return together([card_of(run, planet, conductivity, range_tolerance, crust_heating, limits) for run in runs])


def together(cards: Sequence[RunCard]) -> ReportCard:
    """Put the cards of several runs together to what :func:`check` returns of all of them."""

    def mean(values: Sequence[float]) -> float:
        return float(np.average(values, weights=np.array([card.snapshots for card in cards], dtype=float)))

    residual, size = np.concatenate([card.residual for card in cards]), np.concatenate([card.size for card in cards])
    whole = float(np.sqrt(np.mean(size**2))) if size.size else 0.0
    result = ReportCard(
        surface_temperature_deviation=max(card.surface_temperature_deviation for card in cards),
        core_mantle_boundary_spread=max(card.core_mantle_boundary_spread for card in cards),
        maximum_temperature=max(card.maximum_temperature for card in cards),
        largest_excursion=max(card.largest_excursion for card in cards),
        budget_drift=max(card.budget_drift for card in cards),
        core_drift=max(card.core_drift for card in cards),
        parameters_outside_range=max(card.parameters_outside_range for card in cards),
        minimum_temperature=min(card.minimum_temperature for card in cards),
        fraction_out_of_range=mean([card.fraction_out_of_range for card in cards]),
        plumes=mean([card.plumes for card in cards]),
        downwellings=mean([card.downwellings for card in cards]),
        budget_residual=float(np.sqrt(np.mean(residual**2))) / whole if whole else None,
        passed={},
    )
    found: Mapping[str, Any] = result
    degree = cards[0].degree
    result["passed"] = {
        name: found[name] is None or bool(found[name] <= limit * (degree if name in IN_DEGREES else 1.0))
        for name, limit in TOLERANCES.items()
    }
    return result


def _within(value: float, low: float, high: float) -> bool:
    slack = 1e-6 * max(abs(low), abs(high))  # of single precision
    return not (value < low - slack or value > high + slack)  # an end that is not known is NaN


def card_of(
    run: Snapshots,
    planet: Planet,
    conductivity: Conductivity,
    tolerance: float,
    crust_heating: CrustHeating,
    ranges: Mapping[str, tuple[float, float]],
) -> RunCard:
    """Check one run; the arguments are those of :func:`check`."""
    temperature = run.temperature.values.astype(float)
    parameters, geometry, stamps = run.known()
    times = stamps.values
    finite = np.isfinite(temperature)
    if not finite.all():
        raise ValueError(f"report card: temperature is not finite at {int((~finite).sum())} nodes")
    bottom = temperature[:, 0]
    # Nothing gets hotter than the hottest start, or the core's, plus the heat produced in all the time until then.
    planetary = run.units.dimensional
    heat_source = "crustal_enrichment" if planetary else "internal_heating"
    heated = heat_source in parameters
    # Without it a planet has the heat of primitive rock at most; how much another corpus has is not known.
    rock = (
        run if heated else replace(run, dataset=parameters.assign_coords({heat_source: 1.0 if planetary else np.inf}))
    )
    heating = heat_production(rock, planet, crust_heating)[1].values
    warmed = np.concatenate([[0.0], cumulative_trapezoid(heating, times)])
    start = float(parameters.get("initial_temperature", temperature[0].max()) if planetary else temperature[0].max())
    start = max(start, planet.initial_core_temperature if planetary else bottom.max())
    surface = planet.surface_temperature if planetary else float(temperature[:, -1].mean())
    high = (start + warmed)[:, None, None]
    excursion = np.maximum(surface - temperature, temperature - high)
    residual, size, drift, core_drift = np.zeros(0), np.zeros(0), 0.0, 0.0
    if len(times) > 1 and heated:  # the heating of another kind of corpus is not known
        budget = energy_budget(run, planet, conductivity, crust_heating)
        residual = budget["residual"].values
        size = sum(np.abs(budget[name].values) for name in ("inflow", "outflow", "heating"))
        drift = float(np.abs(np.cumsum(residual * np.diff(times))).max())
    if planetary and len(times) > 1 and np.ptp(bottom.mean(axis=-1)) > CONSTANT_CORE:
        core_drift = float(np.abs(core_residual(run, planet, conductivity).values).max())
    middle, degree = float(np.mean(geometry.vertical_faces[[0, -1]])), run.units.degree
    return RunCard(
        snapshots=len(times),
        surface_temperature_deviation=float(np.abs(temperature[:, -1] - surface).max()),
        core_mantle_boundary_spread=float(np.ptp(bottom, axis=-1).max()),
        minimum_temperature=float(temperature.min()),
        maximum_temperature=float(temperature.max()),
        fraction_out_of_range=float((excursion > tolerance * degree).mean()),
        largest_excursion=float(max(excursion.max(), 0.0)),
        budget_drift=drift,
        core_drift=core_drift,
        plumes=float(np.mean([len(found) for found in plumes(run, middle)])),
        downwellings=float(np.mean([len(found) for found in plumes(run, middle, cold=True)])),
        parameters_outside_range=sum(not _within(float(parameters[name]), *ends) for name, ends in ranges.items()),
        residual=residual,
        size=size,
        degree=degree,
    )
