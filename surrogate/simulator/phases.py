"""Phase transitions: the weight of the denser phases, and latent heat in a form that is conserved."""

from __future__ import annotations

import numpy as np
from numba import njit

from surrogate.simulator.elementary import FAST, exponential, log_one_plus


@njit(cache=True, fastmath=FAST)
def phase_state(temperature, thermal, buoyancy, stiffness, lapse, phase, phase_slope, phase_work):
    """Fill the buoyancy and the latent heat of the phase transitions.

    The latent heat of a transition with phase function G(x), x the depth below where it stands at the local
    temperature, is proportional to T DG/Dt. With F the integral of G over x and s the depth per temperature,

        T DG/Dt = D(T G + F / s)/Dt + G u_r / s,

    the change of a function of state, which the energy step conserves, and a term that is exactly the work of the
    transition's buoyancy. Discretised so, transitions and dissipation balance, as they do in the equations.

    Parameters
    ----------
    temperature : array, shape (radial cells, angular cells)
    thermal : Thermal
    buoyancy : array, shape (radial cells, angular cells)
        Minus the weight of the denser phases.
    stiffness : array, shape (radial cells, angular cells)
        Derivative of `buoyancy` by temperature.
    lapse : array, shape (radial cells, angular cells)
        Cooling per height of rising material, by latent heat.
    phase, phase_slope : array, shape (radial cells, angular cells)
        The function of state, in units of temperature, and its derivative by temperature.
    phase_work : array, shape (radial cells, angular cells)
        Heating rate per rising velocity.
    """
    rows, columns = temperature.shape
    phase[:, :] = 0.0
    phase_slope[:, :] = 0.0
    phase_work[:, :] = 0.0
    buoyancy[:, :] = 0.0
    stiffness[:, :] = 0.0
    lapse[:, :] = 0.0
    # Rows of work space, and one array filled per loop: only such loops does the compiler vectorise.
    share = np.empty(columns)
    narrow = np.empty(columns)
    integral = np.empty(columns)
    for n in range(thermal.transition_depth.size):
        sharpness = thermal.transition_sharpness[n]
        work = thermal.transition_work[n]
        slope = thermal.transition_slope[n]
        weight = thermal.transition_density[n]
        for i in range(rows):
            depth = thermal.depth[i] - thermal.transition_depth[n]
            for j in range(columns):
                # G = 1 / (1 + exp(-2 x)), x the depth over the half width; beyond 10 it is 0 or 1 to 2e-9.
                excess = depth - slope * temperature[i, j]
                decay = exponential(-2.0 * min(abs(excess) * sharpness, 10.0))
                share[j] = (1.0 if excess > 0.0 else decay) / (1.0 + decay)
                integral[j] = max(excess, 0.0) + 0.5 / sharpness * log_one_plus(decay)
            for j in range(columns):
                narrow[j] = slope * 2.0 * share[j] * (1.0 - share[j]) * sharpness
            for j in range(columns):
                phase[i, j] += work * (slope * share[j] * temperature[i, j] + integral[j])
            for j in range(columns):
                phase_work[i, j] += work * share[j]
            for j in range(columns):
                buoyancy[i, j] -= weight * share[j]
            for j in range(columns):
                stiffness[i, j] += weight * narrow[j]
            for j in range(columns):
                lapse[i, j] += work * narrow[j] * temperature[i, j]
            for j in range(columns):
                phase_slope[i, j] -= work * slope * narrow[j] * temperature[i, j]


@njit(cache=True, fastmath=FAST)
def settle_phases(temperature, phase, phase_slope, counted, mesh):
    """Heat the cells by what the phases have changed beyond their linear estimate; returns that heat.

    The energy step counts latent heat with the function of state linear in temperature. What it missed is given
    to the same cell here, so that in the long run every transition releases exactly its heat.

    Parameters
    ----------
    temperature : array, shape (radial cells, angular cells)
        Changed in place.
    phase, phase_slope : array, shape (radial cells, angular cells)
        From :func:`phase_state`, at `temperature` before the change.
    counted : array, shape (radial cells, angular cells)
        What `phase` was when heat was last counted; brought up to date.
    """
    rows, columns = temperature.shape
    total = 0.0
    for i in range(rows):
        row = 0.0
        for j in range(columns):
            warming = (phase[i, j] - counted[i, j]) / (1.0 - phase_slope[i, j])
            temperature[i, j] += warming
            counted[i, j] += warming
            row += warming
        total += row * mesh.volume[i]
    return total
