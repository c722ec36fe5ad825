"""Whether feeding batches from a store keeps up with training, for the smallest network there is here.

``KERAS_BACKEND=jax python benchmarks/bench_corpus_batches.py [RUNS] [FOLDER]`` (or ``tensorflow``) trains the
networks of the default autoencoder on images from a store of 48 runs of the default grid, of which six are held at a
time while threads read six more, and on the same snapshots held in memory. By the clock: how much longer an epoch from
the store takes than one from memory, both in turn; on an idle second core it is what the network waits for its data.
CPU seconds of the process: what feeding costs and what an epoch costs. And the peak of memory while only streaming;
give another number of runs to see that it does not grow. Stores stay in FOLDER for the next time.
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
from bench_corpus_ingest import DEFAULT, SNAPSHOTS, synthetic_run

from surrogate.config import CorpusSettings
from surrogate.corpus import ingest, open_corpus
from surrogate.fields import write_netcdf
from surrogate.learning.batches import SnapshotBatches
from surrogate.learning.networks.pod import PodNetworks
from surrogate.learning.pod import Reduction
from surrogate.learning.scaling import FieldScaler
from surrogate.settings import PodAutoencoderSettings

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
    """The autoencoder `pod`: the network with the cheapest step per snapshot."""
    settings = PodAutoencoderSettings(refinement=0)
    reduction = Reduction.zeros(shape[0] * shape[1], scalars, settings.modes)
    built = PodNetworks(shape, scalars, settings, reduction)
    model = keras.Model(built.encoder.inputs, built.decoder(built.encoder.outputs[0])[0])
    model.compile("adam", "mse", jit_compile=keras.backend.backend() == "jax")
    return model


def seconds(function):
    start = time.process_time()
    function()
    return time.process_time() - start


class Clock(keras.callbacks.Callback):
    """Wall and CPU seconds of each epoch, in another order each."""

    def __init__(self, batches):
        super().__init__()
        self.batches, self.seconds = batches, []

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.epoch = 100 + epoch
        self.start = time.perf_counter(), time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append((time.perf_counter() - self.start[0], time.process_time() - self.start[1]))


def epochs(model, batches, count=6):
    """Wall and CPU seconds of the epochs but the first: Keras traces the step again for each fit."""
    clock = Clock(batches)
    model.fit(batches, epochs=count, verbose=0, shuffle=False, callbacks=[clock])
    return clock.seconds[1:]


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(store):
    corpus = open_corpus(store)
    scaler = FieldScaler.fit(corpus)
    size = 4 * corpus.sizes["radius"] * corpus.sizes["angle"] * SNAPSHOTS / 1e9
    streamed = SnapshotBatches(corpus, scaler, batch_size=BATCH, seed=1, memory=2.01 * HELD * size)
    assert streamed.runs_held == HELD
    (image, walls), _ = streamed[0]
    samples = len(streamed) * BATCH
    feeding = []
    for epoch in range(1, 5):  # before a backend has threads of its own that spin
        streamed.epoch = epoch
        feeding.append(seconds(lambda: [streamed[number] for number in range(len(streamed))]))
    model = network(image.shape[1:], walls.shape[1])
    epochs(model, streamed)
    small = peak()
    held = SnapshotBatches(corpus, scaler, batch_size=BATCH, seed=1, memory=100.0)
    assert held.runs_held > corpus.sizes["simulation"]
    held[0]
    found = {"store": [], "memory": []}
    for _ in range(3):
        found["memory"] += epochs(model, held)
        found["store"] += epochs(model, streamed)
    wall, cpu = ({name: np.median([pair[k] for pair in pairs]) for name, pairs in found.items()} for k in (0, 1))
    best = {name: min(pair[0] for pair in pairs) for name, pairs in found.items()}
    ratio = {"median": wall["store"] / wall["memory"], "best": best["store"] / best["memory"]}
    print(
        f"{keras.backend.backend()}, {corpus.sizes['simulation']} runs, {samples} snapshots. An epoch by the clock: "
        f"{wall['memory']:.3f} s from memory, {wall['store']:.3f} s from the store, x {ratio['median']:.2f} "
        f"(best: {best['memory']:.3f}, {best['store']:.3f}, x {ratio['best']:.2f}); CPU "
        f"{cpu['memory']:.3f} and {cpu['store']:.3f} s, of feeding alone {min(feeding):.3f} s "
        f"({samples / min(feeding):,.0f} snapshots per second); peak memory while only streaming {small:,.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 48
    with tempfile.TemporaryDirectory() as name:
        folder = Path(sys.argv[2] if len(sys.argv) > 2 else name) / f"{runs}_runs"
        if not (folder / "corpus.zarr").exists():
            folder.mkdir(parents=True, exist_ok=True)
            ingest(write(folder / "raw", runs), folder / "corpus.zarr", CorpusSettings())
        measure(folder / "corpus.zarr")
