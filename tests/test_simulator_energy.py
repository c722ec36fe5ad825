"""The energy equation and the material properties."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from surrogate.geometry import Kind
from surrogate.minerals import olivine_conductivity, olivine_expansivity
from surrogate.parameters import Parameters
from surrogate.planet import MARS
from surrogate.settings import EvolutionSettings, Physics
from surrogate.simulator import properties
from surrogate.simulator.mesh import Mesh, graded_faces, make_mesh
from surrogate.simulator.numba_engine import approximation, materials, transport
from surrogate.simulator.numba_engine.step import Convection
from surrogate.simulator.problem import planet_mesh
from surrogate.units import GAS_CONSTANT

POINT = Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0)


def test_approximations_keep_their_accuracy() -> None:
    exponent = np.linspace(-20, 20, 4001)
    np.testing.assert_allclose([approximation.exponential(x) for x in exponent], np.exp(exponent), rtol=1e-8)
    fraction = np.linspace(0, 1, 1001)
    np.testing.assert_allclose([approximation.log_one_plus(x) for x in fraction], np.log1p(fraction), atol=1e-8)
    ratio = np.geomspace(0.3, 20, 1001)
    np.testing.assert_allclose([approximation.power_minus_048(x) for x in ratio], ratio**-0.48, rtol=2e-7)


def mars_mesh() -> Mesh:
    return planet_mesh(EvolutionSettings(radial_cells=40, angular_cells=12))


def fluid(mesh: Mesh, temperature: np.ndarray, inner: float, outer: float, **options: Any) -> Convection:
    layer = Convection(mesh, properties.boussinesq_thermal(mesh, 0.0), temperature, inner, outer, **options)
    layer.flow = np.zeros_like(layer.load)
    layer.update_coefficients()
    layer.carry(np.zeros(mesh.rows))
    return layer


EXACT_CONDUCTION: dict[Kind, Callable[[np.ndarray], np.ndarray]] = {
    "box": lambda r: 2 - r,
    "cylinder": lambda r: 1 - np.log(r) / np.log(2),
    "spherical_annulus": lambda r: 2 / r - 1,
}
"""Between walls at 1 and 2."""


@pytest.mark.parametrize("kind", EXACT_CONDUCTION)
def test_conduction_settles_to_the_exact_profile(kind: Kind) -> None:
    mesh = make_mesh(graded_faces(24, 1.0, 2.0, 2.0), 6, 0.5, kind)
    layer = fluid(mesh, np.full((24, 6), 0.3), 1.0, 0.0)
    for _ in range(400):
        layer.step_temperature(0.02, refresh=True)
    exact = EXACT_CONDUCTION[kind](mesh.centres)
    np.testing.assert_allclose(layer.temperature, exact[:, None] * np.ones((1, 6)), atol=7e-4)
    flux = layer.wall_flux() * mesh.face_area[[0, -1]]
    np.testing.assert_allclose(flux[0], flux[1], rtol=1e-6)


def test_decay_of_a_mode_is_second_order_in_time() -> None:
    mesh = make_mesh(np.linspace(0, 1, 65), 64, 1.0, kind="box")
    mode = np.sin(np.pi * mesh.centres)[:, None] * np.cos(np.pi * mesh.angles)
    errors = []
    for steps in (8, 16):
        layer = fluid(mesh, mode.copy(), 0.0, 0.0)
        for _ in range(steps):
            layer.step_temperature(0.1 / steps, refresh=True)
        second = (2 * np.sin(np.pi / 128) * 64) ** 2  # the discrete operator's own eigenvalue
        errors.append(np.abs(layer.temperature / mode / np.exp(-2 * second * 0.1) - 1).max())
    assert errors[0] / errors[1] > 3.5


@pytest.mark.parametrize("kind", ["cylinder", "spherical_annulus"])
@pytest.mark.parametrize("periodic", [False, True])
def test_budget_closes_to_round_off_with_variable_conductivity_and_flow(kind: Kind, periodic: bool) -> None:
    generator = np.random.default_rng(3)
    mesh = make_mesh(graded_faces(20, 1 / 3, 4 / 3, 2.0), 24, 2 * np.pi if periodic else np.pi / 2, kind, periodic)
    thermal = properties.planet_thermal(mesh, POINT, MARS, Physics())
    layer = Convection(mesh, thermal, generator.uniform(400, 2200, (20, 24)), 2250.0, 250.0, dissipation=1e-7)
    before = layer.heat_content()
    layer.log_viscosity[:] = generator.normal(size=(20, 24))
    layer.flow = generator.normal(size=layer.load.shape)
    layer.solve_flow()
    layer.flow = generator.normal(size=layer.load.shape)
    layer.carry(np.full(20, 3.0))
    for _ in range(3):
        layer.step_temperature(1e-4, refresh=True)
    entered, left, sources, adiabatic, transitions = layer.tally
    change = layer.heat_content() - before
    np.testing.assert_allclose(entered - left + sources + adiabatic + transitions, change, rtol=1e-9)
    assert abs(transitions) > 1e-4 * abs(change)


def rotating(mesh: Mesh) -> np.ndarray:
    """A padded streamfunction of one cell that fills the box."""
    psi = np.zeros((mesh.rows + 1, mesh.columns + 3))
    corners = np.arange(mesh.columns + 1) * mesh.step
    psi[:, 1:-1] = np.sin(np.pi * mesh.faces)[:, None] * np.sin(np.pi * corners)
    return psi


def advected(mesh: Mesh, values: np.ndarray, scheme: int) -> np.ndarray:
    rate = np.empty_like(values)
    transport.advect(values, values[0].copy(), values[-1].copy(), rotating(mesh), mesh, scheme, rate)
    return rate


def test_advection_keeps_heat_and_a_uniform_field() -> None:
    mesh = make_mesh(np.linspace(0, 1, 33), 32, 1.0, kind="box")
    assert np.abs(advected(mesh, np.full((32, 32), 7.0), transport.LIMITED)).max() < 1e-13
    blob = np.exp(-40 * ((mesh.centres[:, None] - 0.4) ** 2 + (mesh.angles - 0.5) ** 2))
    assert abs(advected(mesh, blob, transport.LIMITED).sum()) < 1e-14


@pytest.mark.parametrize(("scheme", "order"), [(transport.UNLIMITED, 1.9), (transport.LIMITED, 1.9)])
def test_advection_order_on_a_smooth_field(scheme: int, order: float) -> None:
    errors = []
    for cells in (32, 64):
        mesh = make_mesh(np.linspace(0, 1, cells + 1), cells, 1.0, kind="box")
        z, x = mesh.centres[:, None], mesh.angles
        values = np.exp(2 * z + x)  # no extremum, where every limiter drops to first order
        vertical = np.pi * np.sin(np.pi * z) * np.cos(np.pi * x)
        sideways = -np.pi * np.cos(np.pi * z) * np.sin(np.pi * x)
        exact = -(2 * vertical + sideways) * values
        error = advected(mesh, values, scheme) / mesh.volume[:, None] - exact
        errors.append(np.sqrt(np.mean(error[2:-2, 2:-2] ** 2)))
    assert np.log2(errors[0] / errors[1]) > order


def test_limiter_makes_no_new_extrema() -> None:
    mesh = make_mesh(np.linspace(0, 1, 33), 32, 1.0, kind="box")
    step = np.where(mesh.angles < 0.4, 1.0, 0.0) * np.ones((32, 1))
    layer = fluid(mesh, step.copy(), 0.0, 0.0)
    layer.conductance_r[:], layer.conductance_t[:] = 0.0, 0.0
    layer.psi[:] = rotating(mesh)
    limit = 0.9 / layer.fastest_rate()
    for _ in range(60):
        layer.step_temperature(limit, refresh=True)
    assert layer.temperature.min() > -1e-9
    assert layer.temperature.max() < 1 + 1e-9


def test_kernels_use_the_olivine_laws_of_the_planet() -> None:
    mesh = mars_mesh()
    thermal = properties.planet_thermal(mesh, POINT, MARS, Physics(phase_transitions=False))
    temperature = np.linspace(300, 2200, 40 * 12).reshape(40, 12)[::-1].copy()
    layer = Convection(mesh, thermal, temperature, 2250.0, 250.0)
    layer.update_coefficients()
    pressure = MARS.pressure((mesh.faces[-1] - mesh.centres) * MARS.mantle_thickness)[:, None]
    expansivity = olivine_expansivity(temperature, pressure)
    np.testing.assert_allclose(
        layer.force / MARS.rayleigh_number(1e21) * 2000.0, expansivity / 2.5e-5 * (temperature - 250.0), rtol=1e-12
    )
    np.testing.assert_allclose(layer.adiabatic, MARS.dissipation_number * expansivity / 2.5e-5, rtol=1e-12)
    conductivity = olivine_conductivity(temperature, pressure) / 4.0
    between = 0.5 * (conductivity[1:] + conductivity[:-1])
    np.testing.assert_allclose(
        layer.conductance_r[1:-1], between * (mesh.face_metric[1:-1] * mesh.step)[:, None], rtol=1e-6
    )


def test_arrhenius_law_and_cut() -> None:
    mesh = mars_mesh()
    rheology = properties.planet_rheology(mesh, POINT, MARS, 1e8)
    temperature = np.linspace(300, 2200, 40 * 12).reshape(40, 12)[::-1].copy()
    found = np.empty_like(temperature)
    lowest = materials.arrhenius(temperature, rheology, found)
    pressure = MARS.pressure((mesh.faces[-1] - mesh.centres) * MARS.mantle_thickness)[:, None]
    reference = 3e5 + MARS.rheology_reference_pressure * 6e-6
    exact = (3e5 + pressure * 6e-6) / temperature - reference / MARS.rheology_reference_temperature
    exact = exact / GAS_CONSTANT
    assert lowest == pytest.approx(exact.min())
    np.testing.assert_allclose(found, np.minimum(exact, exact.min() + np.log(1e8)), rtol=1e-10)
    assert (found < exact).any()


def phase_fields(temperature: np.ndarray) -> dict[str, np.ndarray]:
    mesh = mars_mesh()
    thermal = properties.planet_thermal(mesh, POINT, MARS, Physics())
    names = ("buoyancy", "stiffness", "lapse", "phase", "phase_slope", "phase_work")
    fields = {name: np.empty_like(temperature) for name in names}
    materials.phase_state(temperature, thermal, *fields.values())
    return fields


def test_phase_derivatives_agree_with_differences() -> None:
    temperature = np.linspace(1500, 2200, 40)[::-1, None] * np.ones((1, 12))
    at, above = phase_fields(temperature), phase_fields(temperature + 1e-3)
    np.testing.assert_allclose((above["phase"] - at["phase"]) / 1e-3, at["phase_slope"], atol=1e-6)
    slope = (above["buoyancy"] - at["buoyancy"]) / 1e-3
    np.testing.assert_allclose(slope, at["stiffness"], atol=1e-4 * np.abs(slope).max())
    assert (at["stiffness"] >= 0).all()  # warm material changes phase deeper: it is lighter


def test_temperature_step_of_a_phase_transition() -> None:
    """Material that sinks through a transition without exchanging heat warms by gamma drho T / (rho^2 c)."""
    mesh = mars_mesh()
    thermal = properties.planet_thermal(mesh, POINT, MARS, Physics())
    thermal = thermal._replace(
        **{name: getattr(thermal, name)[:1] for name in thermal._fields if name.startswith("transition_")}
    )
    arrays = [np.empty((40, 12)) for _ in range(6)]
    transition = MARS.phase_transitions[0]
    expected = transition.clapeyron_slope * transition.density_step / (3500.0**2 * 1200.0)
    # Along the path T - phase = integral of phase_work over height: solve it downwards, cell by cell.
    temperature = np.full((40, 12), 1700.0)
    work = 0.0
    for i in range(38, -1, -1):
        temperature[i] = temperature[i + 1]
        for _ in range(30):
            materials.phase_state(temperature, thermal, *arrays)
            _, _, _, phase, slope, share = arrays
            work = -0.5 * (share[i] + share[i + 1]) * (mesh.centres[i + 1] - mesh.centres[i])
            excess = (temperature[i] - phase[i]) - (temperature[i + 1] - phase[i + 1]) - work
            temperature[i] -= excess / (1 - slope[i])
    ratio = temperature[0, 0] / temperature[-1, 0]
    np.testing.assert_allclose(np.log(ratio), expected, rtol=0.02)


def test_physics_switches_turn_terms_off() -> None:
    mesh = mars_mesh()
    off = Physics(adiabatic_heating=False, phase_transitions=False, conductivity="constant", expansivity="constant")
    thermal = properties.planet_thermal(mesh, POINT, MARS, off)
    layer = Convection(mesh, thermal, np.linspace(300, 2200, 480).reshape(40, 12), 2250.0, 250.0)
    layer.update_coefficients()
    assert not layer.adiabatic.any()
    assert (layer.capacity == 1.0).all()
    np.testing.assert_allclose(layer.conductance_r[3], mesh.face_metric[3] * mesh.step)
    np.testing.assert_allclose(np.diff(layer.force.ravel()), np.diff(layer.force.ravel())[0])
