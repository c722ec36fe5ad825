"""The energy equation of one run in JAX; the counterpart of ``heat`` and ``transport`` of the other engine."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from surrogate.simulator.jax_engine.materials import Array, Coefficients
from surrogate.simulator.jax_engine.stokes import Weights, strain_rates
from surrogate.simulator.jax_engine.transport import advect, gradients
from surrogate.simulator.mesh import Mesh
from surrogate.simulator.stencil import Stencil


class Carrier(NamedTuple):
    """The flow that carries the energy steps, and the heat that is made in it.

    Attributes
    ----------
    psi : array, shape (radial cells + 1, angular cells + 1)
    rate : float
        Inverse of the time to cross a cell.
    cooling, source : array, shape (radial cells, angular cells)
        Adiabatic cooling rate per temperature, and heating rate times cell volume.
    viscous_heat, phase_heat : float
        The parts of the source that are viscous heat and the work of phase transitions, summed over the cells.
    """

    psi: Array
    rate: Array
    cooling: Array
    source: Array
    viscous_heat: Array
    phase_heat: Array


def carry(
    flow: Array,
    adiabatic: Array,
    phase_work: Array,
    heating: Array,
    dissipation: Array,
    weights: Weights,
    stencil: Stencil,
    mesh: Mesh,
) -> Carrier:
    """Prepare the flow, shape (radial cells - 1, angular cells - 1), to carry heat.

    Parameters
    ----------
    heating : array, shape (radial cells,)
    dissipation : float
        Factor of the viscous heat.
    """
    psi = jnp.pad(flow, 1)
    volume, thickness = jnp.asarray(mesh.volume)[:, None], jnp.asarray(mesh.thickness)[:, None]
    across, outward = jnp.diff(psi, axis=1), jnp.diff(psi, axis=0)
    radial = across / jnp.asarray(mesh.face_area * mesh.step)[:, None]
    rising = 0.5 * (radial[:-1] + radial[1:])
    stretch, shear = strain_rates(psi, stencil)
    corner = jnp.pad(0.25 * weights.corner * shear**2, 1)
    viscous = dissipation * (
        weights.cell * stretch**2 + corner[:-1, :-1] + corner[1:, :-1] + corner[:-1, 1:] + corner[1:, 1:]
    )
    if mesh.spherical:
        half = 0.5 * dissipation * weights.hoop * across**2  # of the heat of a face goes to each side
        viscous = viscous + half[:-1] + half[1:]
    worked = phase_work * rising * volume
    speed, turn = jnp.abs(radial), jnp.abs(outward)
    rate = jnp.maximum(speed[:-1], speed[1:]) / thickness
    crossing = jnp.asarray(mesh.centre_metric * mesh.step * mesh.side_area)[:, None]
    rate = rate + jnp.maximum(turn[:, :-1], turn[:, 1:]) / crossing
    source = heating[:, None] * volume + worked + viscous
    return Carrier(psi, rate.max(), adiabatic * rising, source, viscous.sum(), worked.sum())


def _implicit_line(values: Array, diagonal: Array, coupling: Array) -> Array:
    """Solve tridiagonal systems along the last axis; coupling, one longer, holds minus the off-diagonals."""
    diagonal = diagonal + coupling[:, :-1] + coupling[:, 1:]
    lower = -coupling[:, :-1].at[:, 0].set(0.0)
    upper = -coupling[:, 1:].at[:, -1].set(0.0)
    return lax.linalg.tridiagonal_solve(lower, diagonal, upper, values[..., None])[..., 0]


def implicit_increment(change: Array, half_step: Array, material: Coefficients, mesh: Mesh) -> Array:
    """Turn an explicit change of heat into an increment of temperature: the angle first, then the radius."""
    plain = material.capacity * jnp.asarray(mesh.volume)[:, None]
    turned = _implicit_line(change, plain, half_step * material.conductance_t) * plain
    coupling = half_step * material.conductance_r / jnp.asarray(mesh.spacing)[:, None]
    return _implicit_line(turned.T, plain.T, coupling.T).T


def energy_step(
    temperature: Array,
    counted: Array,
    inner: Array,
    outer: float,
    time_step: Array,
    carrier: Carrier,
    phase_slope: Array,
    material: Coefficients,
    mesh: Mesh,
) -> tuple[Array, Array, Array]:
    """Advance the temperature by one time step.

    Returns
    -------
    temperature, counted : array, shape (radial cells, angular cells)
    tally : array, shape (5,)
        Heat of this step: in through the inner wall, out through the outer wall, sources, adiabatic, change of phase.
    """
    volume = jnp.asarray(mesh.volume)[:, None]
    through_r, through_t = material.conductance_r, material.conductance_t

    def transported(content: Array, counted: Array) -> Array:
        # What the flow carries is the temperature less what the phases hold of it.
        return advect(content, *gradients(content, inner - counted[0], outer - counted[-1], mesh), carrier.psi, mesh)

    radial, angular = gradients(temperature, inner, outer, mesh)
    conducted = jnp.diff(through_r * radial, axis=0) + jnp.diff(through_t * angular, axis=1) + carrier.source
    content = temperature - counted
    first = transported(content, counted)
    local = carrier.cooling * volume * temperature
    change = implicit_increment(time_step * (first + conducted - local), 0.5 * time_step, material, mesh)
    second = transported(content + material.capacity * change, counted + phase_slope * change)
    predicted = temperature + 0.5 * change
    local = carrier.cooling * volume * predicted
    rate = 0.5 * (first + second) + conducted - local
    change = implicit_increment(time_step * rate, 0.5 * time_step, material, mesh)
    middle = temperature + 0.5 * change
    converted = phase_slope * change
    tally = jnp.stack(
        [
            time_step * jnp.sum(through_r[0] * (inner - middle[0])) / mesh.spacing[0],
            time_step * jnp.sum(through_r[-1] * (middle[-1] - outer)) / mesh.spacing[-1],
            time_step * jnp.sum(carrier.source),
            -time_step * jnp.sum(volume * carrier.cooling * predicted),
            jnp.sum(volume * converted),
        ]
    )
    return temperature + change, counted + converted, tally


def wall_flux(temperature: Array, inner: Array, outer: float, conductance_r: Array, mesh: Mesh) -> Array:
    """Return the mean outward flux through the inner and the outer wall, shape (2,)."""
    bottom = jnp.mean(conductance_r[0] * (inner - temperature[0])) / mesh.spacing[0]
    top = jnp.mean(conductance_r[-1] * (temperature[-1] - outer)) / mesh.spacing[-1]
    return jnp.stack([bottom, top]) / jnp.asarray(mesh.face_area[[0, -1]] * mesh.step)
