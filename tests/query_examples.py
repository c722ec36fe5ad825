"""A tiny trained bundle, made once for all tests that ask it."""

import fcntl
from pathlib import Path
from typing import Any

from learning_examples import made_up_corpus, training

from surrogate.settings import FlowSettings, PodAutoencoderSettings, ResidualFnnSettings, RolloutLstmSettings

POINT: dict[str, Any] = {
    "reference_viscosity": "1e21 Pa s",
    "activation_energy": "300 kJ/mol",
    "activation_volume": 7e-6,
    "crustal_enrichment": 25,
    "initial_temperature": 1700,
}


def corpus_and_models(folder: Path) -> Any:
    """Train four tiny networks on the made-up corpus."""
    from surrogate.learning import encode_corpus, train_autoencoder, train_predictor

    corpus = made_up_corpus()
    settings = PodAutoencoderSettings(latents=5, modes=8, width=16, depth=2, training=training(epochs=1))
    autoencoder = train_autoencoder(corpus, settings, folder / "autoencoder", progress=None)
    latents = encode_corpus(autoencoder, corpus)
    small = {"width": 16, "members": 2, "training": training(epochs=4)}
    train_predictor("fnn", latents, ResidualFnnSettings(depth=4, **small), folder / "fnn", progress=None)
    train_predictor("lstm", latents, RolloutLstmSettings(depth=1, **small), folder / "lstm", progress=None)
    flow = FlowSettings(width=16, depth=1, flow_steps=2, training=training(epochs=2))
    train_predictor("flow", latents, flow, folder / "flow", progress=None)
    return corpus


def bundle(folder: Path) -> Path:
    """Make the bundle, or wait for the test process that is making it."""
    from surrogate.query import write_bundle

    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "bundle").exists():
            corpus = corpus_and_models(folder / "models")
            metrics = {
                "methods": {"fnn": {"relative_accuracy": {"mean": 99.0}, "lateral_anomaly_error": {"mean": 0.5}}}
            }
            write_bundle(folder / "bundle", folder / "models", corpus, metrics=metrics, name="tiny", origin={"seed": 1})
    return folder / "bundle"
