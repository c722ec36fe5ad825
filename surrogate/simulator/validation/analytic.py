"""Closed-form and manufactured Stokes solutions, against which the solver is measured.

Both give a streamfunction psi = F(r) sin(n theta), in a cylinder with u_r = n F cos(n theta) / r and
u_theta = -F' sin(n theta); in a spherical annulus both are divided by r once more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import Polynomial

from surrogate.geometry import Kind
from surrogate.simulator.mesh import Mesh, make_mesh
from surrogate.simulator.numba_engine import direct, stokes
from surrogate.simulator.stencil import make_stencil


@dataclass(frozen=True)
class AnnulusSolution:
    """Constant viscosity, radial force r^k cos(n theta): the force's r^(k+3) and the four biharmonic powers of r.

    Attributes
    ----------
    inner, outer : float
        Radii.
    wavenumber, power : int
        n and k; no two powers among k + 3, n, -n, n + 2 and 2 - n may agree.
    no_slip : bool
        On both walls; free slip otherwise.
    """

    inner: float
    outer: float
    wavenumber: int
    power: int
    no_slip: bool = False

    def coefficients(self) -> tuple[np.ndarray, np.ndarray]:
        """Return powers of r and their coefficients in F, shapes (5,).

        The curl of the momentum equation is del^4 psi = n r^(k-1) sin(n theta).
        """
        n, forced = self.wavenumber, self.power + 3
        powers = np.array([forced, n, -n, n + 2, 2 - n], dtype=float)
        if np.unique(powers).size < 5:
            raise ValueError(f"annulus solution: wavenumber {n} and power {self.power} resonate")
        particular = n / ((forced**2 - n**2) * ((forced - 2) ** 2 - n**2))

        def conditions(exponent: float) -> list[float]:
            rows = []
            for radius in (self.inner, self.outer):
                rows.append(radius**exponent)
                slope = exponent * radius ** (exponent - 1)
                # Free slip: F'' - F'/r vanishes where F does.
                rows.append(slope if self.no_slip else slope * (exponent - 2) / radius)
            return rows

        matrix = np.array([conditions(exponent) for exponent in powers[1:]]).T
        free = np.linalg.solve(matrix, -particular * np.array(conditions(forced)))
        return powers, np.concatenate([[particular], free])

    def velocity(self, mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
        """Radial and angular velocity at the faces, shapes (rows + 1, columns), (rows, columns + 1)."""
        powers, factors = self.coefficients()
        n = self.wavenumber
        radial = n * (mesh.faces[:, None] ** (powers - 1)) @ factors
        angular = -(mesh.centres[:, None] ** (powers - 1)) @ (factors * powers)
        edges = np.arange(mesh.columns + 1) * mesh.step
        return np.outer(radial, np.cos(n * mesh.angles)), np.outer(angular, np.sin(n * edges))

    def force(self, mesh: Mesh) -> np.ndarray:
        """Radial force in the cells."""
        return np.outer(mesh.centres**self.power, np.cos(self.wavenumber * mesh.angles))


@dataclass(frozen=True)
class ManufacturedSolution:
    """Variable viscosity with a given contrast, free slip, closed quarter; the forces that make psi the solution.

    ln(eta) = ln(contrast) (r - r0) / (r1 - r0) (1 + cos(4 theta) sin(pi (r - r0) / (r1 - r0)) / 4), without pressure.

    Attributes
    ----------
    inner, outer, contrast : float
    kind : {"cylinder", "spherical_annulus"}
    """

    inner: float
    outer: float
    contrast: float
    kind: Kind = "cylinder"
    wavenumber: int = 4

    @property
    def power(self) -> int:
        """Of the radius in the area of a radial face."""
        return 2 if self.kind == "spherical_annulus" else 1

    def profile(self) -> Polynomial:
        """F(r) = (r - r0)(r - r1)(a + b r + r^2), with a and b such that the walls are free of stress."""
        walls = Polynomial.fromroots([self.inner, self.outer])

        def stress(factor: Polynomial) -> np.ndarray:
            radii = np.array([self.inner, self.outer])
            form = walls * factor
            return np.asarray(form.deriv(2)(radii) - self.power * form.deriv()(radii) / radii)

        basis = [Polynomial([1.0]), Polynomial([0.0, 1.0]), Polynomial([0.0, 0.0, 1.0])]
        a, b = np.linalg.solve(np.stack([stress(basis[0]), stress(basis[1])]).T, -stress(basis[2]))
        return 200.0 * walls * Polynomial([a, b, 1.0])

    def velocity(self, mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
        """Radial and angular velocity at the faces, shapes (rows + 1, columns), (rows, columns + 1)."""
        f, n = self.profile(), self.wavenumber
        edges = np.arange(mesh.columns + 1) * mesh.step
        radial = np.outer(n * f(mesh.faces) / mesh.faces**self.power, np.cos(n * mesh.angles))
        angular = -f.deriv()(mesh.centres) / mesh.centres ** (self.power - 1)
        return radial, np.outer(angular, np.sin(n * edges))

    def _exponent(self, r: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """ln(eta) and its derivatives by r and by theta, for r and t that broadcast."""
        scale = np.log(self.contrast)
        length = self.outer - self.inner
        x = (r - self.inner) / length
        ripple = 0.25 * np.cos(4 * t)
        value = scale * x * (1 + ripple * np.sin(np.pi * x))
        by_r = scale / length * (1 + ripple * (np.sin(np.pi * x) + np.pi * x * np.cos(np.pi * x)))
        by_t = -scale * x * np.sin(4 * t) * np.sin(np.pi * x)
        return value, by_r, by_t

    def log_viscosity(self, mesh: Mesh) -> np.ndarray:
        """ln(eta) in the cells."""
        return self._exponent(mesh.centres[:, None], mesh.angles[None, :])[0]

    def forces(self, r: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Radial and angular force at points r, t that broadcast: minus the divergence of the stress."""
        f, n, q = self.profile(), self.wavenumber, self.power
        # Powers of the radius in a face are taken out: g is F over one.
        f0, f1, f2, f3 = (part(r) / r ** (q - 1) for part in (f, f.deriv(), f.deriv(2), f.deriv(3)))
        sine, cosine = np.sin(n * t), np.cos(n * t)
        stretch = n * (f1 / r - q * f0 / r**2)  # e_rr / cos
        stretch_r = n * (f2 / r - 2 * q * f1 / r**2 + q * (q + 1) * f0 / r**3)
        hoop = (q - 1) * n * f0 / r**2  # across the plane, over cos
        shear = -f2 + q * f1 / r - n**2 * f0 / r**2  # 2 e_rt / sin
        shear_r = -f3 + (2 * q - 1) * f2 / r - q**2 * f1 / r**2 - n**2 * (f1 / r**2 - (q + 1) * f0 / r**3)
        value, by_r, by_t = self._exponent(r, t)
        eta = np.exp(value)
        normal, normal_r = 2 * stretch * cosine, 2 * (stretch_r + by_r * stretch) * cosine
        across, along = 2 * hoop * cosine, -2 * (stretch + hoop) * cosine
        along_t = -2 * (stretch + hoop) * (by_t * cosine - n * sine)
        tangent, tangent_r = shear * sine, (shear_r + by_r * shear) * sine
        tangent_t = shear * (by_t * sine + n * cosine)
        radial = -eta * (normal_r + (q * normal + tangent_t - along - (q - 1) * across) / r)
        angular = -eta * (tangent_r + ((q + 1) * tangent + along_t) / r)
        return radial, angular

    def load(self, mesh: Mesh) -> np.ndarray:
        """Work of the forces per unit of psi, shape (rows - 1, columns - 1)."""
        edges = np.arange(mesh.columns + 1) * mesh.step
        radial = self.forces(mesh.faces[:, None], mesh.angles[None, :])[0] * mesh.spacing[:, None]
        angular = self.forces(mesh.centres[:, None], edges[None, :])[1] * (mesh.centre_metric * mesh.step)[:, None]
        return np.asarray((-np.diff(radial, axis=1))[1:-1] + np.diff(angular, axis=0)[:, 1:-1])


def velocity_error(solution: AnnulusSolution | ManufacturedSolution, cells: int) -> float:
    """Relative L2 error of the solver's velocity on a quarter annulus with `cells` cells in radius."""
    kind: Kind = solution.kind if isinstance(solution, ManufacturedSolution) else "cylinder"
    mesh = make_mesh(np.linspace(solution.inner, solution.outer, cells + 1), 3 * cells // 2, np.pi / 2, kind)
    no_slip = isinstance(solution, AnnulusSolution) and solution.no_slip
    stencil = make_stencil(mesh, no_slip, no_slip)
    rows, columns = mesh.rows, mesh.columns
    load = np.empty((rows - 1, columns - 1))
    if isinstance(solution, AnnulusSolution):
        log_viscosity = np.zeros((rows, columns))
        stokes.buoyancy_load(solution.force(mesh), mesh, load)
    else:
        log_viscosity = solution.log_viscosity(mesh)
        load = solution.load(mesh)
    weights = np.empty((rows, columns)), np.empty((rows + 1, columns + 1))
    means = np.empty(rows), np.empty(rows + 1), np.empty((rows - 1, columns - 1))
    stokes.viscosity_weights(log_viscosity, stencil, mesh.periodic, *weights, *means)
    hoop = np.zeros((rows + 1, columns + 2))
    if mesh.spherical:
        stokes.hoop_resistance(log_viscosity, stencil.hoop, mesh.periodic, hoop)
    solved = direct.direct_solution(load, stencil, mesh, *weights, hoop)
    psi = np.zeros((rows + 1, columns + 3))
    stokes.pad_streamfunction(solved, mesh.periodic, psi)
    ours, exact = stokes.velocity(psi, mesh), solution.velocity(mesh)
    error = sum(((a - b) ** 2).sum() for a, b in zip(ours, exact, strict=True))
    return float(np.sqrt(error / sum((b**2).sum() for b in exact)))
