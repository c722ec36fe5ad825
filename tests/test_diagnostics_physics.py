import dataclasses
import json
from collections.abc import Callable

import dask.array
import numpy as np
import pytest
import xarray as xr
from made_up import GEOMETRY, PARAMETER_POINT, disturbed, made_up_corpus, made_up_run

from surrogate.diagnostics import physics
from surrogate.diagnostics.physics import CrustHeating
from surrogate.diagnostics.report_card import check
from surrogate.fields import make_run, select_run
from surrogate.geometry import Geometry
from surrogate.minerals import olivine_conductivity
from surrogate.parameters import Parameters
from surrogate.planet import MARS, Planet
from surrogate.settings import EvolutionSettings, Physics
from surrogate.simulator import simulate
from surrogate.units import GIGAYEAR


def linear_run(surface: float = 250.0, bottom: float = 2250.0, geometry: Geometry = GEOMETRY) -> xr.Dataset:
    depth = (geometry.depth / geometry.thickness)[None, :, None]
    return make_run(
        np.broadcast_to(surface + (bottom - surface) * depth, (2, *geometry.shape)),
        [0.0, 1.0],
        geometry,
        PARAMETER_POINT,
    )


def test_heat_flux_of_a_linear_profile() -> None:
    run = linear_run()
    gradient = 2000.0 / 1.7e6
    for flux in (physics.surface_heat_flux, physics.core_mantle_boundary_heat_flux):
        np.testing.assert_allclose(flux(run, conductivity="constant"), 4.0 * gradient, rtol=1e-9)
    inside = 250.0 + gradient * GEOMETRY.depth[-2]
    between = 0.5 * (olivine_conductivity(250.0, 0.0) + olivine_conductivity(inside, MARS.pressure(GEOMETRY.depth[-2])))
    np.testing.assert_allclose(physics.surface_heat_flux(run), between * gradient)
    bottom = 0.5 * sum(
        olivine_conductivity(2250.0 - gradient * above, MARS.pressure(1.7e6 - above))
        for above in (0.0, 1.7e6 - GEOMETRY.depth[1])
    )
    np.testing.assert_allclose(physics.core_mantle_boundary_heat_flux(run), bottom * gradient, rtol=1e-9)
    with pytest.raises(ValueError, match="'constant' or 'olivine'"):
        physics.surface_heat_flux(run, conductivity="iron")  # type: ignore[arg-type]


def test_mean_temperature_and_profile() -> None:
    run = made_up_run()
    np.testing.assert_allclose(physics.mean_temperature(run), GEOMETRY.average(run.temperature.values))
    np.testing.assert_allclose(physics.lateral_mean(run), run.temperature.values.mean(axis=-1))


def heating_rate(planet: Planet, times: np.ndarray, geometry: Geometry = GEOMETRY) -> np.ndarray:
    """Warming of the whole by the heat of the mantle below the crust, K/Gyr."""
    surface, core = geometry.vertical_faces[[-1, 0]]
    below = ((surface - planet.crust_thickness) ** 2 - core**2) / (surface**2 - core**2)
    watts = below * planet.mantle_density * planet.mantle_depletion(10.0) * planet.radiogenic_heating(times)
    rate: np.ndarray = watts * GIGAYEAR / (planet.conductivity / planet.diffusivity)
    return rate


def balanced_run(planet: Planet) -> xr.Dataset:
    """A uniform interior that warms exactly by its heat production, with no gradient at either wall."""
    times = np.linspace(0.0, 4.5, 400)
    rate = heating_rate(planet, times)
    warmed = np.concatenate([[0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(times))])
    field = np.broadcast_to(400.0 + warmed[:, None, None], (400, *GEOMETRY.shape))
    return make_run(field, times, GEOMETRY, PARAMETER_POINT)


def test_budget_closes_for_pure_heating() -> None:
    budget = physics.energy_budget(balanced_run(MARS), MARS, "constant")
    np.testing.assert_allclose(budget["inflow"], 0.0)
    np.testing.assert_allclose(budget["outflow"], 0.0)
    np.testing.assert_allclose(budget["residual"], 0.0, atol=1e-8)
    assert float(budget["heating"].min()) > 50.0


def test_budget_closes_for_pure_diffusion() -> None:
    # The slowest decaying conductive mode, with explicit small steps on the cells of the annulus, no heat sources.
    planet = dataclasses.replace(MARS, isotopes=())
    geometry = Geometry.quarter(16, 2)
    faces, centres = geometry.vertical_faces, geometry.vertical
    temperature = np.full(geometry.shape[0], 1500.0)
    temperature[0], temperature[-1] = 2250.0, 250.0
    profiles, times = [], []
    step = 1e-3 * GIGAYEAR
    for number in range(2001):
        if number % 20 == 0:
            profiles.append(temperature.copy())
            times.append(number * step / GIGAYEAR)
        flow = -planet.diffusivity * np.diff(temperature) / np.diff(centres) * faces
        temperature[1:-1] -= step * np.diff(flow) / (0.5 * np.diff(faces**2))
    field = np.broadcast_to(np.array(profiles)[:, :, None], (len(times), *geometry.shape))
    budget = physics.energy_budget(make_run(field, times, geometry, PARAMETER_POINT), planet, "constant")
    assert float(np.abs(budget["outflow"]).max()) > 50.0
    np.testing.assert_allclose(budget["residual"][5:], 0.0, atol=0.5)


def test_core_cools_by_its_flux() -> None:
    run = made_up_run(2)
    values = run.temperature.values.copy()
    values[:, 0], values[:, 1] = 2200.0, 2100.0
    one = physics.core_residual(run.assign(temperature=run.temperature.copy(data=values)), conductivity="constant")
    flux = 4.0 * 100.0 / (GEOMETRY.vertical[1] - GEOMETRY.vertical[0])
    cooling = 3 * flux * 4.5 * GIGAYEAR / (7000.0 * 850.0 * 1.7e6)
    np.testing.assert_allclose(one, [0.0, cooling])
    values[1, :2] -= cooling
    other = physics.core_residual(run.assign(temperature=run.temperature.copy(data=values)), conductivity="constant")
    np.testing.assert_allclose(other, 0.0, atol=1e-9)


def test_budget_of_a_corpus_is_that_of_its_runs() -> None:
    corpus = made_up_corpus()
    whole = physics.energy_budget(corpus)
    one = physics.energy_budget(select_run(corpus, 1))
    assert whole["residual"].dims == ("simulation", "interval")
    np.testing.assert_allclose(whole["residual"].values[1, :4], one["residual"].values)
    assert np.isnan(whole["residual"].values[1, 4:]).all()


def test_plumes_are_counted_and_placed() -> None:
    angle = GEOMETRY.lateral
    field = 1500 + 200 * np.exp(-(((angle - 0.4) / 0.1) ** 2)) + 150 * np.exp(-(((angle - 1.2) / 0.1) ** 2))
    run = make_run(np.broadcast_to(field, (1, *GEOMETRY.shape)), [0.0], GEOMETRY, PARAMETER_POINT)
    found = physics.plumes(run, 1.4e6, 0.3)[0]
    assert len(found) == 2
    np.testing.assert_allclose(found, [0.4, 1.2], atol=0.06)
    assert physics.plumes(run, 1.4e6, amplitude=500.0) == [[]]


def test_report_card_passes_a_sound_history_and_is_json() -> None:
    card = check(balanced_run(MARS).isel(time=slice(0, 3)), MARS, "constant")
    json.dumps(card, allow_nan=False)
    assert (card["budget_residual"] or 1.0) < 1e-6
    assert card["passed"]["budget_residual"]
    assert not card["passed"]["surface_temperature_deviation"]  # its surface is as warm as its inside
    assert card["surface_temperature_deviation"] == pytest.approx(400.0 - 250.0 + 0.0, abs=20.0)


def test_report_card_finds_what_is_broken() -> None:
    run = linear_run()
    values = run.temperature.values.copy()
    values[1, 5, 3] = 3600.0
    values[0, -1, 2] = 262.0
    values[1, 0, 1] += 30.0
    card = check(run.assign(temperature=run.temperature.copy(data=values)), MARS, "constant")
    assert card["surface_temperature_deviation"] == pytest.approx(12.0)
    assert card["core_mantle_boundary_spread"] == pytest.approx(30.0)
    assert card["maximum_temperature"] == 3600.0
    watts = MARS.mantle_depletion(10.0) * np.mean(MARS.radiogenic_heating(np.array([0.0, 1.0]))) * 3500
    warming = watts * GIGAYEAR / 4e6
    assert card["largest_excursion"] == pytest.approx(1350.0 - warming, abs=10.0)
    nodes = values.size
    assert card["fraction_out_of_range"] == pytest.approx(1 / nodes)
    assert not any(card["passed"][name] for name in ("surface_temperature_deviation", "core_mantle_boundary_spread"))


def test_report_card_of_a_corpus_takes_the_worst() -> None:
    corpus = made_up_corpus()
    cards = [check(select_run(corpus, number)) for number in range(3)]
    card = check(corpus)
    assert card["largest_excursion"] == max(entry["largest_excursion"] for entry in cards)
    assert card["budget_drift"] == pytest.approx(max(entry["budget_drift"] for entry in cards))


def test_report_card_refuses_holes() -> None:
    run = disturbed(made_up_run())
    values = run.temperature.values.copy()
    values[0, 3, 3] = np.nan
    with pytest.raises(ValueError, match="not finite at 1 nodes"):
        check(run.assign(temperature=run.temperature.copy(data=values)))


@pytest.mark.parametrize("crust_heating", ["none", "enriched"])
def test_budget_of_a_simulation_without_phases_closes(crust_heating: CrustHeating) -> None:
    # Independent of the solver's own budget, which is kept with its inner fluxes: only the temperature is used here.
    physics_settings = Physics(phase_transitions=False, crust_heating=crust_heating)
    settings = EvolutionSettings(radial_cells=24, angular_cells=16, snapshots=61, physics=physics_settings)
    run = simulate(Parameters(5e21, 2e5, 6e-6, 20.0, 1700.0), settings)
    budget = physics.energy_budget(run, crust_heating=crust_heating).isel(interval=slice(2, None))
    assert float(budget["heating"].min()) > 20.0
    assert float(abs(budget["residual"]).max()) < 0.01 * float(budget["heating"].mean())
    swapped: CrustHeating = "enriched" if crust_heating == "none" else "none"
    other = physics.energy_budget(run, crust_heating=swapped)
    assert float(abs(other["residual"]).mean()) > 0.1 * float(budget["heating"].mean())
    with pytest.raises(ValueError, match="expected 'none' or 'enriched'"):
        physics.energy_budget(run, crust_heating="some")  # type: ignore[arg-type]


BAD_PREDICTIONS: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "warmer by 50 K": ("budget_residual", lambda t: np.concatenate([t[:, :1], t[:, 1:-1] + 50, t[:, -1:]], axis=1)),
    "warmer by 50 K with its surface": ("surface_temperature_deviation", lambda t: t + 50),
    "shuffled in time": ("budget_residual", lambda t: t[np.random.default_rng(0).permutation(len(t))]),
    "reversed in time": ("budget_residual", lambda t: t[::-1]),
    "turned over": ("surface_temperature_deviation", lambda t: t[:, ::-1]),
    "core 5 % colder": ("core_drift", lambda t: np.concatenate([t[:, :1] * 0.95, t[:, 1:]], axis=1)),
    "core not isothermal": (
        "core_mantle_boundary_spread",
        lambda t: t + 10 * np.eye(t.shape[1])[0][:, None] * np.cos(np.linspace(0, 3, t.shape[2])),
    ),
    "too hot": ("fraction_out_of_range", lambda t: np.where(t > 1000, t * 1.6, t)),
    "too cold": ("fraction_out_of_range", lambda t: np.where((t > 250) & (t < 1000), 200, t)),
}


@pytest.fixture(scope="module")
def simulated() -> xr.Dataset:
    settings = EvolutionSettings(radial_cells=24, angular_cells=16, snapshots=31)
    return simulate(Parameters(1e21, 2e5, 6e-6, 20.0, 1700.0), settings)


def test_report_card_passes_a_simulation(simulated: xr.Dataset) -> None:
    card = check(simulated)
    assert all(card["passed"].values())
    assert (card["budget_residual"] or 1.0) < 0.03


@pytest.mark.parametrize("fault", BAD_PREDICTIONS)
def test_report_card_notices_bad_predictions(simulated: xr.Dataset, fault: str) -> None:
    noticed_by, spoil = BAD_PREDICTIONS[fault]
    values = spoil(simulated.temperature.values.astype(float))
    card = check(simulated.assign(temperature=simulated.temperature.copy(data=values)))
    assert not card["passed"][noticed_by], card


def test_report_card_knows_the_trained_range(simulated: xr.Dataset) -> None:
    assert check(simulated)["passed"]["parameters_outside_range"]
    narrow = check(simulated, ranges={"reference_viscosity": (2e21, 1e22), "activation_energy": (1e5, 5e5)})
    assert narrow["parameters_outside_range"] == 1
    assert not narrow["passed"]["parameters_outside_range"]
    about = simulated["initial_temperature"].attrs
    far = check(simulated.assign_coords(initial_temperature=((), 2500.0, about)))
    assert far["parameters_outside_range"] == 1


def test_diagnostics_of_a_lazy_corpus_stay_lazy() -> None:
    corpus = made_up_corpus()
    lazy = corpus.chunk({"simulation": 1, "time": 3})
    fluxes = (physics.surface_heat_flux, physics.core_mantle_boundary_heat_flux, physics.core_residual)
    for function in (physics.lateral_mean, physics.mean_temperature, *fluxes):
        result = function(lazy)
        assert isinstance(result.data, dask.array.Array), function.__name__
        np.testing.assert_allclose(result.values, function(corpus).values, rtol=1e-6, atol=1e-3)
    budget = physics.energy_budget(lazy)
    assert isinstance(budget["residual"].data, dask.array.Array)
    np.testing.assert_allclose(budget["residual"], physics.energy_budget(corpus)["residual"], atol=0.01)
