"""One step of convection: the flow that the temperature drives, and the temperature that the flow carries."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from surrogate.kernels import kernel
from surrogate.simulator.mesh import Mesh
from surrogate.simulator.numba_engine import direct, heat, materials, stokes, transport
from surrogate.simulator.properties import Thermal
from surrogate.simulator.stencil import Stencil, make_stencil


class SolverError(RuntimeError):
    """The run cannot go on; the message is the reason that is kept with it."""


LOAD_EXTRAPOLATION = 0.75
"""How far into the interval over which a flow is held the buoyancy is taken, 1/2 is the middle, 1 the end."""

DRAG_SAFETY_FACTOR = 1.5
"""Factor on the drag of a stable stratification: too much of it is harmless, too little oscillates."""


@kernel()
def _prepare_flow(
    log_viscosity: np.ndarray,
    force: np.ndarray,
    drag: np.ndarray,
    stencil: Stencil,
    mesh: Mesh,
    modes: stokes.AngularModes,
    cell_weight: np.ndarray,
    corner_weight: np.ndarray,
    lateral: np.ndarray,
    factors: np.ndarray,
    load: np.ndarray,
) -> None:
    """Fill everything that the Stokes solver needs from ln(viscosity) and the radial force."""
    rows = log_viscosity.shape[0]
    cell_mean = np.empty(rows)
    corner_mean = np.empty(rows + 1)
    stokes.viscosity_weights(
        log_viscosity, stencil, mesh.periodic, cell_weight, corner_weight, cell_mean, corner_mean, lateral
    )
    stokes.factorise(stencil, modes.eigenvalues, cell_mean, corner_mean, drag, factors)
    stokes.buoyancy_load(force, mesh, load)


@dataclass
class Convection:
    """State and work space of a convecting layer, in the dimensionless units of the simulator.

    Attributes
    ----------
    mesh : Mesh
    thermal : Thermal
    temperature : array, shape (radial cells, angular cells)
    inner, outer : float
        Wall temperatures.
    scheme : int
        Advection scheme, :data:`transport.LIMITED` or :data:`transport.UNLIMITED`.
    tolerance : float
        Of the Stokes solution, relative, in the energy norm.
    dissipation : float
        Factor of the viscous heat, Di over the Rayleigh number per unit of temperature; zero switches it off.
    flow, previous_flow : array or None, shape (radial cells - 1, unknown columns)
        The last two streamfunctions.
    previous_load : array or None, the shape of `flow`
        Work of the last buoyancy force.
    counted : array or None, shape (radial cells, angular cells)
        State of the phases for which latent heat has been counted, see :func:`materials.settle_phases`.
    tally : array, shape (5,)
        Heat so far (dimensionless temperature times area): in through the inner wall, out through the outer wall,
        sources, adiabatic, change of phase.
    dissipated, phase_worked : float
        The parts of the sources that are viscous heat and the work of phase transitions.
    """

    mesh: Mesh
    thermal: Thermal
    temperature: np.ndarray
    inner: float
    outer: float
    scheme: int = transport.LIMITED
    tolerance: float = 1e-2
    dissipation: float = 0.0
    inner_no_slip: bool = False
    outer_no_slip: bool = False
    iteration_limit: int = 400
    flow: np.ndarray | None = None
    previous_flow: np.ndarray | None = None
    previous_load: np.ndarray | None = None
    counted: np.ndarray | None = None
    time_step: float = 0.0
    tally: np.ndarray = field(default_factory=lambda: np.zeros(5))
    dissipated: float = 0.0
    phase_worked: float = 0.0
    stokes_solutions: int = 0
    iterations: int = 0
    direct_solutions: int = 0

    def __post_init__(self) -> None:
        mesh = self.mesh
        rows, columns = mesh.rows, mesh.columns
        self.stencil = make_stencil(mesh, self.inner_no_slip, self.outer_no_slip)
        self.transitions = self.thermal.transition_depth.size > 0
        self.width = columns if mesh.periodic else columns - 1
        cells = (rows, columns)
        self.log_viscosity = np.zeros(cells)
        self.force, self.capacity, self.source = np.empty(cells), np.empty(cells), np.empty(cells)
        self.adiabatic = np.empty(cells)
        self.phase, self.phase_slope, self.phase_work = np.zeros(cells), np.zeros(cells), np.zeros(cells)
        self.conductance_r, self.conductance_t = np.empty((rows + 1, columns)), np.empty((rows, columns + 1))
        self.cell_weight, self.corner_weight = np.empty(cells), np.empty((rows + 1, columns + 1))
        self.modes = stokes.fold_modes(self.stencil, mesh.periodic)
        self.factors = np.zeros((3, 2, rows - 1, self.modes.eigenvalues.shape[1]))
        self.load, self.lateral = np.empty((rows - 1, self.width)), np.empty((rows - 1, self.width))
        self.stiffness, self.lapse, self.drag = np.zeros(cells), np.zeros(cells), np.zeros((rows + 1, columns + 2))
        self.hoop = np.zeros_like(self.drag)
        self.psi = np.zeros((rows + 1, columns + 3))
        self.diffusion_factors = heat.empty_diffusion_factors(mesh)

    def solve_flow(self, interval: float = 0.0, growth: float = 1.0) -> None:
        """Solve for the flow of the current temperature; `log_viscosity` must have been set.

        Parameters
        ----------
        interval : float
            Time over which the flow will be held, as far as it is known.
        growth : float
            That time over the one for which the previous flow was held.

        Raises
        ------
        SolverError
            If neither the iteration nor the direct solver gives a finite flow.
        """
        mesh = self.mesh
        self.update_coefficients()
        stokes.stratification_drag(
            self.temperature,
            self.stiffness,
            self.lapse,
            DRAG_SAFETY_FACTOR * LOAD_EXTRAPOLATION * interval,
            mesh,
            self.drag,
        )
        resistance = self.drag
        if mesh.spherical:
            stokes.hoop_resistance(self.log_viscosity, self.stencil.hoop, mesh.periodic, self.hoop)
            resistance = self.drag + self.hoop
        _prepare_flow(
            self.log_viscosity,
            self.force,
            resistance,
            self.stencil,
            mesh,
            self.modes,
            self.cell_weight,
            self.corner_weight,
            self.lateral,
            self.factors,
            self.load,
        )
        load = self.load
        if self.flow is not None and self.previous_load is not None and interval > 0.0:
            load = load + LOAD_EXTRAPOLATION * min(growth, 1.5) * (load - self.previous_load)
            stokes.drag_load(self.flow, self.drag, mesh.periodic, self.psi, load)
        self.previous_load = self.load.copy()
        tolerance = self.tolerance
        if self.flow is None:
            solution, tolerance = np.zeros_like(load), 0.1 * self.tolerance
        elif self.previous_flow is None:
            solution = self.flow.copy()
        else:
            solution = 2 * self.flow - self.previous_flow
        count = stokes.conjugate_gradients(
            load,
            solution,
            self.stencil,
            self.cell_weight,
            self.corner_weight,
            resistance,
            self.lateral,
            self.modes,
            self.factors,
            mesh.periodic,
            tolerance,
            self.iteration_limit,
        )
        if count < 0:
            if not np.all(np.isfinite(load)):
                raise SolverError("diverged: the temperature is not finite")
            try:
                solution = direct.direct_solution(
                    load, self.stencil, mesh, self.cell_weight, self.corner_weight, resistance
                )
            except (np.linalg.LinAlgError, ValueError) as error:
                raise SolverError(f"the Stokes equations could not be solved: {error}") from error
            self.direct_solutions += 1
            count = self.iteration_limit
        self.iterations += count
        self.stokes_solutions += 1
        self.previous_flow, self.flow = self.flow, solution

    def update_coefficients(self) -> None:
        """Evaluate conductivity, expansivity, buoyancy and phases at the current temperature."""
        if self.transitions:
            materials.phase_state(
                self.temperature,
                self.thermal,
                self.force,
                self.stiffness,
                self.lapse,
                self.phase,
                self.phase_slope,
                self.phase_work,
            )
            if self.counted is None:
                self.counted = self.phase.copy()
            self.tally[4] += materials.settle_phases(
                self.temperature, self.phase, self.phase_slope, self.counted, self.mesh
            )
        else:
            self.force[:], self.stiffness[:], self.lapse[:] = 0.0, 0.0, 0.0
            self.counted = self.phase
        materials.thermal_coefficients(
            self.temperature,
            self.inner,
            self.outer,
            self.thermal,
            self.mesh,
            self.force,
            self.conductance_r,
            self.conductance_t,
            self.capacity,
            self.adiabatic,
            self.phase_slope,
            self.stiffness,
            self.lapse,
        )

    def carry(self, heating: np.ndarray) -> None:
        """Set the flow that carries the next steps, and the heat that is made in it.

        Parameters
        ----------
        heating : array, shape (radial cells,)
            Radiogenic heating rate.
        """
        if self.flow is None:
            raise SolverError("the flow has not been solved for")
        mesh = self.mesh
        stokes.pad_streamfunction(self.flow, mesh.periodic, self.psi)
        self.phase_heat = heat.set_heat_sources(self.psi, self.adiabatic, self.phase_work, heating, mesh, self.source)
        self.viscous_heat = 0.0
        if self.dissipation > 0.0:
            before = self.source.sum()
            heat.dissipated_heat(
                self.psi,
                self.stencil,
                self.cell_weight,
                self.corner_weight,
                mesh.periodic,
                self.dissipation,
                self.source,
            )
            if mesh.spherical:
                heat.hoop_heat(self.psi, self.hoop, self.dissipation, self.source)
            self.viscous_heat = float(self.source.sum() - before)

    def fastest_rate(self) -> float:
        """Inverse of the time in which the flow crosses a cell."""
        return float(heat.fastest_rate(self.psi, self.mesh))

    def step_temperature(self, time_step: float, refresh: bool) -> float:
        """Advance the temperature; `refresh` when the time step or the coefficients have changed.

        Returns
        -------
        float
            Mean flux density that came in through the inner wall during the step.
        """
        if self.counted is None:
            raise SolverError("the material has not been evaluated")
        entered = self.tally[0]
        if refresh:
            heat.factorise_diffusion(
                self.capacity,
                self.conductance_r,
                self.conductance_t,
                0.5 * time_step,
                self.mesh,
                self.diffusion_factors,
            )
        heat.energy_step(
            self.temperature,
            self.counted,
            self.psi,
            self.inner,
            self.outer,
            time_step,
            self.source,
            self.adiabatic,
            self.phase_slope,
            self.capacity,
            self.conductance_r,
            self.conductance_t,
            self.mesh,
            self.diffusion_factors,
            self.scheme,
            self.tally,
        )
        self.dissipated += time_step * self.viscous_heat
        self.phase_worked += time_step * self.phase_heat
        length = self.mesh.face_area[0] * self.mesh.step * self.mesh.columns
        return float(float(self.tally[0] - entered) / (time_step * length))

    def wall_flux(self) -> np.ndarray:
        """Mean outward flux through the walls at the current temperature, shape (2,)."""
        return heat.wall_flux(self.temperature, self.inner, self.outer, self.conductance_r, self.mesh)

    def heat_content(self) -> float:
        """Temperature integrated over the area."""
        return float(self.mesh.volume @ self.temperature.sum(axis=1))
