"""Time series read off predicted fields."""

from __future__ import annotations

from typing import Any

import numpy as np

from surrogate.annulus import Annulus
from surrogate.fields import VARIABLES
from surrogate.minerals import olivine_conductivity
from surrogate.planet import Planet

SERIES = ("mean_temperature", "surface_heat_flux", "core_mantle_boundary_heat_flux")
"""Names of the time series."""

Variables = dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]]
"""What an answer is made of: by name the dimensions beyond (simulation, time), values and attributes."""


class SeriesReader:
    """What turns rows and profiles of one grid into time series; pressures and weights are computed once.

    Parameters
    ----------
    annulus : Annulus
    planet : Planet
    conductivity : {"constant", "olivine"}
        Law of the simulations.
    """

    def __init__(self, annulus: Annulus, planet: Planet, conductivity: str) -> None:
        if conductivity not in ("constant", "olivine"):
            raise ValueError(f"conductivity {conductivity!r}: expected 'constant' or 'olivine'")
        depth = annulus.depth[[0, 1, -2, -1]]
        self._law, self._constant = conductivity, planet.conductivity
        self._distances = depth[0] - depth[1], depth[2] - depth[3]
        self._pressures = [planet.pressure(value) for value in depth]
        self._weight = annulus.weight.sum(axis=1)

    def heat_fluxes(self, walls: np.ndarray) -> Variables:
        """Mean heat fluxes through both walls, W/m2, outward: as :mod:`surrogate.diagnostics` takes them from fields.

        Parameters
        ----------
        walls : array, shape (..., 4, angle), K
            The rows next to the walls, from the core up.
        """
        core, below, above, surface = (walls[..., row, :].astype(float) for row in range(4))
        between: list[Any] = [self._constant] * 2
        if self._law == "olivine":
            # The mean of the conductivities at the wall and in the first cell.
            each = [
                olivine_conductivity(row, pressure)
                for row, pressure in zip((core, below, above, surface), self._pressures, strict=True)
            ]
            between = [0.5 * (each[0] + each[1]), 0.5 * (each[2] + each[3])]
        inner = (between[0] * (core - below) / self._distances[0]).mean(axis=-1)
        outer = (between[1] * (above - surface) / self._distances[1]).mean(axis=-1)
        return {
            name: ((), flux, dict(zip(("units", "long_name"), VARIABLES[name], strict=True)))
            for name, flux in (("surface_heat_flux", outer), ("core_mantle_boundary_heat_flux", inner))
        }

    def mean_temperature(self, profile: np.ndarray) -> np.ndarray:
        """Volume average of lateral means, shape (..., radius), K; exact, because all columns are equally wide."""
        return np.asarray(profile.astype(float) @ self._weight)

    def read(self, walls: np.ndarray, profile: np.ndarray) -> dict[str, np.ndarray]:
        """Return all of :data:`SERIES`, each of shape (...,).

        Parameters
        ----------
        walls : array, shape (..., 4, angle), K
        profile : array, shape (..., radius), K
        """
        fluxes = {name: values for name, (_, values, _) in self.heat_fluxes(walls).items()}
        return {"mean_temperature": self.mean_temperature(profile), **fluxes}
