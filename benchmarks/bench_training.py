"""How near training comes to its limit: samples per second of an epoch against those of the compiled step alone.

    python benchmarks/bench_training.py [results/default]

The networks and their data are those of a finished run. The step alone repeats one batch inside one compiled call
(TensorFlow), without Python, shuffling, validation or checkpoints between the steps; both train on the same machine, in
turn, and the ratio of the best epochs is printed.
"""

import sys
import tempfile
from pathlib import Path

import keras
import tensorflow as tf
import xarray as xr

import surrogate.learning.autoencoder as autoencoders
import surrogate.learning.fnn as fnns
import surrogate.learning.lstm as lstms
from surrogate.config import Config
from surrogate.corpus.store import open_corpus
from surrogate.learning.training import fit

EPOCHS = 4


def step_alone(model, batch, steps):
    """Samples per second where nothing happens between two steps."""
    inputs, targets, *weights = batch
    data = tf.data.Dataset.from_tensors((inputs, targets, *weights)).repeat(steps * EPOCHS)
    model.compile(model.optimizer, model.loss, jit_compile=False, steps_per_execution=steps)
    seconds = []

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seconds.append(-tf.timestamp().numpy())

        def on_epoch_end(self, epoch, logs=None):
            seconds[-1] += tf.timestamp().numpy()

    model.fit(data, epochs=EPOCHS, steps_per_epoch=steps, verbose=0, callbacks=[Clock()])
    return steps * len(targets) / min(seconds[1:])


def measured(model, loss, batches, validation, settings, folder, **options):
    """Stand in for the driver of a training: a few epochs of it, then the same steps alone."""
    few = settings.model_copy(update={"epochs": EPOCHS})
    losses, summary = fit(model, loss, batches, validation, few, folder, **options)
    samples = len(batches.targets)
    whole = samples / losses.seconds[1:].min()
    alone = step_alone(model, batches[0], len(batches))
    print(f"{options['label']:12} {samples:7d} samples: {whole:9.0f}/s in training, {alone:9.0f}/s of the step alone: "
          f"{whole / alone:.0%}", flush=True)  # fmt: skip
    return losses, summary


def main(results):
    """Measure the three default networks on the corpus and latents of a run."""
    for module in (autoencoders, fnns, lstms):
        module.fit = measured
    config = Config()
    latents = xr.load_dataset(results / "latents.nc", engine="h5netcdf")
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        autoencoders.train_autoencoder(
            open_corpus(results / "corpus.zarr"), config.autoencoder, base / "a", progress=None
        )
        fnns.FnnPredictor.train(latents, config.fnn, base / "f", progress=None)
        lstms.LstmPredictor.train(latents, config.lstm, base / "r", progress=None)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results/default"))
