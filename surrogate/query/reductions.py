"""Time series read off predicted fields."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from surrogate import diagnostics
from surrogate.annulus import Annulus
from surrogate.planet import Planet

SERIES = ("mean_temperature", "surface_heat_flux", "core_mantle_boundary_heat_flux")
"""Names of the time series."""


def wall_fluxes(walls: np.ndarray, annulus: Annulus, planet: Planet, conductivity: Any) -> dict[str, xr.DataArray]:
    """Heat fluxes from the two rows next to each wall, shape (simulation, time, 4, angle), K; W/m2, outward."""
    # The diagnostics read these four rows only: give them a grid whose inner cells are all merged into one.
    faces = annulus.radius_faces
    coarse = Annulus(np.r_[faces[:2], faces[-2:]], annulus.angle_faces)
    rows = np.concatenate([walls[..., :2, :], walls[..., 1:2, :], walls[..., 2:, :]], axis=-2)
    dataset = xr.Dataset(
        {"temperature": (("simulation", "time", "radius", "angle"), rows)},
        {
            "radius_bounds": (("radius", "bound"), coarse.radius_bounds),
            "angle_bounds": (("angle", "bound"), coarse.angle_bounds),
        },
    )
    functions = (diagnostics.surface_heat_flux, diagnostics.core_mantle_boundary_heat_flux)
    fluxes = [function(dataset, planet, conductivity) for function in functions]
    return {str(flux.name): flux for flux in fluxes}


def mean_of_profile(profile: np.ndarray, annulus: Annulus) -> np.ndarray:
    """Volume average from lateral means, shape (..., radius); exact, because all columns are equally wide."""
    return np.asarray(profile.astype(float) @ annulus.weight.sum(axis=1))


def series_of(
    walls: np.ndarray, profile: np.ndarray, annulus: Annulus, planet: Planet, conductivity: Any
) -> dict[str, np.ndarray]:
    """Return all of :data:`SERIES`, each of shape (simulation, time).

    Parameters
    ----------
    walls : array, shape (simulation, time, 4, angle), K
    profile : array, shape (simulation, time, radius), K
    """
    fluxes = wall_fluxes(walls, annulus, planet, conductivity)
    mean = {"mean_temperature": mean_of_profile(profile, annulus)}
    return mean | {name: np.asarray(flux.values) for name, flux in fluxes.items()}
