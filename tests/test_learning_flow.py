"""The flow, on a process whose distribution is known: each step goes up or down by one half, never in between."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from learning_examples import parameters, training

from surrogate.fields import parameter_table, select_split
from surrogate.learning.flow import FlowPredictor
from surrogate.learning.fnn import FnnPredictor
from surrogate.learning.folders import ModelError
from surrogate.learning.predictor import load_predictor, train_predictor
from surrogate.parameters import EVOLUTION_PARAMETERS
from surrogate.settings import FlowSettings, ResidualFnnSettings

RUNS, TIMES = 260, 12
PERSISTENCE = 0.6
FNN = ResidualFnnSettings(width=8, depth=2, members=2, training=training(epochs=2, batch_size=256))
FLOW = FlowSettings(width=48, depth=2, dropout=0.0, training=training(epochs=100, batch_size=128, learning_rate=5e-3))


@pytest.fixture(scope="module")
def latents() -> Any:
    generator = np.random.default_rng(4)
    values = np.zeros((RUNS, TIMES, 2), dtype=np.float32)
    for step in range(1, TIMES):
        jump = generator.choice([-0.5, 0.5], size=(RUNS, 2)) + 0.05 * generator.standard_normal((RUNS, 2))
        values[:, step] = PERSISTENCE * values[:, step - 1] + jump
    table = parameters(RUNS)
    times = np.tile(np.linspace(0.0, 4.5, TIMES), (RUNS, 1))
    split = np.array([0] * 200 + [1] * 30 + [2] * 30)
    return xr.Dataset(
        {"latent": (("simulation", "time", "component"), values)},
        {
            "simulation": np.arange(RUNS),
            "split": ("simulation", split),
            "snapshot_count": ("simulation", np.full(RUNS, TIMES)),
            "snapshot_time": (("simulation", "time"), times),
            **{name: ("simulation", table[:, column]) for column, name in enumerate(EVOLUTION_PARAMETERS.names)},
        },
    )


@pytest.fixture(scope="module")
def folder(latents: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("models")
    train_predictor("fnn", latents, FNN, folder / "fnn", progress=None)
    train_predictor("flow", latents, FLOW, folder / "flow", {"by": "a test"}, None)
    return folder


@pytest.fixture(scope="module")
def flow(folder: Path) -> Any:
    return load_predictor("flow", folder)


def steps_of(values: Any) -> Any:
    return values[..., 1:, :] - PERSISTENCE * values[..., :-1, :]


def test_samples_have_the_distribution_of_the_process_not_only_its_moments(flow: Any, latents: Any) -> None:
    runs = select_split(latents, "test")
    times = runs.snapshot_time.values
    samples = flow.sample(parameter_table(runs), times, runs.latent.values[:, 0], samples=8)
    assert samples.shape == (30, 8, TIMES, 2)
    steps = np.abs(steps_of(samples)).ravel()
    # The process has no step below 0.2 (more than six deviations away); a normal distribution of the same variance
    # has 31 % of its steps there.
    assert np.mean(steps < 0.2) < 0.08
    assert np.median(steps) == pytest.approx(0.5, abs=0.06)
    truth = latents.latent.values
    np.testing.assert_allclose(samples[:, :, 6:].std(), truth[:, 6:].std(), rtol=0.12)


def test_steps_of_the_two_latents_are_independent_as_in_the_process(flow: Any, latents: Any) -> None:
    runs = select_split(latents, "test")
    steps = steps_of(flow.sample(parameter_table(runs), runs.snapshot_time.values, samples=8)[:, :, 1:])
    assert abs(np.corrcoef(steps.reshape(-1, 2).T)[0, 1]) < 0.1


def test_samples_start_from_what_is_given_and_depend_on_the_seed_alone(flow: Any, latents: Any) -> None:
    table, initial = parameter_table(latents)[:3], np.full((3, 2), 0.25, dtype=np.float32)
    one = flow.sample(table, np.linspace(0, 4.5, TIMES), initial, samples=2, seed=1)
    np.testing.assert_allclose(one[:, :, 0], 0.25, atol=1e-6)
    np.testing.assert_array_equal(one, flow.sample(table, np.linspace(0, 4.5, TIMES), initial, samples=2, seed=1))
    other = flow.sample(table, np.linspace(0, 4.5, TIMES), initial, samples=2, seed=2)
    assert np.abs(one[:, :, 3:] - other[:, :, 3:]).max() > 0.1
    assert np.abs(one[:, 0, 3:] - one[:, 1, 3:]).max() > 0.1
    halfway = flow.sample(table, [0.5 * 4.5 / (TIMES - 1)], initial, samples=2, seed=1)
    later = flow.sample(table, [0.0, 4.5 / (TIMES - 1)], initial, samples=2, seed=1)
    np.testing.assert_allclose(halfway[:, :, 0], later.mean(axis=2), atol=1e-5)


def test_departures_that_the_fnn_learnt_by_heart_do_not_shrink_the_noise(flow: Any, latents: Any) -> None:
    """Spread and error of the mean agree on unseen runs: the departures came from members that had not seen them."""
    runs = select_split(latents, "test")
    samples = flow.sample(parameter_table(runs), runs.snapshot_time.values, samples=16)
    error = np.sqrt(np.mean((runs.latent.values - samples.mean(axis=1))[:, 3:] ** 2))
    assert samples[:, :, 3:].std(axis=1).mean() == pytest.approx(error, rel=0.2)


def test_wrong_arguments_and_strangers_are_refused(flow: Any, folder: Path, latents: Any, tmp_path: Path) -> None:
    table = parameter_table(latents)[:2]
    with pytest.raises(ValueError, match="samples: expected at least 1, got 0"):
        flow.sample(table, [1.0], samples=0)
    with pytest.raises(ValueError, match=r"initial_latent: expected shape \(2, 2\), got \(3, 2\)"):
        flow.sample(table, [1.0], np.zeros((3, 2)))
    stranger = FnnPredictor.train(
        latents, FNN.model_copy(update={"training": training(epochs=1, seed=9)}), tmp_path / "other", progress=None
    )
    with pytest.raises(ModelError, match="trained around another FNN"):
        FlowPredictor.load(folder / "flow", fnn=stranger)
    with pytest.raises(ModelError, match="no such folder"):
        FlowPredictor.load(tmp_path / "nothing", fnn=stranger)
