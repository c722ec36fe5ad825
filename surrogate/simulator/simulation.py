"""A run in progress, whatever the model: time loop, snapshots, energy budget."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from surrogate.fields import make_run
from surrogate.files import code_version
from surrogate.geometry import Geometry
from surrogate.parameters import Parameters
from surrogate.quantities import SERIES, Units
from surrogate.settings import SimulatorSettings
from surrogate.simulator.checkpoint import save_state
from surrogate.simulator.numba_engine.step import Convection, SolverError
from surrogate.simulator.numba_engine.stokes import root_mean_square_velocity
from surrogate.simulator.problem import SOLVER_VERSION
from surrogate.simulator.properties import Rheology

BUDGET_TOLERANCE = 1e-3
"""Largest error of the energy budget of a run, relative to the heat that went through it."""

SHORTEST_STEP = 1e-8
"""A time step shorter than this share of the run means that it stalls."""

CHECKPOINT_SECONDS = 20.0
"""CPU time between two checkpoints, s; most runs are over before the first."""


class SimulationError(RuntimeError):
    """A run that gave nothing to keep; the message is the reason."""


class Simulation(ABC):
    """A run in progress; a model says what flows, how stiff it is and how it is heated.

    Parameters
    ----------
    parameters : Parameters
    settings : SimulatorSettings
    layer : Convection
        At the start.
    key : str
        Digest of everything that the run depends on.
    seed, number : int
        Of the initial perturbation.
    time_unit : float
        Diffusion times per unit of the snapshots' times.
    longest_step : float
        Diffusion times.
    series_scale : array, shape (5,)
        Factors from the values of the layer to those of the time series, in the order of ``SERIES``.
    core_factor : float
        Cooling of what lies below the layer per heat flux into it; zero holds its temperature.
    """

    title: ClassVar[str]
    units: ClassVar[Units]
    time_name: ClassVar[str]
    """Unit of the snapshots' times."""
    geometry: Geometry
    """The domain, in the units of the dataset."""
    rheology: Rheology | None = None
    """Arrhenius law; without it viscosity goes exponentially with temperature."""
    solidus: np.ndarray | None = None
    """Temperature above which melt leaves each row."""

    def __init__(
        self,
        parameters: Parameters,
        settings: SimulatorSettings,
        layer: Convection,
        key: str,
        seed: int,
        number: int,
        time_unit: float,
        longest_step: float,
        series_scale: np.ndarray,
        core_factor: float = 0.0,
    ) -> None:
        self.parameters, self.settings, self.layer, self.key = parameters, settings, layer, key
        self.mesh = layer.mesh
        self.seed, self.number = seed, number
        self.time_unit, self.longest_step = time_unit, longest_step
        self.series_scale, self.core_factor = series_scale, core_factor
        self.initial_heat = layer.heat_content()
        self.melted = 0.0  # heat that left with melt
        self.output_times = np.linspace(0.0, settings.end_time, settings.snapshots)
        self.time = 0.0  # diffusion times
        self.interval = 0.0  # between the last two solutions for the flow
        self.steps = 0
        self.cpu_seconds = 0.0
        self.snapshots: list[np.ndarray] = []
        self.series: dict[str, list[float]] = {}
        self.status, self.reason = "running", ""

    @abstractmethod
    def _set_viscosity(self) -> None:
        """Fill the layer's ln(viscosity) for its temperature."""

    @abstractmethod
    def _heating(self) -> np.ndarray:
        """Return the heating rate of every row now, shape (radial cells,)."""

    @abstractmethod
    def heat_sources(self) -> tuple[np.ndarray, np.ndarray]:
        """Return heating rates at time zero, shape (sources, radial cells), and how fast each decays, (sources,)."""

    @abstractmethod
    def _attributes(self) -> dict[str, Any]:
        """Return what the dataset says of the model."""

    @abstractmethod
    def _budget_terms(
        self, entered: float, left: float, sources: float, adiabatic: float, phases: float
    ) -> dict[str, float]:
        """Name the terms of the heat budget, given as mean temperature changes."""

    def _extract_melt(self) -> None:  # noqa: B027
        """Let melt leave, where the model has any."""

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.status != "running"

    @property
    def reached(self) -> str:
        """Time so far, for a message."""
        return f"{self.time / self.time_unit:.3f} {self.time_name}"

    def run(
        self, progress: Callable[[float], None] | None = None, checkpoint: str | os.PathLike[str] | None = None
    ) -> None:
        """Go on to the end, or until the run has to stop.

        Parameters
        ----------
        progress : callable, optional
            Told the time at every snapshot.
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
                    self._advance_to(self.output_times[len(self.snapshots)] * self.time_unit)
                    if self.status == "running":
                        self._record()
            except SolverError as error:
                self.status, self.reason = "failed", f"{error} (at {self.reached})"
            self.cpu_seconds += time.process_time() - start
            if progress is not None:
                progress(self.time / self.time_unit)
            if checkpoint is not None and self.status == "failed":
                save_state(self, Path(checkpoint).with_suffix(".failed.npz"))
            elif checkpoint is not None and self.cpu_seconds - saved > CHECKPOINT_SECONDS and not self.done:
                save_state(self, checkpoint)
                saved = self.cpu_seconds

    def _solve(self, interval: float = 0.0, growth: float = 1.0) -> None:
        self._set_viscosity()
        self.layer.solve_flow(interval, growth)

    def _advance_to(self, end: float) -> None:
        """Step until the dimensionless time `end`, or until the limit of steps."""
        layer, settings = self.layer, self.settings
        shortest = SHORTEST_STEP * settings.end_time * self.time_unit
        while self.time < end:
            if self.steps >= settings.maximum_steps:
                self.status = "short"
                self.reason = f"{self.steps} steps reached only {self.reached}"
                return
            expected = settings.advection_substeps * min(layer.time_step, end - self.time)
            self._solve(expected, expected / self.interval if self.interval > 0.0 else 0.0)
            layer.carry(self._heating())
            limit = min(settings.courant_number / max(layer.fastest_rate(), 1e-300), self.longest_step)
            if not limit > shortest:
                raise SolverError(f"stalled: the time step fell to {limit / self.time_unit:.3g} {self.time_name}")
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
        for name, value in zip(SERIES, values, strict=True):
            self.series.setdefault(name, []).append(float(value))
        field = np.empty((self.mesh.rows + 2, self.mesh.columns), dtype=np.float32)
        field[0], field[1:-1], field[-1] = layer.inner, layer.temperature, layer.outer
        if not np.isfinite(field).all():
            raise SolverError("diverged: the temperature is not finite")
        self.snapshots.append(field)
        if len(self.snapshots) == len(self.output_times):
            self.status = "done"

    def budget(self) -> dict[str, float]:
        """Return the heat budget so far as mean temperature changes of the layer.

        ``budget_relative_error`` is what is missing, over the sum of the magnitudes of all terms.
        """
        volume = self.mesh.volume.sum() * self.mesh.columns
        terms = self._budget_terms(*(self.layer.tally / volume))
        change = (self.layer.heat_content() - self.initial_heat) / volume
        through = sum(abs(value) for value in terms.values())
        error = abs(change - sum(terms.values())) / max(through, 1e-300)
        terms.update(budget_change=change, budget_relative_error=error)
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
        attributes: dict[str, Any] = {
            "title": self.title,
            "source": f"surrogate simulator {SOLVER_VERSION}",
            "solver": "surrogate",
            "solver_version": SOLVER_VERSION,
            "engine": self.settings.engine,
            "code_version": code_version(),
            "key": self.key,
            "seed": self.seed,
            "number": self.number,
            "status": self.status,
            "reason": self.reason,
            "steps": self.steps,
            "stokes_solutions": self.layer.stokes_solutions,
            "stokes_iterations": self.layer.iterations / max(self.layer.stokes_solutions, 1),
            "direct_solutions": self.layer.direct_solutions,
            "cpu_seconds": self.cpu_seconds,
            **self._attributes(),
            **budget,
        }
        return make_run(
            np.stack(self.snapshots),
            self.output_times[: len(self.snapshots)],
            self.geometry,
            self.parameters,
            self.series,
            attributes,
            self.units,
        )
