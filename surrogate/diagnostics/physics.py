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
from surrogate.geometry import Geometry
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
    profile = snapshots_of(fields).temperature.mean("angle", skipna=False, dtype=float)
    return labelled(profile, "lateral_mean_temperature", "K", "laterally averaged temperature")


def mean_temperature(fields: Fields, weights: Any = None) -> xr.DataArray:
    """Volume-averaged temperature, K, dims (...): on all dimensions but radius and angle.

    Parameters
    ----------
    fields : xarray.Dataset, xarray.DataArray or array, shape (..., radius, angle)
    weights : array, shape (radius, angle), optional
        Default: cell volumes of a run or a corpus; nodes of a plain array count alike.
    """
    snapshots = snapshots_of(fields, weights)
    mean = (snapshots.temperature * snapshots.weight).sum(("radius", "angle"), skipna=False)
    return labelled(mean, "mean_temperature", "K", "volume-averaged temperature")


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
    """Mean conductive heat flux through the surface, outward, W/m2, dims ([simulation], time)."""
    flux = -_wall_flux(dataset, (-1, -2), planet, conductivity)
    return labelled(flux, "surface_heat_flux", "W m-2", "mean heat flux through the surface, outward")


def core_mantle_boundary_heat_flux(
    dataset: xr.Dataset | Snapshots, planet: Planet = MARS, conductivity: Conductivity = "olivine"
) -> xr.DataArray:
    """Mean conductive heat flux from the core into the mantle, outward, W/m2, dims ([simulation], time)."""
    flux = _wall_flux(dataset, (0, 1), planet, conductivity)
    return labelled(
        flux, "core_mantle_boundary_heat_flux", "W m-2", "mean heat flux through the core-mantle boundary, outward"
    )


def _wall_flux(
    dataset: xr.Dataset | Snapshots, rows: tuple[int, int], planet: Planet, conductivity: Conductivity
) -> xr.DataArray:
    """Mean flux from the wall row into the first cell row, W/m2."""
    snapshots = snapshots_of(dataset)
    _, geometry, _ = snapshots.known()
    wall, inside = _row(snapshots, rows[0]), _row(snapshots, rows[1])
    depths = (float(geometry.depth[rows[0]]), float(geometry.depth[rows[1]]))
    between = wall_conductivity(wall, inside, depths, planet, conductivity)
    flux: xr.DataArray = (between * (wall - inside) / abs(depths[0] - depths[1])).mean("angle", skipna=False)
    return flux


def _row(snapshots: Snapshots, row: int) -> xr.DataArray:
    return snapshots.temperature.isel(radius=row, drop=True).astype(float)


def _bare(times: xr.DataArray) -> xr.DataArray:
    """Take the coordinates off times, Gyr."""
    return xr.DataArray(times.values, dims=times.dims)


def wall_areas(geometry: Geometry) -> tuple[float, float, float]:
    """Length of the core-mantle boundary and of the surface, m, and area of the sector, m2 (per metre of depth)."""
    width = geometry.lateral_faces[-1] - geometry.lateral_faces[0]
    return geometry.vertical_faces[0] * width, geometry.vertical_faces[-1] * width, float(geometry.volume.sum())


def heat_production(
    dataset: xr.Dataset | Snapshots, planet: Planet = MARS, crust_heating: CrustHeating = "none"
) -> tuple[xr.DataArray, xr.DataArray]:
    """Warming by radiogenic heat, K/Gyr, dims ([simulation], time), without coordinates.

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
    known, geometry, times = snapshots_of(dataset).known()
    if "crustal_enrichment" not in known:
        raise ValueError("heat production: the dataset lacks the parameter crustal_enrichment")
    given, time = known["crustal_enrichment"], _bare(times)
    enrichment: Any = xr.DataArray(given.values, dims=given.dims)
    primitive = xr.zeros_like(time) + planet.radiogenic_heating(time.values)
    primitive = primitive * GIGAYEAR * planet.mantle_density / heat_capacity(planet)
    faces = geometry.vertical_faces
    crust = (faces[-1] ** 2 - (faces[-1] - planet.crust_thickness) ** 2) / (faces[-1] ** 2 - faces[0] ** 2)
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
    inner, outer, volume = wall_areas(geometry)
    time = _bare(times)
    to_kelvin = GIGAYEAR / (heat_capacity(planet) * volume)

    def interval_mean(values: xr.DataArray) -> xr.DataArray:
        values = values.drop_vars(values.coords).rename(time="interval")
        return 0.5 * (values.isel(interval=slice(1, None)) + values.isel(interval=slice(None, -1)))

    def step(values: xr.DataArray) -> xr.DataArray:
        return values.drop_vars(values.coords).rename(time="interval").diff("interval")

    terms = {
        "change": step(mean_temperature(snapshots)) / step(time),
        "inflow": interval_mean(core_mantle_boundary_heat_flux(snapshots, planet, conductivity) * inner) * to_kelvin,
        "outflow": interval_mean(surface_heat_flux(snapshots, planet, conductivity) * outer) * to_kelvin,
        "heating": interval_mean(heat_production(snapshots, planet, crust_heating)[0]),
    }
    terms["residual"] = terms["change"] - (terms["inflow"] - terms["outflow"] + terms["heating"])
    budget = xr.Dataset({name: values.assign_attrs(units="K Gyr-1") for name, values in terms.items()})
    return budget.assign_coords(interval_time=interval_mean(time).assign_attrs(units="Gyr"))


def core_residual(
    dataset: xr.Dataset | Snapshots, planet: Planet = MARS, conductivity: Conductivity = "olivine"
) -> xr.DataArray:
    """How far the temperature of the core is from what its heat loss makes of it, K, dims ([simulation], time).

    A core of one temperature cools by dT/dt = -3 q / (density x heat capacity x radius) of the planet's core, with the
    flux q through the core-mantle boundary (trapezoidal between snapshots). The residual is zero at the first snapshot.
    """
    snapshots = snapshots_of(dataset)
    flux = core_mantle_boundary_heat_flux(snapshots, planet, conductivity)
    wall = _row(snapshots, 0).mean("angle", skipna=False)
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
        K, smallest anomaly that counts.
    cold : bool
        Look for downwellings instead.

    Examples
    --------
    >>> from surrogate.fields import make_run
    >>> from surrogate.parameters import Parameters
    >>> geometry = Geometry.quarter(4, 64)
    >>> field = 1500 + 100 * np.cos(4 * geometry.lateral) * np.ones((1, 6, 1))  # hot at both walls of the sector
    >>> run = make_run(field, [1.0], geometry, Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0))
    >>> len(plumes(run, 1e6)[0]), len(plumes(run, 1e6, cold=True)[0])
    (2, 1)
    """
    temperature = snapshots_of(run).temperature
    row = temperature.sel(radius=radius, method="nearest").values.astype(float)
    anomaly = (row - row.mean(axis=-1, keepdims=True)) * (-1 if cold else 1)
    angles = temperature["angle"].values
    positions = []
    for values in anomaly:
        peak = values.max()
        inside = (values > fraction * peak) & (peak > amplitude)
        edges = np.flatnonzero(np.diff(np.r_[False, inside, False].astype(int)))
        stretches = zip(edges[::2], edges[1::2], strict=True)
        positions.append([float(angles[start + np.argmax(values[start:stop])]) for start, stop in stretches])
    return positions
