"""Transport by the flow of one run in JAX; the counterpart of :mod:`surrogate.simulator.numba_engine.transport`."""

from __future__ import annotations

import jax.numpy as jnp

from surrogate.simulator.jax_engine.materials import Array
from surrogate.simulator.mesh import Mesh


def gradients(values: Array, inner: Array, outer: Array, mesh: Mesh) -> tuple[Array, Array]:
    """Return radial gradients, (rows + 1, columns), and angular differences, (rows, columns + 1); 0 at the sides."""
    walls = jnp.broadcast_to(inner, values[:1].shape), jnp.broadcast_to(outer, values[:1].shape)
    radial = jnp.diff(jnp.concatenate([walls[0], values, walls[1]]), axis=0) / jnp.asarray(mesh.spacing)[:, None]
    return radial, jnp.pad(jnp.diff(values, axis=1), ((0, 0), (1, 1)))


def _limited_slope(a: Array, b: Array) -> Array:
    """Van Leer's harmonic mean of two gradients, zero at an extremum."""
    product = a * b
    return jnp.where(product > 0.0, 2.0 * product / jnp.where(product > 0.0, a + b, 1.0), 0.0)


def advect(values: Array, radial: Array, angular: Array, psi: Array, mesh: Mesh) -> Array:
    """Return -div(u values) times the cell volume, by van Leer's limited linear reconstruction."""
    slope = 0.5 * jnp.asarray(mesh.thickness)[:, None] * _limited_slope(radial[:-1], radial[1:])
    amount = jnp.diff(psi, axis=1)[1:-1]
    upward = amount * jnp.where(amount >= 0.0, (values + slope)[:-1], (values - slope)[1:])
    slope = 0.5 * _limited_slope(angular[:, :-1], angular[:, 1:])
    amount = -jnp.diff(psi, axis=0)[:, 1:-1]
    sideways = amount * jnp.where(amount >= 0.0, (values + slope)[:, :-1], (values - slope)[:, 1:])
    return -jnp.diff(jnp.pad(upward, ((1, 1), (0, 0))), axis=0) - jnp.diff(jnp.pad(sideways, ((0, 0), (1, 1))), axis=1)
