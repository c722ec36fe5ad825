"""The onset of convection: the Rayleigh number at which a layer at rest becomes unstable, found and exact."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eig

from surrogate.geometry import Geometry, Kind
from surrogate.simulator.mesh import make_mesh
from surrogate.simulator.numba_engine.step import Convection
from surrogate.simulator.numba_engine.stokes import root_mean_square_velocity
from surrogate.simulator.numba_engine.transport import UNLIMITED
from surrogate.simulator.properties import boussinesq_thermal, conduction

_INNER = 1.0
_WAVENUMBER = 4
"""Of the annuli, whose radii are 1 and 2: half a wave fills an eighth of the circle."""


def exact_onset(kind: Kind) -> float:
    """Critical Rayleigh number of one free-slip cell: a square box, or an eighth of an annulus of radii 1 and 2.

    In the box it is 27 pi^4 / 4 times 32/27 = 8 pi^4. In an annulus, psi = F(r) sin(4 phi) and a temperature
    Theta(r) cos(4 phi) upon conduction are marginally stable where their equations, written out by hand and without the
    solver's, have a solution: an eigenvalue problem in r, solved by Chebyshev collocation.

    Examples
    --------
    >>> round(exact_onset("cylinder"), 4), round(exact_onset("spherical_annulus"), 4)
    (709.2887, 782.2785)
    """
    if kind == "box":
        return float(8 * np.pi**4)
    n, q, degree = _WAVENUMBER, 2 if kind == "spherical_annulus" else 1, 28
    nodes = np.cos(np.pi * np.arange(degree + 1) / degree)
    weights = np.r_[2.0, np.ones(degree - 1), 2.0] * (-1.0) ** np.arange(degree + 1)
    one = np.eye(degree + 1)
    slope = np.outer(weights, 1 / weights) / (nodes[:, None] - nodes + one)
    slope = 2 * (slope - np.diag(slope.sum(axis=1)))  # of a layer of thickness 1
    r = (_INNER + 0.5 * (1 + nodes))[:, None]
    first, second = r ** (1 - q) * slope, r ** (1 - q) * (slope @ slope)
    plain = r ** (1.0 - q) * one
    stretch = n * (first / r - q * plain / r**2)  # e_rr, e_tt and 2 e_rp of F
    across = (q - 1) * n * plain / r**2
    shear = -second + q * first / r - n**2 * plain / r**2
    radial = -2 * slope @ stretch - (2 * q * stretch + n * shear + 2 * (stretch + across) - 2 * (q - 1) * across) / r
    along = -slope @ shear - ((q + 1) * shear + 2 * n * (stretch + across)) / r
    buoyancy = radial + slope @ (r * along) / n  # what is left when pressure is taken out: Ra Theta
    diffusion = slope @ slope + q * slope / r - n**2 * one / r**2
    inner, outer = float(r[-1, 0]), float(r[0, 0])
    gradient = Geometry.annulus(1, 4, inner, outer, kind=kind).conduction[0] * inner**q / r**q
    size = degree + 1
    left, right = np.zeros((2 * size, 2 * size)), np.zeros((2 * size, 2 * size))
    left[:size, :size], right[:size, size:] = buoyancy, one
    left[size:, :size], left[size:, size:] = n * gradient / r**q * one, diffusion
    slip = slope @ slope - q * slope / r
    for row, condition in ((0, one[0]), (degree, one[-1]), (1, slip[0]), (degree - 1, slip[-1])):
        left[row], right[row] = np.r_[condition, 0 * condition], 0.0
    for row in (0, degree):
        left[size + row], right[size + row] = np.r_[0 * one[row], one[row]], 0.0
    found = eig(left, right, right=False)
    real = found[np.isfinite(found) & (np.abs(found.imag) < 1e-6 * np.abs(found)) & (found.real > 1)].real
    return float(real.min())


def _growth_rate(rayleigh: float, cells: int, kind: Kind) -> float:
    """Rate at which a small perturbation of a layer at rest grows, per diffusion time."""
    inner, width = (0.0, 1.0) if kind == "box" else (_INNER, np.pi / _WAVENUMBER)
    mesh = make_mesh(np.linspace(inner, inner + 1, cells + 1), cells, width, kind)
    wave = np.sin(np.pi * (mesh.centres - inner))[:, None] * np.cos(np.pi * mesh.angles / width)
    temperature = conduction(mesh)[:, None] + 1e-6 * wave
    layer = Convection(mesh, boussinesq_thermal(mesh, rayleigh), temperature, 1.0, 0.0, UNLIMITED, 1e-8)
    speeds = []
    dt, steps = 2e-3, 120  # the first half is for the other modes to die out
    for _ in range(steps):
        layer.solve_flow()
        layer.carry(np.zeros(mesh.rows))
        layer.step_temperature(dt, refresh=True)
        speeds.append(root_mean_square_velocity(layer.psi, mesh))
    half = steps // 2
    return float(np.log(speeds[-1] / speeds[half - 1]) / (dt * half))


def critical_rayleigh(cells: int, kind: Kind = "box") -> float:
    """Rayleigh number at which the perturbation neither grows nor decays on a grid of `cells` by `cells`."""
    exact = exact_onset(kind)
    low, high = 0.98 * exact, 1.02 * exact
    slow, fast = _growth_rate(low, cells, kind), _growth_rate(high, cells, kind)
    return low - slow * (high - low) / (fast - slow)
