from typing import Any

import dask.array
import numpy as np
import pytest
import xarray as xr
from made_up import GEOMETRY, disturbed, made_up_corpus, made_up_run

from surrogate.diagnostics import accuracy
from surrogate.diagnostics.evaluation import summarise, summarise_ratio
from surrogate.fields import FieldError, select_run, valid_snapshots

MEASURES = (
    accuracy.relative_accuracy,
    accuracy.mean_square_error,
    accuracy.root_mean_square_error,
    accuracy.variance_scaled_error,
    accuracy.lateral_anomaly_error,
    accuracy.profile_error,
)


def with_temperature(dataset: xr.Dataset, values: Any) -> xr.Dataset:
    return dataset.assign(
        temperature=dataset["temperature"].copy(data=np.broadcast_to(values, dataset.temperature.shape))
    )


def test_perfect_prediction() -> None:
    run = made_up_run()
    for measure in MEASURES:
        best = 100.0 if measure is accuracy.relative_accuracy else 0.0
        np.testing.assert_allclose(measure(run, run), best, atol=1e-12)


def test_relative_accuracy_against_a_loop() -> None:
    truth = made_up_run(3)
    prediction = disturbed(truth, 30.0)
    expected = []
    for one, other in zip(truth.temperature.values, prediction.temperature.values, strict=True):
        nodes = [100 - 100 * abs(a - b) / a for a, b in zip(one.ravel(), other.ravel(), strict=True)]
        expected.append(sum(nodes) / len(nodes))
    np.testing.assert_allclose(accuracy.relative_accuracy(truth, prediction), expected, rtol=1e-12)


def test_mean_square_error_scale() -> None:
    truth = made_up_run(2)
    prediction = with_temperature(truth, truth.temperature.values + 3.0)
    np.testing.assert_allclose(accuracy.mean_square_error(truth, prediction, 30.0), 0.01)
    hottest = float(truth.temperature.max())
    np.testing.assert_allclose(accuracy.mean_square_error(truth, prediction), (3 / hottest) ** 2)


def test_volume_mean_scores_one_in_vrmse() -> None:
    truth = made_up_run(4)
    mean = GEOMETRY.average(truth.temperature.values)[:, None, None]
    np.testing.assert_allclose(accuracy.variance_scaled_error(truth, with_temperature(truth, mean)), 1.0)


def test_lateral_mean_scores_one_in_the_anomaly_and_zero_in_the_profile() -> None:
    truth = made_up_run(4)
    mean = truth.temperature.values.mean(axis=-1, keepdims=True)
    prediction = with_temperature(truth, mean)
    np.testing.assert_allclose(accuracy.lateral_anomaly_error(truth, prediction), 1.0)
    np.testing.assert_allclose(accuracy.profile_error(truth, prediction), 0.0, atol=1e-9)
    shifted = with_temperature(truth, truth.temperature.values + 5.0)
    np.testing.assert_allclose(accuracy.lateral_anomaly_error(truth, shifted), 0.0, atol=1e-9)
    np.testing.assert_allclose(accuracy.profile_error(truth, shifted), 5.0)


def test_walls_do_not_count_in_weighted_measures() -> None:
    truth = made_up_run(2)
    values = truth.temperature.values.copy()
    values[:, 0] += 100.0
    prediction = with_temperature(truth, values)
    np.testing.assert_allclose(accuracy.root_mean_square_error(truth, prediction), 0.0)
    assert np.all(accuracy.relative_accuracy(truth, prediction) < 100.0)


def test_padding_gives_nan_and_runs_agree_with_the_corpus() -> None:
    truth = made_up_corpus()
    prediction = disturbed(truth)
    for measure in MEASURES:
        if measure is accuracy.mean_square_error:
            continue  # its default scale is that of the whole corpus
        scores = measure(truth, prediction)
        assert scores.dims == ("simulation", "time")
        np.testing.assert_array_equal(np.isfinite(scores.values), valid_snapshots(truth))
        run = measure(select_run(truth, 1), select_run(prediction, 1))
        np.testing.assert_allclose(scores.values[1, :5], run.values, rtol=1e-12)


def test_lazy_stays_lazy_and_agrees() -> None:
    truth, prediction = made_up_corpus(), disturbed(made_up_corpus())
    lazy = [entry.chunk({"simulation": 1, "time": 3}) for entry in (truth, prediction)]
    for measure in (
        accuracy.relative_accuracy,
        accuracy.lateral_anomaly_error,
        accuracy.error_map,
        accuracy.profile_error,
    ):
        result = measure(*lazy)
        assert isinstance(result.data, dask.array.Array)
        np.testing.assert_allclose(result.values, measure(truth, prediction).values, rtol=1e-12)
    spectra = accuracy.spectral_error(*lazy)
    assert isinstance(spectra["error"].data, dask.array.Array)
    np.testing.assert_allclose(spectra["error"], accuracy.spectral_error(truth, prediction)["error"], atol=1e-9)


def test_errors_by_radius_and_map_and_time() -> None:
    truth = made_up_corpus()
    values = truth.temperature.values.copy()
    values[..., 3, :] += 4.0
    prediction = with_temperature(truth, values)
    by_radius = accuracy.error_by_radius(truth, prediction)
    np.testing.assert_allclose(by_radius, np.where(np.arange(GEOMETRY.shape[0]) == 3, 4.0, 0.0), atol=1e-3)
    mapped = accuracy.error_map(truth, prediction)
    np.testing.assert_allclose(np.sqrt((mapped**2).mean("angle")), by_radius, rtol=1e-12)
    by_time = accuracy.error_by_time(truth, prediction, [0.0, 2.0, 4.6, 5.0])
    share = GEOMETRY.weight[3].sum()
    np.testing.assert_allclose(by_time[:2], 4 * np.sqrt(share), rtol=1e-4)
    assert np.isnan(by_time[2])


def test_spectrum_obeys_parseval_and_finds_the_wavenumber() -> None:
    truth = made_up_run(3)
    pattern = 7.0 * np.cos(6 * GEOMETRY.lateral)  # three half waves in a quarter: wavenumber 3
    prediction = with_temperature(truth, truth.temperature.values + pattern)
    spectra = accuracy.spectral_error(truth, prediction)
    assert int(np.argmax(spectra["error"].values)) == 3
    np.testing.assert_allclose(spectra["error"].sum(), 7.0**2 / 2, rtol=1e-9)
    mean_square = GEOMETRY.average(truth.temperature.values**2).mean()
    np.testing.assert_allclose(spectra["truth"].sum(), mean_square, rtol=1e-12)


def test_mismatches_are_refused() -> None:
    truth = made_up_corpus()
    with pytest.raises(FieldError, match="dimensions"):
        accuracy.relative_accuracy(truth, truth.isel(time=slice(0, 3)))
    with pytest.raises(FieldError, match="runs"):
        accuracy.relative_accuracy(truth, truth.assign_coords(simulation=truth.simulation + 1))
    with pytest.raises(FieldError, match="times differ"):
        accuracy.relative_accuracy(truth, truth.assign_coords(snapshot_time=truth.snapshot_time + 0.1))
    with pytest.raises(FieldError, match="grid"):
        accuracy.relative_accuracy(truth, truth.assign_coords(radius_bounds=truth.radius_bounds * 1.01))


def test_times_that_differ_by_rounding_are_the_same() -> None:
    truth = made_up_corpus()
    rounded = disturbed(truth).assign_coords(snapshot_time=truth.snapshot_time.astype(np.float32).astype(float))
    assert np.isfinite(accuracy.relative_accuracy(truth, rounded).values).sum() == valid_snapshots(truth).sum()


def test_summary_weights_snapshots_and_runs() -> None:
    scores = xr.DataArray([[1.0, 1.0, 1.0, 1.0], [6.0, np.nan, np.nan, np.nan]], dims=("simulation", "time"))
    real = scores.notnull()
    summary = summarise(scores, real)
    assert summary["mean"] == 2.0
    assert summary["run_median"] == 3.5
    assert summary["run_worst"] == 6.0
    assert summarise(scores, real, higher_is_better=True)["run_worst"] == 1.0
    ratio = summarise_ratio(scores, xr.ones_like(scores).where(real), real)
    np.testing.assert_allclose(ratio["mean"], np.sqrt(10 / 5))


def test_summary_refuses_holes() -> None:
    scores = xr.DataArray([[1.0, np.nan]], dims=("simulation", "time"), name="profile_error")
    with pytest.raises(FieldError, match="profile_error: not finite in 1 of 2"):
        summarise(scores, xr.ones_like(scores, dtype=bool))


def test_plain_arrays_score_as_their_runs_do() -> None:
    truth = made_up_run(3)
    prediction = disturbed(truth, 30.0)
    names = ("root_mean_square_error", "variance_scaled_error", "lateral_anomaly_error", "profile_error")
    arrays = truth.temperature.values, prediction.temperature.values
    turned = truth.temperature.transpose("angle", "time", "radius"), prediction.temperature
    for name in names:
        measure = getattr(accuracy, name)
        expected = measure(truth, prediction).values
        np.testing.assert_allclose(measure(*arrays, weights=GEOMETRY.weight).values, expected, rtol=1e-12)
        np.testing.assert_allclose(measure(*turned, weights=7 * GEOMETRY.weight).values, expected, rtol=1e-12)
    np.testing.assert_array_equal(
        accuracy.relative_accuracy(*arrays), accuracy.relative_accuracy(truth, prediction).values
    )
    np.testing.assert_allclose(accuracy.error_map(*arrays), accuracy.error_map(truth, prediction))
    field = accuracy.root_mean_square_error(arrays[0][0], arrays[0][0] + 2.0)  # one field: one number
    assert field.shape == ()
    assert field.item() == pytest.approx(2.0)


def test_plain_arrays_without_weights_count_alike() -> None:
    truth = np.full((6, 4), 1000.0)
    prediction = truth.copy()
    prediction[0] += 6.0
    np.testing.assert_allclose(accuracy.root_mean_square_error(truth, prediction), np.sqrt(36 / 6))
    np.testing.assert_allclose(
        accuracy.root_mean_square_error(truth, prediction, weights=np.eye(6, 4)), np.sqrt(36 / 4)
    )


def test_plain_arrays_that_do_not_fit_are_refused() -> None:
    truth = made_up_run(3).temperature
    with pytest.raises(FieldError, match="'radius' and 'angle'"):
        accuracy.profile_error(truth.rename(angle="x"), truth.rename(angle="x"))
    with pytest.raises(FieldError, match="coordinate 'time' differs"):
        accuracy.profile_error(truth, truth.assign_coords(time=truth.time + 1))
    with pytest.raises(FieldError, match="dimensions"):
        accuracy.profile_error(truth, truth[:2])
    with pytest.raises(FieldError, match="weights: expected"):
        accuracy.profile_error(truth, truth, weights=np.ones(4))
    with pytest.raises(FieldError, match="got an array"):
        accuracy.error_by_time(truth, truth)
    with pytest.raises(TypeError, match="needs a prediction"):
        accuracy.profile_error(truth)
