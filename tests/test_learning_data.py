from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from learning_examples import made_up_corpus, parameters

from surrogate.fields import select_split, valid_snapshots
from surrogate.learning import pod
from surrogate.learning.batches import ArrayBatches, SnapshotBatches
from surrogate.learning.ensemble import Sequences, calibrate, common_times, draw_folds, fold_weight, sequences
from surrogate.learning.scaling import FieldScaler, LatentScaler, ParameterScaler, interpolate

TEMPERATURES = arrays(np.float32, (2, 12, 10), elements=st.floats(200, 3000, width=32))


@pytest.fixture(scope="module")
def corpus() -> Any:
    return made_up_corpus()


@given(TEMPERATURES)
def test_field_scaler_round_trip_and_exact_walls(field: Any) -> None:
    field[:, -1] = 250.0
    field[:, 0] = field[:, 0, :1]
    scaler = FieldScaler(np.linspace(2200, 250, 12), 150.0, None, 250.0, True, False)
    image, walls = scaler.split(field)
    assert image.shape == (2, 10, 10)
    assert walls.shape == (2, 1)
    back = scaler.join(image, walls)
    np.testing.assert_allclose(back, field, rtol=0, atol=2e-3)
    assert np.all(back[:, -1] == 250.0)
    assert np.all(back[:, 0] == back[:, 0, :1])
    again = FieldScaler.from_dict(scaler.as_dict())
    np.testing.assert_array_equal(again.join(*again.split(field)), back)


def test_field_scaler_finds_what_the_walls_do(corpus: Any) -> None:
    scaler = FieldScaler.fit(corpus)
    assert scaler.surface == 250.0
    assert scaler.core is None
    assert scaler.core_scalar
    varying = corpus.copy(deep=True)
    varying.temperature[..., -1, 0] += 5.0
    assert FieldScaler.fit(varying).rows == slice(1, 12)
    paper = FieldScaler.fit(corpus, "paper")
    assert paper.rows == slice(0, 12)
    assert paper.scale == pytest.approx(float(corpus.temperature.max()))


def test_field_scaler_statistics_ignore_padding(corpus: Any) -> None:
    whole, valid = FieldScaler.fit(corpus), valid_snapshots(corpus)
    expected = corpus.temperature.values[valid].mean(axis=(0, 2))
    np.testing.assert_allclose(whole.profile, expected, rtol=1e-6)


@given(st.integers(0, 1000))
def test_parameter_scaler_maps_training_extrema_to_the_unit_box(seed: Any) -> None:
    values = parameters(6, seed)
    natural = values.copy()
    natural[:, 0] = np.log10(natural[:, 0])
    scaler = ParameterScaler(natural.min(axis=0), natural.max(axis=0), 0.0, 4.5)
    scaled = scaler.transform(values)
    np.testing.assert_allclose([scaled.min(axis=0), scaled.max(axis=0)], [[-1] * 5, [1] * 5], atol=1e-9)
    assert ParameterScaler.from_dict(scaler.as_dict()).transform(values).tolist() == scaled.tolist()


def test_constant_parameter_scales_to_zero() -> None:
    low = np.array([20.0, 3e5, 5e-6, 1.0, 1700.0])
    scaled = ParameterScaler(low, low, 0.0, 1.0).transform([[1e20, 3e5, 5e-6, 1.0, 1700.0]])
    assert np.all(scaled == 0)


def test_scaler_refuses_other_content() -> None:
    with pytest.raises(ValueError, match="expected the keys"):
        LatentScaler.from_dict({"mean": [0.0]})
    with pytest.raises(ValueError, match=r"expected shape \(n, 12, angle\)"):
        FieldScaler(np.zeros(12), 1.0, None, None, False, False).split(np.zeros((1, 3, 3)))


@given(arrays(np.float64, (7, 3), elements=st.floats(-50, 50)), st.sampled_from(["default", "paper"]))
def test_latent_scaler_round_trip(latents: Any, network: Any) -> None:
    scaler = LatentScaler.fit(latents, network)
    np.testing.assert_allclose(scaler.inverse(scaler.transform(latents)), latents, atol=1e-3)
    assert scaler.weight.sum() == pytest.approx(3.0, rel=1e-6) or np.ptp(latents) < 1e-3


def test_latent_weight_makes_the_loss_that_of_the_field() -> None:
    generator = np.random.default_rng(0)
    latents = generator.normal(size=(500, 4)) * [10.0, 3.0, 1.0, 0.1]
    error = generator.normal(size=4)
    scaler = LatentScaler.fit(latents)
    scaled = scaler.transform(latents + error) - scaler.transform(latents)
    expected = (error**2).sum() / latents.var(axis=0).sum()
    assert (scaled**2 * scaler.weight).mean() == pytest.approx(expected, rel=1e-3)


def test_batches_cover_every_sample_once_and_depend_on_seed_and_epoch_only() -> Any:
    batches = ArrayBatches(np.arange(10), np.arange(10), batch_size=3, seed=4)

    def epoch(number: int) -> Any:
        batches.epoch = number
        return np.concatenate([batches[index][1] for index in range(len(batches))])

    first, second = epoch(0), epoch(1)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first.tolist() != second.tolist()
    assert epoch(0).tolist() == first.tolist()


@pytest.mark.parametrize("memory", [1.0, 4.5 * 8 * 12 * 10 * 4 / 1e9])
def test_snapshot_batches_read_the_store_in_groups(corpus: Any, memory: Any, tmp_path: Path) -> Any:
    path = tmp_path / "corpus.zarr"
    corpus.to_zarr(path, consolidated=False)
    lazy = xr.open_zarr(path, chunks=None, consolidated=False)
    scaler = FieldScaler.fit(corpus)
    batches = SnapshotBatches(lazy, scaler, batch_size=16, seed=1, memory=memory)
    seen = [batches[index] for index in range(len(batches))]
    images = np.concatenate([images for (images, _), _ in seen])
    expected, _ = scaler.split(corpus.temperature.values[valid_snapshots(corpus)])

    def rows(part: Any) -> Any:
        return sorted(map(tuple, part.reshape(len(part), -1)[:, :30].round(4)))

    if memory == 1.0:
        assert rows(images) == rows(expected)
    else:
        assert batches.runs_held == 2
        assert set(rows(images)) <= set(rows(expected))
        assert len(images) > 0.8 * len(expected)
        # Two groups in memory at most: the one that is learnt and the one that a thread reads meanwhile.
        assert batches._held
        assert batches._coming
        assert len(batches._held.images) <= 2 * 8
        assert len(batches._coming.images) <= 2 * 8
    again = SnapshotBatches(lazy, scaler, batch_size=16, seed=1, memory=memory)
    for index in (len(batches) - 1, 0, 3):  # in any order, read ahead or not: the same batches
        np.testing.assert_array_equal(again[index][0][0], seen[index][0][0])
    for (image, _), target in seen:
        assert image is target or np.array_equal(image, target)


def test_pod_modes_are_the_best_basis() -> None:
    generator = np.random.default_rng(2)
    snapshots = generator.normal(size=(60, 30)) @ generator.normal(size=(30, 30))
    weight = generator.uniform(0.5, 2.0, size=30)
    found = pod.leading_modes(snapshots, weight, 5)
    np.testing.assert_allclose(found * weight @ found.T, np.eye(5), atol=1e-4)
    lost = snapshots - (snapshots * weight @ found.T) @ found
    singular = np.linalg.svd(snapshots * np.sqrt(weight), compute_uv=False)
    assert (lost**2 * weight).sum() == pytest.approx((singular[5:] ** 2).sum(), rel=1e-4)
    tall, wide = pod.leading_modes(snapshots, weight, 3), pod.leading_modes(snapshots[:20], weight, 3)
    assert tall.shape == wide.shape == (3, 30)
    np.testing.assert_allclose(wide * weight @ wide.T, np.eye(3), atol=1e-4)


def test_pod_of_too_few_snapshots_is_filled_with_zeros() -> None:
    found = pod.leading_modes(np.array([[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]]), np.ones(3), 3)
    np.testing.assert_allclose(np.abs(found), [[1, 0, 0], [0, 0, 0], [0, 0, 0]], atol=1e-6)


@given(st.lists(st.floats(-1, 6), min_size=1, max_size=5))
def test_interpolation_agrees_with_numpy(times: Any) -> None:
    own, values = np.array([0.0, 1.0, 4.0]), np.array([[0.0], [2.0], [-1.0]])
    np.testing.assert_allclose(
        interpolate(own, values, np.array(times))[:, 0], np.interp(times, own, values[:, 0]), atol=1e-12
    )


def test_sequences_keep_the_runs_own_times_exact(corpus: Any) -> None:
    latents = corpus.temperature[..., 3, :4].rename(angle="component").to_dataset(name="latent")
    train = select_split(latents, "train")
    times = common_times(train)
    np.testing.assert_allclose(times, np.linspace(0, 4.5, 8))
    found = sequences(train, times)
    valid = valid_snapshots(train)
    np.testing.assert_array_equal(found.real, valid)
    np.testing.assert_allclose(found.latents[valid], train.latent.values[valid], rtol=1e-6)
    assert np.all(np.isfinite(found.latents))


def example_sequences(runs: Any, seed: Any) -> Any:
    latents = np.random.default_rng(seed).normal(size=(runs, 20, 3))
    real = np.ones((runs, 20), dtype=bool)
    real[::5, 15:] = False
    return Sequences(parameters(runs, seed), np.linspace(0, 4.5, 20), latents, real)


def test_folds_let_every_member_sit_out_equally_often() -> None:
    folds = draw_folds(24, 4, seed=1)
    assert np.bincount(folds).tolist() == [6, 6, 6, 6]
    weight = fold_weight(folds, 4)
    assert weight.mean() == pytest.approx(1.0)
    assert np.all(weight[np.arange(24), folds] == 0)
    assert np.all(fold_weight(draw_folds(5, 1, seed=1), 1) == 1)


def test_calibration_trusts_what_is_predicted_and_nothing_else() -> Any:
    """First latent foreseen, second pure chance, third foreseen but for noise as strong as the signal."""
    train, validation = example_sequences(200, 1), example_sequences(50, 2)
    folds = draw_folds(200, 4, seed=3)

    def predict(part: Any) -> Any:
        generator = np.random.default_rng(len(part.latents))
        members = np.repeat(part.latents[:, None], 4, axis=1)
        common = generator.normal(size=part.latents.shape)
        members[..., 1] = common[:, None, :, 1]
        members[..., 2] += common[:, None, :, 2]
        return members

    calibration = calibrate(predict, train, validation, folds)
    assert calibration.gain.shape == (20, 3)
    np.testing.assert_allclose(calibration.gain[:, 0], 1.0, atol=0.02)
    assert calibration.gain[:, 1].max() < 0.2
    np.testing.assert_allclose(calibration.gain[:, 2], 0.5, atol=0.12)
    ones = np.array([[1.0] * 20])
    applied = calibration.apply(ones[..., None] * np.ones(3), train.times[None])
    np.testing.assert_allclose(applied[0, :, 0], 1.0, atol=0.05)
    assert np.abs(applied[0, :, 1]).max() < 0.6


def test_an_ensemble_of_one_is_not_calibrated() -> None:
    part = example_sequences(10, 1)
    calibration = calibrate(lambda part: part.latents[:, None], part, part, draw_folds(10, 1, seed=1))
    values = np.random.default_rng(0).normal(size=(2, 1, 20, 3)).astype(np.float32)
    np.testing.assert_array_equal(calibration.apply(values, np.stack([part.times] * 2)), values)
