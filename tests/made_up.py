"""Made-up runs and predictions for tests: convecting-looking fields that cost nothing."""

from typing import Any

import numpy as np
import xarray as xr

from surrogate.fields import make_corpus, make_run
from surrogate.geometry import Geometry
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameters

GEOMETRY = Geometry.quarter(12, 16)
PARAMETER_POINT = Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0)


def made_up_parameters(count: int, seed: int = 0) -> np.ndarray:
    """Draw points in the ranges of the five parameters, shape (count, 5)."""
    unit = np.random.default_rng(seed).random((count, 5))
    columns = [
        p.from_natural(p.natural(p.low) + (p.natural(p.high) - p.natural(p.low)) * unit[:, number])
        for number, p in enumerate(EVOLUTION_PARAMETERS)
    ]
    return np.stack(columns, axis=1)


def made_up_temperature(times: Any, geometry: Geometry = GEOMETRY, seed: int = 0) -> np.ndarray:
    """Hot below, cold above, with a few drifting plumes, K, shape (time, radius, angle)."""
    rng = np.random.default_rng(seed)
    depth = (geometry.depth / geometry.thickness)[None, :, None]
    time = np.asarray(times, dtype=float)[:, None, None]
    angle = geometry.lateral[None, None, :]
    profile = 250.0 + (1450.0 - 40 * time) * np.minimum(depth / 0.2, 1.0) + 500 * np.clip(depth - 0.8, 0, None) / 0.2
    anomaly = np.zeros((time.size, *geometry.shape))
    for wave in range(1, 5):
        phase = rng.uniform(0, 2 * np.pi) + time * rng.uniform(-1, 1)
        anomaly += rng.normal() * 60 / wave * np.cos(2 * wave * angle + phase) * np.sin(wave * np.pi * depth)
    return profile + anomaly


def made_up_run(count: int = 8, geometry: Geometry = GEOMETRY, seed: int = 0) -> xr.Dataset:
    """A run of `count` snapshots until 4.5 Gyr."""
    times = np.linspace(0.0, 4.5, count)
    return make_run(made_up_temperature(times, geometry, seed), times, geometry, PARAMETER_POINT)


def made_up_corpus(
    counts: Any = (8, 5, 8), geometry: Geometry = GEOMETRY, seed: int = 0, split: Any = None
) -> xr.Dataset:
    """Runs of different lengths, padded with NaN."""
    length = max(counts)
    temperature = np.full((len(counts), length, *geometry.shape), np.nan, dtype=np.float32)
    times = np.full((len(counts), length), np.nan)
    for number, count in enumerate(counts):
        times[number, :count] = np.linspace(0.0, 4.5, length)[:count]
        temperature[number, :count] = made_up_temperature(times[number, :count], geometry, seed + number)
    parameters = made_up_parameters(len(counts), seed)
    return make_corpus(temperature, times, geometry, parameters, 10 + np.arange(len(counts)), split=split)


def disturbed(dataset: xr.Dataset, amplitude: float = 10.0, seed: int = 1) -> xr.Dataset:
    """A prediction: the dataset with smooth errors inside, none on the walls."""
    rng = np.random.default_rng(seed)
    values = dataset["temperature"].values
    angle = dataset["angle"].values
    depth = np.linspace(0, 1, values.shape[-2])[:, None]
    error = amplitude * np.sin(np.pi * depth) * np.cos(2 * angle + rng.uniform(0, 6))
    return dataset.assign(temperature=dataset["temperature"].copy(data=(values + error).astype(values.dtype)))
