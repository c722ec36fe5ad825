"""Boussinesq convection at infinite Prandtl number, dimensionless: a Rayleigh number and internal heating."""

from __future__ import annotations

from typing import Any

import numpy as np

from surrogate.geometry import Geometry
from surrogate.parameters import CONVECTION_PARAMETERS, Parameters
from surrogate.quantities import DIMENSIONLESS
from surrogate.settings import ConvectionSettings
from surrogate.simulator.mesh import Mesh, graded_faces, make_mesh
from surrogate.simulator.numba_engine.step import Convection
from surrogate.simulator.problem import initial_noise, run_key
from surrogate.simulator.properties import boussinesq_thermal, conduction
from surrogate.simulator.simulation import Simulation


class BoussinesqConvection(Simulation):
    """A run of convection in progress, between walls of temperature 1 and 0.

    Lengths are in thicknesses of the layer, times in diffusion times; the heat flux of a wall is its Nusselt number.

    Parameters
    ----------
    parameters : Parameters
    settings : ConvectionSettings
    seed, number : int
        Of the initial perturbation.
    """

    title = "2D Boussinesq convection"
    units = DIMENSIONLESS
    time_name = "diffusion times"
    settings: ConvectionSettings

    def __init__(self, parameters: Parameters, settings: ConvectionSettings, seed: int = 2108, number: int = 0) -> None:
        CONVECTION_PARAMETERS.check_names(parameters)
        mesh = _mesh(settings)
        layer = Convection(
            mesh,
            boussinesq_thermal(mesh, parameters.rayleigh_number),
            conduction(mesh)[:, None] + _perturbation(mesh, settings, seed, number),
            1.0,
            0.0,
            tolerance=settings.stokes_tolerance,
        )
        columns = np.arange(mesh.columns + 1) * mesh.step
        self.geometry = geometry = Geometry(mesh.faces, columns, settings.geometry, mesh.periodic)
        super().__init__(
            parameters,
            settings,
            layer,
            run_key(parameters, settings, seed=seed, number=number),
            seed,
            number,
            time_unit=1.0,
            longest_step=settings.maximum_time_step,
            series_scale=np.r_[1.0 / geometry.conduction[::-1], np.ones(3)],
        )

    def _set_viscosity(self) -> None:
        np.multiply(self.layer.temperature, -np.log(self.settings.viscosity_contrast), out=self.layer.log_viscosity)

    def _heating(self) -> np.ndarray:
        return np.full(self.mesh.rows, self.parameters.internal_heating)

    def heat_sources(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the heating rate and that it does not decay."""
        return self._heating()[None], np.zeros(1)

    def _budget_terms(
        self, entered: float, left: float, sources: float, adiabatic: float, phases: float
    ) -> dict[str, float]:
        return {"budget_bottom_heat": entered, "budget_top_heat": -left, "budget_internal_heat": sources}

    def _attributes(self) -> dict[str, Any]:
        return {"viscosity_contrast": self.settings.viscosity_contrast}


def _mesh(settings: ConvectionSettings) -> Mesh:
    """Mesh of a layer of thickness 1."""
    inner, width = 0.0, settings.width
    if settings.geometry != "box":
        inner = settings.radius_ratio / (1.0 - settings.radius_ratio)
        width = np.radians(settings.sector_degrees)
    faces = graded_faces(settings.vertical_cells, inner, inner + 1.0, settings.vertical_grading)
    return make_mesh(faces, settings.lateral_cells, width, settings.geometry, settings.periodic)


def _perturbation(mesh: Mesh, settings: ConvectionSettings, seed: int, number: int) -> np.ndarray:
    """Return the initial departure from conduction, shape (vertical cells, lateral cells)."""
    if settings.initial_waves == 0:
        return initial_noise(mesh, settings, 1.0, seed, number)
    phase = np.pi * settings.initial_waves * (np.arange(mesh.columns) + 0.5) / mesh.columns
    return settings.noise_amplitude * np.outer(np.sin(np.pi * (mesh.centres - mesh.faces[0])), np.cos(phase))
