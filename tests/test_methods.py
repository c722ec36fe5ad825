"""A predictor is one class and one record: everything else finds it in :data:`surrogate.methods.METHODS`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from learning_examples import made_up_corpus, parameters, training

from surrogate import Surrogate
from surrogate.config import ConfigError, documented_default, parse, schema
from surrogate.diagnostics import evaluate
from surrogate.fields import select_split
from surrogate.figures import draw_figure, figure_names
from surrogate.learning import encode_corpus, folders, predict_split, train_autoencoder, train_predictor
from surrogate.methods import METHODS, Method, methods, register, title_of
from surrogate.query import write_bundle
from surrogate.report import metrics_table
from surrogate.settings import Count, PodAutoencoderSettings, ResidualFnnSettings, Section

TIMES = np.array([1.0, 2.5])


class PersistenceSettings(Section):
    """Settings of the toy."""

    degree: Count = 1


class Persistence:
    """Latents that stay what they are at first: a polynomial of the scaled reference viscosity."""

    def __init__(self, manifest: dict[str, Any]) -> None:
        self.manifest = manifest
        self.coefficients = np.array(manifest["scaling"]["coefficients"])

    @classmethod
    def train(
        cls, latents: xr.Dataset, settings: Any, folder: Any, provenance: Any = None, progress: Any = None
    ) -> Self:
        train = select_split(latents, "train")
        height = np.log10(train.reference_viscosity.values) - 20.5
        coefficients = np.polynomial.polynomial.polyfit(height, train.latent.values[:, 0], settings.degree)
        manifest = {
            "settings": settings.model_dump(),
            "scaling": {"coefficients": coefficients.tolist()},
            "shapes": {"runs": {"train": train.sizes["simulation"]}},
        }
        losses = pd.DataFrame({"epoch": [1], "loss": [1.0], "validation_loss": [1.0]})
        folders.write(Path(folder), "persistence", {}, manifest, losses)
        return cls(manifest)

    @classmethod
    def load(cls, folder: Any) -> Self:
        return cls(folders.read(folder, "persistence")[0])

    def predict(self, parameters: Any, times: Any, initial_latent: Any = None) -> np.ndarray:
        height = np.log10(np.asarray(parameters)[:, 0]) - 20.5
        first = np.polynomial.polynomial.polyval(height, self.coefficients).T
        return np.repeat(first[:, None], np.shape(times)[-1], axis=1).astype(np.float32)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Method:
    """Register the toy for one test."""
    record = Method("persistence", "toy", "Nothing ever changes.", "mean", "#123456", Persistence, PersistenceSettings)
    monkeypatch.setitem(METHODS, "persistence", record)
    return record


def test_a_toy_predictor_goes_from_configuration_to_answers_without_another_file(toy: Method, tmp_path: Path) -> None:
    config = parse({"persistence": {"degree": 2}})
    assert config.networks["persistence"].degree == 2  # type: ignore[attr-defined]
    assert "# Nothing ever changes.\npersistence:" in documented_default()
    assert "persistence" in schema()["properties"]
    with pytest.raises(ConfigError, match=r"persistence\.degre: unknown key"):
        parse({"persistence": {"degre": 2}})

    corpus, models = made_up_corpus(), tmp_path / "models"
    pod = PodAutoencoderSettings(latents=5, modes=8, width=16, depth=2, training=training(epochs=1))
    autoencoder = train_autoencoder(corpus, pod, models / "autoencoder", progress=None)
    latents = encode_corpus(autoencoder, corpus)
    small = ResidualFnnSettings(width=8, depth=2, members=2, training=training(epochs=1))
    train_predictor("fnn", latents, small, models / "fnn", progress=None)
    trained = train_predictor("persistence", latents, config.networks["persistence"], models / "persistence")

    truth = select_split(corpus, "test")
    predictions = {"persistence": predict_split(autoencoder, latents, trained)}
    metrics = evaluate(truth, predictions)
    assert metrics["methods"]["persistence"]["subspace_angle"]["mean"] == 90.0, "what never changes has no modes"
    accuracy = metrics["methods"]["persistence"]["relative_accuracy"]["mean"]
    assert 50 < accuracy < 100
    heads, values = (line.split(" | ") for line in metrics_table(metrics).split("\n")[2:6:2])
    assert f"{accuracy:.3f}" in values[heads.index("toy")]

    names = figure_names(parse({"figures": {"examples": 1}}))
    assert "evolution_persistence_1" in names
    everything = dict.fromkeys(("fnn", "lstm", "persistence"), predictions["persistence"])
    inputs = {"corpus": corpus, "predictions": everything}
    figure = draw_figure("error_time", inputs, config.figures)
    written = [axes.get_title(loc) for axes in figure.axes for loc in ("left", "center", "right")]
    assert "toy" in " ".join([*written, *(text.get_text() for axes in figure.axes for text in axes.texts)])

    write_bundle(tmp_path / "bundle", models, corpus, metrics=metrics)
    surrogate = Surrogate.load(tmp_path / "bundle")
    point = parameters(1)[0]
    answer = surrogate.predict(point, time=TIMES, method="persistence", extrapolate=True)
    expected = autoencoder.decode(trained.predict(point[None], TIMES))[0]
    np.testing.assert_allclose(answer.temperature, expected, atol=0.05)
    assert surrogate.inspect()["methods"] == ["fnn", "persistence", "ensemble"]


def test_a_record_is_checked_when_it_is_added() -> None:
    for key, needs in (("fnn", ()), ("not a name", ()), ("new", ("nobody",))):
        with pytest.raises(ValueError, match=key):
            register(Method(key, "", "", "mean", "", Persistence, needs=needs))
    assert [method.key for method in methods("baseline")] == ["mean_profile", "nearest_run", "pod_gaussian_process"]
    assert title_of("fnn") == "FNN"
    assert title_of("somebody_else") == "somebody else"


def test_every_record_finds_its_class() -> None:
    for method in METHODS.values():
        assert method.load_class().__name__
        if method.trained:
            assert method.make_settings({})
