from typing import Any

import numpy as np
import pytest
from learning_examples import made_up_corpus, parameters

from surrogate.config import EvaluationSettings
from surrogate.fields import parameter_table, select_split, valid_snapshots
from surrogate.learning.baselines import MeanProfile, NearestRun, PodGaussianProcess


@pytest.fixture(scope="module")
def corpus() -> Any:
    return made_up_corpus(36)


@pytest.fixture(scope="module")
def train(corpus: Any) -> Any:
    return select_split(corpus, "train")


def test_mean_profile_is_the_mean_over_the_runs_that_reach_a_time(train: Any) -> None:
    predicted = MeanProfile().fit(train).predict(parameters(2), [0.0, 4.5])
    assert predicted.shape == (2, 2, 12, 10)
    valid = valid_snapshots(train)
    profiles = train.temperature.values.mean(axis=-1)
    np.testing.assert_allclose(predicted[0, 0, :, 0], profiles[:, 0].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(predicted[1, 1, :, 3], profiles[valid[:, -1], -1].mean(axis=0), rtol=1e-5)
    assert np.ptp(predicted, axis=-1).max() == 0


def test_nearest_run_of_a_training_run_is_itself(train: Any) -> None:
    times = train.snapshot_time.values[1]
    predicted = NearestRun().fit(train).predict(parameter_table(train)[1:2], times)
    np.testing.assert_array_equal(predicted[0], train.temperature.values[1])


def test_gaussian_process_reconstructs_and_generalises(corpus: Any, train: Any) -> None:
    method = PodGaussianProcess(EvaluationSettings(pod_modes=6)).fit(train)
    test = select_split(corpus, "test")
    valid = valid_snapshots(test)
    times = np.nan_to_num(test.snapshot_time.values, nan=4.5)
    predicted = method.predict(parameter_table(test), times)
    assert predicted.shape == test.temperature.shape
    truth = test.temperature.values
    error = np.abs(predicted - truth)[valid].mean()
    simple = np.abs(MeanProfile().fit(train).predict(parameter_table(test), times) - truth)[valid].mean()
    assert error < 0.3 * simple
    np.testing.assert_allclose(predicted[..., -1, :], 250.0, atol=1e-2)
