"""One flow solution of one run in JAX with the energy steps that it carries, and the snapshot it may have reached.

The counterpart of :mod:`surrogate.simulator.numba_engine.step` and of the time loop of ``evolution``; every function
here is for one run and is mapped over the runs of a batch.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from surrogate.simulator.jax_engine import heat, stokes
from surrogate.simulator.jax_engine.materials import Array, coefficients, log_viscosity, phase_state
from surrogate.simulator.jax_engine.state import DIVERGED, DONE, RUNNING, SHORT, STALLED, UNSOLVED, Layout, Run, State
from surrogate.simulator.numba_engine.step import DRAG_SAFETY_FACTOR, LOAD_EXTRAPOLATION


def _prepare(state: State, run: Run, layout: Layout) -> tuple[State, Any, Any]:
    """Settle the phases and evaluate the material at the temperature of `state`."""
    thermal = run.thermal._replace(
        olivine_conductivity=layout.olivine_conductivity, olivine_expansivity=layout.olivine_expansivity
    )
    phases = phase_state(state.temperature, thermal)
    if layout.transitions:
        warming = (phases.phase - state.counted) / (1.0 - phases.phase_slope)
        released = jnp.sum(jnp.asarray(layout.mesh.volume)[:, None] * warming)
        state = state._replace(
            temperature=state.temperature + warming,
            counted=state.counted + warming,
            tally=state.tally.at[4].add(released),
        )
    material = coefficients(state.temperature, state.inner, layout.outer, phases, thermal, layout.mesh)
    return state, phases, material


def _extract_melt(state: State, layout: Layout) -> State:
    if layout.solidus is None:
        return state
    excess = jnp.maximum(state.temperature - jnp.asarray(layout.solidus)[:, None], 0.0)
    heat_lost = jnp.sum(jnp.asarray(layout.mesh.volume)[:, None] * excess)
    return state._replace(temperature=state.temperature - excess, melted=state.melted + heat_lost)


def _weights(state: State, drag: Array, run: Run, layout: Layout, temperature: Array) -> stokes.Weights:
    if run.rheology is None:
        viscosity = -layout.contrast * temperature
    else:
        viscosity = log_viscosity(temperature, run.rheology.enthalpy, run.rheology.offset, layout.contrast)
    return stokes.viscosity_weights(viscosity, drag, layout.stencil)


def begin(temperature: Array, inner: Array, run: Run, layout: Layout) -> State:
    """Return the state of a run that starts: its first flow, solved from rest to a tenth of the tolerance.

    Parameters
    ----------
    temperature : array, shape (radial cells, angular cells)
    inner : float
        Temperature of the core.
    """
    mesh, stencil = layout.mesh, layout.stencil
    rows, columns = temperature.shape
    zero, none = jnp.asarray(0.0), jnp.asarray(0)
    empty = jnp.zeros((rows - 1, columns - 1))
    frames = len(layout.output_times)
    state = State(
        temperature,
        empty,
        empty,
        empty,
        empty,
        inner,
        zero,
        zero,
        zero,
        none,
        jnp.asarray(RUNNING),
        none,
        jnp.zeros(5),
        zero,
        zero,
        zero,
        none,
        none,
        jnp.zeros((frames, rows + 2, columns), dtype=jnp.float32),
        jnp.zeros((frames, 5)),
    )
    state = _extract_melt(state, layout)
    thermal = run.thermal
    state = state._replace(counted=phase_state(state.temperature, thermal).phase)
    state, _, material = _prepare(state, run, layout)
    weights = _weights(state, jnp.zeros((rows + 1, columns)), run, layout, state.temperature)
    load = stokes.buoyancy_load(material.force, mesh)
    flow, count, converged = stokes.conjugate_gradients(
        load, empty, weights, stencil, jnp.asarray(0.1 * layout.tolerance), layout.iteration_limit, jnp.asarray(True)
    )
    state = state._replace(
        flow=flow,
        previous_flow=flow,
        previous_load=load,
        stokes_solutions=none + 1,
        iterations=count,
        status=jnp.where(converged, RUNNING, UNSOLVED),
    )
    # Plain dtypes: values that grew from Python numbers would make the same program compile twice.
    plain: State = jax.tree.map(lambda value: value.astype(value.dtype), state)
    return plain


def _record(state: State, material: Any, due: Array, layout: Layout) -> State:
    """Keep a snapshot and the time series where one is due; the run is over after the last one."""
    mesh, frames = layout.mesh, len(layout.output_times)
    flux = heat.wall_flux(state.temperature, state.inner, layout.outer, material.conductance_r, mesh)
    values = jnp.stack(
        [
            flux[1],
            flux[0],
            stokes.average(state.temperature, mesh),
            state.inner,
            stokes.root_mean_square_velocity(state.flow, mesh),
        ]
    )
    wall = jnp.ones_like(state.temperature[:1])
    field = jnp.concatenate([state.inner * wall, state.temperature, layout.outer * wall]).astype(jnp.float32)
    place = jnp.where(due, state.recorded, frames)  # beyond the end: dropped
    recorded = state.recorded + due
    finite = jnp.isfinite(field).all()
    status = jnp.where(due & ~finite, DIVERGED, jnp.where(recorded == frames, DONE, state.status))
    return state._replace(
        snapshots=state.snapshots.at[place].set(field, mode="drop"),
        series=state.series.at[place].set(values * layout.series_scale, mode="drop"),
        recorded=recorded,
        status=jnp.where(state.status == RUNNING, status, state.status),
    )


def advance(state: State, run: Run, layout: Layout) -> State:
    """Record a snapshot that is due, solve for the flow, and carry the temperature with it.

    A place that is not running stays as it is.
    """
    mesh, stencil = layout.mesh, layout.stencil
    ends = jnp.asarray(layout.output_times)
    before = state
    viscous = state.temperature
    state, phases, material = _prepare(state, run, layout)
    due = (state.status == RUNNING) & (state.time >= ends[jnp.minimum(state.recorded, len(layout.output_times) - 1)])
    state = _record(state, material, due, layout)
    end = ends[jnp.minimum(state.recorded, len(layout.output_times) - 1)]
    state = state._replace(
        status=jnp.where((state.status == RUNNING) & (state.steps >= layout.step_limit), SHORT, state.status)
    )
    going = state.status == RUNNING

    # The flow: buoyancy is taken ahead in the interval over which the flow will be held.
    expected = layout.substeps * jnp.minimum(state.time_step, end - state.time)
    growth = jnp.where(state.interval > 0.0, expected / jnp.where(state.interval > 0.0, state.interval, 1.0), 0.0)
    drag = stokes.stratification_drag(
        state.temperature, material.stiffness, material.lapse, DRAG_SAFETY_FACTOR * LOAD_EXTRAPOLATION * expected, mesh
    )
    weights = _weights(state, drag, run, layout, viscous)
    plain = stokes.buoyancy_load(material.force, mesh)
    lead = LOAD_EXTRAPOLATION * jnp.minimum(growth, 1.5) * (plain - state.previous_load) + stokes.drag_load(
        state.flow, drag
    )
    load = jnp.where(expected > 0.0, plain + lead, plain)
    flow, count, converged = stokes.conjugate_gradients(
        load,
        2.0 * state.flow - state.previous_flow,
        weights,
        stencil,
        jnp.asarray(layout.tolerance),
        layout.iteration_limit,
        going,
    )
    rate_of_heating = run.heating * jnp.exp(-jnp.asarray(layout.decay) * state.time)[:, None]
    carrier = heat.carry(
        flow,
        material.adiabatic,
        phases.phase_work,
        rate_of_heating.sum(axis=0),
        run.dissipation,
        weights,
        stencil,
        mesh,
    )
    limit = jnp.minimum(layout.courant / jnp.maximum(carrier.rate, 1e-300), layout.longest)
    finite = jnp.isfinite(load).all()
    status = jnp.where(converged, jnp.where(limit > layout.shortest, RUNNING, STALLED), UNSOLVED)
    status = jnp.where(finite, status, DIVERGED)
    moving = going & (status == RUNNING)
    state = state._replace(
        status=jnp.where(going, status, state.status),
        flow=jnp.where(moving, flow, state.flow),
        previous_flow=jnp.where(moving, state.flow, state.previous_flow),
        previous_load=jnp.where(moving, plain, state.previous_load),
        stokes_solutions=state.stokes_solutions + moving,
        iterations=state.iterations + jnp.where(moving, count, 0),
    )

    start, active = state.time, moving
    for _ in range(layout.substeps):
        state, active = _energy_substep(state, active, end, limit, run, carrier, phases.phase_slope, material, layout)
    state = state._replace(interval=jnp.where(moving, state.time - start, state.interval))
    state = _extract_melt(state, layout)
    broken = moving & ~jnp.isfinite(state.tally).all()
    state = state._replace(status=jnp.where(broken, DIVERGED, state.status))
    keep = before.status != RUNNING
    after: State = jax.tree.map(
        lambda old, new: new if old is new else jnp.where(keep, old, new),
        before._replace(snapshots=state.snapshots, series=state.series),
        state,
    )
    return after


def _energy_substep(
    state: State,
    active: Array,
    end: Array,
    limit: Array,
    run: Run,
    carrier: heat.Carrier,
    phase_slope: Array,
    material: Any,
    layout: Layout,
) -> tuple[State, Array]:
    """One energy step where `active`; returns the state and where another may follow before the snapshot."""
    remaining = end - state.time
    pieces = jnp.maximum(jnp.ceil(remaining / limit * (1 - 1e-12)), 1.0)
    step = jnp.where(active, jnp.where(pieces > layout.substeps, limit, remaining / pieces), 0.0)
    temperature, counted, tally = heat.energy_step(
        state.temperature,
        state.counted,
        state.inner,
        layout.outer,
        step,
        carrier,
        phase_slope,
        material,
        layout.mesh,
    )
    mesh = layout.mesh
    entered = tally[0] / jnp.where(active, step * (mesh.face_area[0] * mesh.step * mesh.columns), 1.0)

    def chosen(new: Array, old: Array) -> Array:
        return jnp.where(active, new, old)

    state = state._replace(
        temperature=chosen(temperature, state.temperature),
        counted=chosen(counted, state.counted),
        inner=chosen(state.inner - step * run.core_factor * entered, state.inner),
        tally=chosen(state.tally + tally, state.tally),
        dissipated=state.dissipated + step * carrier.viscous_heat,
        phase_worked=state.phase_worked + step * carrier.phase_heat,
        time_step=chosen(step, state.time_step),
        time=chosen(jnp.where(pieces == 1.0, end, state.time + step), state.time),
        steps=state.steps + active,
    )
    return state, active & (pieces > 1.0)
