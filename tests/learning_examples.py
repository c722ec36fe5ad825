"""A made-up corpus for the tests of the learning wing: smooth in parameters and time, known exactly, tiny."""

from __future__ import annotations

import numpy as np
import xarray as xr

from surrogate.fields import make_corpus
from surrogate.geometry import Geometry
from surrogate.parameters import EVOLUTION_PARAMETERS
from surrogate.settings import TrainingSettings

SHAPE = (12, 10)
SPLIT = [0] * 12 + [1] * 3 + [2] * 3


def parameters(count: int, seed: int = 3) -> np.ndarray:
    unit = np.random.default_rng(seed).uniform(size=(count, 5))
    low, high = (np.array([getattr(entry, end) for entry in EVOLUTION_PARAMETERS]) for end in ("low", "high"))
    values = low + unit * (high - low)
    values[:, 0] = 10 ** (19 + 3 * unit[:, 0])
    return np.asarray(values)


def made_up_corpus(runs: int = len(SPLIT), snapshots: int = 8, short: bool = True) -> xr.Dataset:
    """Two travelling cells whose strength and speed depend on the parameters; every fourth run ends early."""
    geometry = Geometry.quarter(SHAPE[0] - 2, SHAPE[1])
    values = parameters(runs)
    times = np.tile(np.linspace(0.0, 4.5, snapshots), (runs, 1))
    height = (geometry.depth / geometry.thickness)[None, :, None]
    angle = geometry.lateral[None, None, :]
    fields = []
    for row, time in zip(values, times, strict=True):
        clock = time[:, None, None]
        strength, speed = np.log10(row[0]) - 18.0, row[1] / 5e5
        profile = 250.0 + (row[4] - 250.0 - 40.0 * clock) * (1 - np.exp(-5 * height))
        cells = 40 * strength * np.sin(np.pi * height) * np.cos(4 * angle + 0.3 * speed * clock)
        field = profile + cells
        field[:, 0] = (2250.0 - 60.0 * time)[:, None]
        field[:, -1] = 250.0
        fields.append(field)
    temperature = np.stack(fields).astype(np.float32)
    if short:
        times[::4, -2:] = np.nan
        temperature[::4, -2:] = np.nan
    split = (SPLIT * (runs // len(SPLIT) + 1))[:runs]
    return make_corpus(temperature, times, geometry, values, np.arange(runs) + 100, split=split)


def training(**changes: object) -> TrainingSettings:
    return TrainingSettings.model_validate({"epochs": 3, "batch_size": 16, "learning_rate": 3e-3, **changes})
