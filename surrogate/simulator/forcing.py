"""What drives the flow, as work per unit of the streamfunction: buoyancy, and the drag of a stable stratification."""

from __future__ import annotations

from numba import njit

from surrogate.simulator.elementary import FAST
from surrogate.simulator.stokes import spread


@njit(cache=True, fastmath=FAST)
def buoyancy_load(force, mesh, load):
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


@njit(cache=True, fastmath=FAST)
def stratification_drag(temperature, stiffness, lapse, interval, mesh, drag):
    """Fill the resistance of a stable stratification to the change of the flow.

    Material that rises by u dt into warmer surroundings makes them cooler, so heavier, at once; with a flow held
    over dt this would overshoot where dt exceeds the time in which the layer settles (it does at phase transitions).
    The force is therefore taken at the end of the interval: extrapolated from the last two, less this drag times the
    change of the flow. A steady flow does not feel it.

    Parameters
    ----------
    temperature, stiffness, lapse : array, shape (radial cells, angular cells)
        The last two from :func:`surrogate.simulator.properties.thermal_coefficients`.
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
        scale = 0.5 / (mesh.face_metric[i] * mesh.step)
        for j in range(columns):
            drag[i, j + 1] *= scale
        if mesh.periodic:
            drag[i, 0] = drag[i, columns]
            drag[i, columns + 1] = drag[i, 1]


@njit(cache=True, fastmath=FAST)
def drag_load(flow, drag, periodic, psi, load):
    """Add the drag of the previous flow to the load: only a change of the flow is resisted.

    flow, load : array, shape (radial cells - 1, unknown columns); psi is work space.
    """
    spread(flow, periodic, psi)
    count, width = flow.shape
    first = 1 if periodic else 2
    for row in range(count):
        i = row + 1
        for column in range(width):
            c = column + first
            load[row, column] += drag[i, c - 1] * (psi[i, c] - psi[i, c - 1]) - drag[i, c] * (psi[i, c + 1] - psi[i, c])
