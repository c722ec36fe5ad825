"""The thermal evolution of a planet: time loop, snapshots, energy budget."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.config import SimulatorSettings
from surrogate.fields import make_run
from surrogate.files import code_version
from surrogate.geometry import Geometry
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameters
from surrogate.planet import MARS, Planet
from surrogate.simulator import properties
from surrogate.simulator.checkpoint import save_state
from surrogate.simulator.numba_engine import materials
from surrogate.simulator.numba_engine.step import Convection, SolverError
from surrogate.simulator.numba_engine.stokes import root_mean_square_velocity
from surrogate.simulator.problem import SOLVER_VERSION, initial_temperature, planet_mesh, run_key
from surrogate.units import GIGAYEAR

BUDGET_TOLERANCE = 1e-3
"""Largest error of the energy budget of a run, relative to the heat that went through it."""

SHORTEST_STEP = 1e-8
"""A time step shorter than this share of the evolution means that the run stalls."""

CHECKPOINT_SECONDS = 20.0
"""CPU time between two checkpoints, s; most runs are over before the first."""


SERIES_NAMES = (
    "surface_heat_flux",
    "core_mantle_boundary_heat_flux",
    "mean_temperature",
    "core_temperature",
    "root_mean_square_velocity",
)
"""The time series of a run, in the order of :attr:`Evolution.series_scale`."""


class SimulationError(RuntimeError):
    """A run that gave nothing to keep; the message is the reason."""


class Evolution:
    """A run in progress.

    Parameters
    ----------
    parameters : Parameters
    settings : SimulatorSettings
    planet : Planet
    seed, number : int
        Of the initial perturbation.
    """

    def __init__(
        self,
        parameters: Parameters,
        settings: SimulatorSettings,
        planet: Planet = MARS,
        seed: int = 2108,
        number: int = 0,
    ) -> None:
        EVOLUTION_PARAMETERS.check_names(parameters)
        self.parameters, self.settings, self.planet = parameters, settings, planet
        self.seed, self.number = seed, number
        physics = settings.physics
        self.mesh = mesh = planet_mesh(settings, planet)
        thermal = properties.planet_thermal(mesh, parameters, planet, physics)
        self.rheology = properties.planet_rheology(mesh, parameters, planet, settings.viscosity_contrast)
        viscous = planet.dissipation_number / thermal.buoyancy if physics.viscous_dissipation else 0.0
        self.layer = Convection(
            mesh,
            thermal,
            initial_temperature(mesh, parameters, settings, planet, seed, number),
            planet.initial_core_temperature,
            planet.surface_temperature,
            tolerance=settings.stokes_tolerance,
            dissipation=viscous,
        )
        self.initial_heat = self.layer.heat_content()
        # Volumetric heat capacity is conductivity over diffusivity, so heating and core are on the time scale.
        length, capacity = planet.mantle_thickness, planet.conductivity / planet.diffusivity
        profile = properties.heating_profile(mesh, parameters, planet, physics) * physics.radiogenic_heating
        self.heating_scale = (
            profile * planet.mantle_density * planet.time_scale / capacity
        )  # K per diffusion time, kg/W
        core = planet.core_density * planet.core_heat_capacity * planet.core_radius
        self.core_factor = 3.0 * capacity * length / core if physics.core_cooling else 0.0
        self.gigayear = GIGAYEAR / planet.time_scale
        flux = planet.conductivity / length
        self.series_scale = np.array([flux, flux, 1.0, 1.0, length / planet.time_scale])
        self.solidus = properties.melt_limit(mesh, planet, physics)
        self.melted = 0.0  # heat that left with melt
        self.output_times = np.linspace(0.0, settings.end_time, settings.snapshots)
        self.time = 0.0  # diffusion times
        self.interval = 0.0  # between the last two solutions for the flow
        self.steps = 0
        self.cpu_seconds = 0.0
        self.snapshots: list[np.ndarray] = []
        self.series: dict[str, list[float]] = {}
        self.status, self.reason = "running", ""

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.status != "running"

    def run(
        self, progress: Callable[[float], None] | None = None, checkpoint: str | os.PathLike[str] | None = None
    ) -> None:
        """Go on to the end, or until the run has to stop.

        Parameters
        ----------
        progress : callable, optional
            Told the time in Gyr at every snapshot.
        checkpoint : path, optional
            Where the state is saved every :data:`CHECKPOINT_SECONDS` of CPU time. A run that fails leaves its state
            beside it, with "failed" in the name.
        """
        saved = self.cpu_seconds
        while not self.done:
            start = time.process_time()
            try:
                if not self.snapshots:
                    self._extract_melt()
                    self._solve()
                    self.layer.carry(self._heating())
                    self._record()
                else:
                    self._advance_to(self.output_times[len(self.snapshots)] * self.gigayear)
                    if self.status == "running":
                        self._record()
            except SolverError as error:
                self.status, self.reason = "failed", f"{error} (at {self.time / self.gigayear:.3f} Gyr)"
            self.cpu_seconds += time.process_time() - start
            if progress is not None:
                progress(self.time / self.gigayear)
            if checkpoint is not None and self.status == "failed":
                save_state(self, Path(checkpoint).with_suffix(".failed.npz"))
            elif checkpoint is not None and self.cpu_seconds - saved > CHECKPOINT_SECONDS and not self.done:
                save_state(self, checkpoint)
                saved = self.cpu_seconds

    @property
    def key(self) -> str:
        """Digest of everything that the run depends on."""
        return run_key(self.parameters, self.settings, self.planet, self.seed, self.number)

    def _solve(self, interval: float = 0.0, growth: float = 1.0) -> None:
        materials.arrhenius(self.layer.temperature, self.rheology, self.layer.log_viscosity)
        self.layer.solve_flow(interval, growth)

    def _extract_melt(self) -> None:
        if self.solidus is not None:
            self.melted += materials.extract_melt(self.layer.temperature, self.solidus, self.mesh)

    def _heating(self) -> np.ndarray:
        return self.heating_scale * float(self.planet.radiogenic_heating(self.time / self.gigayear))

    def _advance_to(self, end: float) -> None:
        """Step until the dimensionless time `end`, or until the limit of steps."""
        layer, settings = self.layer, self.settings
        longest = settings.maximum_time_step * 1e-3 * self.gigayear
        shortest = SHORTEST_STEP * settings.end_time * self.gigayear
        while self.time < end:
            if self.steps >= settings.maximum_steps:
                self.status = "short"
                self.reason = f"{self.steps} steps reached only {self.time / self.gigayear:.3f} Gyr"
                return
            expected = settings.advection_substeps * min(layer.time_step, end - self.time)
            self._solve(expected, expected / self.interval if self.interval > 0.0 else 0.0)
            layer.carry(self._heating())
            limit = min(settings.courant_number / max(layer.fastest_rate(), 1e-300), longest)
            if not limit > shortest:
                raise SolverError(f"stalled: the time step fell to {limit / self.gigayear * 1e9:.3g} years")
            start = self.time
            for substep in range(settings.advection_substeps):
                remaining = end - self.time
                pieces = max(int(np.ceil(remaining / limit * (1 - 1e-12))), 1)
                step = limit if pieces > settings.advection_substeps else remaining / pieces
                flux = layer.step_temperature(step, refresh=substep == 0 or step != layer.time_step)
                layer.inner -= step * self.core_factor * flux
                layer.time_step = step
                self.time = end if pieces == 1 else self.time + step
                self.steps += 1
                if pieces == 1:
                    break
            self.interval = self.time - start
            self._extract_melt()
            if not np.isfinite(layer.tally).all():
                raise SolverError("diverged: the temperature is not finite")

    def _record(self) -> None:
        """Keep a snapshot and the time series; the run is over after the last one."""
        layer = self.layer
        if len(self.snapshots) > 0:
            layer.update_coefficients()  # fluxes with the conductivity of this very temperature
        inward, outward = layer.wall_flux()
        mean, speed = self.mesh.average(layer.temperature), root_mean_square_velocity(layer.psi, self.mesh)
        values = np.array([outward, inward, mean, layer.inner, speed]) * self.series_scale
        for name, value in zip(SERIES_NAMES, values, strict=True):
            self.series.setdefault(name, []).append(float(value))
        field = np.empty((self.mesh.rows + 2, self.mesh.columns), dtype=np.float32)
        field[0], field[1:-1], field[-1] = layer.inner, layer.temperature, layer.outer
        if not np.isfinite(field).all():
            raise SolverError("diverged: the temperature is not finite")
        self.snapshots.append(field)
        if len(self.snapshots) == len(self.output_times):
            self.status = "done"

    def budget(self) -> dict[str, float]:
        """Return the heat budget so far as mean temperature changes of the mantle, K.

        ``budget_relative_error`` is what is missing, over the sum of the magnitudes of all terms.
        """
        layer = self.layer
        area = self.mesh.volume.sum() * self.mesh.columns
        entered, left, sources, adiabatic, transitions = layer.tally / area
        viscous, worked = layer.dissipated / area, layer.phase_worked / area
        change = (layer.heat_content() - self.initial_heat) / area
        terms = {
            "budget_core_heat": entered,
            "budget_surface_heat": -left,
            "budget_radiogenic_heat": sources - viscous - worked,
            "budget_viscous_dissipation": viscous,
            "budget_adiabatic_heat": adiabatic,
            "budget_phase_transitions": transitions + worked,
        }
        if self.solidus is not None:
            terms["budget_melt_extraction"] = -self.melted / area
        through = sum(abs(value) for value in terms.values())
        error = abs(change - sum(terms.values())) / max(through, 1e-300)
        terms.update(budget_change=change, budget_relative_error=error, budget_phase_work=worked)
        return {name: float(value) for name, value in terms.items()}

    def dataset(self) -> xr.Dataset:
        """Return the run as a dataset of the convention of :mod:`surrogate.fields`.

        Raises
        ------
        SimulationError
            If the run failed, has fewer than two snapshots, or its energy budget does not close.
        """
        budget = self.budget()
        if self.status == "failed":
            raise SimulationError(self.reason)
        if not budget["budget_relative_error"] <= BUDGET_TOLERANCE:
            raise SimulationError(f"the energy budget misses {budget['budget_relative_error']:.2e} of its terms")
        if len(self.snapshots) < 2:
            raise SimulationError(self.reason or "no snapshot beyond the initial state")
        planet, layer, settings = self.planet, self.layer, self.settings
        faces = self.mesh.faces * planet.mantle_thickness
        angles = np.linspace(0.0, np.radians(settings.sector_degrees), settings.angular_cells + 1)
        attributes: dict[str, Any] = {
            "title": "2D thermal evolution of a planetary mantle",
            "source": f"surrogate simulator {SOLVER_VERSION}",
            "solver": "surrogate",
            "solver_version": SOLVER_VERSION,
            "engine": settings.engine,
            "code_version": code_version(),
            "planet": planet.name,
            "key": self.key,
            "seed": self.seed,
            "number": self.number,
            "status": self.status,
            "reason": self.reason,
            "steps": self.steps,
            "stokes_solutions": layer.stokes_solutions,
            "stokes_iterations": layer.iterations / max(layer.stokes_solutions, 1),
            "direct_solutions": layer.direct_solutions,
            "cpu_seconds": self.cpu_seconds,
            "length_scale_m": planet.mantle_thickness,
            "time_scale_Gyr": 1.0 / self.gigayear,
            "temperature_scale_K": planet.temperature_scale,
            "rayleigh_number": planet.rayleigh_number(self.parameters.reference_viscosity),
            "dissipation_number": planet.dissipation_number,
            **budget,
        }
        return make_run(
            np.stack(self.snapshots),
            self.output_times[: len(self.snapshots)],
            Geometry(faces, angles),
            self.parameters,
            self.series,
            attributes,
        )
