"""Runs side by side in JAX: the same physics as the other engine, run by run."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surrogate.fields import open_netcdf
from surrogate.parameters import CONVECTION_PARAMETERS, Parameters
from surrogate.quantities import SERIES
from surrogate.settings import ConvectionSettings, EvolutionSettings, Physics
from surrogate.simulator import BoussinesqConvection, SimulationError, run_key, run_path, run_shard, simulate
from surrogate.simulator.evolution import Evolution
from surrogate.simulator.numba_engine.stokes import apply_operator

jax = pytest.importorskip("jax")
heat = pytest.importorskip("surrogate.simulator.jax_engine.heat")
stokes = pytest.importorskip("surrogate.simulator.jax_engine.stokes")
batch_module = pytest.importorskip("surrogate.simulator.jax_engine.batch")
run_batch = batch_module.run_batch

Batch = tuple[dict[int, Evolution], list[str]]
"""Runs by number, and what was told of them."""

POINTS = [
    Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0),
    Parameters(1e20, 2.5e5, 6e-6, 2.0, 1790.0),  # hot and vigorous: the most steps, and melt
    Parameters(5e21, 2e5, 5e-6, 30.0, 1650.0),
]
RUNS = list(enumerate(POINTS))
SETTINGS = EvolutionSettings(
    radial_cells=16,
    angular_cells=24,
    snapshots=4,
    end_time=0.3,
    radial_grading=2.0,
    engine="jax",
    batch_width=2,
    physics=Physics(melting="extracted"),
)


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The same program serves several tests."""
    settings = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.1,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture(scope="module")
def batch() -> Batch:
    """Three runs in two places: the third takes the place that is free first."""
    lines: list[str] = []
    return dict(run_batch(RUNS, SETTINGS, progress=lines.append)), lines


@pytest.fixture(scope="module")
def single() -> list[Evolution]:
    """The same runs, one after the other."""
    runs = []
    for number, point in RUNS:
        evolution = Evolution(point, SETTINGS, number=number)
        evolution.run()
        runs.append(evolution)
    return runs


@pytest.mark.parametrize("number", range(3))
def test_batch_agrees_with_the_other_engine_run_by_run(batch: Batch, single: list[Evolution], number: int) -> None:
    ours, theirs = batch[0][number], single[number]
    assert ours.status == theirs.status == "done"
    assert ours.steps == pytest.approx(theirs.steps, abs=2)
    assert ours.layer.iterations == pytest.approx(theirs.layer.iterations, rel=0.1)
    # Round-off grows as in any chaotic flow; a different law or a wrong sign is off by tens of K.
    np.testing.assert_allclose(ours.snapshots, theirs.snapshots, atol=0.05)
    for name in SERIES:
        np.testing.assert_allclose(ours.series[name], theirs.series[name], rtol=1e-3, atol=1e-6)
    budget = theirs.budget()
    for name, value in ours.budget().items():
        assert value == pytest.approx(budget[name], abs=1e-2), name
    assert ours.budget()["budget_relative_error"] < 1e-10


def test_every_run_has_its_own_time_step(batch: Batch) -> None:
    steps = [batch[0][number].steps for number, _ in RUNS]
    assert len(set(steps)) == 3
    assert batch[0][1].melted > 0  # so the comparison sees the extraction of melt
    assert "1 waiting" not in batch[1][-1]


def test_interrupted_batch_goes_on_with_the_same_result(
    batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_module, "CHECKPOINT_SECONDS", 0.0)

    def file(number: int) -> Path:
        return tmp_path / f"{number}.npz"

    looks = []

    def interrupt(line: str) -> None:
        looks.append(line)
        if len(looks) == 2:  # told before the state is saved: the first chunk is on disk
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_batch(RUNS[:2], SETTINGS, checkpoint=file, progress=interrupt))
    assert file(0).exists()
    again = dict(run_batch(RUNS[:2], SETTINGS, checkpoint=file))
    for number in (0, 1):
        assert again[number].steps == batch[0][number].steps
        np.testing.assert_allclose(again[number].snapshots, batch[0][number].snapshots, atol=1e-3)


def test_a_run_that_diverges_ends_alone(monkeypatch: pytest.MonkeyPatch, batch: Batch) -> None:
    def broken(*arguments: Any, **keywords: Any) -> Evolution:
        run = Evolution(*arguments, **keywords)
        if run.number == 1:
            run.layer.temperature[3, 4] = np.nan
        return run

    monkeypatch.setattr(batch_module, "make_simulation", broken)
    ended = dict(run_batch(RUNS[:2], SETTINGS))
    assert ended[1].status == "failed"
    with pytest.raises(SimulationError, match=r"solved|finite"):
        ended[1].dataset()
    np.testing.assert_array_equal(ended[0].snapshots, batch[0][0].snapshots)


def test_shard_runs_on_the_engine_of_the_settings(tmp_path: Path, batch: Batch) -> None:
    table = run_shard(RUNS[:1], SETTINGS, folder=tmp_path)
    assert table.status.tolist() == ["done"]
    with open_netcdf(run_path(tmp_path, 0)) as run:
        assert run.attrs["engine"] == "jax"
        assert run.attrs["key"] == run_key(POINTS[0], SETTINGS)
        np.testing.assert_allclose(run.temperature, batch[0][0].snapshots, atol=1e-3)
    lines: list[str] = []
    run_shard(RUNS[:1], SETTINGS, folder=tmp_path, progress=lines.append)
    assert lines == ["1 of 1 runs are already there"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run_00000.nc"]


def test_engine_counts_in_the_key_and_width_does_not() -> None:
    numba = SETTINGS.model_copy(update={"engine": "numba"})
    assert run_key(POINTS[0], SETTINGS) != run_key(POINTS[0], numba)
    assert run_key(POINTS[0], SETTINGS) == run_key(POINTS[0], SETTINGS.model_copy(update={"batch_width": 9}))


SPHERICAL = EvolutionSettings(
    geometry="spherical_annulus", radial_cells=16, angular_cells=24, snapshots=2, end_time=0.03
)


def test_spherical_annulus_has_the_same_operator_and_the_same_heat() -> None:
    run = Evolution(POINTS[0], SPHERICAL)
    run.run()
    layer = run.layer
    layer.solve_flow()
    layer.carry(np.full(16, 2.0))
    assert layer.flow is not None
    with jax.enable_x64(True):
        weights = stokes.viscosity_weights(layer.log_viscosity, layer.drag[:, 1:-1], layer.stencil)
        image = stokes.apply_operator(layer.flow, weights, layer.stencil)
        ours = np.empty_like(layer.load)
        padded = np.zeros_like(layer.psi), np.zeros((16, 26)), np.zeros((17, 27))
        resistance = layer.drag + layer.hoop
        apply_operator(
            layer.flow, layer.stencil, layer.cell_weight, layer.corner_weight, resistance, False, *padded, ours
        )
        np.testing.assert_allclose(image, ours, atol=1e-7 * np.abs(ours).max())
        material = np.zeros((16, 24)), layer.phase_work, np.full(16, 2.0), layer.dissipation
        carrier = heat.carry(layer.flow, *material, weights, layer.stencil, layer.mesh)
        np.testing.assert_allclose(carrier.source, layer.source, rtol=1e-6, atol=1e-9)
        assert float(carrier.rate) == pytest.approx(layer.fastest_rate())


@pytest.mark.slow  # compiles the program
def test_spherical_annulus_agrees_with_the_other_engine() -> None:
    ours = Evolution(POINTS[0], SPHERICAL)
    ours.run()
    [(_, theirs)] = run_batch([(0, POINTS[0])], SPHERICAL.model_copy(update={"engine": "jax", "batch_width": 1}))
    assert (theirs.steps, theirs.status) == (ours.steps, "done")
    np.testing.assert_allclose(theirs.snapshots[-1], ours.snapshots[-1], atol=1e-2)
    for name, value in ours.budget().items():
        assert theirs.budget()[name] == pytest.approx(value, abs=1e-5)


@pytest.mark.slow  # compiles the program
def test_convection_agrees_with_the_other_engine() -> None:
    # Short and tight: beyond the onset, any difference grows.
    common = {"engine": "jax", "batch_width": 2, "stokes_tolerance": 1e-9, "end_time": 0.015, "snapshots": 3}
    grid = {"vertical_cells": 12, "lateral_cells": 24, "initial_waves": 3, "viscosity_contrast": 30.0}
    box = ConvectionSettings.model_validate({"model": "convection", **common, **grid})
    points = [Parameters(ra, heating, space=CONVECTION_PARAMETERS) for ra, heating in ((1e5, 3.0), (1e4, 0.0))]
    for number, theirs in run_batch(list(enumerate(points)), box):
        ours = BoussinesqConvection(points[number], box)
        ours.run()
        assert (theirs.steps, theirs.status) == (ours.steps, "done")
        np.testing.assert_allclose(theirs.snapshots[-1], ours.snapshots[-1], atol=1e-5)
        assert theirs.budget()["budget_relative_error"] < 1e-10
        assert theirs.dataset().attrs["engine"] == "jax"


def test_periodic_box_is_refused() -> None:
    box = ConvectionSettings(model="convection", sides="periodic", engine="jax")
    with pytest.raises(ValueError, match="sides: periodic"):
        simulate(Parameters(1e5, 3.0, space=CONVECTION_PARAMETERS), box)


def test_full_annulus_is_refused() -> None:
    with pytest.raises(ValueError, match="sector_degrees"):
        simulate(POINTS[0], SETTINGS.model_copy(update={"sector_degrees": 360.0}))


def test_missing_jax_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("surrogate.simulator.jax_engine")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(ValueError, match=r"surrogate\[jax\]"):
        simulate(POINTS[0], SETTINGS)
