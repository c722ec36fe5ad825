"""The parts of the default autoencoder that are our own arithmetic: slopes, refined latents, mirror images, weights."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from learning_examples import made_up_corpus

from surrogate.fields import geometry_of, select_split
from surrogate.learning import autoencoder as autoencoders
from surrogate.learning.networks.pod import Correction, PodNetworks, Refine
from surrogate.learning.pod import Reduction
from surrogate.learning.scaling import FieldScaler
from surrogate.settings import PodAutoencoderSettings

MODES, LATENTS = 9, 5


@pytest.fixture(scope="module")
def corpus() -> Any:
    return made_up_corpus()


@pytest.fixture
def correction() -> Any:
    """A network with weights of order one: as it starts, its output is zero."""
    keras.utils.set_random_seed(3)
    layer = Correction(12, 3, 0.2, MODES)
    layer.build((None, LATENTS))
    layer.last.kernel.assign(np.random.default_rng(3).normal(size=(12, MODES)))
    return layer


def test_slope_is_the_derivative_of_the_output(correction: Any) -> None:
    points = np.random.default_rng(0).normal(size=(4, LATENTS)).astype(np.float32)
    value, slope = (keras.ops.convert_to_numpy(part) for part in correction.slope(points))
    np.testing.assert_allclose(value, keras.ops.convert_to_numpy(correction(points)), rtol=1e-5, atol=1e-6)
    step = 1e-2
    for direction in range(LATENTS):
        move = np.zeros(LATENTS, dtype=np.float32)
        move[direction] = step
        up, down = (keras.ops.convert_to_numpy(correction(points + sign * move)) for sign in (1, -1))
        np.testing.assert_allclose(slope[:, direction], (up - down) / (2 * step), atol=2e-3)


def departures(correction: Any, latents: Any, coefficients: Any, variance: Any) -> Any:
    decoded = keras.ops.convert_to_numpy(correction(latents))
    decoded[:, : LATENTS - 1] += latents[:, 1:]
    return ((decoded - coefficients) ** 2 * variance).sum(axis=1)


def test_refined_latents_are_those_that_made_the_field(correction: Any) -> None:
    generator = np.random.default_rng(1)
    truth = generator.normal(size=(20, LATENTS)).astype(np.float32)
    variance = np.linspace(2.0, 0.1, MODES)
    coefficients = keras.ops.convert_to_numpy(correction(truth))
    coefficients[:, : LATENTS - 1] += truth[:, 1:]
    guess = truth.copy()
    guess[:, 1:] += 0.05 * generator.normal(size=(20, LATENTS - 1))
    before = departures(correction, guess, coefficients, variance)
    found = {}
    for steps in (0, 1, 6):
        layer = Refine(correction, variance.tolist(), 1, steps)
        found[steps] = keras.ops.convert_to_numpy(layer([guess, coefficients]))
        np.testing.assert_array_equal(found[steps][:, 0], truth[:, 0])  # the wall is given
        assert (departures(correction, found[steps], coefficients, variance) <= before * (1 + 1e-5)).all()
    np.testing.assert_array_equal(found[0], guess)
    once = departures(correction, found[1], coefficients, variance)
    assert np.median(once / before) < 0.02  # near the solution the steps converge fast
    assert np.median(np.abs(found[6] - truth).max(axis=1)) < 1e-4


def networks(corpus: Any, **changes: Any) -> Any:
    settings = PodAutoencoderSettings(latents=LATENTS, modes=MODES, width=16, depth=2, **changes)
    train = select_split(corpus, "train")
    scaler = FieldScaler.fit(train, "pod")
    weight = autoencoders._row_weight(train, scaler, settings.wall_weight)
    images, walls = autoencoders._sample(train, scaler, 200)
    reduction = Reduction.fit(images, walls, weight, settings.lateral_weight, MODES)
    return PodNetworks(images.shape[1:], scaler.scalars, settings, reduction), reduction, (images, walls)


def test_an_encoder_with_refinement_is_read_back_as_it_was_written(corpus: Any, tmp_path: Path) -> None:
    built, _, (images, walls) = networks(corpus, refinement=2)
    writer = built.between.get_layer("expand").get_layer("correction")
    writer.last.kernel.assign(0.3 * np.random.default_rng(5).normal(size=writer.last.kernel.shape))
    built.encoder.save(tmp_path / "encoder.keras")
    read = keras.saving.load_model(tmp_path / "encoder.keras", compile=False, safe_mode=True)
    written = built.encoder.predict_on_batch([images, walls])
    np.testing.assert_allclose(read.predict_on_batch([images, walls]), written, atol=1e-5)
    plain, _, _ = networks(corpus, refinement=0)
    assert np.abs(plain.encoder.predict_on_batch([images, walls]) - written).max() > 1e-3


def test_before_training_the_networks_are_the_pod(corpus: Any) -> None:
    built, reduction, (images, walls) = networks(corpus)
    latents = built.encoder.predict_on_batch([images, walls])
    coefficients = reduction.coefficients(images, walls)[:, : LATENTS - walls.shape[1]]
    np.testing.assert_allclose(latents, np.concatenate([walls, coefficients], axis=1), atol=1e-3)


def test_mirror_images_stand_beside_their_originals(corpus: Any) -> None:
    train = select_split(corpus, "train")
    _, reduction, _ = networks(corpus)
    scaler = FieldScaler.fit(train, "pod")
    plain = autoencoders._coefficients(train, scaler, reduction, batch_size=8)
    both = autoencoders._coefficients(train, scaler, reduction, True, batch_size=8)
    assert len(both.targets) == 2 * len(plain.targets)
    flipped = train.assign(temperature=train.temperature.copy(data=train.temperature.values[..., ::-1]))
    mirrored = autoencoders._coefficients(flipped, scaler, reduction, batch_size=8)
    rows = {tuple(row) for row in np.round(both.targets, 4)}
    assert {tuple(row) for row in np.round(plain.targets, 4)} <= rows
    assert {tuple(row) for row in np.round(mirrored.targets, 4)} <= rows


def test_rows_next_to_the_walls_weigh_more(corpus: Any) -> None:
    scaler = FieldScaler.fit(select_split(corpus, "train"), "pod")
    plain, heavy = (autoencoders._row_weight(corpus, scaler, factor) for factor in (1.0, 10.0))
    volume = geometry_of(corpus).weight.sum(axis=1)[scaler.rows]
    inside = slice(2, -2)
    np.testing.assert_allclose(plain[inside] / plain[2], volume[inside] / volume[2])
    ratio = heavy / plain
    first = 1 - scaler.rows.indices(corpus.sizes["radius"])[0]  # of the image, the row next to the wall
    assert ratio[first] / ratio[3] == pytest.approx(10.0)
    assert heavy.sum() == pytest.approx(1.0)
