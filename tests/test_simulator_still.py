"""The flow of a field that stands still: what the equations demand of it, and what a run recorded."""

import numpy as np
import pytest

from surrogate.fields import geometry_of
from surrogate.figures.velocity import draw_velocity
from surrogate.geometry import Geometry
from surrogate.parameters import Parameters
from surrogate.planet import MARS
from surrogate.query import Surrogate
from surrogate.settings import EvolutionSettings, Physics
from surrogate.simulator import simulate, velocity
from surrogate.simulator.still import solve_still

POINT = Parameters(1e20, 2e5, 6e-6, 10.0, 1750.0)
GEOMETRY = Geometry.quarter(24, 32)
PLAIN = Physics(expansivity="constant", conductivity="constant", phase_transitions=False)


def warm(amplitude: float) -> np.ndarray:
    height = np.sin(np.pi * GEOMETRY.depth / GEOMETRY.thickness)[:, None]
    field = 250.0 + 1.0e-3 * GEOMETRY.depth[:, None] + amplitude * height * np.cos(4 * GEOMETRY.lateral)
    return np.asarray(field)


def test_what_buoyancy_works_is_dissipated() -> None:
    flow = solve_still(warm(80.0), GEOMETRY, POINT)
    dissipated = (flow.dissipation * GEOMETRY.volume[1:-1]).sum()
    assert dissipated == pytest.approx(flow.work, rel=1e-8)
    assert np.all(flow.dissipation >= 0)
    assert flow.work > 0


def test_without_lateral_variation_nothing_flows() -> None:
    flow = solve_still(warm(0.0), GEOMETRY, POINT)
    assert flow.root_mean_square == 0.0
    assert not flow.radial.any()


def test_an_anomaly_twice_as_warm_flows_twice_as_fast_where_viscosity_is_uniform() -> None:
    one, two = (solve_still(warm(size), GEOMETRY, POINT, MARS, PLAIN, viscosity_contrast=1.0) for size in (20.0, 40.0))
    drag = [flow.radial * flow.viscosity for flow in (one, two)]  # viscosity is cut at that of the warmest cell
    np.testing.assert_allclose(drag[1], 2 * drag[0], atol=1e-4 * np.abs(drag[1]).max())
    # Stokes' estimate: buoyancy times the square of a size over the viscosity; a slip of units is off by 100 and more.
    scale = MARS.mantle_density * MARS.gravity * MARS.expansivity * 20.0 * (4e5) ** 2 / one.viscosity[0, 0]
    assert 0.02 < one.root_mean_square / scale < 2.0
    assert np.corrcoef(one.radial.ravel(), (warm(20.0) - warm(0.0))[1:-1].ravel())[0, 1] > 0.8  # warm rock rises


def test_the_flow_has_no_divergence() -> None:
    flow = solve_still(warm(80.0), GEOMETRY, POINT)
    # What rises through a row comes down in it: lateral means of the radial velocity vanish.
    assert np.abs(flow.radial.mean(axis=1)).max() < 1e-12 * np.abs(flow.radial).max() + 1e-25


def test_the_flow_of_a_snapshot_is_what_the_run_recorded() -> None:
    settings = EvolutionSettings(radial_cells=16, angular_cells=24, snapshots=4, end_time=0.3)
    run = simulate(POINT, settings)
    flow = velocity(run)
    difference = (flow.root_mean_square_velocity / run.root_mean_square_velocity - 1).values
    assert abs(difference[0]) < 1e-3
    assert abs(difference[1]) < 0.2  # recorded flows are older by up to a step, and the first plumes are just rising
    np.testing.assert_allclose(difference[2:], 0.0, atol=0.05)
    square = flow.velocity_radial**2 + flow.velocity_angular**2
    speed = np.sqrt(geometry_of(run).average(square.values))
    np.testing.assert_allclose(speed, flow.root_mean_square_velocity, rtol=0.1)


def test_predicted_and_drawn_fields_flow(tiny: Surrogate) -> None:
    sets = tiny.space.unscale(np.array([[0.3] * 5, [0.6] * 5]))
    of_means, drawn = (tiny.velocity(sets, time=[1.0, 4.0], method=method) for method in ("fnn", "flow"))
    assert of_means.velocity_radial.dims == ("simulation", "time", "radius", "angle")
    assert np.isfinite(of_means.root_mean_square_velocity).all()
    assert not np.allclose(of_means.root_mean_square_velocity, drawn.root_mean_square_velocity, atol=0)
    single = tiny.velocity(sets[1], time=4.0)
    np.testing.assert_allclose(single.viscosity[0], of_means.viscosity[1, 1], rtol=1e-4)
    run = tiny.predict(sets[1], time=[1.0, 4.0])
    figure = draw_velocity(run, velocity(run, tiny.planet))
    assert sum(len(axes.collections) > 1 for axes in figure.axes[:2]) == 2  # arrows over each field


def test_a_field_that_is_no_evolution_is_refused() -> None:
    with pytest.raises(ValueError, match="expected finite temperatures of shape"):
        solve_still(warm(1.0)[1:], GEOMETRY, POINT)
    box = Geometry.box(24, 32)
    with pytest.raises(ValueError, match="got a box"):
        solve_still(warm(1.0), box, POINT)
