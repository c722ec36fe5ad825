"""Material of one run in JAX; the counterpart of :mod:`surrogate.simulator.numba_engine.materials`."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from surrogate.simulator.mesh import Mesh
from surrogate.simulator.properties import Thermal

Array = Any
"""A JAX array, traced or not, or NumPy values that become one."""


class PhaseState(NamedTuple):
    """What ``phase_state`` of the other engine fills, arrays of shape (radial cells, angular cells)."""

    buoyancy: Array
    stiffness: Array
    lapse: Array
    phase: Array
    phase_slope: Array
    phase_work: Array


class Coefficients(NamedTuple):
    """What ``thermal_coefficients`` of the other engine fills."""

    force: Array
    stiffness: Array
    lapse: Array
    capacity: Array
    adiabatic: Array
    conductance_r: Array
    conductance_t: Array


def phase_state(temperature: Array, thermal: Thermal) -> PhaseState:
    """Return buoyancy and latent heat of the phase transitions.

    Parameters
    ----------
    temperature : array, shape (radial cells, angular cells)
    thermal : Thermal
        With JAX arrays.
    """
    zero = jnp.zeros_like(temperature)
    state = PhaseState(zero, zero, zero, zero, zero, zero)
    for n in range(thermal.transition_depth.shape[0]):
        sharpness, work = thermal.transition_sharpness[n], thermal.transition_work[n]
        slope, weight = thermal.transition_slope[n], thermal.transition_density[n]
        excess = thermal.depth[:, None] - thermal.transition_depth[n] - slope * temperature
        decay = jnp.exp(-2.0 * jnp.minimum(jnp.abs(excess) * sharpness, 10.0))
        share = jnp.where(excess > 0.0, 1.0, decay) / (1.0 + decay)
        integral = jnp.maximum(excess, 0.0) + 0.5 / sharpness * jnp.log1p(decay)
        narrow = slope * 2.0 * share * (1.0 - share) * sharpness
        state = PhaseState(
            state.buoyancy - weight * share,
            state.stiffness + weight * narrow,
            state.lapse + work * narrow * temperature,
            state.phase + work * (slope * share * temperature + integral),
            state.phase_slope - work * slope * narrow * temperature,
            state.phase_work + work * share,
        )
    return state


def coefficients(
    temperature: Array, inner: Array, outer: float, phases: PhaseState, thermal: Thermal, mesh: Mesh
) -> Coefficients:
    """Return what the temperature field makes of the material.

    Parameters
    ----------
    temperature : array, shape (radial cells, angular cells)
    inner, outer : float
        Wall temperatures.
    phases : PhaseState
    thermal : Thermal
        Its two flags must be plain booleans: they choose the program.
    mesh : Mesh
    """
    expansivity: Any = 1.0
    conductivity, wall_inner, wall_outer = jnp.ones_like(temperature), 1.0, 1.0
    if thermal.olivine_expansivity:
        law = 3.15e-5 + 1.02e-8 * temperature - 0.76 / temperature**2
        expansivity = thermal.expansivity_row[:, None] * law
    if thermal.olivine_conductivity:
        conductivity = thermal.conductivity_row[:, None] * (temperature / 300.0) ** -0.48
        wall_inner = thermal.conductivity_walls[0] * (inner / 300.0) ** -0.48
        wall_outer = thermal.conductivity_walls[1] * (outer / 300.0) ** -0.48
    capacity = 1.0 - phases.phase_slope
    adiabatic = thermal.dissipation * expansivity * jnp.ones_like(temperature)
    weight = jnp.asarray(mesh.face_weight)[1:-1, None]
    between = jnp.concatenate(
        [
            0.5 * (wall_inner + conductivity[:1]),
            weight * conductivity[:-1] + (1.0 - weight) * conductivity[1:],
            0.5 * (wall_outer + conductivity[-1:]),
        ]
    )
    factor = jnp.asarray(mesh.side_area / (mesh.centre_metric * mesh.step))[:, None]
    return Coefficients(
        force=phases.buoyancy + thermal.buoyancy * expansivity * (temperature - thermal.reference_temperature),
        stiffness=phases.stiffness + thermal.buoyancy * expansivity,
        lapse=(phases.lapse + adiabatic * temperature) / capacity,
        capacity=capacity,
        adiabatic=adiabatic,
        conductance_r=jnp.asarray(mesh.face_area * mesh.step)[:, None] * between,
        conductance_t=jnp.pad(0.5 * factor * (conductivity[:, :-1] + conductivity[:, 1:]), ((0, 0), (1, 1))),
    )


def log_viscosity(temperature: Array, enthalpy: Array, offset: Array, contrast: float) -> Array:
    """Return ln(eta / eta_ref), cut at `contrast` above its minimum, shape (radial cells, angular cells)."""
    value = enthalpy[:, None] / temperature - offset
    return jnp.minimum(value, value.min() + contrast)
