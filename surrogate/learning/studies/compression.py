"""What more or fewer latents change: autoencoder and FNN trained once more at another compression."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from surrogate.diagnostics.accuracy import headline_accuracy, lateral_anomaly_squares, temperature_span
from surrogate.fields import select_run, select_split
from surrogate.files import read_json, write_json
from surrogate.learning.autoencoder import Autoencoder, encode_corpus, train_autoencoder
from surrogate.learning.networks.paper import paper_channels
from surrogate.learning.predictions import predict_split
from surrogate.learning.predictor import Predictor, load_predictor, train_predictor
from surrogate.learning.training import Progress
from surrogate.settings import AutoencoderSettings, FnnSettings, Section, TrainingSettings

Settings = TypeVar("Settings", bound=Section)


def fewer_epochs(settings: Settings, share: float) -> Settings:
    """Return settings with a share of the epochs, at least one.

    >>> from surrogate.settings import ResidualFnnSettings
    >>> fewer_epochs(ResidualFnnSettings(), 0.5).training.epochs
    25
    """
    training: TrainingSettings = settings.training  # type: ignore[attr-defined]
    epochs = max(1, round(share * training.epochs))
    return settings.model_copy(update={"training": training.model_copy(update={"epochs": epochs})})


def train_at_compression(
    compression: float,
    corpus: xr.Dataset,
    settings: AutoencoderSettings,
    fnn: FnnSettings,
    folder: str | os.PathLike[str],
    trained: str | os.PathLike[str] | None = None,
    provenance: Mapping[str, Any] | None = None,
    progress: Progress | None = print,
    share: float = 1.0,
) -> list[dict[str, Any]]:
    """Train autoencoder and FNN at one compression and measure both on the unseen runs.

    Parameters
    ----------
    compression : float
        Values of a snapshot per latent, at least; the paper's network rounds to whole channels.
    corpus : xarray.Dataset
        With the coordinate ``split``; lazy or in memory.
    settings, fnn : AutoencoderSettings, FnnSettings
        Of the networks; the number of latents follows from the compression.
    folder : path
        Where ``autoencoder/`` and ``fnn/`` go. What is finished there is not trained again.
    trained : path, optional
        Folder with the same two networks of a whole run: they are measured instead if they have that many latents.
    provenance, progress : optional
        As for :func:`surrogate.learning.autoencoder.train_autoencoder`.
    share : float
        Of the epochs that the settings ask for.

    Returns
    -------
    list of dict
        Of the autoencoder and the FNN: ``method``, ``network``, ``latents``, ``compression`` (as it came out),
        the headline accuracy by its name (percent, mean over the unseen snapshots) and ``lateral_anomaly_error``.
    """
    settings, fnn = fewer_epochs(settings, share), fewer_epochs(fnn, share)
    folder, nodes = Path(folder), int(np.prod(corpus["temperature"].shape[-2:]))
    # Whether folders hold this very training: what was finished before an interruption is kept, nothing else.
    key = {
        "compression": compression,
        "autoencoder": settings.model_dump(mode="json"),
        "fnn": fnn.model_dump(mode="json"),
        "made": dict((provenance or {}).get("corpus", {})),
    }
    autoencoder, predictor = _of_a_run(trained, compression, nodes, settings.network)
    if autoencoder is None:
        if not (folder / "key.json").exists() or read_json(folder / "key.json") != key:
            for part in ("autoencoder", "fnn"):
                (folder / part / "manifest.json").unlink(missing_ok=True)
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / "key.json", key)
        if (folder / "autoencoder/manifest.json").exists():
            autoencoder = Autoencoder.load(folder / "autoencoder")
        else:
            paper = settings.network == "paper"
            size = {"compression": compression} if paper else {"latents": int(nodes // compression)}
            here = settings.model_copy(update=size)
            autoencoder = train_autoencoder(corpus, here, folder / "autoencoder", provenance, progress)
    latents = encode_corpus(autoencoder, corpus)
    if predictor is None:
        if (folder / "fnn/manifest.json").exists():
            predictor = load_predictor("fnn", folder)
        else:
            predictor = train_predictor("fnn", latents, fnn, folder / "fnn", provenance, progress)
    shape = {"network": settings.network, "latents": autoencoder.latents, "compression": nodes / autoencoder.latents}
    methods: dict[str, Predictor | None] = {"autoencoder": None, "fnn": predictor}
    return [
        {"method": method, **shape, **measure(corpus, latents, autoencoder, entry)} for method, entry in methods.items()
    ]


def _of_a_run(
    trained: str | os.PathLike[str] | None, compression: float, nodes: int, network: str
) -> tuple[Autoencoder | None, Predictor | None]:
    """Networks of a whole run, if they have as many latents as this compression asks for."""
    if trained is None:
        return None, None
    autoencoder = Autoencoder.load(Path(trained) / "autoencoder")
    wanted = int(nodes // compression)
    if network == "paper":
        # The image of the paper's network is the whole field.
        channels = paper_channels(autoencoder.shape, compression)[-1]
        wanted = channels * (autoencoder.latents // paper_channels(autoencoder.shape)[-1])
    if autoencoder.latents != wanted:
        return None, None
    return autoencoder, load_predictor("fnn", trained)


def measure(
    corpus: xr.Dataset, latents: xr.Dataset, autoencoder: Autoencoder, predictor: Predictor | None
) -> dict[str, float]:
    """Measure a predictor, or the autoencoder alone, on the unseen runs, one at a time.

    Parameters
    ----------
    corpus, latents : xarray.Dataset
        The same runs as fields and encoded.
    autoencoder : Autoencoder
    predictor : Predictor, optional
        Without one the encoded truth is decoded.

    Returns
    -------
    dict
        The headline accuracy (percent, mean over the snapshots) by its name, and ``lateral_anomaly_error``.
    """
    truth, encoded = select_split(corpus, "test"), select_split(latents, "test")
    accuracies, squares, span = [], np.zeros(2), temperature_span(truth)
    for number in range(truth.sizes["simulation"]):
        run = select_run(truth, number).load()
        predicted = predict_split(autoencoder, encoded.isel(simulation=[number]), predictor)
        prediction = select_run(predicted, 0)
        accuracies.append(headline_accuracy(run, prediction, span))
        squares += [float(part.sum()) for part in lateral_anomaly_squares(run, prediction)]
    return {
        str(accuracies[0].name): float(np.concatenate(accuracies).mean()),
        "lateral_anomaly_error": float(np.sqrt(squares[0] / squares[1])),
    }
