"""Published cases of convection: cells that settle, in a box and in a cylinder, and the onset of convection."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.interpolate import RegularGridInterpolator

from surrogate.simulator.mesh import Mesh, graded_faces, make_mesh
from surrogate.simulator.numba_engine.step import Convection
from surrogate.simulator.numba_engine.stokes import root_mean_square_velocity
from surrogate.simulator.numba_engine.transport import UNLIMITED
from surrogate.simulator.properties import boussinesq_thermal

_BLANKENBACH = "Blankenbach et al. 1989"
_CYLINDER = "Davies et al. 2022"


@dataclass(frozen=True)
class SteadyCase:
    """A convection cell that settles.

    Attributes
    ----------
    rayleigh : float
    published : dict
        Values of "Nu", the heat flux over that of conduction, and "vrms".
    source : str
    temperature_log, depth_log : float
        ln(eta) = -temperature_log T + depth_log depth.
    length : float
        Of the box, in its heights.
    radii : tuple or None
        Of a quarter cylinder with four cells in the full circle; None is a box.
    grading : float
        Of the grid on which the case is run, see :func:`surrogate.simulator.mesh.graded_faces`: thin boundary layers
        need a graded one.
    """

    rayleigh: float
    published: dict[str, float]
    source: str
    temperature_log: float = 0.0
    depth_log: float = 0.0
    length: float = 1.0
    radii: tuple[float, float] | None = None
    grading: float = 1.0

    def mesh(self, cells: int, grading: float) -> Mesh:
        """Mesh with `cells` cells between the walls."""
        if self.radii is None:
            faces = graded_faces(cells, 0.0, 1.0, grading)
            return make_mesh(faces, max(4, round(self.length * cells)), self.length, kind="box")
        return make_mesh(graded_faces(cells, *self.radii, grading), 2 * round(1.25 * cells), np.pi / 2)

    def nusselt(self, layer: Convection) -> np.ndarray:
        """Heat flux through the inner and outer wall over that of conduction, shape (2,)."""
        scale = np.ones(2)
        if self.radii is not None:
            scale = np.array(self.radii) * np.log(self.radii[1] / self.radii[0])
        return layer.wall_flux() * scale


_GAP = (1.22, 2.22)

STEADY_CASES: dict[str, SteadyCase] = {
    "blankenbach-1a": SteadyCase(1e4, {"Nu": 4.884409, "vrms": 42.864947}, _BLANKENBACH),
    "blankenbach-1b": SteadyCase(1e5, {"Nu": 10.534095, "vrms": 193.21454}, _BLANKENBACH),
    "blankenbach-1c": SteadyCase(1e6, {"Nu": 21.972465, "vrms": 833.98977}, _BLANKENBACH, grading=3.0),
    "blankenbach-2a": SteadyCase(1e4, {"Nu": 10.066, "vrms": 480.4334}, _BLANKENBACH, np.log(1e3), grading=3.0),
    "blankenbach-2b": SteadyCase(
        1e4, {"Nu": 6.9299, "vrms": 171.755}, _BLANKENBACH, np.log(16384.0), np.log(64.0), length=2.5
    ),
    "cylinder-2.1": SteadyCase(1e4, {"Nu": 4.700, "vrms": 46.244}, _CYLINDER, radii=_GAP),
    "cylinder-2.2": SteadyCase(1e5, {"Nu": 9.548, "vrms": 193.371}, _CYLINDER, radii=_GAP),
    "cylinder-2.3": SteadyCase(1e3, {"Nu": 5.102, "vrms": 79.632}, _CYLINDER, np.log(1e3), radii=_GAP, grading=3.0),
}
"""Steady cases by name."""


DRIFT_TIME = 0.01
"""Shortest time over which drift towards the steady state is measured, in diffusion times."""


FLOW_TOLERANCE = 1e-6
"""Of the Stokes solutions of steady cases: a looser one makes the values flicker, which looks like drift."""


@dataclass
class SteadyState:
    """What a steady case has settled to.

    Attributes
    ----------
    nusselt_inner, nusselt_outer, vrms, mean_temperature : float
    steps : int
    layer : Convection
        The final state, from which a finer mesh can start.
    """

    nusselt_inner: float
    nusselt_outer: float
    vrms: float
    mean_temperature: float
    steps: int
    layer: Convection = field(repr=False)


def _carried_over(layer: Convection, mesh: Mesh) -> np.ndarray:
    """Temperature of `layer` interpolated to the cells of a finer mesh."""
    old = layer.mesh
    padded = np.pad(layer.temperature, 1, mode="edge")
    padded[0] = 2 * layer.inner - padded[1]
    padded[-1] = 2 * layer.outer - padded[-2]
    radii = np.r_[2 * old.faces[0] - old.centres[0], old.centres, 2 * old.faces[-1] - old.centres[-1]]
    angles = (np.arange(-1, old.columns + 1) + 0.5) * old.step
    points = np.meshgrid(mesh.centres, mesh.angles, indexing="ij")
    return np.asarray(RegularGridInterpolator((radii, angles), padded, method="cubic")(tuple(points)))


def settle(
    case: SteadyCase,
    cells: int,
    start: Convection | None = None,
    grading: float | None = None,
    tolerance: float = 1e-3,
    step_limit: int = 200_000,
) -> SteadyState:
    """Run a case until its fluxes and its velocity no longer drift.

    A case on a graded grid starts from the state to which it settles on a uniform one: there is more than one
    branch. Case 2a, started from conduction on a grid that resolves its boundary layers, goes into pulsations of its
    lower layer and stays there; continued from the steady cell it is steady.

    Parameters
    ----------
    case : SteadyCase
    cells : int
        Between the walls.
    start : Convection, optional
        State on another mesh to start from.
    grading : float, optional
        Default that of the case.
    tolerance : float
        Largest relative drift per unit of (diffusion) time.
    step_limit : int

    Raises
    ------
    RuntimeError
        If it has not settled within `step_limit` steps.
    """
    grading = case.grading if grading is None else grading
    if start is None and grading > 1.0:
        start = settle(case, cells, None, 1.0, tolerance, step_limit).layer
    mesh = case.mesh(cells, grading)
    height = (mesh.centres - mesh.faces[0])[:, None]
    if start is None:
        width = mesh.columns * mesh.step
        waves = np.cos(4 * mesh.angles) if case.radii else np.cos(np.pi * mesh.angles / width)
        temperature = 1 - height + (0.02 if case.radii else 0.05) * np.sin(np.pi * height) * waves
    else:
        temperature = _carried_over(start, mesh)
    layer = Convection(
        mesh,
        boussinesq_thermal(mesh, case.rayleigh),
        temperature,
        1.0,
        0.0,
        UNLIMITED,
        FLOW_TOLERANCE,
    )
    no_heat = np.zeros(mesh.rows)
    time, previous, checked, last = 0.0, np.full(4, np.inf), 0.0, 0
    for step in range(1, step_limit + 1):
        layer.log_viscosity[:] = -case.temperature_log * layer.temperature + case.depth_log * (1 - height)
        layer.solve_flow()
        layer.carry(no_heat)
        dt = min(0.9 / layer.fastest_rate(), 0.01)
        layer.step_temperature(dt, refresh=True)
        time += dt
        if step - last >= 200 and time - checked >= DRIFT_TIME:
            values = np.array(
                [*case.nusselt(layer), root_mean_square_velocity(layer.psi, mesh), mesh.average(layer.temperature)]
            )
            drift = np.max(np.abs(values - previous) / np.abs(values)) / (time - checked)
            if drift < tolerance:
                inner, outer, vrms, mean = map(float, values)
                return SteadyState(inner, outer, vrms, mean, step, layer)
            previous, checked, last = values, time, step
    raise RuntimeError(f"the case has not settled within {step_limit} steps")
