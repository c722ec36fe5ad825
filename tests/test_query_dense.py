"""What NumPy answers is what Keras answers, and it leaves alone what it does not know."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from query_examples import POINT

from surrogate.learning.fnn import residual_network
from surrogate.learning.networks.convolutional import ConvolutionalNetworks, RowReduction
from surrogate.learning.networks.pod import PodNetworks
from surrogate.learning.pod import Reduction
from surrogate.query import Surrogate
from surrogate.query.dense import read_network
from surrogate.settings import ConvolutionalAutoencoderSettings, PodAutoencoderSettings, ResidualFnnSettings

ROUNDING = 2e-6
"""Of float32 in a sum of some hundred terms, relative to the largest value."""


def saved(network: Any, folder: Path) -> Path:
    """Save a network with weights that are all at work."""
    generator = np.random.default_rng(0)
    network.set_weights([generator.normal(0, 0.3, entry.shape) for entry in network.get_weights()])
    network.save(folder / "network.keras")
    return folder / "network.keras"


def agree(ours: Any, theirs: Any) -> None:
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=ROUNDING * np.abs(theirs).max())


@pytest.mark.parametrize("rows", [1, 7])
def test_the_default_fnn_is_computed_as_by_keras(tmp_path: Path, rows: int) -> None:
    network = residual_network(6, 5, ResidualFnnSettings(width=24, members=3, depth=6, time_frequencies=3, dropout=0.2))
    plain = read_network(saved(network, tmp_path))
    assert plain is not None
    features = np.random.default_rng(1).uniform(-1.5, 1.5, (rows, 6)).astype(np.float32)
    agree(plain(features), network.predict_on_batch(features))


@pytest.mark.parametrize("scalars", [0, 1, 2])
def test_the_decoder_pod_is_computed_as_by_keras(tmp_path: Path, scalars: int) -> None:
    settings = PodAutoencoderSettings(latents=7, modes=20, width=24, depth=12)
    decoder = PodNetworks((10, 12), scalars, settings, Reduction.zeros(120, scalars, 20)).decoder
    plain = read_network(saved(decoder, tmp_path))  # of twelve layers, whose names do not sort as numbers do
    assert plain is not None
    latents = np.random.default_rng(1).normal(size=(9, 7)).astype(np.float32)
    for ours, theirs in zip(plain(latents), decoder.predict_on_batch(latents), strict=True):
        if theirs.size:
            agree(ours, theirs)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("scalars", [0, 2])
def test_the_convolutional_decoder_is_computed_as_by_keras(tmp_path: Path, scalars: int, periodic: bool) -> None:
    generator, columns = np.random.default_rng(1), 11
    images = generator.normal(size=(30, 8, columns)).astype(np.float32)
    walls = generator.normal(size=(30, scalars)).astype(np.float32)
    settings = ConvolutionalAutoencoderSettings(latents=4 + scalars, row_modes=6, channels=[5, 7], blocks=1)
    reduction = RowReduction.fit(images, walls, np.full(8, 1 / 8), 1.0, 6, 4)
    built = ConvolutionalNetworks(images.shape[1:], scalars, settings, reduction, periodic)
    for weight in built.between.trainable_weights:
        weight.assign(keras.ops.convert_to_numpy(weight) + 0.1 * generator.normal(size=weight.shape))
    plain = read_network(saved(built.decoder, tmp_path))
    assert plain is not None
    latents = generator.normal(size=(9, settings.latents)).astype(np.float32)
    for ours, theirs in zip(plain(latents), built.decoder.predict_on_batch(latents), strict=True):
        if theirs.size:
            agree(ours, theirs)


@pytest.mark.parametrize("what", ["predict", "profile", "heat_flux", "mean_temperature"])
def test_small_questions_have_the_answers_of_keras(tiny: Surrogate, what: str) -> None:
    other = Surrogate(tiny.bundle)
    other.engine.few_rows = 0
    times = [0.0, 0.3, 2.0, 4.5, 6.0]  # also between the knots of the calibration, and beyond the last
    with pytest.warns(UserWarning, match="extrapolation"):
        ours, theirs = (getattr(each, what)(**POINT, time=times) for each in (tiny, other))
    for name in ours.data_vars:
        agree(ours[name].values, theirs[name].values)


def test_a_question_of_many_rows_is_left_to_keras(tiny: Surrogate) -> None:
    surrogate = Surrogate(tiny.bundle)
    surrogate.engine.import_keras = lambda: pytest.fail("not needed")
    sets = surrogate.space.draw(32, 0)
    few = surrogate.profile(sets, time=[1.0, 2.0, 3.0, 4.0])
    started: list[int] = []
    surrogate.engine.import_keras = lambda: started.append(1)
    many = surrogate.profile(np.concatenate([sets, sets[:1]]), time=[1.0, 2.0, 3.0, 4.0])
    assert started
    agree(few.lateral_mean_temperature.values, many.lateral_mean_temperature.values[:32])


def sequence(*parts: Any, dtype: Any = None) -> Any:
    inputs = keras.Input((4,))
    signal = inputs
    for part in parts:
        signal = part(signal)
    return keras.Model(inputs, signal)


OTHERS = {
    "activation": lambda: sequence(layers.Dense(3, activation="tanh")),
    "no bias": lambda: sequence(layers.Dense(3, use_bias=False)),
    "half precision": lambda: sequence(layers.Dense(3, dtype="mixed_bfloat16")),
    "double precision": lambda: sequence(layers.Dense(3, dtype="float64")),
    "layer": lambda: sequence(layers.Dense(3), layers.LayerNormalization()),
    "operation": lambda: sequence(layers.Dense(4), ops.tanh),
    "layer used twice": lambda: sequence(*[layers.Dense(4)] * 2),
    "axis": lambda: sequence(lambda signal: layers.Concatenate(axis=0)([signal, signal])),
    "padding": lambda: sequence(lambda signal: ops.pad(signal, [(0, 0), (1, 1)], mode="reflect")),
    "padding value": lambda: sequence(lambda signal: ops.pad(signal, [(0, 0), (1, 1)], constant_values=2.0)),
    "training": lambda: sequence(lambda signal: layers.Dropout(0.5)(signal, training=True)),
}


@pytest.mark.parametrize("other", OTHERS)
def test_what_is_not_known_is_left_to_keras(tmp_path: Path, other: str) -> None:
    OTHERS[other]().save(tmp_path / "network.keras")
    assert read_network(tmp_path / "network.keras") is None


def test_a_damaged_file_is_left_to_keras(tmp_path: Path) -> None:
    path = saved(sequence(layers.Dense(3)), tmp_path)
    assert read_network(path) is not None
    path.write_bytes(path.read_bytes()[:-100])
    assert read_network(path) is None


def test_a_small_question_on_the_command_line_imports_no_network_library(bundle_folder: Path) -> None:
    heavy = ("keras", "tensorflow", "jax", "zarr", "distributed", "matplotlib", "numba", "sklearn")
    arguments = ["predict", str(bundle_folder), "--time", "2", "--json"]
    for name, value in POINT.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    program = (
        "import sys\nfrom surrogate.cli import main\n"
        f"try:\n    main({arguments!r})\nfinally:\n"
        f"    print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], env=dict(os.environ), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "mean_temperature" in done.stdout
    assert done.stderr.splitlines()[-1] == "[]"
