"""What people read off a temperature field: profiles, heat fluxes, budgets, plumes.

Functions take one dataset, a run or a corpus, so that they serve simulations and predictions alike; means take plain
arrays too (:mod:`surrogate.diagnostics.pairing`). Wall gradients are one-sided, from the wall to the first cell centre,
with the mean of the conductivities at both, as a finite-volume solver takes them; compare fluxes of two fields on the
same grid.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr

from surrogate.diagnostics.pairing import Fields, Snapshots, labelled, snapshots_of
from surrogate.minerals import olivine_conductivity
from surrogate.planet import MARS, Planet
from surrogate.units import GIGAYEAR

Conductivity = Literal["constant", "olivine"]
CrustHeating = Literal["none", "enriched"]


def lateral_mean(fields: Fields) -> xr.DataArray:
    """Laterally averaged temperature, K, dims (..., radius).

    Examples
    --------
    >>> lateral_mean(np.full((3, 6, 16), 1700.0)).shape
    (3, 6)
    """
    snapshots = snapshots_of(fields)
    profile = snapshots.temperature.mean(snapshots.dimensions[1], skipna=False, dtype=float)
    unit = snapshots.units.unit("temperature")
    return labelled(profile, "lateral_mean_temperature", unit, "laterally averaged temperature")


def mean_temperature(fields: Fields, weights: Any = None) -> xr.DataArray:
    """Volume-averaged temperature, K, dims (...): on all dimensions but radius and angle.

    Parameters
    ----------
    fields : xarray.Dataset, xarray.DataArray or array, shape (..., radius, angle)
    weights : array, shape (radius, angle), optional
        Default: cell volumes of a run or a corpus; nodes of a plain array count alike.
    """
    snapshots = snapshots_of(fields, weights)
    mean = (snapshots.temperature * snapshots.weight).sum(snapshots.dimensions, skipna=False)
    return labelled(mean, "mean_temperature", snapshots.units.unit("temperature"), "volume-averaged temperature")


def wall_conductivity(
    wall: Any, inside: Any, depths: tuple[float, float], planet: Planet, conductivity: Conductivity
) -> Any:
    """Conductivity between a wall and the centre of the first cell, W/m/K: the mean of those at both.

    Parameters
    ----------
    wall, inside : array, K
        Temperatures at the wall and in the first cell.
    depths : tuple of float, m
        Of both.
    planet : Planet
    conductivity : {"constant", "olivine"}
        Law of the simulations.
    """
    if conductivity == "constant":
        return planet.conductivity
    if conductivity == "olivine":
        pressures = [planet.pressure(depth) for depth in depths]
        return 0.5 * (olivine_conductivity(wall, pressures[0]) + olivine_conductivity(inside, pressures[1]))
    raise ValueError(f"conductivity {conductivity!r}: expected 'constant' or 'olivine'")


def surface_heat_flux(
    dataset: xr.Dataset | Snapshots, planet: Planet = MARS, conductivity: Conductivity = "olivine"
) -> xr.DataArray:
    """Mean conductive heat flux through the surface, outward, W/m2, dims ([simulation], time).

    Of a dimensionless dataset the Nusselt number: the flux over that of conduction alone for a unit drop of temperature
    between the walls (:attr:`surrogate.geometry.Geometry.conduction`); `planet` and `conductivity` are not used.
    """
    return _named_flux(dataset, "surface_heat_flux", planet, conductivity)


def core_mantle_boundary_heat_flux(
    dataset: xr.Dataset | Snapshots, planet: Planet = MARS, conductivity: Conductivity = "olivine"
) -> xr.DataArray:
    """Mean conductive heat flux from the core, or the lower wall, outward; as :func:`surface_heat_flux`."""
    return _named_flux(dataset, "core_mantle_boundary_heat_flux", planet, conductivity)


def _named_flux(dataset: xr.Dataset | Snapshots, name: str, planet: Planet, conductivity: Conductivity) -> xr.DataArray:
    """Flux of a variable of the convention as it is told: W/m2, or the Nusselt number."""
    snapshots = snapshots_of(dataset)
    lower = name != "surface_heat_flux"
    flux = _wall_flux(snapshots, lower, planet, conductivity)
    if not snapshots.units.dimensional:
        flux = flux / snapshots.known()[1].conduction[0 if lower else 1]
    about = snapshots.units.described(name)
    return labelled(flux, name, about["units"], about["long_name"])


def _wall_flux(snapshots: Snapshots, lower: bool, planet: Planet, conductivity: Conductivity) -> xr.DataArray:
    """Mean outward flux between a wall and the first cell centre, W/m2; without a planet the conductivity is 1."""
    _, geometry, _ = snapshots.known()
    rows = (0, 1) if lower else (-1, -2)
    wall, inside = (_row(snapshots, row) for row in rows)
    depths = (float(geometry.depth[rows[0]]), float(geometry.depth[rows[1]]))
    between = wall_conductivity(wall, inside, depths, planet, conductivity) if snapshots.units.dimensional else 1.0
    flux: xr.DataArray = (between * (wall - inside) / (depths[0] - depths[1])).mean(
        snapshots.dimensions[1], skipna=False
    )
    return flux


def _row(snapshots: Snapshots, row: int) -> xr.DataArray:
    return snapshots.temperature.isel({snapshots.dimensions[0]: row}, drop=True).astype(float)


def _bare(times: xr.DataArray) -> xr.DataArray:
    """Take the coordinates off times, Gyr."""
    return xr.DataArray(times.values, dims=times.dims)


def heat_production(
    dataset: xr.Dataset | Snapshots, planet: Planet = MARS, crust_heating: CrustHeating = "none"
) -> tuple[xr.DataArray, xr.DataArray]:
    """Warming by radiogenic heat, K/Gyr, dims ([simulation], time), without coordinates.

    Of a dimensionless dataset the parameter ``internal_heating``, which does not change.

    Parameters
    ----------
    dataset : xarray.Dataset
    planet : Planet
    crust_heating : {"none", "enriched"}
        Law of the simulations: whether the crust, which depletes the mantle, heats itself.

    Returns
    -------
    average : xarray.DataArray
        Over the volume, crust included.
    mantle : xarray.DataArray
        Of the rock below the crust.
    """
    snapshots = snapshots_of(dataset)
    known, geometry, times = snapshots.known()
    if not snapshots.units.dimensional:
        if "internal_heating" not in known:
            raise ValueError("heat production: the dataset lacks the parameter internal_heating")
        given = known["internal_heating"]
        constant: Any = xr.zeros_like(_bare(times)) + xr.DataArray(given.values, dims=given.dims)
        return constant, constant
    if "crustal_enrichment" not in known:
        raise ValueError("heat production: the dataset lacks the parameter crustal_enrichment")
    given, time = known["crustal_enrichment"], _bare(times)
    enrichment: Any = xr.DataArray(given.values, dims=given.dims)
    primitive = xr.zeros_like(time) + planet.radiogenic_heating(time.values)
    primitive = primitive * GIGAYEAR * planet.mantle_density / heat_capacity(planet)
    low, high = geometry.vertical_faces[[0, -1]]
    crust = geometry.volume_between(high - planet.crust_thickness, high) / geometry.volume_between(low, high)
    if crust_heating == "none":
        mantle = planet.mantle_depletion(enrichment) * primitive
        return (1.0 - crust) * mantle, mantle
    if crust_heating == "enriched":
        return enrichment * 0 + primitive, primitive / (1.0 + (enrichment - 1.0) * crust)
    raise ValueError(f"crust_heating {crust_heating!r}: expected 'none' or 'enriched'")


def heat_capacity(planet: Planet) -> float:
    """Heat capacity per volume that belongs to the planet's conductivity and diffusivity, J/m3/K."""
    return planet.conductivity / planet.diffusivity


def energy_budget(
    dataset: xr.Dataset | Snapshots,
    planet: Planet = MARS,
    conductivity: Conductivity = "olivine",
    crust_heating: CrustHeating = "none",
) -> xr.Dataset:
    """Heat budget of a history: the change of the mean temperature against what flows in and out and is produced.

    Between neighbouring snapshots, with trapezoidal means of the fluxes. The residual of a true history holds the
    terms that need the velocity: adiabatic heat and viscous dissipation, which nearly cancel in the volume mean, and
    latent heat; and what fluxes do between the snapshots. docs/figures.md says how large each is.

    Returns
    -------
    xarray.Dataset
        On dims ([simulation], interval), all K/Gyr: ``change``, ``inflow``, ``outflow`` (positive out),
        ``heating``, ``residual`` = change - (inflow - outflow + heating); and ``interval_time`` Gyr.
    """
    snapshots = snapshots_of(dataset)
    _, geometry, times = snapshots.known()
    inner, outer = geometry.wall_areas
    time = _bare(times)
    planetary = snapshots.units.dimensional
    warming = (GIGAYEAR / heat_capacity(planet) if planetary else 1.0) / geometry.volume.sum()

    def interval_mean(values: xr.DataArray) -> xr.DataArray:
        values = values.drop_vars(values.coords).rename(time="interval")
        return 0.5 * (values.isel(interval=slice(1, None)) + values.isel(interval=slice(None, -1)))

    def step(values: xr.DataArray) -> xr.DataArray:
        return values.drop_vars(values.coords).rename(time="interval").diff("interval")

    terms = {
        "change": step(mean_temperature(snapshots)) / step(time),
        "inflow": interval_mean(_wall_flux(snapshots, True, planet, conductivity) * inner) * warming,
        "outflow": interval_mean(_wall_flux(snapshots, False, planet, conductivity) * outer) * warming,
        "heating": interval_mean(heat_production(snapshots, planet, crust_heating)[0]),
    }
    terms["residual"] = terms["change"] - (terms["inflow"] - terms["outflow"] + terms["heating"])
    rate = "K Gyr-1" if planetary else "1"
    budget = xr.Dataset({name: values.assign_attrs(units=rate) for name, values in terms.items()})
    return budget.assign_coords(interval_time=interval_mean(time).assign_attrs(units=snapshots.units.unit("time")))


def core_residual(
    dataset: xr.Dataset | Snapshots, planet: Planet = MARS, conductivity: Conductivity = "olivine"
) -> xr.DataArray:
    """How far the temperature of the core is from what its heat loss makes of it, K, dims ([simulation], time).

    A core of one temperature cools by dT/dt = -3 q / (density x heat capacity x radius) of the planet's core, with the
    flux q through the core-mantle boundary (trapezoidal between snapshots). The residual is zero at the first snapshot.
    """
    snapshots = snapshots_of(dataset)
    flux = core_mantle_boundary_heat_flux(snapshots, planet, conductivity)
    wall = _row(snapshots, 0).mean(snapshots.dimensions[1], skipna=False)
    time = _bare(snapshots.known()[2])
    rate = flux.drop_vars(flux.coords) * -3.0 * GIGAYEAR
    rate = rate / (planet.core_density * planet.core_heat_capacity * planet.core_radius)
    middle = 0.5 * (rate.isel(time=slice(1, None)) + rate.isel(time=slice(None, -1)))
    lost = (middle * time.diff("time")).cumsum("time", skipna=False).pad(time=(1, 0), constant_values=0.0)
    wall = wall.drop_vars(wall.coords)
    return labelled(wall - wall.isel(time=0) - lost, "core_residual", "K", "core temperature not explained by its flux")


def plumes(
    run: xr.Dataset | Snapshots, radius: float, fraction: float = 0.5, amplitude: float = 20.0, cold: bool = False
) -> list[list[float]]:
    """Positions of plumes (or downwellings) where they cross a radius, one list of angles, rad, per snapshot of a run.

    A plume is a connected stretch with T > <T> + `fraction` (max T - <T>) (Labrosse 2002); its position is that of
    its extreme. A snapshot whose extreme is within `amplitude` of the mean has none.

    Parameters
    ----------
    run : xarray.Dataset
        A run.
    radius : float
        m; the nearest row is taken.
    fraction : float
        Of the largest anomaly, where a plume ends.
    amplitude : float
        Smallest anomaly that counts, in degrees of the units (K for a planet).
    cold : bool
        Look for downwellings instead.

    Examples
    --------
    >>> from surrogate.fields import make_run
    >>> from surrogate.geometry import Geometry
    >>> from surrogate.parameters import Parameters
    >>> geometry = Geometry.quarter(4, 64)
    >>> field = 1500 + 100 * np.cos(4 * geometry.lateral) * np.ones((1, 6, 1))  # hot at both walls of the sector
    >>> run = make_run(field, [1.0], geometry, Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0))
    >>> len(plumes(run, 1e6)[0]), len(plumes(run, 1e6, cold=True)[0])
    (2, 1)
    """
    snapshots = snapshots_of(run)
    _, geometry, _ = snapshots.known()
    # Of two rows as near, the upper one.
    nearest = geometry.shape[0] - 1 - int(np.argmin(np.abs(geometry.vertical - radius)[::-1]))
    row = snapshots.temperature[:, nearest].values.astype(float)
    anomaly = (row - row.mean(axis=-1, keepdims=True)) * (-1 if cold else 1)
    positions = []
    for values in anomaly:
        peak, angles = values.max(), geometry.lateral
        inside = (values > fraction * peak) & (peak > amplitude * snapshots.units.degree)
        if geometry.periodic and inside[0] and inside[-1]:  # one plume across the seam, not two: begin beside it
            start = -int(np.argmin(inside))
            values, angles, inside = (np.roll(part, start) for part in (values, angles, inside))
        edges = np.flatnonzero(np.diff(np.r_[False, inside, False].astype(int)))
        stretches = zip(edges[::2], edges[1::2], strict=True)
        positions.append([float(angles[start + np.argmax(values[start:stop])]) for start, stop in stretches])
    return positions
