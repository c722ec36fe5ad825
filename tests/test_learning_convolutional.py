"""The default autoencoder: its linear part, its sides, its loss, and what training adds."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from learning_examples import made_up_corpus, training

from surrogate.diagnostics import lateral_anomaly_error
from surrogate.fields import geometry_of, select_split
from surrogate.geometry import Geometry
from surrogate.learning import autoencoder as autoencoders
from surrogate.learning.autoencoder import Autoencoder, train_autoencoder
from surrogate.learning.batches import SnapshotBatches
from surrogate.learning.networks.convolutional import ConvolutionalNetworks, FieldLoss, RowReduction
from surrogate.learning.networks.layers import ExtendColumns
from surrogate.learning.scaling import FieldScaler
from surrogate.settings import ConvolutionalAutoencoderSettings

SETTINGS = ConvolutionalAutoencoderSettings(latents=3, row_modes=6, channels=[4, 6], training=training())


@pytest.fixture(scope="module")
def corpus() -> Any:
    return made_up_corpus()


@pytest.fixture(scope="module")
def sample(corpus: Any) -> Any:
    return sample_of(corpus)


def sample_of(corpus: Any) -> Any:
    """Images, wall scalars and weights of the rows."""
    train = select_split(corpus, "train")
    scaler = FieldScaler.fit(train, "convolutional")
    return *autoencoders._sample(train, scaler, 200), autoencoders._row_weight(train, scaler, 10.0)


def networks(sample: Any, columns: slice = slice(None), periodic: bool = False, **changes: Any) -> Any:
    images, walls, weight = sample
    images = images[:, :, columns]
    settings = SETTINGS.model_copy(update=changes)
    free = settings.latents - walls.shape[1]
    reduction = RowReduction.fit(images, walls, weight, settings.lateral_weight, settings.row_modes, free)
    return ConvolutionalNetworks(images.shape[1:], walls.shape[1], settings, reduction, periodic), images, walls


def shaken(built: Any) -> Any:
    """As after training: no weight is zero."""
    generator = np.random.default_rng(4)
    for weight in built.between.trainable_weights:
        weight.assign(keras.ops.convert_to_numpy(weight) + 0.05 * generator.normal(size=weight.shape))
    return built


@pytest.mark.parametrize("columns", [slice(None), slice(0, 11)], ids=["even", "odd"])
@pytest.mark.parametrize("periodic", [False, True])
def test_before_training_the_network_is_the_best_linear_one(sample: Any, columns: slice, periodic: bool) -> None:
    built, images, walls = networks(sample, columns, periodic, row_modes=sample[0].shape[1])
    decoded, told = built.decoder.predict_on_batch(built.encoder.predict_on_batch([images, walls]))
    np.testing.assert_allclose(told, walls, atol=1e-5)
    # The same by a singular value decomposition of the stretched images.
    row = np.sqrt(sample[2] / images.shape[2])[:, None]
    design = np.c_[walls, np.ones(len(walls))]
    profile = images.mean(axis=2)
    departure = images - (design @ np.linalg.lstsq(design, profile, rcond=None)[0])[:, :, None]

    def stretched(values: Any) -> Any:
        mean = values.mean(axis=2, keepdims=True)
        return ((mean + np.sqrt(2.0) * (values - mean)) * row).reshape(len(values), -1)

    values = np.linalg.svd(stretched(departure), compute_uv=False)
    best = (values[SETTINGS.latents - walls.shape[1] :] ** 2).sum()
    assert (stretched(decoded - images) ** 2).sum() == pytest.approx(best, rel=1e-3)


def test_the_loss_counts_the_lateral_anomaly_once_more() -> None:
    generator = np.random.default_rng(2)
    truth, found = generator.normal(size=(2, 3, 4, 6)).astype(np.float32)
    weight, error = np.array([0.1, 0.2, 0.3, 0.4]), found - truth
    anomaly = error - error.mean(axis=2, keepdims=True)
    expected = ((error**2 + 2.5 * anomaly**2) * weight[:, None]).sum(axis=(1, 2))
    loss = FieldLoss(weight, 2.5)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(loss.call(truth, found)), expected, rtol=1e-5)


def test_columns_go_on_as_the_domain_does() -> None:
    columns = np.arange(5.0)[None, :, None]
    mirrored, wrapped = (ExtendColumns(2, 1, periodic)(columns) for periodic in (False, True))
    assert np.ravel(mirrored).tolist() == [1, 0, 0, 1, 2, 3, 4, 4]
    assert np.ravel(wrapped).tolist() == [3, 4, 0, 1, 2, 3, 4, 0]


def test_convolutions_know_the_mirror_and_the_seam(sample: Any) -> None:
    """What a level sees of a field that goes round is the same wherever the seam lies."""
    built, images, walls = networks(sample, slice(0, 8), periodic=True)
    shaken(built)
    compress = built.between.get_layer("compress")
    last = [layer for layer in compress.layers if isinstance(layer, keras.layers.Conv1D)][-1]
    features = keras.Model(compress.inputs, last.output)
    plain = features.predict_on_batch([images, walls])
    moved = features.predict_on_batch([np.roll(images, 4, axis=2), walls])
    np.testing.assert_allclose(moved, np.roll(plain, 1, axis=1), atol=1e-4)
    assert np.abs(moved - plain).max() > 1e-2


def test_refinement_never_makes_a_field_worse_and_is_read_back(sample: Any, tmp_path: Path) -> None:
    built, images, walls = networks(sample, refinement=2)
    shaken(built).encoder.save(tmp_path / "encoder.keras")
    plain, _, _ = networks(sample, refinement=0)
    plain.between.set_weights(built.between.get_weights())
    losses = [
        keras.ops.convert_to_numpy(
            one.loss.call(images, one.decoder.predict_on_batch(one.encoder.predict_on_batch([images, walls]))[0])
        )
        for one in (built, plain)
    ]
    assert (losses[0] <= losses[1] * (1 + 1e-4)).all()
    assert losses[0].mean() < 0.9 * losses[1].mean()
    read = keras.saving.load_model(tmp_path / "encoder.keras", compile=False, safe_mode=True)
    written = built.encoder.predict_on_batch([images, walls])
    np.testing.assert_allclose(read.predict_on_batch([images, walls]), written, rtol=1e-4, atol=1e-4)


def test_training_finds_where_a_plume_stands_better_than_a_pod(corpus: Any, tmp_path: Path) -> None:
    place = np.random.default_rng(7).uniform(0, 10, corpus.temperature.shape[:2])[..., None, None]
    rows, columns = np.ogrid[:12, :10]
    plume = 200 * np.sin(np.pi * rows / 11) * np.exp(-(((columns - place) / 1.5) ** 2))
    mean = corpus.temperature.values.mean(axis=3, keepdims=True)
    corpus = corpus.assign(temperature=corpus.temperature.copy(data=(mean + plume).astype(np.float32)))
    unseen = select_split(corpus, "test").temperature.values.reshape(-1, 12, 10)
    unseen = unseen[np.isfinite(unseen).all(axis=(1, 2))]
    settings = SETTINGS.model_copy(update={"training": training(epochs=30, learning_rate=1e-2)})
    train_autoencoder(corpus, settings, tmp_path, progress=None)
    trained = Autoencoder.load(tmp_path)
    built, _, _ = networks(sample_of(corpus))
    pod = Autoencoder(built.encoder, built.decoder, trained.scaler, {})
    linear, learnt = (
        float(lateral_anomaly_error(unseen, one.decode(one.encode(unseen))).mean()) for one in (pod, trained)
    )
    assert learnt < 0.95 * linear
    latents = trained.encode(unseen)
    step = 0.5 * np.eye(3, dtype=np.float32)[1]
    change = trained.decode(latents + step) - trained.decode(latents - step)
    weight = geometry_of(corpus).weight
    assert 0.2 < np.sqrt((change**2 * weight).sum(axis=(1, 2)).mean()) < 5.0  # a step of 1 is about 1 K


def test_moved_batches_are_windows_of_the_mirrored_field_and_repeat(corpus: Any) -> None:
    train = select_split(corpus, "train")
    scaler = FieldScaler.fit(train, "convolutional")
    plain, moved, again = (
        SnapshotBatches(train, scaler, batch_size=8, seed=3, moved=share) for share in (None, 1.0, 1.0)
    )
    seen = set()
    for index in range(len(plain)):
        (images, _), target = moved[index]
        np.testing.assert_array_equal(images, target)
        np.testing.assert_array_equal(images, again[index][0][0])
        original = plain[index][1]
        both = np.concatenate([original, original[:, :, ::-1]], axis=2)
        columns = original.shape[2]
        found = [
            (flip, shift)
            for flip in (1, -1)
            for shift in range(2 * columns)
            if np.array_equal(images, np.roll(both, -shift, axis=2)[:, :, :columns][:, :, ::flip])
        ]
        assert found
        seen.add(found[0])
    assert len(seen) > 3
    ring = Geometry.annulus(4, 6, 1.0, 2.0)
    assert ring.window(np.arange(6), 8).tolist() == [2, 3, 4, 5, 0, 1]


def test_too_few_and_too_many_latents_are_refused(corpus: Any, tmp_path: Path) -> None:
    for latents in (1, 5000):
        settings = SETTINGS.model_copy(update={"latents": latents})
        with pytest.raises(ValueError, match=f"autoencoder.latents: expected from \\d to .*, got {latents}"):
            train_autoencoder(corpus, settings, tmp_path / "autoencoder", progress=None)
