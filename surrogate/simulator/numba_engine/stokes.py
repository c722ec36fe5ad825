r"""Stokes flow on the staggered mesh, solved for the discrete streamfunction.

Fluxes through the faces of a cell are differences of the streamfunction psi at its corners, so the velocity is
free of divergence to round-off whatever the tolerance of the solver:

.. math:: u_r = \frac{1}{r} \partial_\theta \psi, \qquad u_\theta = -\partial_r \psi .

The discrete dissipation, a sum over cells of 4 eta e_rr^2 and over corners of eta (2 e_rt)^2 times their volumes, is a
positive definite quadratic form of psi; its minimum under the work of buoyancy is the flow. It is solved by conjugate
gradients without a matrix. The preconditioner is D M^-1 D: M is the same operator for a viscosity that depends on
radius only, which separates into one pentadiagonal system in radius for each angular mode, and D a power of what the
smoothed viscosity is over its lateral mean. The angular transforms are products with the even and the odd modes in
single precision: the preconditioner only steers the search, the residual that ends it is in double precision.

psi = 0 on the walls: closed sides, or, in a full annulus with free-slip walls, the choice of the rigid rotation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from surrogate.kernels import kernel
from surrogate.simulator.mesh import Mesh
from surrogate.simulator.numba_engine.approximation import exponential
from surrogate.simulator.stencil import Stencil

SMOOTHING_STRIDES = (1, 2, 4)
"""Neighbours with which ln(viscosity) is averaged before it scales the preconditioner: three cells of smoothing."""

SCALING_EXPONENT = -0.4
"""Of the smoothed viscosity over its lateral mean. Each solution starts from the last two: at the root of the inverse,
-1/2, what one leaves unsolved is what the next finds hardest, and there are more iterations than without scaling."""


class AngularModes(NamedTuple):
    """Transforms between columns and angular modes, folded about the middle of the sector.

    Attributes
    ----------
    forward, backward : array of float32, shape (2, pairs, pairs)
        Of the sums of the columns that mirror one another to even modes, and of their differences to odd ones.
    eigenvalues : array, shape (2, pairs)
        Of minus the second angular difference.
    """

    forward: np.ndarray
    backward: np.ndarray
    eigenvalues: np.ndarray


def fold_modes(stencil: Stencil, periodic: bool) -> AngularModes:
    """Split the modes of the operator into even and odd ones."""
    modes = stencil.modes
    width = modes.shape[0]
    columns = np.arange(width)
    mirror = -columns % width if periodic else columns[::-1]
    pairs = width // 2 + 1 if periodic else (width + 1) // 2
    even = np.einsum("jk,jk->k", modes, modes[mirror]) > 0
    folded = AngularModes(
        np.zeros((2, pairs, pairs), np.float32),
        np.zeros((2, pairs, pairs), np.float32),
        np.full((2, pairs), stencil.eigenvalues.max()),  # there are fewer odd modes: what is left over is zero
    )
    single = np.where(mirror[:pairs] == columns[:pairs], 0.5, 1.0)  # a column that is its own mirror counts once
    for half, chosen in enumerate((even, ~even)):
        part = modes[:pairs, chosen]
        count = part.shape[1]
        folded.forward[half, :, :count] = single[:, None] * part
        folded.backward[half, :count] = part.T
        folded.eigenvalues[half, :count] = stencil.eigenvalues[chosen]
    return folded


@kernel()
def viscosity_weights(
    log_viscosity: np.ndarray,
    stencil: Stencil,
    periodic: bool,
    cell_weight: np.ndarray,
    corner_weight: np.ndarray,
    cell_mean: np.ndarray,
    corner_mean: np.ndarray,
    lateral: np.ndarray,
) -> None:
    """Fill viscosity times volume in cells and at corners, and what the preconditioner needs of the viscosity alone.

    At a corner the viscosity is the geometric mean of the cells around it (the best of the usual means).

    Parameters
    ----------
    log_viscosity : array, shape (radial cells, angular cells)
    cell_weight, corner_weight : array, shapes (radial cells, angular cells), (radial cells + 1, angular cells + 1)
    cell_mean, corner_mean : array, shapes (radial cells,), (radial cells + 1,)
        Lateral means of the logarithm, back from it.
    lateral : array, shape (radial cells - 1, unknown columns)
        The diagonal D of the preconditioner.
    """
    rows, columns = log_viscosity.shape
    for i in range(rows):
        total = 0.0
        for j in range(columns):
            total += log_viscosity[i, j]
            cell_weight[i, j] = stencil.cell_volume[i] * exponential(log_viscosity[i, j])
        cell_mean[i] = np.exp(total / columns)
    first = 0 if periodic else 1
    width = columns - first
    value = np.empty(columns)
    for i in range(rows + 1):
        inner = max(i - 1, 0)
        outer = min(i, rows - 1)
        volume = stencil.corner_volume[i]
        total = 0.0
        for j in range(1, columns):
            value[j] = 0.25 * (
                log_viscosity[inner, j - 1]
                + log_viscosity[outer, j - 1]
                + log_viscosity[inner, j]
                + log_viscosity[outer, j]
            )
        last = columns - 1
        value[0] = 0.25 * (
            log_viscosity[inner, last] + log_viscosity[outer, last] + log_viscosity[inner, 0] + log_viscosity[outer, 0]
        )
        for j in range(first, columns):
            total += value[j]
        mean = total / width
        for j in range(columns):
            corner_weight[i, j] = volume * exponential(value[j])
        corner_weight[i, columns] = corner_weight[i, 0]
        if not periodic:
            corner_weight[i, 0] = 0.0
            corner_weight[i, columns] = 0.0
        corner_mean[i] = np.exp(mean) if volume > 0.0 else 0.0
        if 0 < i < rows:
            for column in range(width):
                lateral[i - 1, column] = value[column + first] - mean
    for stride in SMOOTHING_STRIDES:
        _smooth(lateral, stride, periodic)
    for row in range(rows - 1):
        for column in range(width):
            lateral[row, column] = exponential(SCALING_EXPONENT * lateral[row, column])


@kernel()
def _smooth(values: np.ndarray, stride: int, periodic: bool) -> None:
    """Average with the neighbours `stride` away, weights 1/4, 1/2, 1/4, in radius and then along the angle."""
    count, width = values.shape
    padded = np.empty((count, width + 2 * stride))
    middle = padded[:, stride : stride + width]
    right = padded[:, 2 * stride :]
    for i in range(count):
        below = max(i - stride, 0)
        above = min(i + stride, count - 1)
        for j in range(width):
            middle[i, j] = 0.25 * (values[below, j] + values[above, j]) + 0.5 * values[i, j]
    for i in range(count):
        for j in range(stride):
            padded[i, j] = middle[i, width - stride + j] if periodic else middle[i, 0]
            right[i, width - stride + j] = middle[i, j] if periodic else middle[i, width - 1]
    for i in range(count):
        for j in range(width):
            values[i, j] = 0.25 * (padded[i, j] + right[i, j]) + 0.5 * middle[i, j]


@kernel()
def pad_streamfunction(unknowns: np.ndarray, periodic: bool, psi: np.ndarray) -> None:
    """Copy the unknowns, shape (radial cells - 1, unknown columns), into padded psi; walls and closed sides stay 0."""
    count, width = unknowns.shape
    first = 1 if periodic else 2
    for i in range(count):
        for j in range(width):
            psi[i + 1, j + first] = unknowns[i, j]
        if periodic:
            psi[i + 1, 0] = unknowns[i, width - 1]
            psi[i + 1, width + 1] = unknowns[i, 0]
            psi[i + 1, width + 2] = unknowns[i, 1]


@kernel()
def stresses(
    psi: np.ndarray,
    stencil: Stencil,
    cell_weight: np.ndarray,
    corner_weight: np.ndarray,
    periodic: bool,
    normal: np.ndarray,
    shear: np.ndarray,
) -> None:
    """Fill viscosity times volume times strain rate: 4 eta e_rr V in cells, eta 2 e_rt V at corners (padded)."""
    rows, columns = cell_weight.shape
    for i in range(rows):
        low = stencil.low[i]
        high = stencil.high[i]
        for j in range(columns):
            normal[i, j + 1] = cell_weight[i, j] * (
                high * (psi[i + 1, j + 2] - psi[i + 1, j + 1]) - low * (psi[i, j + 2] - psi[i, j + 1])
            )
        normal[i, 0] = normal[i, columns] if periodic else 0.0
    for i in range(rows + 1):
        below = stencil.below[i]
        above = stencil.above[i]
        side = stencil.sideways[i]
        centre = -below - above - 2.0 * side
        under = max(i - 1, 0)  # at the walls psi is zero, so the row itself may stand for the one beyond
        over = min(i + 1, rows)
        for j in range(columns + 1):
            shear[i, j + 1] = corner_weight[i, j] * (
                above * psi[over, j + 1]
                + below * psi[under, j + 1]
                + centre * psi[i, j + 1]
                + side * (psi[i, j] + psi[i, j + 2])
            )
        shear[i, 0] = shear[i, columns] if periodic else 0.0


@kernel()
def apply_operator(
    unknowns: np.ndarray,
    stencil: Stencil,
    cell_weight: np.ndarray,
    corner_weight: np.ndarray,
    drag: np.ndarray,
    periodic: bool,
    psi: np.ndarray,
    normal: np.ndarray,
    shear: np.ndarray,
    result: np.ndarray,
) -> None:
    """Fill result = K unknowns, shapes (radial cells - 1, unknown columns); psi, normal, shear are work space."""
    pad_streamfunction(unknowns, periodic, psi)
    stresses(psi, stencil, cell_weight, corner_weight, periodic, normal, shear)
    count, width = unknowns.shape
    first = 1 if periodic else 2
    for row in range(count):
        i = row + 1
        high = stencil.high[i - 1]
        low = stencil.low[i]
        from_below = stencil.above[i - 1]
        from_above = stencil.below[i + 1]
        side = stencil.sideways[i]
        centre = -stencil.below[i] - stencil.above[i] - 2.0 * side
        for column in range(width):
            c = column + first
            result[row, column] = (
                high * (normal[i - 1, c - 1] - normal[i - 1, c])
                + low * (normal[i, c] - normal[i, c - 1])
                + from_below * shear[i - 1, c]
                + from_above * shear[i + 1, c]
                + centre * shear[i, c]
                + side * (shear[i, c - 1] + shear[i, c + 1])
                + drag[i, c - 1] * (psi[i, c] - psi[i, c - 1])
                - drag[i, c] * (psi[i, c + 1] - psi[i, c])
            )


@kernel()
def factorise(
    stencil: Stencil,
    eigenvalues: np.ndarray,
    cell_mean: np.ndarray,
    corner_mean: np.ndarray,
    drag: np.ndarray,
    factors: np.ndarray,
) -> None:
    """Fill the L D L^T factors, shape (3, 2, radial cells - 1, pairs), of the operator for a viscosity of radius only.

    factors[0] is 1 / D, factors[1] and factors[2] are the two lower diagonals of L, for even and odd modes each.
    """
    rows = cell_mean.size
    count = rows - 1
    pairs = eigenvalues.shape[1]
    pivot = np.zeros((2, pairs))  # D of the two rows before
    here_pivot = np.empty(pairs)
    for half in range(2):
        pivot[:, :] = 0.0
        for row in range(count):
            i = row + 1
            c = cell_mean[i - 1] * stencil.cell_volume[i - 1]
            d = cell_mean[i] * stencil.cell_volume[i]
            diagonal_cells = c * stencil.high[i - 1] ** 2 + d * stencil.low[i] ** 2 + np.mean(drag[i, 1:-1])
            next_cells = -d * stencil.low[i] * stencil.high[i]
            inner = corner_mean[i - 1] * stencil.corner_volume[i - 1]
            here = corner_mean[i] * stencil.corner_volume[i]
            outer = corner_mean[i + 1] * stencil.corner_volume[i + 1]
            diagonal_walls = inner * stencil.above[i - 1] ** 2 + outer * stencil.below[i + 1] ** 2
            centre = -stencil.below[i] - stencil.above[i]
            centre_next = -stencil.below[i + 1] - stencil.above[i + 1]
            second = outer * stencil.below[i + 1] * stencil.above[i + 1] if row + 2 < count else 0.0
            below = max(row - 1, 0)  # the pivot there is zero where there is no such row
            beneath = max(row - 2, 0)
            for k in range(pairs):
                s = eigenvalues[half, k]
                corner = centre - s * stencil.sideways[i]
                one = factors[1, half, below, k]
                two = factors[2, half, beneath, k]
                here_pivot[k] = (
                    s * diagonal_cells
                    + here * corner * corner
                    + diagonal_walls
                    - (one * one * pivot[1, k] if row > 0 else 0.0)
                    - (two * two * pivot[0, k] if row > 1 else 0.0)
                )
            for k in range(pairs):
                factors[0, half, row, k] = 1.0 / here_pivot[k]
            for k in range(pairs):
                s = eigenvalues[half, k]
                corner = centre - s * stencil.sideways[i]
                corner_next = centre_next - s * stencil.sideways[i + 1]
                first = s * next_cells + here * corner * stencil.above[i] + outer * corner_next * stencil.below[i + 1]
                if row > 0:
                    first -= factors[2, half, below, k] * factors[1, half, below, k] * pivot[1, k]
                factors[1, half, row, k] = first * factors[0, half, row, k]
            for k in range(pairs):
                factors[2, half, row, k] = second * factors[0, half, row, k]
            for k in range(pairs):
                pivot[0, k] = pivot[1, k]
            for k in range(pairs):
                pivot[1, k] = here_pivot[k]


@kernel()
def _fold(values: np.ndarray, lateral: np.ndarray, periodic: bool, folded: np.ndarray) -> None:
    """Fill the sums and the differences of the columns that mirror one another, of values times `lateral`."""
    count, width = values.shape
    pairs = folded.shape[2]
    first = 1 if periodic else 0
    last = width if periodic else width - 1
    scaled = np.empty(width)
    for row in range(count):
        for j in range(width):
            scaled[j] = values[row, j] * lateral[row, j]
        if periodic:
            folded[0, row, 0] = 2.0 * scaled[0]
            folded[1, row, 0] = 0.0
        for p in range(first, pairs):
            folded[0, row, p] = scaled[p] + scaled[last - p]
        for p in range(first, pairs):
            folded[1, row, p] = scaled[p] - scaled[last - p]


@kernel()
def _unfold(folded: np.ndarray, lateral: np.ndarray, periodic: bool, values: np.ndarray) -> None:
    """Fill values from their even and odd parts, times `lateral`."""
    count, width = values.shape
    pairs = folded.shape[2]
    first = 1 if periodic else 0
    last = width if periodic else width - 1
    for row in range(count):
        if periodic:
            values[row, 0] = folded[0, row, 0]
        for p in range(first, pairs):
            values[row, p] = folded[0, row, p] + folded[1, row, p]
        for p in range(first, pairs):
            values[row, last - p] = folded[0, row, p] - folded[1, row, p]
        for j in range(width):
            values[row, j] *= lateral[row, j]


@kernel()
def precondition(
    residual: np.ndarray,
    lateral: np.ndarray,
    modes: AngularModes,
    factors: np.ndarray,
    periodic: bool,
    folded: np.ndarray,
    spectrum: np.ndarray,
    work: np.ndarray,
    result: np.ndarray,
) -> None:
    """Fill result = D M^-1 D residual, both of shape (radial cells - 1, unknown columns).

    folded, spectrum : array of float32, shape (2, radial cells - 1, pairs); work is the same in float64. Work space.
    """
    _fold(residual, lateral, periodic, folded)
    count, pairs = work.shape[1:]
    for half in range(2):
        np.dot(folded[half], modes.forward[half], spectrum[half])
        for k in range(pairs):
            work[half, 0, k] = spectrum[half, 0, k]
        for k in range(pairs):
            work[half, 1, k] = spectrum[half, 1, k] - factors[1, half, 0, k] * work[half, 0, k]
        for row in range(2, count):
            for k in range(pairs):
                work[half, row, k] = (
                    spectrum[half, row, k]
                    - factors[1, half, row - 1, k] * work[half, row - 1, k]
                    - factors[2, half, row - 2, k] * work[half, row - 2, k]
                )
        last = count - 1
        for k in range(pairs):
            work[half, last, k] *= factors[0, half, last, k]
        for k in range(pairs):
            work[half, last - 1, k] = (
                work[half, last - 1, k] * factors[0, half, last - 1, k]
                - factors[1, half, last - 1, k] * work[half, last, k]
            )
        for row in range(count - 3, -1, -1):
            for k in range(pairs):
                work[half, row, k] = (
                    work[half, row, k] * factors[0, half, row, k]
                    - factors[1, half, row, k] * work[half, row + 1, k]
                    - factors[2, half, row, k] * work[half, row + 2, k]
                )
        for row in range(count):
            for k in range(pairs):
                spectrum[half, row, k] = work[half, row, k]
        np.dot(spectrum[half], modes.backward[half], folded[half])
    _unfold(folded, lateral, periodic, result)


@kernel()
def _dot(a: np.ndarray, b: np.ndarray) -> float:
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            total += a[i, j] * b[i, j]
    return total


@kernel()
def conjugate_gradients(
    load: np.ndarray,
    solution: np.ndarray,
    stencil: Stencil,
    cell_weight: np.ndarray,
    corner_weight: np.ndarray,
    drag: np.ndarray,
    lateral: np.ndarray,
    modes: AngularModes,
    factors: np.ndarray,
    periodic: bool,
    tolerance: float,
    limit: int,
) -> int:
    """Improve `solution` in place until its energy-norm error is `tolerance` of the norm of the flow.

    Parameters
    ----------
    load, solution : array, shape (radial cells - 1, unknown columns)
    drag : array, shape (radial cells + 1, angular cells + 2)
        From :func:`stratification_drag`.
    lateral : array, shape (radial cells - 1, unknown columns)
        From :func:`viscosity_weights`.
    modes : AngularModes
    factors : array, shape (3, 2, radial cells - 1, pairs)
        From :func:`factorise`.
    tolerance : float
        The error is measured by the preconditioner, sqrt(r M^-1 r) against sqrt(load . solution); the plain residual
        would be ruled by the stiff lid.
    limit : int
        Largest number of iterations.

    Returns
    -------
    int
        Iterations, or -1 if the tolerance was not met.
    """
    rows, columns = cell_weight.shape
    psi = np.zeros((rows + 1, columns + 3))
    normal = np.zeros((rows, columns + 2))
    shear = np.zeros((rows + 1, columns + 3))
    image = np.empty_like(load)
    pairs = modes.eigenvalues.shape[1]
    folded = np.empty((2, load.shape[0], pairs), np.float32)
    spectrum = np.empty((2, load.shape[0], pairs), np.float32)
    work = np.empty((2, load.shape[0], pairs))
    preconditioned = np.empty_like(load)
    apply_operator(solution, stencil, cell_weight, corner_weight, drag, periodic, psi, normal, shear, image)
    residual = load - image
    precondition(residual, lateral, modes, factors, periodic, folded, spectrum, work, preconditioned)
    direction = preconditioned.copy()
    product = _dot(residual, preconditioned)
    for iteration in range(limit + 1):
        if product <= tolerance * tolerance * abs(_dot(load, solution)) or product < 1e-300:
            return iteration
        if iteration == limit or not product < np.inf:
            break
        apply_operator(direction, stencil, cell_weight, corner_weight, drag, periodic, psi, normal, shear, image)
        step = product / _dot(direction, image)
        for i in range(load.shape[0]):
            for j in range(load.shape[1]):
                solution[i, j] += step * direction[i, j]
                residual[i, j] -= step * image[i, j]
        precondition(residual, lateral, modes, factors, periodic, folded, spectrum, work, preconditioned)
        previous = product
        product = _dot(residual, preconditioned)
        ratio = product / previous
        for i in range(load.shape[0]):
            for j in range(load.shape[1]):
                direction[i, j] = preconditioned[i, j] + ratio * direction[i, j]
    return -1


@kernel()
def buoyancy_load(force: np.ndarray, mesh: Mesh, load: np.ndarray) -> None:
    """Fill the work of a radial body force per unit of psi, shape (radial cells - 1, unknown columns).

    force : array, shape (radial cells, angular cells)
    """
    columns = force.shape[1]
    count, width = load.shape
    first = 0 if mesh.periodic else 1
    for row in range(count):
        i = row + 1
        # Half of each cell's force acts on each of its faces: the work is then that of the cell-mean velocity.
        below = 0.5 * mesh.thickness[i - 1]
        above = 0.5 * mesh.thickness[i]
        for column in range(width):
            right = column + first
            left = right - 1 if right > 0 else columns - 1
            load[row, column] = below * (force[i - 1, left] - force[i - 1, right]) + above * (
                force[i, left] - force[i, right]
            )


@kernel()
def stratification_drag(
    temperature: np.ndarray, stiffness: np.ndarray, lapse: np.ndarray, interval: float, mesh: Mesh, drag: np.ndarray
) -> None:
    """Fill the resistance of a stable stratification to the change of the flow.

    Material that rises by u dt into warmer surroundings makes them cooler, so heavier, at once; with a flow held
    over dt this would overshoot where dt exceeds the time in which the layer settles (it does at phase transitions).
    The force is therefore taken at the end of the interval: extrapolated from the last two, less this drag times the
    change of the flow. A steady flow does not feel it.

    Parameters
    ----------
    temperature, stiffness, lapse : array, shape (radial cells, angular cells)
        The last two from :func:`surrogate.simulator.numba_engine.materials.thermal_coefficients`.
    interval : float
        Time over which the flow will be held, times a factor of safety.
    drag : array, shape (radial cells + 1, angular cells + 2)
        Per flux through a radial face, padded: face (i, j) is column j + 1. Zero at the walls.
    """
    rows, columns = temperature.shape
    drag[:, :] = 0.0
    for i in range(rows):
        below = max(i - 1, 0)
        above = min(i + 1, rows - 1)
        height = mesh.faces[above] + mesh.faces[above + 1] - mesh.faces[below] - mesh.faces[below + 1]
        share = interval * mesh.thickness[i]
        for j in range(columns):
            rise = 2.0 * (temperature[above, j] - temperature[below, j]) / height + lapse[i, j]
            value = share * stiffness[i, j] * max(rise, 0.0)
            drag[i, j + 1] += value
            drag[i + 1, j + 1] += value
    drag[0] = 0.0
    drag[rows] = 0.0
    for i in range(1, rows):
        scale = 0.5 / (mesh.face_area[i] * mesh.step)
        for j in range(columns):
            drag[i, j + 1] *= scale
        if mesh.periodic:
            drag[i, 0] = drag[i, columns]
            drag[i, columns + 1] = drag[i, 1]


@kernel()
def drag_load(flow: np.ndarray, drag: np.ndarray, periodic: bool, psi: np.ndarray, load: np.ndarray) -> None:
    """Add the drag of the previous flow to the load: only a change of the flow is resisted.

    flow, load : array, shape (radial cells - 1, unknown columns); psi is work space.
    """
    pad_streamfunction(flow, periodic, psi)
    count, width = flow.shape
    first = 1 if periodic else 2
    for row in range(count):
        i = row + 1
        for column in range(width):
            c = column + first
            load[row, column] += drag[i, c - 1] * (psi[i, c] - psi[i, c - 1]) - drag[i, c] * (psi[i, c + 1] - psi[i, c])


@kernel()
def hoop_resistance(log_viscosity: np.ndarray, hoop: np.ndarray, periodic: bool, resistance: np.ndarray) -> None:
    """Fill the resistance to stretching across the plane of a spherical annulus, per flux through a radial face.

    hoop : array, shape (radial cells + 1,)
        Of the stencil.
    resistance : array, shape (radial cells + 1, angular cells + 2)
        Padded like the drag of a stratification, to which it is added; zero at the walls.
    """
    rows, columns = log_viscosity.shape
    for i in range(1, rows):
        for j in range(columns):
            resistance[i, j + 1] = hoop[i] * exponential(0.5 * (log_viscosity[i - 1, j] + log_viscosity[i, j]))
        if periodic:
            resistance[i, 0] = resistance[i, columns]
            resistance[i, columns + 1] = resistance[i, 1]


def velocity(psi: np.ndarray, mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Face velocities (radial, angular) of padded psi, shapes (rows + 1, columns), (rows, columns + 1)."""
    corners = psi[:, 1 : mesh.columns + 2]
    radial = np.diff(corners, axis=1) / (mesh.face_area[:, None] * mesh.step)
    angular = -np.diff(corners, axis=0) / mesh.side_area[:, None]
    return radial, angular


def root_mean_square_velocity(psi: np.ndarray, mesh: Mesh) -> float:
    """Root of the volume mean of the squared speed."""
    radial, angular = velocity(psi, mesh)
    square = 0.5 * (radial[1:] ** 2 + radial[:-1] ** 2 + angular[:, 1:] ** 2 + angular[:, :-1] ** 2)
    return float(np.sqrt(mesh.average(square)))
