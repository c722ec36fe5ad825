import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from learning_examples import SHAPE, made_up_corpus, parameters, training

from surrogate.fields import parameter_table, select_split, validate
from surrogate.learning import training as driver
from surrogate.learning.autoencoder import Autoencoder, decode_corpus, encode_corpus, train_autoencoder
from surrogate.learning.fnn import FnnPredictor
from surrogate.learning.folders import ModelError
from surrogate.learning.lstm import LstmPredictor
from surrogate.learning.predictor import train_predictor
from surrogate.methods import METHODS
from surrogate.settings import (
    ConvolutionalAutoencoderSettings,
    FlowSettings,
    PaperAutoencoderSettings,
    PaperFnnSettings,
    PaperLstmSettings,
    PodAutoencoderSettings,
    ResidualFnnSettings,
    RolloutLstmSettings,
)

TINY: dict[str, Any] = {
    "autoencoder": PodAutoencoderSettings(latents=5, modes=8, width=16, depth=2, wall_weight=1.0, training=training()),
    "fnn": ResidualFnnSettings(width=16, depth=4, members=2, training=training(epochs=30)),
    "lstm": RolloutLstmSettings(
        width=16, depth=1, members=2, evolution=training(epochs=20), training=training(epochs=8, batch_size=4)
    ),
}
COLUMNS = ["epoch", "loss", "validation_loss", "learning_rate", "seconds"]


def settings(kind: Any, **changes: Any) -> Any:
    return TINY[kind].model_copy(update=changes)


@pytest.fixture(scope="module")
def corpus() -> Any:
    return made_up_corpus()


@pytest.fixture(scope="module")
def folder(corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """All three models, trained and written; latents too."""
    folder = tmp_path_factory.mktemp("models")
    autoencoder = train_autoencoder(corpus, TINY["autoencoder"], folder / "autoencoder", {"by": "a test"}, None)
    latents = encode_corpus(autoencoder, corpus, folder / "latents.nc")
    train_predictor("fnn", latents, TINY["fnn"], folder / "fnn", progress=None)
    train_predictor("lstm", latents, TINY["lstm"], folder / "lstm", progress=None)
    return folder


@pytest.fixture(scope="module")
def latents(folder: Path) -> Any:
    import xarray as xr

    return xr.load_dataset(folder / "latents.nc", engine="h5netcdf")


def test_autoencoder_comes_back_from_its_folder_and_keeps_walls_exact(folder: Path, corpus: Any) -> None:
    autoencoder = Autoencoder.load(folder / "autoencoder")
    truth = select_split(corpus, "test").temperature.values[0]
    latent = autoencoder.encode(truth)
    assert latent.shape == (8, 5)
    back = autoencoder.decode(latent)
    assert back.shape == truth.shape
    np.testing.assert_array_equal(back[:, -1], truth[:, -1])
    np.testing.assert_allclose(back[:, 0], truth[:, 0], atol=0.01)
    assert np.abs(back - truth).mean() < 4.0
    one = autoencoder.decode(autoencoder.encode(truth[0]))
    np.testing.assert_allclose(one, back[0], atol=0.01)


def test_autoencoder_refuses_other_shapes(folder: Path) -> None:
    autoencoder = Autoencoder.load(folder / "autoencoder")
    with pytest.raises(ValueError, match=r"expected shape \(\.\.\., 12, 10\)"):
        autoencoder.encode(np.zeros((3, 10, 12)))
    with pytest.raises(ValueError, match=r"expected shape \(\.\.\., 5\)"):
        autoencoder.decode(np.zeros((3, 4)))


def test_untrained_autoencoder_is_the_pod(corpus: Any, tmp_path: Path) -> None:
    """With a learning rate of nearly nothing the error must be that of the best linear map."""
    frozen = settings("autoencoder", training=training(epochs=1, learning_rate=1e-12))
    autoencoder = train_autoencoder(corpus, frozen, tmp_path / "autoencoder", progress=None)
    truth = np.concatenate(list(select_split(corpus, "train").temperature.values))
    truth = truth[np.isfinite(truth[:, 0, 0])]
    error = autoencoder.decode(autoencoder.encode(truth)) - truth
    # The field has a profile, its slope in time, and two cells: four directions and the wall explain it all.
    assert np.abs(error).max() < 3.0


def test_canonical_latents_measure_the_field_in_kelvin(folder: Path, corpus: Any) -> None:
    autoencoder = Autoencoder.load(folder / "autoencoder")
    from surrogate.fields import geometry_of

    geometry = geometry_of(corpus)
    latent = autoencoder.encode(select_split(corpus, "train").temperature.values[1])
    step = np.zeros(5, dtype=np.float32)
    step[1] = 1.0
    change = autoencoder.decode(latent + step) - autoencoder.decode(latent)
    assert np.sqrt(geometry.average(change**2)).mean() == pytest.approx(1.0, rel=0.25)
    # In any direction, that of the wall temperature included: what the inside does with it must not come on top.
    # The last latent is spare here: the field has four directions.
    directions = np.zeros((40, 5))
    directions[:, :4] = np.random.default_rng(8).normal(size=(40, 4))
    directions[:4, :4] = np.eye(4)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for direction in directions.astype(np.float32):
        change = autoencoder.decode(latent + direction) - autoencoder.decode(latent)
        # The wall is a row of the image and has no volume.
        size = geometry.average(change**2) + np.mean(change[:, 0] ** 2, axis=-1) / (SHAPE[0] - 2)
        assert np.sqrt(size).mean() == pytest.approx(1.0, rel=0.1)


def test_encoded_corpus_keeps_coordinates_and_padding(latents: Any, corpus: Any) -> None:
    assert latents.latent.dims == ("simulation", "time", "component")
    np.testing.assert_array_equal(np.isnan(latents.latent.values[..., 0]), np.isnan(corpus.snapshot_time.values))
    assert set(corpus.coords) <= set(latents.coords)
    np.testing.assert_array_equal(parameter_table(latents), parameter_table(corpus))


def test_decoded_corpus_follows_the_convention(folder: Path, latents: Any, corpus: Any) -> None:
    decoded = decode_corpus(Autoencoder.load(folder / "autoencoder"), latents)
    validate(decoded)
    error = np.abs(decoded.temperature - corpus.temperature)
    assert float(error.mean()) < 4.0
    assert decoded.simulation.values.tolist() == corpus.simulation.values.tolist()


@pytest.mark.parametrize(("kind", "cls"), [("fnn", FnnPredictor), ("lstm", LstmPredictor)])
def test_predictor_learns_and_comes_back(folder: Path, latents: Any, kind: Any, cls: Any) -> None:
    predictor = cls.load(folder / kind)
    test = select_split(latents, "test")
    times = np.linspace(0, 4.5, 8)
    predicted = predictor.predict(parameter_table(test), times)
    members = predictor.predict_members(parameter_table(test), times)
    assert predicted.shape == (3, 8, 5)
    assert members.shape == (3, 2, 8, 5)
    np.testing.assert_allclose(members.mean(axis=1), predicted, rtol=1e-5)
    assert np.ptp(members, axis=1).max() > 0
    truth, mean = test.latent.values, np.nanmean(latents.latent.values, axis=(0, 1))
    error, spread = np.nansum((predicted - truth) ** 2), np.nansum((truth - mean) ** 2)
    assert error < 0.5 * spread
    # Each run at its own times is the same as all at the times of all.
    own = predictor.predict(parameter_table(test), np.stack([times[2:4]] * 3))
    np.testing.assert_allclose(own, predicted[:, 2:4], atol=1e-2)
    with pytest.raises(ValueError, match=r"shape \(\.\.\., 5\), got shape \(2, 4\)"):
        predictor.predict(np.zeros((2, 4)), times)
    with pytest.raises(ValueError, match="times: expected shape"):
        predictor.predict(parameters(3), np.zeros((2, 4)))


def test_lstm_starts_from_what_it_is_given_and_interpolates(folder: Path, latents: Any) -> None:
    predictor = LstmPredictor.load(folder / "lstm")
    test = select_split(latents, "test")
    values, initial = parameter_table(test), test.latent.values[:, 0]
    grid = predictor.first_time + predictor.cadence * np.arange(3)
    np.testing.assert_allclose(predictor.predict(values, grid, initial)[:, 0], initial, rtol=1e-4, atol=1e-3)
    rolled = predictor.predict(values, grid, initial)
    between = predictor.predict(values, [0.5 * (grid[1] + grid[2])], initial)
    np.testing.assert_allclose(between[:, 0], 0.5 * (rolled[:, 1] + rolled[:, 2]), rtol=1e-4, atol=1e-3)
    other = predictor.predict(values, grid, initial + 10.0)
    assert np.abs(other[:, 1] - rolled[:, 1]).max() > 0.1
    with pytest.raises(ValueError, match="initial_latent: expected shape"):
        predictor.predict(values, grid, initial[:, :2])


def test_initial_latents_come_from_the_parameters(folder: Path, latents: Any) -> None:
    predictor = LstmPredictor.load(folder / "lstm")
    train = select_split(latents, "train")
    error = predictor.initial_latents(parameter_table(train)) - train.latent.values[:, 0]
    assert np.abs(error).max() < 0.05 * np.abs(train.latent.values[:, 0]).max() + 1.0


@pytest.mark.parametrize("kind", ["autoencoder", "fnn", "lstm"])
def test_folder_holds_manifest_and_losses(folder: Path, kind: Any) -> None:
    manifest = json.loads((folder / kind / "manifest.json").read_text())
    assert manifest["kind"] == kind
    assert {"settings", "scaling", "shapes", "provenance", "training", "files"} <= set(manifest)
    losses = pd.read_csv(folder / kind / "losses.csv")
    assert list(losses.columns) == ([*COLUMNS, "stage"] if kind == "lstm" else COLUMNS)
    last = losses[losses.stage == 2] if kind == "lstm" else losses
    assert losses.epoch.tolist() == list(range(1, len(losses) + 1))
    assert last.validation_loss.min() == pytest.approx(manifest["training"]["best_validation_loss"])
    assert not (folder / kind / "checkpoint.npz").exists()


def test_damaged_folders_are_named(folder: Path, tmp_path: Path) -> None:
    import shutil

    with pytest.raises(ModelError, match="no such folder"):
        Autoencoder.load(tmp_path / "nothing")
    copy = tmp_path / "copy"
    shutil.copytree(folder / "autoencoder", copy)
    with pytest.raises(ModelError, match="of kind 'autoencoder', expected 'fnn'"):
        FnnPredictor.load(copy)
    with open(copy / "decoder.keras", "ab") as stream:
        stream.write(b"x")
    with pytest.raises(ModelError, match=r"decoder\.keras: its content differs"):
        Autoencoder.load(copy)
    (copy / "decoder.keras").unlink()
    with pytest.raises(ModelError, match=r"decoder\.keras: missing"):
        Autoencoder.load(copy)
    (copy / "manifest.json").unlink()
    with pytest.raises(ModelError, match="did not finish"):
        Autoencoder.load(copy)


@pytest.mark.parametrize("latents", [1, 102, 5000])
def test_latents_that_compress_nothing_are_refused(corpus: Any, tmp_path: Path, latents: Any) -> None:
    # One wall scalar, and ten rows of ten columns between the walls.
    settings = TINY["autoencoder"].model_copy(update={"latents": latents})
    with pytest.raises(ValueError, match=rf"autoencoder\.latents: expected from 2 to 100, .* got {latents}"):
        train_autoencoder(corpus, settings, tmp_path, progress=None)
    assert not list(tmp_path.iterdir())


def test_missing_split_is_named(corpus: Any, tmp_path: Path) -> None:
    none = corpus.assign_coords(split=("simulation", np.zeros(18, dtype=np.int8)))
    with pytest.raises(ValueError, match="no validation runs"):
        train_autoencoder(none, TINY["autoencoder"], tmp_path, progress=None)


@pytest.mark.slow
def test_paper_autoencoder_end_to_end(corpus: Any, tmp_path: Path) -> None:
    one = training(epochs=1, batch_size=64)
    autoencoder = train_autoencoder(
        corpus, PaperAutoencoderSettings(network="paper", training=one), tmp_path / "autoencoder", progress=None
    )
    assert Autoencoder.load(tmp_path / "autoencoder").latents == autoencoder.latents == 1
    assert autoencoder.decode(autoencoder.encode(corpus.temperature.values[1])).shape == (8, *SHAPE)
    latents = encode_corpus(autoencoder, corpus)
    fnn = train_predictor(
        "fnn", latents, PaperFnnSettings(network="paper", training=one), tmp_path / "fnn", progress=None
    )
    assert fnn.predict(parameters(2), [0.0, 1.0]).shape == (2, 2, 1)
    train_predictor(
        "lstm", latents, PaperLstmSettings(network="paper", window=4, training=one), tmp_path / "lstm", progress=None
    )
    lstm = LstmPredictor.load(tmp_path / "lstm")
    rolled = lstm.predict(parameters(2), [0.0, 1.0, 2.0], latents.latent.values[1:3, 0])
    np.testing.assert_allclose(rolled[:, 0], latents.latent.values[1:3, 0], rtol=1e-4)


def test_paper_autoencoder_knows_no_seam_in_a_periodic_domain() -> None:
    from surrogate.learning.networks.paper import paper_autoencoder

    encoder, decoder = paper_autoencoder((16, 128), compression=64, periodic=True)
    image = np.random.default_rng(0).normal(size=(1, 16, 128)).astype(np.float32)
    walls = np.zeros((1, 0), np.float32)
    latent, moved = (np.asarray(encoder([field, walls])) for field in (image, np.roll(image, 64, axis=2)))
    rows = latent.reshape(1, 1, 2, -1)  # six halvings leave two columns
    np.testing.assert_allclose(moved.reshape(rows.shape), np.roll(rows, 1, axis=2), atol=1e-5)
    back, turned = (np.asarray(decoder(entry)[0]) for entry in (latent, moved))
    np.testing.assert_allclose(turned, np.roll(back, 64, axis=2), atol=1e-5)


def test_paper_autoencoder_has_840_latents_on_its_own_grid() -> None:
    from surrogate.learning.networks.paper import paper_autoencoder

    encoder, decoder = paper_autoencoder((302, 394))
    assert encoder.output_shape == (None, 840)
    assert decoder.output_shape[0] == (None, 302, 394)
    assert paper_autoencoder((66, 96))[0].output_shape == (None, 44)


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import test_learning_models as tests
tests.train_resumable(sys.argv[1], lambda line: print(line, flush=True))
"""


def train_resumable(folder: Path, progress: Any = None) -> None:
    corpus = made_up_corpus()
    latents = corpus.temperature[..., 3, :4].rename(angle="component").to_dataset(name="latent")
    plan = training(epochs=30)
    settings = ResidualFnnSettings(width=16, depth=4, members=2, dropout=0.1, training=plan)
    (driver.fit.__kwdefaults__ or {})["checkpoint_seconds"] = 0.0
    train_predictor("fnn", latents, settings, folder, progress=progress)


def test_killed_training_resumes_on_the_same_loss_curve(tmp_path: Path) -> None:
    """kill -9 in the middle, then the same call: the losses are those of a training that was never disturbed."""
    script = SCRIPT.format(tests=str(Path(__file__).parent))
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "cut")],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    for line in process.stdout or ():
        if " epoch 12/" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "cut" / "manifest.json").exists()
    assert (tmp_path / "cut" / "checkpoint.npz").exists()
    lines: list[str] = []
    train_resumable(tmp_path / "cut", lines.append)
    assert lines[0].startswith("fnn trains on ")
    assert "resumes after epoch 1" in lines[1]
    train_resumable(tmp_path / "whole")
    columns = ["epoch", "loss", "validation_loss", "learning_rate"]
    first, second = (pd.read_csv(tmp_path / name / "losses.csv")[columns] for name in ("whole", "cut"))
    assert len(first) == 30
    pd.testing.assert_frame_equal(first, second, rtol=1e-5)


def test_jax_reads_what_tensorflow_wrote(folder: Path, latents: Any) -> None:
    """A folder trained on one backend gives the same numbers on another."""
    pytest.importorskip("jax")
    if keras.backend.backend() == "jax":
        pytest.skip("already on JAX")
    values = parameter_table(select_split(latents, "test"))
    here = FnnPredictor.load(folder / "fnn").predict(values, [1.0, 2.0])
    script = f"""
import numpy as np, json
from surrogate.learning import training as driver
from surrogate.learning.autoencoder import Autoencoder
from surrogate.learning.fnn import FnnPredictor
from surrogate.learning.lstm import LstmPredictor
values = np.array({values.tolist()})
latent = FnnPredictor.load({str(folder / "fnn")!r}).predict(values, [1.0, 2.0])
rolled = LstmPredictor.load({str(folder / "lstm")!r}).predict(values, [1.0, 2.0])
field = Autoencoder.load({str(folder / "autoencoder")!r}).decode(latent)
print("RESULT" + json.dumps([latent.tolist(), rolled.tolist(), field.tolist()]))
"""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    latent, rolled, field = json.loads(done.stdout.split("RESULT")[1])
    np.testing.assert_allclose(latent, here, rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(
        rolled, LstmPredictor.load(folder / "lstm").predict(values, [1.0, 2.0]), rtol=1e-3, atol=1e-2
    )
    np.testing.assert_allclose(field, Autoencoder.load(folder / "autoencoder").decode(here), atol=0.5)


DISTRIBUTED = """
import sys
sys.path.insert(0, {tests!r})
{before}
from test_learning_models import *
def losses(distribute):
    corpus = made_up_corpus()
    latents = corpus.temperature[..., 3, :4].rename(angle="component").to_dataset(name="latent")
    plan = training(epochs=3, distribute=distribute)
    settings = ResidualFnnSettings(width=16, depth=4, members=2, training=plan)
    folder = {folder!r} + "/" + str(distribute)
    seen = []
    predictor = train_predictor("fnn", latents, settings, folder, progress=seen.append)
    {after}
    return pd.read_csv(folder + "/losses.csv")[["loss", "validation_loss"]].values.tolist()
print("RESULT" + json.dumps([losses(False), losses(True)]))
"""
TWO_DEVICES = {
    "tensorflow": (
        "import tensorflow as tf\n"
        "tf.config.set_logical_device_configuration(tf.config.list_physical_devices('CPU')[0],"
        " [tf.config.LogicalDeviceConfiguration()] * 2)",
        "assert (type(predictor.network.trainable_variables[0].value).__name__ == 'MirroredVariable') == distribute",
    ),
    "jax": ("import jax\nassert len(jax.devices()) == 2", "pass"),
}


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_train_as_one_does(backend: Any, tmp_path: Path) -> None:
    """The batch is shared, the gradient is that of the whole batch: the same losses."""
    pytest.importorskip(backend)
    before, after = TWO_DEVICES[backend]
    script = DISTRIBUTED.format(tests=str(Path(__file__).parent), folder=str(tmp_path), before=before, after=after)
    environment = {
        **os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = json.loads(done.stdout.split("RESULT")[1])
    np.testing.assert_allclose(two, one, rtol=2e-3)


@pytest.mark.parametrize("tracker", ["tensorboard", "mlflow"])
def test_trackers_follow_the_training(
    tracker: Any, latents: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = training(epochs=2, loggers=[tracker])
    settings = ResidualFnnSettings(width=8, depth=2, members=2, training=plan)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, tracker, None)
        with pytest.raises(ImportError, match=rf"{tracker} is not installed: pip install 'surrogate\[track\]'"):
            train_predictor("fnn", latents, settings, tmp_path / "other", progress=None)
    module = pytest.importorskip(tracker)
    store = tmp_path / "store"
    if tracker == "mlflow":
        module.set_tracking_uri(f"file://{store}")
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    train_predictor("fnn", latents, settings, tmp_path / "model", progress=None)
    losses = pd.read_csv(tmp_path / "model/losses.csv")
    if tracker == "tensorboard":
        assert list((tmp_path / "model/tensorboard").rglob("events*"))
    else:
        [told] = store.rglob("metrics/validation_loss")
        values = [float(line.split()[1]) for line in told.read_text().splitlines()]
        np.testing.assert_allclose(values, losses.validation_loss)


READ_ELSEWHERE = {
    "precision",
    "deterministic",
    "distribute",
    "loggers",
}  # of a training: by what surrounds it, or rarely


def recorded(settings: Any, read: Any) -> Any:
    """Return the same settings, which note the name of every key that is read."""

    class Recorder(type(settings)):  # type: ignore[misc]
        def __getattribute__(self, name: str) -> Any:
            if name in type(self).model_fields:
                read.add(name)
            return super().__getattribute__(name)

    return Recorder.model_construct(**{name: getattr(settings, name) for name in type(settings).model_fields})


@pytest.mark.parametrize(
    ("method", "plan"),
    [
        ("autoencoder", PodAutoencoderSettings(latents=5, modes=8, width=8, depth=1, training=training(epochs=1))),
        ("autoencoder", ConvolutionalAutoencoderSettings(latents=5, channels=[4], training=training(epochs=1))),
        ("autoencoder", PaperAutoencoderSettings(network="paper", training=training(epochs=1))),
        ("fnn", ResidualFnnSettings(width=8, depth=3, members=2, training=training(epochs=1))),
        ("fnn", PaperFnnSettings(network="paper", training=training(epochs=1))),
        ("lstm", RolloutLstmSettings(width=8, members=2, evolution=training(epochs=1), training=training(epochs=1))),
        ("lstm", PaperLstmSettings(network="paper", window=2, training=training(epochs=1))),
        ("flow", FlowSettings(width=8, depth=1, flow_steps=1, training=training(epochs=1))),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_a_training_reads_every_key_of_its_network(
    folder: Path, corpus: Any, latents: Any, tmp_path: Path, method: Any, plan: Any
) -> None:
    """No key of a section is without effect on the network that the section describes."""
    read: set[str] = set()
    of_training: set[str] = set()
    own = recorded(plan.model_copy(update={"training": recorded(plan.training, of_training)}), read)
    if method == "autoencoder":
        train_autoencoder(corpus, own, tmp_path / method, progress=None)
    else:
        needs = {"fnn": FnnPredictor.load(folder / "fnn")} if method == "flow" else {}
        METHODS[method].load_class().train(latents, own, tmp_path / method, progress=None, **needs)
    assert read == set(type(plan).model_fields)
    assert of_training | READ_ELSEWHERE >= set(type(plan.training).model_fields)
