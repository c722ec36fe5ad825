"""Stokes flow of one run in JAX: the operator, its separable preconditioner, conjugate gradients.

The counterpart of :mod:`surrogate.simulator.numba_engine.stokes`, for closed sectors with free-slip walls. psi at
the inner corners has shape (radial cells - 1, angular cells - 1); on the walls and sides it is zero.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from surrogate.simulator.jax_engine.materials import Array
from surrogate.simulator.mesh import Mesh
from surrogate.simulator.numba_engine.stokes import SCALING_EXPONENT, SMOOTHING_STRIDES
from surrogate.simulator.stencil import Stencil

ROWS_PER_TURN = 4
"""Rows of a pentadiagonal sweep per turn of its loop: a device starts each turn anew."""


class Weights(NamedTuple):
    """Viscosity times volume in cells and at inner corners, lateral log-means, and the resistance on radial faces.

    Attributes
    ----------
    cell : array, shape (radial cells, angular cells)
    corner : array, shape (radial cells - 1, angular cells - 1)
    cell_mean, corner_mean : array, shapes (radial cells,), (radial cells + 1,)
    hoop, resistance : array, shape (radial cells + 1, angular cells)
        To stretching across the plane, and that with the drag of the stratification.
    lateral : array, shape (radial cells - 1, angular cells - 1)
        Diagonal scaling of the preconditioner.
    """

    cell: Array
    corner: Array
    cell_mean: Array
    corner_mean: Array
    hoop: Array
    resistance: Array
    lateral: Array


class Factors(NamedTuple):
    """L D L^T of the preconditioner, arrays of shape (radial cells - 1, modes): 1 / D and two lower diagonals."""

    inverse: Array
    first: Array
    second: Array


def viscosity_weights(log_viscosity: Array, drag: Array, stencil: Stencil) -> Weights:
    """Return the weights of the strain rates; corners take the geometric mean of the four cells around them."""
    corner = 0.25 * (log_viscosity[:-1, :-1] + log_viscosity[1:, :-1] + log_viscosity[:-1, 1:] + log_viscosity[1:, 1:])
    hoop = jnp.zeros_like(drag)
    if stencil.hoop.any():
        across = jnp.exp(0.5 * (log_viscosity[:-1] + log_viscosity[1:]))
        hoop = jnp.pad(jnp.asarray(stencil.hoop)[1:-1, None] * across, ((1, 1), (0, 0)))
    return Weights(
        jnp.asarray(stencil.cell_volume)[:, None] * jnp.exp(log_viscosity),
        jnp.asarray(stencil.corner_volume)[1:-1, None] * jnp.exp(corner),
        jnp.exp(log_viscosity.mean(axis=1)),
        jnp.pad(jnp.exp(corner.mean(axis=1)), 1),
        hoop,
        drag + hoop if stencil.hoop.any() else drag,
        jnp.exp(SCALING_EXPONENT * _smoothed(corner - corner.mean(axis=1, keepdims=True))),
    )


def _smoothed(values: Array) -> Array:
    """Average with neighbours at growing distances, weights 1/4, 1/2, 1/4, along both axes."""
    for stride in SMOOTHING_STRIDES:
        for axis in (0, 1):
            padded = jnp.pad(values, [(stride, stride) if axis == n else (0, 0) for n in (0, 1)], mode="edge")
            size = values.shape[axis]
            left, right = (lax.slice_in_dim(padded, begin, begin + size, axis=axis) for begin in (0, 2 * stride))
            values = 0.25 * (left + right) + 0.5 * values
    return values


def strain_rates(psi: Array, stencil: Stencil) -> tuple[Array, Array]:
    """Return e_rr in the cells and 2 e_rt at the inner corners of psi on all corners, (rows + 1, columns + 1)."""
    high, low = jnp.asarray(stencil.high)[:, None], jnp.asarray(stencil.low)[:, None]
    across = psi[:, 1:] - psi[:, :-1]
    return high * across[1:] - low * across[:-1], _shear(psi, stencil)


def _shear(psi: Array, stencil: Stencil) -> Array:
    above, below, side = (
        jnp.asarray(values)[1:-1, None] for values in (stencil.above, stencil.below, stencil.sideways)
    )
    inside = psi[1:-1, 1:-1]
    return (
        above * psi[2:, 1:-1]
        + below * psi[:-2, 1:-1]
        - (below + above + 2.0 * side) * inside
        + side * (psi[1:-1, :-2] + psi[1:-1, 2:])
    )


def apply_operator(unknowns: Array, weights: Weights, stencil: Stencil) -> Array:
    """Return K unknowns, shape (radial cells - 1, angular cells - 1)."""
    psi = jnp.pad(unknowns, 1)
    stretch, shear = strain_rates(psi, stencil)
    normal, tangent = weights.cell * stretch, jnp.pad(weights.corner * shear, 1)
    across = normal[:, :-1] - normal[:, 1:]
    # The transpose of the shear, row by row: what corner i gives to itself and to the rows below and above it.
    from_below, from_above = jnp.asarray(stencil.above)[:-2, None], jnp.asarray(stencil.below)[2:, None]
    side = jnp.asarray(stencil.sideways)[1:-1, None]
    centre = -jnp.asarray(stencil.below + stencil.above)[1:-1, None] - 2.0 * side
    turned = weights.resistance[1:-1] * (psi[1:-1, 1:] - psi[1:-1, :-1])
    return (
        jnp.asarray(stencil.high)[:-1, None] * across[:-1]
        - jnp.asarray(stencil.low)[1:, None] * across[1:]
        + from_below * tangent[:-2, 1:-1]
        + from_above * tangent[2:, 1:-1]
        + centre * tangent[1:-1, 1:-1]
        + side * (tangent[1:-1, :-2] + tangent[1:-1, 2:])
        + turned[:, :-1]
        - turned[:, 1:]
    )


def factorise(weights: Weights, stencil: Stencil) -> Factors:
    """Return the factors of the operator for a viscosity of radius only."""
    below, above, sideways = jnp.asarray(stencil.below), jnp.asarray(stencil.above), jnp.asarray(stencil.sideways)
    cells = weights.cell_mean * jnp.asarray(stencil.cell_volume)
    corners = weights.corner_mean * jnp.asarray(stencil.corner_volume)
    high, low = jnp.asarray(stencil.high), jnp.asarray(stencil.low)
    s = jnp.asarray(stencil.eigenvalues)[None, :]
    stretch = cells[:-1] * high[:-1] ** 2 + cells[1:] * low[1:] ** 2 + weights.resistance[1:-1].mean(axis=1)
    next_stretch = -cells[1:] * low[1:] * high[1:]
    centre = -(below + above)[:, None] - s * sideways[:, None]
    walls = corners[:-2] * above[:-2] ** 2 + corners[2:] * below[2:] ** 2
    diagonal = s * stretch[:, None] + corners[1:-1, None] * centre[1:-1] ** 2 + walls[:, None]
    first = s * next_stretch[:, None] + (
        corners[1:-1, None] * centre[1:-1] * above[1:-1, None] + corners[2:, None] * centre[2:] * below[2:, None]
    )
    second = jnp.append(corners[2:-1] * below[2:-1] * above[2:-1], 0.0)[:, None] * jnp.ones_like(s)

    def eliminate(carry: tuple[Array, ...], row: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        pivot_1, one_1, two_1, pivot_2, two_2 = carry
        value, one, two = row
        pivot = value - one_1**2 * pivot_1 - two_2**2 * pivot_2
        inverse = 1.0 / pivot
        one, two = (one - two_1 * one_1 * pivot_1) * inverse, two * inverse
        return (pivot, one, two, pivot_1, two_1), (inverse, one, two)

    zero = jnp.zeros_like(s[0])
    return Factors(*lax.scan(eliminate, (zero,) * 5, (diagonal, first, second), unroll=ROWS_PER_TURN)[1])


def precondition(residual: Array, lateral: Array, factors: Factors, stencil: Stencil) -> Array:
    """Return D M^-1 D residual: angular modes, one pentadiagonal system in radius for each, and back."""
    modes = jnp.asarray(stencil.modes)

    def forward(carry: tuple[Array, ...], row: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array]:
        value_1, value_2, one_1, two_1, two_2 = carry
        value, one, two = row
        value = value - one_1 * value_1 - two_2 * value_2
        return (value, value_1, one, two, two_1), value

    def backward(carry: tuple[Array, ...], row: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array]:
        value, one, two = row
        value = value - one * carry[0] - two * carry[1]
        return (value, carry[0]), value

    work = (lateral * residual) @ modes
    zero = jnp.zeros_like(work[0])
    _, work = lax.scan(forward, (zero,) * 5, (work, factors.first, factors.second), unroll=ROWS_PER_TURN)
    rows = (work * factors.inverse, factors.first, factors.second)
    _, work = lax.scan(backward, (zero, zero), rows, reverse=True, unroll=ROWS_PER_TURN)
    return lateral * (work @ modes.T)


def conjugate_gradients(
    load: Array, solution: Array, weights: Weights, stencil: Stencil, tolerance: Array, limit: int, wanted: Array
) -> tuple[Array, Array, Array]:
    """Improve `solution` until its energy-norm error is `tolerance` of the norm of the flow.

    Parameters
    ----------
    load, solution : array, shape (radial cells - 1, angular cells - 1)
    tolerance : float
    limit : int
        Largest number of iterations.
    wanted : bool
        False leaves the solution as it is, without an iteration.

    Returns
    -------
    solution : array
    iterations : int
    converged : bool
    """
    factors = factorise(weights, stencil)

    def short_of(solution: Array, product: Array) -> Array:
        goal = tolerance**2 * jnp.abs(jnp.sum(load * solution))
        return wanted & (product > goal) & (product >= 1e-300)

    def proceed(carry: tuple[Array, ...]) -> Array:
        solution, _, _, product, count = carry
        return short_of(solution, product) & (count < limit)

    def iterate(carry: tuple[Array, ...]) -> tuple[Array, ...]:
        solution, residual, direction, product, count = carry
        image = apply_operator(direction, weights, stencil)
        step = product / jnp.sum(direction * image)
        solution, residual = solution + step * direction, residual - step * image
        preconditioned = precondition(residual, weights.lateral, factors, stencil)
        previous, product = product, jnp.sum(residual * preconditioned)
        return solution, residual, preconditioned + product / previous * direction, product, count + 1

    residual = load - apply_operator(solution, weights, stencil)
    direction = precondition(residual, weights.lateral, factors, stencil)
    start = solution, residual, direction, jnp.sum(residual * direction), jnp.asarray(0)
    solution, _, _, product, count = lax.while_loop(proceed, iterate, start)
    return solution, count, (product < jnp.inf) & ~short_of(solution, product)


def buoyancy_load(force: Array, mesh: Mesh) -> Array:
    """Return the work of a radial force per unit of psi, shape (radial cells - 1, angular cells - 1)."""
    half = jnp.asarray(0.5 * mesh.thickness)[:, None] * force
    across = half[:, :-1] - half[:, 1:]
    return across[:-1] + across[1:]


def stratification_drag(temperature: Array, stiffness: Array, lapse: Array, interval: Array, mesh: Mesh) -> Array:
    """Return the resistance of a stable stratification, see ``stratification_drag`` of the other engine.

    Returns
    -------
    array, shape (radial cells + 1, angular cells)
        Zero at the walls.
    """
    padded = jnp.concatenate([temperature[:1], temperature, temperature[-1:]])
    centres = np.concatenate([mesh.centres[:1], mesh.centres, mesh.centres[-1:]])
    rise = (padded[2:] - padded[:-2]) / jnp.asarray(centres[2:] - centres[:-2])[:, None] + lapse
    value = interval * jnp.asarray(mesh.thickness)[:, None] * stiffness * jnp.maximum(rise, 0.0)
    scale = jnp.asarray(0.5 / (mesh.face_area * mesh.step))[1:-1, None]
    return jnp.pad(scale * (value[:-1] + value[1:]), ((1, 1), (0, 0)))


def drag_load(flow: Array, drag: Array) -> Array:
    """Return the drag of a flow, which the load gains: only a change of the flow is resisted."""
    psi = jnp.pad(flow, 1)[1:-1]
    turned = drag[1:-1] * (psi[:, 1:] - psi[:, :-1])
    return turned[:, :-1] - turned[:, 1:]


def root_mean_square_velocity(flow: Array, mesh: Mesh) -> Array:
    """Root of the volume mean of the squared speed."""
    psi = jnp.pad(flow, 1)
    radial = jnp.diff(psi, axis=1) / jnp.asarray(mesh.face_area * mesh.step)[:, None]
    angular = jnp.diff(psi, axis=0) / jnp.asarray(mesh.side_area)[:, None]
    square = 0.5 * (radial[1:] ** 2 + radial[:-1] ** 2 + angular[:, 1:] ** 2 + angular[:, :-1] ** 2)
    return jnp.sqrt(average(square, mesh))


def average(values: Array, mesh: Mesh) -> Array:
    """Volume average of a cell field."""
    return jnp.asarray(mesh.volume / mesh.volume.sum()) @ values.mean(axis=1)
