"""The autoencoder: temperature fields to a few latents and back."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import xarray as xr

from surrogate.corpus.store import run_reader
from surrogate.fields import (
    geometry_of,
    make_corpus,
    parameter_table,
    select_split,
    space_of,
    units_of,
    valid_snapshots,
)
from surrogate.files import atomic, fingerprint
from surrogate.learning import folders
from surrogate.learning.batches import ArrayBatches, SnapshotBatches
from surrogate.learning.networks.convolutional import ConvolutionalNetworks, RowReduction
from surrogate.learning.networks.paper import paper_autoencoder
from surrogate.learning.networks.pod import ModeLoss, PodNetworks
from surrogate.learning.pod import Reduction
from surrogate.learning.predictor import made_of
from surrogate.learning.scaling import FieldScaler
from surrogate.learning.training import Progress, arithmetic, fit
from surrogate.settings import (
    AutoencoderSettings,
    ConvolutionalAutoencoderSettings,
    PaperAutoencoderSettings,
    PodAutoencoderSettings,
)

SAMPLE = 4096
"""Snapshots from which the POD is taken: its error falls with their number, its cost grows with the square."""

CHUNK = 256
"""Fields that pass through a network at a time."""

Trained = tuple[keras.Model, keras.Model, pd.DataFrame, dict[str, Any]]
"""Encoder, decoder, losses and the summary of the training."""


class Autoencoder:
    """A trained encoder and decoder.

    Attributes
    ----------
    encoder, decoder : keras.Model
    scaler : FieldScaler
    shape : tuple
        (radius, angle) of the fields it takes.
    manifest : dict
        What made it.
    """

    def __init__(
        self, encoder: keras.Model, decoder: keras.Model, scaler: FieldScaler, manifest: Mapping[str, Any]
    ) -> None:
        self.encoder, self.decoder, self.scaler, self.manifest = encoder, decoder, scaler, dict(manifest)
        self.shape: tuple[int, int] = (len(scaler.profile), int(decoder.outputs[0].shape[2]))

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Autoencoder:
        """Read a folder that :func:`train_autoencoder` wrote; see :func:`surrogate.learning.folders.read`."""
        manifest, models = folders.read(Path(folder), "autoencoder")
        return cls(models["encoder"], models["decoder"], FieldScaler.from_dict(manifest["scaling"]), manifest)

    @property
    def latents(self) -> int:
        """Number of latents per snapshot."""
        return int(self.decoder.input_shape[-1])

    def encode(self, temperature: Any) -> np.ndarray:
        """Compress fields.

        Parameters
        ----------
        temperature : array, shape (..., radius, angle), K

        Returns
        -------
        array, shape (..., latent), float32
        """
        temperature = np.asarray(temperature)
        if temperature.shape[-2:] != self.shape:
            raise ValueError(
                f"temperature: expected shape (..., {self.shape[0]}, {self.shape[1]}), got {temperature.shape}"
            )
        fields = temperature.reshape(-1, *self.shape)
        parts = [
            self.encoder.predict_on_batch(list(self.scaler.split(fields[i : i + CHUNK])))
            for i in range(0, len(fields), CHUNK)
        ]
        return np.concatenate(parts or [np.zeros((0, self.latents))]).reshape(*temperature.shape[:-2], self.latents)

    def decode(self, latents: Any) -> np.ndarray:
        """Expand latents.

        Parameters
        ----------
        latents : array, shape (..., latent)

        Returns
        -------
        array, shape (..., radius, angle), float32, K
        """
        latents = np.asarray(latents, dtype=np.float32)
        if latents.shape[-1:] != (self.latents,):
            raise ValueError(f"latents: expected shape (..., {self.latents}), got {latents.shape}")
        flat = latents.reshape(-1, self.latents)
        parts = [
            self.scaler.join(*self.decoder.predict_on_batch(flat[i : i + CHUNK])) for i in range(0, len(flat), CHUNK)
        ]
        return np.concatenate(parts or [np.zeros((0, *self.shape))]).reshape(*latents.shape[:-1], *self.shape)


def train_autoencoder(
    corpus: xr.Dataset,
    settings: AutoencoderSettings,
    folder: str | os.PathLike[str],
    provenance: Mapping[str, Any] | None = None,
    progress: Progress | None = print,
) -> Autoencoder:
    """Train an autoencoder on the training runs of a corpus; the validation runs choose the best weights.

    Parameters
    ----------
    corpus : xarray.Dataset
        With the coordinate ``split``; lazy or in memory.
    settings : AutoencoderSettings
    folder : path
        Where encoder.keras, decoder.keras, manifest.json and losses.csv go.
    provenance : mapping, optional
        Kept in the manifest.
    progress : callable, optional
        Called with one line per epoch.

    Returns
    -------
    Autoencoder

    Raises
    ------
    ValueError
        If there are no training or no validation runs, or too few or too many latents.
    """
    train, validation = (select_split(corpus, name) for name in ("train", "validation"))
    for name, part in (("training", train), ("validation", validation)):
        if not part.sizes["simulation"]:
            raise ValueError(f"corpus: there are no {name} runs")
    scaler = FieldScaler.fit(train, settings.network)
    name = fingerprint(
        {
            "settings": settings.model_dump(mode="json"),
            "scaling": scaler.as_dict(),
            "runs": [int(number) for number in corpus.simulation.values[corpus.split.values < 2]],
        }
    )
    options: dict[str, Any] = {"folder": Path(folder), "name": name, "label": "autoencoder", "progress": progress}
    train_network: Any = {"convolutional": _train_convolutional, "pod": _train_pod, "paper": _train_paper}
    with arithmetic(settings.training):
        encoder, decoder, losses, summary = train_network[settings.network](
            train, validation, scaler, settings, **options
        )
    manifest = {
        "settings": settings.model_dump(mode="json"),
        "scaling": scaler.as_dict(),
        **made_of(
            {"field": list(corpus["temperature"].shape[-2:]), "latent": int(decoder.input_shape[-1])},
            train,
            validation,
            summary,
            provenance,
        ),
    }
    folders.write(Path(folder), "autoencoder", {"encoder": encoder, "decoder": decoder}, manifest, losses)
    return Autoencoder(encoder, decoder, scaler, manifest)


def _train_paper(
    train: xr.Dataset,
    validation: xr.Dataset,
    scaler: FieldScaler,
    settings: PaperAutoencoderSettings,
    **options: Any,
) -> Trained:
    """Train on images, read from the store in groups of runs where they do not fit into memory."""
    training, held = settings.training, settings.memory
    batches = SnapshotBatches(train, scaler, batch_size=training.batch_size, seed=training.seed, memory=held)
    unseen = SnapshotBatches(validation, scaler, batch_size=4 * training.batch_size, memory=held)
    encoder, decoder = paper_autoencoder(_image_shape(train, scaler), settings.compression, geometry_of(train).periodic)
    model = keras.Model(encoder.inputs, decoder(encoder.outputs[0])[0])
    return encoder, decoder, *fit(model, "mse", batches, unseen, training, **options)


def _train_convolutional(
    train: xr.Dataset,
    validation: xr.Dataset,
    scaler: FieldScaler,
    settings: ConvolutionalAutoencoderSettings,
    **options: Any,
) -> Trained:
    """Train on images, read from the store in groups of runs where they do not fit into memory."""
    shape, training = _image_shape(train, scaler), settings.training
    modes = min(settings.row_modes, shape[0])
    _check_latents(settings.latents, scaler.scalars, shape[1] * modes)
    row_weight = _row_weight(train, scaler, settings.wall_weight)
    reduction = RowReduction.fit(
        *_sample(train, scaler, SAMPLE), row_weight, settings.lateral_weight, modes, settings.latents - scaler.scalars
    )
    built = ConvolutionalNetworks(shape, scaler.scalars, settings, reduction, geometry_of(train).periodic)
    held, size = settings.memory, training.batch_size
    batches = SnapshotBatches(train, scaler, batch_size=size, seed=training.seed, memory=held, moved=settings.moved)
    unseen = SnapshotBatches(validation, scaler, batch_size=4 * size, memory=held)
    losses, summary = fit(built.between, built.loss, batches, unseen, training, **options)
    _make_canonical(built.encoder, built.decoder, *_sample(train, scaler, 512), scaler, row_weight)
    return built.encoder, built.decoder, losses, summary


def _check_latents(latents: int, scalars: int, values: int) -> None:
    """Refuse a number of latents that is no compression, or leaves none but the wall scalars."""
    if not scalars < latents < scalars + values:
        raise ValueError(
            f"autoencoder.latents: expected from {scalars + 1} to {scalars + values - 1}, fewer than a snapshot has "
            f"values, got {latents}"
        )


def _train_pod(
    train: xr.Dataset, validation: xr.Dataset, scaler: FieldScaler, settings: PodAutoencoderSettings, **options: Any
) -> Trained:
    """Train on POD coefficients: the corpus is read twice, once for the modes and once for the coefficients."""
    _check_latents(settings.latents, scaler.scalars, math.prod(_image_shape(train, scaler)))
    training, row_weight = settings.training, _row_weight(train, scaler, settings.wall_weight)
    count = max(settings.modes, settings.latents - scaler.scalars)
    reduction = Reduction.fit(*_sample(train, scaler, SAMPLE), row_weight, settings.lateral_weight, count)
    built = PodNetworks(_image_shape(train, scaler), scaler.scalars, settings, reduction)
    loss = ModeLoss(built.variance)
    batches = _coefficients(
        train, scaler, reduction, settings.mirror, batch_size=training.batch_size, seed=training.seed
    )
    unseen = _coefficients(validation, scaler, reduction, batch_size=4 * training.batch_size)
    losses, summary = fit(built.between, loss, batches, unseen, training, **options)
    _make_canonical(built.encoder, built.decoder, *_sample(train, scaler, 512), scaler, row_weight)
    return built.encoder, built.decoder, losses, summary


def _coefficients(
    corpus: xr.Dataset, scaler: FieldScaler, reduction: Reduction, mirror: bool = False, **options: Any
) -> ArrayBatches:
    """Coefficients and wall scalars of every snapshot: some 1 kB each, which fits into memory for a million of them.

    Physics has no left and right: with `mirror` the mirror images are there too, in a periodic domain also both moved
    by half its width, so that a network sees plumes in more places.
    """
    found, carried = [], []
    geometry = geometry_of(corpus)
    for field in map(run_reader(corpus), range(corpus.sizes["simulation"])):
        images, walls = scaler.split(field)
        for seen in geometry.alike(images) if mirror else [images]:
            found.append(reduction.coefficients(seen, walls))
            carried.append(walls)
    coefficients = np.concatenate(found)
    return ArrayBatches((coefficients, np.concatenate(carried)), coefficients, **options)


def _image_shape(corpus: xr.Dataset, scaler: FieldScaler) -> tuple[int, int]:
    rows, columns = corpus["temperature"].shape[-2:]
    return len(range(*scaler.rows.indices(rows))), columns


def _row_weight(corpus: xr.Dataset, scaler: FieldScaler, wall_weight: float) -> np.ndarray:
    """Weight of each row of the image in the loss, shape (rows,): its share in the volume, and more next to the walls.

    The heat flux through a wall is that between the wall and the row next to it, one of many in the volume. A wall row
    in the image counts as its neighbour.
    """
    weight = geometry_of(corpus).weight.sum(axis=1)
    weight[0], weight[-1] = weight[1], weight[-2]
    weight[[1, -2]] *= wall_weight
    weight = weight[scaler.rows]
    return np.asarray(weight / weight.sum())


def _sample(corpus: xr.Dataset, scaler: FieldScaler, count: int) -> tuple[np.ndarray, np.ndarray]:
    """At most `count` images and wall scalars, spread over all runs."""
    each = max(1, count // corpus.sizes["simulation"])
    images, walls = [], []
    for field in map(run_reader(corpus), range(corpus.sizes["simulation"])):
        chosen = np.unique(np.linspace(0, len(field) - 1, min(each, len(field))).astype(int))
        image, wall = scaler.split(field[chosen])
        images.append(image)
        walls.append(wall)
    return np.concatenate(images), np.concatenate(walls)


def _make_canonical(
    encoder: keras.Model,
    decoder: keras.Model,
    images: np.ndarray,
    walls: np.ndarray,
    scaler: FieldScaler,
    row_weight: np.ndarray,
) -> None:
    """Rotate and scale the latents: a step of 1 changes the field by about 1 in its unit, largest axes first.

    The change is a root mean square in the weights of the loss.

    An error of the latents is then an error of the field, whatever the decoder has become, and the predictors need to
    know nothing of it. Wall scalars keep their place in front, as they are: what a change of them does to the inside
    is carried by the other latents, and only the rest, with the wall as one row of the image, is their own.
    """
    latent = np.asarray(encoder.predict_on_batch([images, walls]), dtype=float)
    scalars, count = scaler.scalars, latent.shape[1]
    free = count - scalars
    points = latent[:: max(1, len(latent) // 96)]
    steps = 0.1 * latent.std(axis=0) + 1e-6
    root = np.sqrt(row_weight / images.shape[2])[:, None]
    metric = np.zeros((count, count))
    for point in points:
        around = np.concatenate([point + np.diag(steps), point - np.diag(steps)])
        fields = np.asarray(decoder.predict_on_batch(around.astype(np.float32))[0]) * root
        slope = (fields[:count] - fields[count:]).reshape(count, -1) / (2 * steps[:, None])
        metric += slope @ slope.T / len(points)
    metric[:scalars, :scalars] += np.eye(scalars) / len(row_weight)
    # With the walls last, the triangular factor leaves them alone and mixes their effect into the others.
    order = np.r_[scalars:count, :scalars]
    factor = np.linalg.cholesky(metric[np.ix_(order, order)] + 1e-6 * np.trace(metric) / count * np.eye(count))
    mean = latent.mean(axis=0)
    plain = ((latent - mean)[:, order] @ factor)[:, :free]
    factor[:, :free] = factor[:, :free] @ np.linalg.eigh(plain.T @ plain)[1][:, ::-1]
    forward = np.zeros((count, count))
    forward[np.ix_(order, order)] = scaler.scale * factor
    encoder.get_layer("canonical").set_weights([forward, -mean @ forward])
    decoder.get_layer("canonical").set_weights([np.linalg.inv(forward), mean])


def encode_corpus(
    autoencoder: Autoencoder, corpus: xr.Dataset, path: str | os.PathLike[str] | None = None
) -> xr.Dataset:
    """Encode every snapshot of a corpus, one run at a time.

    Parameters
    ----------
    autoencoder : Autoencoder
    corpus : xarray.Dataset
    path : path, optional
        Write the result there, NetCDF4.

    Returns
    -------
    xarray.Dataset
        ``latent(simulation, time, component)``, NaN where a run has no further snapshot, with the coordinates of the
        corpus.
    """
    valid = valid_snapshots(corpus)
    values = np.full((*valid.shape, autoencoder.latents), np.nan, dtype=np.float32)
    read = run_reader(corpus)
    for run, mask in enumerate(valid):
        values[run, mask] = autoencoder.encode(read(run))
    attributes = {"units": "1", "long_name": "latent variables of the autoencoder"}
    latents = xr.Dataset(
        {"latent": (("simulation", "time", "component"), values, attributes)},
        {name: corpus.coords[name].load() for name in corpus.coords},
        dict(corpus.attrs),
    )
    if path is not None:
        with atomic(path) as temporary:
            latents.to_netcdf(temporary, engine="h5netcdf")
    return latents


def decode_corpus(autoencoder: Autoencoder, latents: xr.Dataset) -> xr.Dataset:
    """Decode latents, as :func:`encode_corpus` gives them, to a corpus of temperature fields in memory."""
    valid = valid_snapshots(latents)
    temperature = np.full((*valid.shape, *autoencoder.shape), np.nan, dtype=np.float32)
    temperature[valid] = autoencoder.decode(latents.latent.values[valid])
    return make_corpus(
        temperature,
        latents.snapshot_time.values,
        geometry_of(latents),
        parameter_table(latents),
        latents.simulation.values,
        split=latents.split.values if "split" in latents.coords else None,
        space=space_of(latents),
        units=units_of(latents),
    )
