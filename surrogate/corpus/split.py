"""Who is seen in training: the split by run, and the statistics of the training runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from surrogate.config import CorpusSettings
from surrogate.corpus.records import Moments
from surrogate.fields import SPLITS
from surrogate.parameters import ParameterSpace

TRAIN, VALIDATION, TEST = (SPLITS.index(name) for name in ("train", "validation", "test"))

_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


def assign_split(simulation: Any, settings: CorpusSettings, fixed: Any = None) -> np.ndarray:
    """Assign every run to training, validation or test.

    Each run has a position frac(offset(seed) + number * golden ratio) in [0, 1), which fills the interval evenly for
    any stretch of run numbers (Kronecker sequence), and a fixed stretch of the interval belongs to each split. So the
    shares are right to about one run, and a run does not change sides when others are added or rejected. A split that
    would stay empty takes the run that lies nearest to its stretch.

    Parameters
    ----------
    simulation : array of int, shape (simulation,)
        Numbers of the runs.
    settings : CorpusSettings
        Fractions and seed.
    fixed : array of int, shape (n,), optional
        Splits that the first n runs already have, and keep.

    Returns
    -------
    array of int8, shape (simulation,)
        Index into :data:`surrogate.fields.SPLITS`.

    Raises
    ------
    ValueError
        If there are too few runs for one in each split.

    Examples
    --------
    >>> split = assign_split(np.arange(128), CorpusSettings())
    >>> np.bincount(split).tolist()
    [96, 12, 20]
    """
    number = np.asarray(simulation, dtype=np.int64)
    offset = np.random.default_rng(settings.split_seed).random()
    position = (offset + number * _GOLDEN) % 1.0
    centres = {}
    split = np.full(number.size, TRAIN, dtype=np.int8)
    edge = 0.0
    for index, fraction in ((TEST, settings.test_fraction), (VALIDATION, settings.validation_fraction)):
        split[(position >= edge) & (position < edge + fraction)] = index
        centres[index] = edge + 0.5 * fraction
        edge += fraction
    centres[TRAIN] = edge + 0.5 * (1.0 - edge)
    known = 0 if fixed is None else len(fixed)
    if known:
        split[:known] = fixed
    wanted = [TRAIN] + [
        index
        for index, fraction in ((VALIDATION, settings.validation_fraction), (TEST, settings.test_fraction))
        if fraction > 0
    ]
    if number.size < len(wanted):
        raise ValueError(f"a corpus of {number.size} runs cannot be split into {[SPLITS[index] for index in wanted]}")
    for index in wanted:
        if np.any(split == index):
            continue
        counts = np.bincount(split, minlength=3)
        # Never take the only run of another split; take one that is not fixed where that can be done.
        candidates = np.flatnonzero(counts[split] > 1)
        free = candidates[candidates >= known]
        candidates = free if free.size else candidates
        distance = np.abs((position[candidates] - centres[index] + 0.5) % 1.0 - 0.5)
        split[candidates[np.argmin(distance)]] = index
    return split


def training_statistics(
    split: np.ndarray, parameters: np.ndarray, moments: Sequence[Moments], times: Sequence[Any], space: ParameterSpace
) -> dict[str, Any]:
    """Merge the statistics of the training runs.

    Parameters
    ----------
    split : array of int, shape (simulation,)
    parameters : array, shape (simulation, n)
    moments : sequence of Moments, one per run
    times : sequence of arrays, one per run, Gyr
    space : ParameterSpace

    Returns
    -------
    dict
        JSON-able: ``runs``, ``snapshots``, ``temperature`` (minimum, maximum, mean, standard_deviation over all grid
        values, wall rows included, every value weighing the same), ``profile_mean`` and
        ``profile_standard_deviation`` over radius, ``parameters`` (minimum and maximum of each), ``time``.
    """
    chosen = np.flatnonzero(np.asarray(split) == TRAIN).tolist()
    training = [moments[run] for run in chosen]
    weight = np.array([run.snapshots for run in training], dtype=float)
    share = (weight / weight.sum())[:, None]
    means = np.array([run.profile_mean for run in training])
    variances = np.array([run.profile_variance for run in training])
    profile = (share * means).sum(axis=0)
    profile_variance = (share * (variances + (means - profile) ** 2)).sum(axis=0)
    mean = profile.mean()
    variance = (profile_variance + (profile - mean) ** 2).mean()
    return {
        "runs": len(chosen),
        "snapshots": int(weight.sum()),
        "temperature": {
            "minimum": min(run.minimum for run in training),
            "maximum": max(run.maximum for run in training),
            "mean": float(mean),
            "standard_deviation": float(np.sqrt(variance)),
        },
        "profile_mean": profile.tolist(),
        "profile_standard_deviation": np.sqrt(profile_variance).tolist(),
        "parameters": {name: list(limits) for name, limits in space.spanned_by(parameters[chosen]).ranges.items()},
        "time": [float(min(times[run][0] for run in chosen)), float(max(times[run][-1] for run in chosen))],
    }
