"""The spherical annulus as geometry of a planet: heat and work balance in its volumes, and both engines agree."""

from typing import Any

import numpy as np
import pytest

from surrogate.fields import geometry_of
from surrogate.parameters import Parameters
from surrogate.planet import MARS
from surrogate.settings import EvolutionSettings, Physics
from surrogate.simulator import Evolution, run_key, simulate
from surrogate.simulator.problem import planet_mesh
from surrogate.simulator.properties import heating_profile

POINT = Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0)
SETTINGS = EvolutionSettings(geometry="spherical_annulus", radial_cells=16, angular_cells=32, snapshots=4, end_time=0.3)


def ended(**changes: Any) -> Evolution:
    run = Evolution(POINT, SETTINGS.model_copy(update=changes))
    run.run()
    assert run.status == "done", run.reason
    return run


def test_a_run_has_the_true_radii_and_its_budget_closes() -> None:
    run = simulate(POINT, SETTINGS)
    geometry = geometry_of(run)
    assert geometry.kind == "spherical_annulus"
    np.testing.assert_allclose(geometry.vertical_faces[[0, -1]], [MARS.core_radius, MARS.planet_radius])
    mean = geometry.average(run.temperature.values.astype(float))
    np.testing.assert_allclose(mean, run.mean_temperature, rtol=1e-6)
    assert run.attrs["budget_relative_error"] < 1e-12
    names = ("core_heat", "surface_heat", "radiogenic_heat", "viscous_dissipation", "adiabatic_heat")
    terms = [run.attrs[f"budget_{name}"] for name in (*names, "phase_transitions")]
    assert all(terms)
    np.testing.assert_allclose(sum(terms), mean[-1] - mean[0], rtol=1e-4)


def test_viscous_heat_is_the_work_of_buoyancy() -> None:
    run = ended(stokes_tolerance=1e-8)
    layer = run.layer
    layer.solve_flow()
    layer.carry(np.zeros(16))
    assert layer.flow is not None
    work = float((layer.flow * layer.load).sum())
    assert layer.viscous_heat == pytest.approx(layer.dissipation * work, rel=1e-6)
    budget = run.budget()
    lifted = -budget["budget_adiabatic_heat"] - budget["budget_phase_work"]
    assert budget["budget_viscous_dissipation"] == pytest.approx(lifted, rel=0.15)


def test_the_core_loses_what_the_mantle_gains() -> None:
    run = ended()
    capacity = MARS.conductivity / MARS.diffusivity
    mantle = 4 / 3 * np.pi * (MARS.planet_radius**3 - MARS.core_radius**3) * capacity
    core = 4 / 3 * np.pi * MARS.core_radius**3 * MARS.core_density * MARS.core_heat_capacity
    cooled = MARS.initial_core_temperature - run.layer.inner
    assert core * cooled == pytest.approx(mantle * run.budget()["budget_core_heat"], rel=1e-9)


def test_heat_sources_are_those_of_the_planet() -> None:
    mesh = planet_mesh(SETTINGS)
    enriched = heating_profile(mesh, POINT, MARS, Physics(crust_heating="enriched"))
    np.testing.assert_allclose(mesh.volume @ enriched, mesh.volume.sum())
    shells = mesh.faces**3
    np.testing.assert_allclose(mesh.volume / mesh.volume.sum(), np.diff(shells) / (shells[-1] - shells[0]), rtol=1e-12)


def test_a_full_annulus_conserves_heat_too() -> None:
    run = ended(sector_degrees=360.0, angular_cells=64, end_time=0.1, snapshots=2)
    assert run.budget()["budget_relative_error"] < 1e-12


def test_the_geometry_counts_in_the_key_and_the_cylinder_keeps_its_own() -> None:
    cylinder = SETTINGS.model_copy(update={"geometry": "cylinder"})
    assert run_key(POINT, cylinder) != run_key(POINT, SETTINGS)
