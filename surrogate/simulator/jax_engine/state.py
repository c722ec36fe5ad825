"""What a batch is made of: what all runs share, what makes one differ from another, and the state of one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from surrogate.simulator.jax_engine.materials import Array
from surrogate.simulator.mesh import Mesh
from surrogate.simulator.properties import Rheology, Thermal
from surrogate.simulator.stencil import Stencil

RUNNING, DONE, SHORT, DIVERGED, UNSOLVED, STALLED = range(6)
"""What a place of the batch is doing."""


class Layout(NamedTuple):
    """What all runs of a batch share; plain NumPy and Python values, part of the compiled program.

    Attributes
    ----------
    mesh : Mesh
    stencil : Stencil
    outer : float
        Surface temperature.
    contrast : float
        Logarithm of the viscosity contrast at which viscosity is cut; without a rheology, of that between temperatures
        0 and 1.
    tolerance : float
        Of the Stokes solution.
    iteration_limit, substeps, step_limit : int
    courant, longest, shortest : float
        Limits of the time step; the latter two in diffusion times.
    output_times : array, shape (snapshots,)
        In diffusion times.
    olivine_conductivity, olivine_expansivity, transitions : bool
    solidus : array or None, shape (radial cells,)
        Temperature above which melt leaves, K.
    decay : array, shape (isotopes,)
        Decay rates, per diffusion time.
    series_scale : array, shape (5,)
        Factors from dimensionless values to those of the time series.
    """

    mesh: Mesh
    stencil: Stencil
    outer: float
    contrast: float
    tolerance: float
    iteration_limit: int
    substeps: int
    step_limit: int
    courant: float
    longest: float
    shortest: float
    output_times: np.ndarray
    olivine_conductivity: bool
    olivine_expansivity: bool
    transitions: bool
    solidus: np.ndarray | None
    decay: np.ndarray
    series_scale: np.ndarray


class Run(NamedTuple):
    """What makes one run differ from another, JAX arrays.

    Attributes
    ----------
    thermal : Thermal
        Its flags are not used: those of the layout choose the program.
    rheology : Rheology or None
    heating : array, shape (isotopes, radial cells)
        Heating rate of each source at time zero, per diffusion time.
    dissipation : float
        Factor of the viscous heat.
    core_factor : float
        Cooling of the core per heat flux.
    """

    thermal: Thermal
    rheology: Rheology | None
    heating: Array
    dissipation: Array
    core_factor: Array


class State(NamedTuple):
    """The state of one run; every name means what it means in ``Convection`` and ``Simulation``."""

    temperature: Array
    counted: Array
    flow: Array
    previous_flow: Array
    previous_load: Array
    inner: Array
    time: Array
    time_step: Array
    interval: Array
    steps: Array
    status: Array
    recorded: Array
    tally: Array
    dissipated: Array
    phase_worked: Array
    melted: Array
    stokes_solutions: Array
    iterations: Array
    snapshots: Array
    series: Array
