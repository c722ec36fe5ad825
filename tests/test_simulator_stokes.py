"""The Stokes solver: against an independent assembly, exact solutions, and its own identities."""

from typing import Any, NamedTuple

import numpy as np
import pytest

from surrogate.geometry import Kind
from surrogate.simulator.mesh import Mesh, graded_faces, make_mesh
from surrogate.simulator.numba_engine import direct, heat, stokes
from surrogate.simulator.stencil import Stencil, make_stencil
from surrogate.simulator.validation.analytic import AnnulusSolution, ManufacturedSolution, velocity_error

ROWS, COLUMNS = 14, 20


class Problem(NamedTuple):
    mesh: Mesh
    stencil: Stencil
    weights: tuple[np.ndarray, np.ndarray]
    drag: np.ndarray
    lateral: np.ndarray
    modes: stokes.AngularModes
    factors: np.ndarray
    load: np.ndarray


def problem(
    periodic: bool = False, no_slip: bool = False, kind: Kind = "cylinder", lateral: bool = True, seed: int = 0
) -> Problem:
    """A rough viscosity and a rough load on a graded mesh."""
    angle = 2 * np.pi if periodic else np.pi / 2
    mesh = make_mesh(graded_faces(ROWS, 1 / 3, 4 / 3, 3.0), COLUMNS, angle, kind, periodic)
    stencil = make_stencil(mesh, no_slip, no_slip)
    generator = np.random.default_rng(seed)
    log_viscosity = generator.normal(size=(ROWS, COLUMNS if lateral else 1)) * 1.5 * np.ones((1, COLUMNS))
    weights = np.empty((ROWS, COLUMNS)), np.empty((ROWS + 1, COLUMNS + 1))
    means = np.empty(ROWS), np.empty(ROWS + 1)
    width = COLUMNS if periodic else COLUMNS - 1
    lateral_scale = np.empty((ROWS - 1, width))
    stokes.viscosity_weights(log_viscosity, stencil, periodic, *weights, *means, lateral_scale)
    drag = np.zeros((ROWS + 1, COLUMNS + 2))
    drag[1:-1, 1:-1] = generator.uniform(0, 5, (ROWS - 1, COLUMNS if lateral else 1))
    if periodic:
        drag[:, 0], drag[:, -1] = drag[:, -2], drag[:, 1]
    if mesh.spherical:
        hoop = np.zeros_like(drag)
        stokes.hoop_resistance(log_viscosity, stencil.hoop, periodic, hoop)
        drag += hoop
    modes = stokes.fold_modes(stencil, periodic)
    factors = np.zeros((3, 2, ROWS - 1, modes.eigenvalues.shape[1]))
    stokes.factorise(stencil, modes.eigenvalues, *means, drag, factors)
    load = generator.normal(size=(ROWS - 1, width))
    return Problem(mesh, stencil, weights, drag, lateral_scale, modes, factors, load)


def mesh_weights(mesh: Mesh, stencil: Stencil) -> tuple[np.ndarray, np.ndarray]:
    """Weights of a viscosity of one."""
    weights = np.empty((mesh.rows, mesh.columns)), np.empty((mesh.rows + 1, mesh.columns + 1))
    means = np.empty(mesh.rows), np.empty(mesh.rows + 1), np.empty((mesh.rows - 1, mesh.columns - 1))
    stokes.viscosity_weights(np.zeros((mesh.rows, mesh.columns)), stencil, False, *weights, *means)
    return weights


def iterate(given: Problem, tolerance: float = 1e-10, limit: int = 400) -> tuple[np.ndarray, int]:
    mesh, stencil, weights, drag, lateral, modes, factors, load = given
    solution = np.zeros_like(load)
    count = stokes.conjugate_gradients(
        load, solution, stencil, *weights, drag, lateral, modes, factors, mesh.periodic, tolerance, limit
    )
    return solution, count


GEOMETRIES: dict[str, dict[str, Any]] = {
    "quarter, free slip": {},
    "quarter, no slip": {"no_slip": True},
    "box": {"kind": "box"},
    "periodic box": {"kind": "box", "periodic": True},
    "full annulus": {"periodic": True},
    "spherical annulus": {"kind": "spherical_annulus"},
    "full spherical annulus": {"kind": "spherical_annulus", "periodic": True},
}


@pytest.mark.parametrize("options", GEOMETRIES.values(), ids=GEOMETRIES.keys())
def test_iteration_agrees_with_banded_cholesky(options: dict[str, Any]) -> None:
    given = problem(**options)
    mesh, stencil, weights, drag, _, _, _, load = given
    solution, count = iterate(given)
    exact = direct.direct_solution(load, stencil, mesh, *weights, drag)
    assert 1 < count < 200
    np.testing.assert_allclose(solution, exact, atol=1e-8 * np.abs(exact).max())


@pytest.mark.parametrize("options", GEOMETRIES.values(), ids=GEOMETRIES.keys())
def test_preconditioner_is_exact_for_a_viscosity_of_radius_only(options: dict[str, Any]) -> None:
    *_, count = iterate(problem(lateral=False, **options), tolerance=1e-8)
    assert count <= 2


@pytest.mark.parametrize("options", GEOMETRIES.values(), ids=GEOMETRIES.keys())
def test_angular_modes_lead_there_and_back(options: dict[str, Any]) -> None:
    given = problem(**options)
    count = given.load.shape[0]
    pairs = given.modes.eigenvalues.shape[1]
    folded, spectrum = (np.empty((2, count, pairs), np.float32) for _ in range(2))
    back = np.empty_like(given.load)
    stokes._fold(given.load, given.lateral, given.mesh.periodic, folded)
    for half in range(2):
        np.dot(folded[half], given.modes.forward[half], spectrum[half])
        np.dot(spectrum[half], given.modes.backward[half], folded[half])
    stokes._unfold(folded, given.lateral, given.mesh.periodic, back)
    np.testing.assert_allclose(back, given.lateral**2 * given.load, atol=1e-5 * np.abs(back).max())


@pytest.mark.parametrize("options", GEOMETRIES.values(), ids=GEOMETRIES.keys())
def test_preconditioner_is_symmetric_and_positive(options: dict[str, Any]) -> None:
    given = problem(**options)
    count, width = given.load.shape
    pairs = given.modes.eigenvalues.shape[1]
    folded, spectrum = (np.empty((2, count, pairs), np.float32) for _ in range(2))
    generator = np.random.default_rng(5)
    vectors = generator.normal(size=(4, count, width))
    images = np.empty_like(vectors)
    for vector, image in zip(vectors, images, strict=True):
        work = np.empty((2, count, pairs))
        stokes.precondition(
            vector, given.lateral, given.modes, given.factors, given.mesh.periodic, folded, spectrum, work, image
        )
    products = np.einsum("aij,bij->ab", vectors, images)
    np.testing.assert_allclose(products, products.T, atol=1e-5 * np.abs(products).max())
    assert np.linalg.eigvalsh(products).min() > 0


def test_scaling_by_the_lateral_viscosity_saves_iterations() -> None:
    given = problem(kind="box")
    wave = np.cos(np.pi * (np.arange(COLUMNS) + 0.5) / COLUMNS)
    weights = np.empty((ROWS, COLUMNS)), np.empty((ROWS + 1, COLUMNS + 1))
    means = np.empty(ROWS), np.empty(ROWS + 1)
    lateral = np.empty_like(given.load)
    log_viscosity = 2.5 * wave * np.ones((ROWS, 1))
    stokes.viscosity_weights(log_viscosity, given.stencil, False, *weights, *means, lateral)
    assert lateral[:, 0].max() < 1.0 < lateral[:, -1].min()  # stiff on the left
    stokes.factorise(given.stencil, given.modes.eigenvalues, *means, 0 * given.drag, given.factors)
    plain = given._replace(weights=weights, drag=0 * given.drag, lateral=np.ones_like(lateral))
    (one, without), (two, scaled) = iterate(plain), iterate(plain._replace(lateral=lateral))
    np.testing.assert_allclose(one, two, atol=1e-7 * np.abs(one).max())
    assert scaled < 0.8 * without


def test_dissipation_is_the_work_of_the_load() -> None:
    mesh, stencil, weights, _, _, _, _, load = problem(no_slip=True)
    solved = direct.direct_solution(load, stencil, mesh, *weights)
    psi = np.zeros((ROWS + 1, COLUMNS + 3))
    stokes.pad_streamfunction(solved, False, psi)
    made = np.zeros((ROWS, COLUMNS))
    heat.dissipated_heat(psi, stencil, *weights, False, 1.0, made)
    np.testing.assert_allclose(made.sum(), (solved * load).sum(), rtol=1e-10)
    assert made.min() >= 0


@pytest.mark.parametrize("options", GEOMETRIES.values(), ids=GEOMETRIES.keys())
def test_velocity_has_no_divergence(options: dict[str, Any]) -> None:
    mesh = (given := problem(**options)).mesh
    solved, _ = iterate(given, tolerance=0.3)  # however loosely solved
    psi = np.zeros((ROWS + 1, COLUMNS + 3))
    stokes.pad_streamfunction(solved, mesh.periodic, psi)
    radial, angular = stokes.velocity(psi, mesh)
    power = {"box": 0, "spherical_annulus": 2}.get(options.get("kind", ""), 1)
    area, side = mesh.faces**power * mesh.step, mesh.thickness * mesh.centres ** max(power - 1, 0)
    out = np.diff(radial * area[:, None], axis=0) + np.diff(angular * side[:, None], axis=1)
    assert np.abs(out).max() < 1e-12 * np.abs(angular).max()


def test_rigid_rotation_dissipates_nothing_and_expansion_does() -> None:
    """In a spherical annulus psi of a rotation is -omega r^3 / 3, and u_r = 1/r^2 stretches in three directions."""
    mesh = make_mesh(graded_faces(64, 1.0, 2.0, 2.0), 32, 0.5, "spherical_annulus")
    stencil = make_stencil(mesh)
    weights = mesh_weights(mesh, stencil)
    hoop = np.zeros((65, 34))
    stokes.hoop_resistance(np.zeros((64, 32)), stencil.hoop, False, hoop)
    height = np.concatenate([[0.0], np.cumsum(mesh.side_area * mesh.centres)])
    heated = [np.zeros((64, 32)) for _ in range(2)]
    rotation = -height[:, None] * np.ones((1, 35))
    expansion = (np.arange(35) - 1) * mesh.step * np.ones((65, 1))
    for psi, made in zip((rotation, expansion), heated, strict=True):
        heat.dissipated_heat(psi, stencil, *weights, False, 1.0, made)
        heat.hoop_heat(psi, hoop, 1.0, made)
    assert np.abs(heated[0][1:-1]).max() < 1e-20
    # e_rr = -2/r^3, e_tt = e_pp = 1/r^3: 2 (4 + 1 + 1) / r^6 over the volume r^2 dr
    exact = 12 * mesh.centres**-6.0 * mesh.volume
    np.testing.assert_allclose(heated[1][1:-1, 5], exact[1:-1], rtol=2e-3)


def test_a_steady_flow_feels_no_drag() -> None:
    mesh, stencil, weights, drag, _, _, _, load = problem()
    steady = direct.direct_solution(load, stencil, mesh, *weights)
    pushed = load.copy()
    stokes.drag_load(steady, drag, False, np.zeros((ROWS + 1, COLUMNS + 3)), pushed)
    again = direct.direct_solution(pushed, stencil, mesh, *weights, drag)
    np.testing.assert_allclose(again, steady, atol=1e-9 * np.abs(steady).max())


def test_rotation_of_a_full_annulus_rotates_the_flow() -> None:
    mesh, stencil, weights, _, _, _, _, load = problem(periodic=True)
    turned = tuple(np.roll(weight[:, :COLUMNS], 3, axis=1) for weight in weights)
    turned_weights = turned[0], np.c_[turned[1], turned[1][:, :1]]
    solved = direct.direct_solution(load, stencil, mesh, *weights)
    rotated = direct.direct_solution(np.roll(load, 3, axis=1), stencil, mesh, *turned_weights)
    np.testing.assert_allclose(rotated, np.roll(solved, 3, axis=1), atol=1e-9 * np.abs(solved).max())


def test_full_annulus_refuses_no_slip() -> None:
    mesh = make_mesh(np.linspace(1, 2, 9), 12, 2 * np.pi, periodic=True)
    with pytest.raises(ValueError, match="free slip"):
        make_stencil(mesh, inner_no_slip=True)


SOLUTIONS = {
    "free slip n=2": AnnulusSolution(1.22, 2.22, 2, 3),
    "free slip n=8": AnnulusSolution(1.22, 2.22, 8, 2),
    "no slip": AnnulusSolution(1.22, 2.22, 4, 6, no_slip=True),
    "contrast 1e4": ManufacturedSolution(1 / 3, 4 / 3, 1e4),
    "contrast 1e10": ManufacturedSolution(1 / 3, 4 / 3, 1e10),
    "spherical annulus, contrast 1e6": ManufacturedSolution(1.0, 2.0, 1e6, "spherical_annulus"),
    "spherical annulus, deep": ManufacturedSolution(1 / 3, 4 / 3, 1e2, "spherical_annulus"),
}


@pytest.mark.parametrize("solution", SOLUTIONS.values(), ids=SOLUTIONS.keys())
def test_second_order_against_exact_solutions(solution: AnnulusSolution | ManufacturedSolution) -> None:
    coarse, fine = velocity_error(solution, 16), velocity_error(solution, 32)
    assert fine < 0.02
    assert 1.85 < np.log2(coarse / fine) < 2.15


def test_manufactured_forces_balance_the_stress() -> None:
    """The forces, derived by hand, against finite differences of the stress in the weak form of one test function."""
    solution = ManufacturedSolution(1 / 3, 4 / 3, 1e4)
    step = 1e-5

    def stress(r: float, t: float) -> tuple[float, float]:
        f, n = solution.profile(), 4
        eta = np.exp(solution._exponent(np.asarray(r), np.asarray(t))[0])
        stretch = n * np.cos(n * t) * (f.deriv()(r) / r - f(r) / r**2)
        shear = np.sin(n * t) * (-f.deriv(2)(r) + f.deriv()(r) / r - n**2 * f(r) / r**2)
        return 2 * eta * stretch, eta * shear

    r, t = 0.8, 0.3
    normal, tangent = stress(r, t)
    normal_r = (stress(r + step, t)[0] - stress(r - step, t)[0]) / (2 * step)
    normal_t = (stress(r, t + step)[0] - stress(r, t - step)[0]) / (2 * step)
    tangent_r = (stress(r + step, t)[1] - stress(r - step, t)[1]) / (2 * step)
    tangent_t = (stress(r, t + step)[1] - stress(r, t - step)[1]) / (2 * step)
    radial, angular = solution.forces(np.asarray(r), np.asarray(t))
    np.testing.assert_allclose(radial, -(normal_r + 2 * normal / r + tangent_t / r), rtol=1e-5)
    np.testing.assert_allclose(angular, -(tangent_r + 2 * tangent / r - normal_t / r), rtol=1e-5)
