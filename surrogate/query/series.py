"""Time series read off predicted fields."""

from __future__ import annotations

from typing import Any

import numpy as np

from surrogate.geometry import Geometry
from surrogate.minerals import olivine_conductivity, olivine_expansivity
from surrogate.parameters import ParameterSpace
from surrogate.planet import Planet
from surrogate.quantities import DIMENSIONAL, Units
from surrogate.units import GAS_CONSTANT

SERIES = ("mean_temperature", "surface_heat_flux", "core_mantle_boundary_heat_flux")
"""Names of the time series that every corpus has."""

LITHOSPHERE = ("potential_temperature", "lithosphere_thickness", "lithosphere_gradient")
"""Names of those of a planet whose viscosity has an activation energy."""

RHEOLOGICAL_DROP = 2.9
"""The lithosphere ends where its viscosity is the interior's times e to this power (a convention)."""

INTERIOR = 2 / 3
"""Share of the mantle, from the surface down, in which the interior is looked for: below is the boundary layer."""

Variables = dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]]
"""What an answer is made of: by name the dimensions beyond (simulation, time), values and attributes."""


class SeriesReader:
    """What turns rows and profiles of one grid into time series; pressures and weights are computed once.

    Parameters
    ----------
    geometry : Geometry
    planet : Planet
    conductivity : {"constant", "olivine"}
        Law of the simulations.
    space : ParameterSpace
    units : Units
        Without kelvin there is no planet: heat fluxes are Nusselt numbers, and there is no lithosphere.

    Attributes
    ----------
    names : tuple of str
        What :meth:`read` returns.
    """

    def __init__(
        self,
        geometry: Geometry,
        planet: Planet,
        conductivity: str,
        space: ParameterSpace,
        units: Units = DIMENSIONAL,
    ) -> None:
        if conductivity not in ("constant", "olivine"):
            raise ValueError(f"conductivity {conductivity!r}: expected 'constant' or 'olivine'")
        depth = geometry.depth[[0, 1, -2, -1]]
        self.units, self._law = units, conductivity if units.dimensional else "constant"
        self._constants = [planet.conductivity] * 2 if units.dimensional else (1.0 / geometry.conduction).tolist()
        self._distances = depth[0] - depth[1], depth[2] - depth[3]
        self._pressures = [planet.pressure(value) for value in depth]
        self._weight = geometry.weight.sum(axis=1)
        self._columns, self._depth = geometry.shape[1], geometry.depth[::-1]
        # Along the adiabat ln T grows with depth; a reference of 1700 K for the expansivity is good to 2 % of that.
        pressure, middle = planet.pressure(self._depth), np.r_[0, 0.5 * (self._depth[1:] + self._depth[:-1])]
        law = olivine_expansivity(1700.0, planet.pressure(middle)) if conductivity == "olivine" else planet.expansivity
        growth = np.diff(pressure, prepend=0.0) * law / (planet.mantle_density * planet.mantle_heat_capacity)
        self._adiabat = np.exp(-np.cumsum(growth))
        self._interior = int(np.searchsorted(self._depth, INTERIOR * self._depth[-1]))
        rheology = units.dimensional and "activation_energy" in space.names
        self._energy = space.names.index("activation_energy") if rheology else None
        self.names = (*SERIES, *(() if self._energy is None else LITHOSPHERE))

    def heat_fluxes(self, walls: np.ndarray) -> Variables:
        """Mean heat fluxes through both walls, outward: as :mod:`surrogate.diagnostics` takes them from fields.

        Parameters
        ----------
        walls : array, shape (..., 4, angle), K
            The rows next to the walls, from the core up.
        """
        return {
            name: ((), flux, self.units.described(name)) for name, flux in self._fluxes(walls.astype(float), np).items()
        }

    def _fluxes(self, walls: Any, xp: Any) -> dict[str, Any]:
        core, below, above, surface = (walls[..., row, :] for row in range(4))
        between: list[Any] = self._constants
        if self._law == "olivine":
            # The mean of the conductivities at the wall and in the first cell.
            each = [
                olivine_conductivity(row, pressure)
                for row, pressure in zip((core, below, above, surface), self._pressures, strict=True)
            ]
            between = [0.5 * (each[0] + each[1]), 0.5 * (each[2] + each[3])]
        return {
            "surface_heat_flux": xp.mean(between[1] * (above - surface) / self._distances[1], axis=-1),
            "core_mantle_boundary_heat_flux": xp.mean(between[0] * (core - below) / self._distances[0], axis=-1),
        }

    def mean_temperature(self, profile: np.ndarray) -> np.ndarray:
        """Volume average of lateral means, shape (..., radius), K; exact, because all columns are equally wide."""
        return np.asarray(profile.astype(float) @ self._weight)

    def lithosphere(self, profile: Any, energy: Any, xp: Any = np) -> dict[str, Any]:
        """Return :data:`LITHOSPHERE` of lateral means.

        The potential temperature is the highest that the profile reaches in the upper :data:`INTERIOR` of the mantle,
        each row brought to the surface along the adiabat. The lithosphere ends where the profile, linear between the
        rows, first reaches T_p - 2.9 R T_p^2 / E; its gradient is the mean one down to there.

        Parameters
        ----------
        profile : array, shape (..., radius), K
        energy : array, shape (...,), J/mol
        xp : module
            Of the arrays: NumPy, or ``keras.ops`` inside a graph.
        """
        adiabat, depth = _constants(xp, self._adiabat, self._depth)
        down = xp.flip(profile, axis=-1)
        potential = xp.max(down[..., : self._interior] * adiabat[: self._interior], axis=-1)
        base = potential - RHEOLOGICAL_DROP * GAS_CONSTANT * potential**2 / energy
        first = xp.argmax(xp.where(down[..., 1:] >= base[..., None], 1.0, 0.0), axis=-1)
        above, below = (xp.take_along_axis(down, first[..., None] + row, axis=-1)[..., 0] for row in (0, 1))
        top, bottom = xp.take(depth, first), xp.take(depth, first + 1)
        share = xp.clip((base - above) / xp.maximum(below - above, 1e-3), 1e-6, 1.0)  # else the surface is not cold
        thickness = top + (bottom - top) * share
        return dict(zip(LITHOSPHERE, (potential, thickness, (base - down[..., 0]) / thickness), strict=True))

    def read(self, rows: Any, parameters: Any, xp: Any = np) -> dict[str, Any]:
        """Return the time series by :attr:`names`, each of shape (...,).

        Parameters
        ----------
        rows : array, shape (..., node), K
            The four rows next to the walls and the lateral means behind each other, as the engine expands "series".
        parameters : array, shape (..., n)
        xp : module
            Of the arrays: NumPy, which reads in double precision, or ``keras.ops`` inside a graph.
        """
        if xp is np:
            rows = np.asarray(rows, dtype=float)
        walls, profile = rows[..., : 4 * self._columns], rows[..., 4 * self._columns :]
        walls = xp.reshape(walls, (*walls.shape[:-1], 4, self._columns) if xp is np else (-1, 4, self._columns))
        (weight,) = _constants(xp, self._weight)
        values = {"mean_temperature": xp.sum(profile * weight, axis=-1), **self._fluxes(walls, xp)}
        if self._energy is not None:
            values |= self.lithosphere(profile, parameters[..., self._energy], xp)
        return values


def _constants(xp: Any, *arrays: np.ndarray) -> tuple[Any, ...]:
    """Arrays in the precision of a graph, or as they are for NumPy."""
    return arrays if xp is np else tuple(xp.convert_to_tensor(entry.astype(np.float32)) for entry in arrays)
