"""Whether feeding batches from a store keeps up with training, for the smallest network there is here.

``KERAS_BACKEND=tensorflow python benchmarks/bench_corpus_batches.py`` (or ``jax``) trains the default autoencoder on a
store of 48 runs of the default grid, of which six are held at a time while a thread reads six more, and on the same
snapshots held in memory. CPU seconds of the process: what feeding costs per snapshot and what a training step costs.
By the clock: how much longer an epoch from the store takes than one from memory, which on an idle second core is what
the network waits for its data. And the peak of memory; give another number of runs to see that it does not grow.
"""

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from bench_corpus import DEFAULT, SNAPSHOTS, synthetic_run

from surrogate.config import AutoencoderSettings, CorpusSettings
from surrogate.corpus.ingest import ingest
from surrogate.corpus.store import open_corpus
from surrogate.fields import write_netcdf
from surrogate.learning.autoencoder_networks import DefaultNetworks
from surrogate.learning.batches import SnapshotBatches
from surrogate.learning.scaling import FieldScaler

HELD = 6
BATCH = 128


def write(folder, runs):
    """Runs of the default grid, each from one of eight by another shift along angle and in temperature."""
    folder.mkdir()
    originals = [synthetic_run(number, DEFAULT) for number in range(8)]
    for number in range(runs):
        run = originals[number % 8].copy(deep=True)
        run["temperature"] = run.temperature.roll(angle=number // 8) + np.float32(0.01 * number)
        run["activation_energy"] = run.activation_energy * (1 + 1e-4 * number)
        write_netcdf(run.assign_attrs(number=number), folder / f"run_{number:05d}.nc")
    return sorted(folder.iterdir())


def network(shape, scalars):
    """The default autoencoder: the network with the cheapest step per snapshot."""
    built = DefaultNetworks(shape, scalars, AutoencoderSettings())
    model = keras.Model(built.encoder.inputs, built.decoder(built.encoder.outputs[0])[0])
    model.compile("adam", "mse", jit_compile=keras.backend.backend() == "jax")
    return model


def seconds(function):
    start = time.process_time()
    function()
    return time.process_time() - start


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch, in another order each."""

    def __init__(self, batches):
        super().__init__()
        self.batches, self.seconds = batches, []

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.epoch = 100 + epoch
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def measure(store):
    corpus = open_corpus(store)
    scaler = FieldScaler.fit(corpus)
    size = 4 * corpus.sizes["radius"] * corpus.sizes["angle"] * SNAPSHOTS / 1e9
    streamed = SnapshotBatches(corpus, scaler, batch_size=BATCH, seed=1, memory=2.01 * HELD * size)
    held = SnapshotBatches(corpus, scaler, batch_size=BATCH, seed=1, memory=100.0)
    assert (streamed.runs_held, held.runs_held > corpus.sizes["simulation"]) == (HELD, True)
    (image, walls), _ = held[0]
    model = network(image.shape[1:], walls.shape[1])
    for batches in (held, streamed):  # compiles for the sizes of all batches, and fills the memory of the held ones
        model.fit(batches, epochs=1, verbose=0)
    samples = len(held) * BATCH
    streamed.epoch = held.epoch = 1
    feeding = seconds(lambda: [streamed[number] for number in range(len(streamed))]) / samples
    in_memory = seconds(lambda: [held[number] for number in range(len(held))]) / samples
    epoch_held = min(seconds(lambda: model.fit(held, epochs=1, verbose=0)) for _ in range(2)) / samples
    step = epoch_held - in_memory
    clocks = {}
    for name, batches in (("held", held), ("streamed", streamed)):
        clock = Clock(batches)
        model.fit(batches, epochs=7, verbose=0, shuffle=False, callbacks=[clock])
        clocks[name] = clock.seconds[1:]  # Keras traces the step again for each fit
    wait = min(clocks["streamed"]) / min(clocks["held"]) - 1
    print(
        f"{keras.backend.backend()}, {corpus.sizes['simulation']} runs, snapshots per CPU second: feeding "
        f"{1 / feeding:,.0f}, from memory {1 / in_memory:,.0f}, training alone {1 / step:,.0f}; by the clock an epoch "
        f"from the store takes {min(clocks['streamed']):.2f} s, {wait:+.0%} against one from memory; peak memory "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        runs = int(sys.argv[1]) if len(sys.argv) > 1 else 48
        ingest(write(Path(name) / "raw", runs), Path(name) / "corpus.zarr", CorpusSettings())
        measure(Path(name) / "corpus.zarr")
