"""A run and a shard: convention, budget, repeatability, failures that end with a reason."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from surrogate.fields import geometry_of, open_netcdf, validate
from surrogate.minerals import peridotite_solidus
from surrogate.parameters import Parameters
from surrogate.planet import MARS
from surrogate.quantities import SERIES
from surrogate.settings import EvolutionSettings, Physics
from surrogate.simulator import SimulationError, run_key, run_path, run_shard, simulate
from surrogate.simulator.checkpoint import restore_state, save_state
from surrogate.simulator.evolution import Evolution

POINT = Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0)
SMALL = EvolutionSettings(radial_cells=16, angular_cells=24, snapshots=4, end_time=0.3)


@pytest.fixture(scope="module")
def small_run() -> xr.Dataset:
    return simulate(POINT, SMALL)


def test_run_follows_the_convention(small_run: xr.Dataset) -> None:
    validate(small_run)
    assert small_run.temperature.dtype == np.float32
    np.testing.assert_allclose(small_run.time, [0.0, 0.1, 0.2, 0.3])
    assert set(SERIES) <= set(small_run.data_vars)
    assert small_run.attrs["status"] == "done"


def test_walls_hold_core_and_surface_temperature(small_run: xr.Dataset) -> None:
    assert np.all(small_run.temperature[:, -1] == np.float32(MARS.surface_temperature))
    np.testing.assert_allclose(small_run.temperature[:, 0, 0], small_run.core_temperature, rtol=1e-6)
    assert float(small_run.core_temperature[0]) == MARS.initial_core_temperature


def test_mean_temperature_is_the_average_of_the_field(small_run: xr.Dataset) -> None:
    mean = geometry_of(small_run).average(small_run.temperature.values.astype(float))
    np.testing.assert_allclose(mean, small_run.mean_temperature, rtol=1e-6)


def test_initial_state_has_linear_boundary_layers() -> None:
    run = simulate(POINT, SMALL.model_copy(update={"noise_amplitude": 0.0, "snapshots": 2, "end_time": 0.01}))
    depth = geometry_of(run).depth
    profile = run.temperature[0].mean("angle").values
    interior = (depth > 300e3) & (depth < 1400e3)
    np.testing.assert_allclose(profile[interior], 1700.0, rtol=1e-6)
    top = depth <= 300e3
    np.testing.assert_allclose(profile[top], 250.0 + (1700.0 - 250.0) * depth[top] / 300e3, rtol=1e-6)


def test_energy_budget_closes_with_every_term_on(small_run: xr.Dataset) -> None:
    attributes = small_run.attrs
    assert attributes["budget_relative_error"] < 1e-10
    terms = [
        name
        for name in attributes
        if name.startswith("budget_") and name not in ("budget_change", "budget_relative_error", "budget_phase_work")
    ]
    change = float(small_run.mean_temperature[-1] - small_run.mean_temperature[0])
    np.testing.assert_allclose(sum(attributes[name] for name in terms), change, rtol=1e-4)
    assert all(attributes[name] != 0 for name in terms)


def test_melt_keeps_the_mantle_at_its_solidus_and_its_heat_is_counted() -> None:
    hot = Parameters(1e21, 3e5, 6e-6, 1.0, 1800.0)
    melting = Physics(melting="extracted", melt_pressure=8.0)
    run = simulate(hot, SMALL.model_copy(update={"end_time": 1.0, "physics": melting}))
    depth = float(run.radius[-1]) - run.radius.values
    pressure = MARS.pressure(depth)
    excess = run.temperature.values - peridotite_solidus(pressure)[:, None]
    # A snapshot settles its phases after the melt has left: that may add a fraction of a degree.
    assert excess[:, pressure < 8e9].max() < 1.0
    assert excess[:, pressure > 8e9].max() > 1.0
    lost = -run.attrs["budget_melt_extraction"]
    assert lost > 1.0
    assert run.attrs["budget_relative_error"] < 1e-10
    plain = simulate(hot, SMALL.model_copy(update={"end_time": 1.0}))
    assert "budget_melt_extraction" not in plain.attrs
    cooler = float(plain.mean_temperature[-1] - run.mean_temperature[-1])
    assert 0.3 * lost < cooler < 1.2 * lost


def test_budget_of_one_term_is_what_can_be_computed_by_hand() -> None:
    off = Physics(
        adiabatic_heating=False,
        viscous_dissipation=False,
        core_cooling=False,
        phase_transitions=False,
        conductivity="constant",
        expansivity="constant",
    )
    run = simulate(POINT, SMALL.model_copy(update={"physics": off}))
    times = np.linspace(0.0, 0.3, 2001)
    watts = np.trapezoid(MARS.radiogenic_heating(times), times) * MARS.mantle_depletion(10.0)
    seconds = 1e9 * 3.15576e7
    kelvin = watts * seconds * MARS.mantle_density / (MARS.conductivity / MARS.diffusivity)
    outer, crust = 4 / 3, MARS.crust_thickness / MARS.mantle_thickness
    kelvin *= ((outer - crust) ** 2 - 1 / 9) / (outer**2 - 1 / 9)  # the crust's heat does not enter
    np.testing.assert_allclose(run.attrs["budget_radiogenic_heat"], kelvin, rtol=0.01)
    assert run.attrs["budget_viscous_dissipation"] == run.attrs["budget_adiabatic_heat"] == 0.0
    assert float(run.core_temperature[-1]) == MARS.initial_core_temperature


def test_dissipation_balances_adiabatic_and_phase_work() -> None:
    run = simulate(POINT, SMALL.model_copy(update={"end_time": 1.5, "radial_cells": 32, "angular_cells": 48}))
    work = -run.attrs["budget_adiabatic_heat"] - run.attrs["budget_phase_work"]
    np.testing.assert_allclose(run.attrs["budget_viscous_dissipation"], work, rtol=0.15)


def test_same_seed_same_run_other_seed_other_run(small_run: xr.Dataset) -> None:
    again = simulate(POINT, SMALL, number=7)
    np.testing.assert_array_equal(again.temperature, small_run.temperature)
    other = simulate(POINT, SMALL, seed=1)
    assert not np.array_equal(other.temperature, small_run.temperature)


def test_noise_per_run_depends_on_the_number() -> None:
    settings = SMALL.model_copy(update={"noise": "per_run", "snapshots": 2, "end_time": 0.01})
    first, second = (simulate(POINT, settings, number=number) for number in (1, 2))
    assert not np.array_equal(first.temperature[0], second.temperature[0])
    assert run_key(POINT, settings, number=1) != run_key(POINT, settings, number=2)


def test_limit_of_steps_keeps_the_snapshots_so_far() -> None:
    run = simulate(POINT, SMALL.model_copy(update={"maximum_steps": 30, "snapshots": 40, "end_time": 4.5}))
    assert run.attrs["status"] == "short"
    assert "30 steps" in run.attrs["reason"]
    assert 2 <= run.sizes["time"] < 40


def test_too_few_snapshots_is_an_error_with_a_reason() -> None:
    with pytest.raises(SimulationError, match="2 steps reached only"):
        simulate(POINT, SMALL.model_copy(update={"maximum_steps": 2, "snapshots": 2, "end_time": 4.5}))


def test_not_a_number_ends_the_run_with_a_reason() -> None:
    evolution = Evolution(POINT, SMALL)
    evolution.layer.temperature[3, 4] = np.nan
    evolution.run()
    assert evolution.status == "failed"
    assert "not finite" in evolution.reason


def test_interrupted_run_goes_on_with_the_same_result(small_run: xr.Dataset, tmp_path: Path) -> None:
    first = Evolution(POINT, SMALL)

    def interrupt(time: float) -> None:
        if time > 0.15:
            raise KeyboardInterrupt

    path = tmp_path / "run.checkpoint.npz"
    with pytest.raises(KeyboardInterrupt):
        first.run(interrupt)
    save_state(first, path)
    run = simulate(POINT, SMALL, checkpoint=path)
    np.testing.assert_array_equal(run.temperature, small_run.temperature)
    for name in SERIES:
        np.testing.assert_array_equal(run[name], small_run[name])
    assert run.attrs["steps"] == small_run.attrs["steps"]
    assert run.attrs["budget_core_heat"] == small_run.attrs["budget_core_heat"]
    assert not path.exists()


def test_checkpoint_of_another_run_is_not_used(small_run: xr.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint.npz"
    other = Evolution(Parameters(1e20, 3e5, 6e-6, 10.0, 1700.0), SMALL)
    other.run()
    save_state(other, path)
    np.testing.assert_array_equal(simulate(POINT, SMALL, checkpoint=path).temperature, small_run.temperature)
    path.write_bytes(b"broken")
    assert not restore_state(Evolution(POINT, SMALL), path)


def test_long_run_saves_its_state_and_failure_leaves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surrogate.simulator.simulation.CHECKPOINT_SECONDS", 0.0)
    path = tmp_path / "run.checkpoint.npz"
    seen = []
    evolution = Evolution(POINT, SMALL)
    evolution.run(lambda time: seen.append(path.exists()), path)
    assert seen[-1]  # written after the snapshots before the last
    broken = Evolution(POINT, SMALL)
    broken.layer.temperature[3, 4] = np.nan
    broken.run(checkpoint=path)
    assert (tmp_path / "run.checkpoint.failed.npz").exists()


def test_parameters_out_of_range_warn() -> None:
    settings = SMALL.model_copy(update={"snapshots": 2, "end_time": 0.01})
    with pytest.warns(UserWarning, match="initial_temperature = 1900"):
        simulate(Parameters(1e21, 3e5, 6e-6, 10.0, 1900.0), settings)


def test_crust_heating_keeps_the_heat_of_the_whole_planet() -> None:
    from surrogate.simulator.problem import planet_mesh
    from surrogate.simulator.properties import heating_profile

    mesh = planet_mesh(SMALL)
    enriched = heating_profile(mesh, POINT, MARS, Physics(crust_heating="enriched"))
    np.testing.assert_allclose(mesh.volume @ enriched, mesh.volume.sum())
    assert enriched[-1] > 2 * enriched[0]
    depleted = heating_profile(mesh, POINT, MARS, Physics())
    np.testing.assert_allclose(depleted[:-2], MARS.mantle_depletion(10.0))
    # 64.3 km of crust is 0.6 cells of this mesh: what is left of the heat is that of the cells below.
    assert depleted[-1] == pytest.approx(MARS.mantle_depletion(10.0) * (1 - 64.3 / (1700 / 16)))


def test_shard_writes_skips_and_reports(tmp_path: Path) -> None:
    settings = SMALL.model_copy(update={"maximum_steps": 150, "snapshots": 6, "end_time": 0.3})
    stuck = Parameters(1e19, 5e5, 4e-6, 1.0, 1800.0)  # needs far more steps than it may take
    runs = [(3, POINT), (4, stuck)]
    lines: list[str] = []
    table = run_shard(runs, settings, folder=tmp_path, progress=lines.append)
    assert list(table.simulation) == [3, 4]
    assert table.status[0] == "done"
    assert table.status[1] in ("short", "failed")
    assert len(lines) == 2
    with open_netcdf(run_path(tmp_path, 3)) as run:
        assert run.attrs["key"] == run_key(POINT, settings)
    before = run_path(tmp_path, 3).stat().st_mtime_ns
    again = run_shard(runs, settings, folder=tmp_path)
    assert run_path(tmp_path, 3).stat().st_mtime_ns == before
    pd.testing.assert_series_equal(again.status, table.status)


def test_shard_makes_a_broken_or_foreign_file_again(tmp_path: Path) -> None:
    settings = SMALL.model_copy(update={"snapshots": 2, "end_time": 0.02})
    run_path(tmp_path, 0).write_bytes(b"not a NetCDF file")
    table = run_shard([(0, POINT)], settings, folder=tmp_path)
    assert table.status[0] == "done"
    changed = settings.model_copy(update={"end_time": 0.03})
    table = run_shard([(0, POINT)], changed, folder=tmp_path)
    assert table.end_time[0] == 0.03


def test_shard_in_processes_gives_the_same_files(tmp_path: Path) -> None:
    settings = SMALL.model_copy(update={"snapshots": 2, "end_time": 0.05})
    runs = [(0, POINT), (1, Parameters(1e20, 2e5, 6e-6, 10.0, 1650.0))]
    run_shard(runs, settings, folder=tmp_path / "one")
    run_shard(runs, settings, folder=tmp_path / "two", workers=2)
    for number, _ in runs:
        with (
            open_netcdf(run_path(tmp_path / "one", number)) as one,
            open_netcdf(run_path(tmp_path / "two", number)) as two,
        ):
            np.testing.assert_array_equal(one.temperature, two.temperature)
