"""Speed of the networks at the sizes of the default configuration: training steps and single queries.

Samples per second = batch size over the time that pytest-benchmark prints.
"""

import keras
import numpy as np
import pytest

from surrogate.config import Config
from surrogate.learning.fnn import residual_network
from surrogate.learning.networks.convolutional import ConvolutionalNetworks
from surrogate.learning.networks.layers import LatentLoss
from surrogate.learning.networks.rollout import rollout_network

CONFIG = Config()
SHAPE = (CONFIG.simulator.radial_cells, CONFIG.simulator.angular_cells)
LATENTS = CONFIG.autoencoder.latents


def autoencoder():
    return ConvolutionalNetworks.untrained(SHAPE, 1, CONFIG.autoencoder)


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def train_step(benchmark, model, loss, inputs, targets):
    model.compile(keras.optimizers.AdamW(1e-4, global_clipnorm=1.0), loss, jit_compile=False)
    model.train_on_batch(inputs, targets)
    benchmark(model.train_on_batch, inputs, targets)


def test_autoencoder_step(benchmark, generator):
    size = CONFIG.autoencoder.training.batch_size
    images = generator.normal(size=(size, *SHAPE)).astype("float32")
    built = autoencoder()
    train_step(benchmark, built.between, built.loss, [images, images[:, 0, :1]], images)


def test_fnn_step(benchmark, generator):
    size = CONFIG.fnn.training.batch_size
    inputs, targets = (generator.normal(size=(size, width)).astype("float32") for width in (6, LATENTS))
    network = residual_network(6, LATENTS, CONFIG.fnn)
    train_step(benchmark, network, LatentLoss([1.0] * LATENTS), inputs, targets)


def test_lstm_step(benchmark, generator):
    size, steps = CONFIG.lstm.training.batch_size, CONFIG.simulator.snapshots
    shapes = ((LATENTS,), (steps, 6), (steps - 1, LATENTS))
    initial, forcing, targets = (generator.normal(size=(size, *shape)).astype("float32") for shape in shapes)
    network = rollout_network(6, LATENTS, CONFIG.lstm)
    train_step(benchmark, network, LatentLoss([1.0] * LATENTS), [initial, forcing], targets)


@pytest.mark.parametrize("size", [1, 60])
def test_decode(benchmark, generator, size):
    decoder = autoencoder().decoder
    latents = generator.normal(size=(size, LATENTS)).astype("float32")
    decoder.predict_on_batch(latents)
    benchmark(decoder.predict_on_batch, latents)
