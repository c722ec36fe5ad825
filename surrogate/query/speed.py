"""How long an answer takes on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import cycle
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from surrogate.parameters import PARAMETERS
from surrogate.query.surrogate import Surrogate


def measure(bundle: str | os.PathLike[str] | Surrogate, sets: int = 256, repeats: int = 7) -> dict[str, float]:
    """Time typical questions, s, after one warm-up each (median of `repeats`).

    Parameters
    ----------
    bundle : path or Surrogate
    sets : int
        Parameter sets of the batch questions.
    repeats : int

    Returns
    -------
    dict
        Seconds by question.
    """
    surrogate = bundle if isinstance(bundle, Surrogate) else Surrogate.load(bundle)
    table = draw_sets(surrogate, sets)
    one, last = table[0], [surrogate.time_range[1]]
    history = np.linspace(*surrogate.time_range, 45)
    others = cycle(table)  # the last rollout of the LSTM is kept: the same set twice would be answered from there
    questions: dict[str, Callable[[], Any]] = {
        "one profile at one time, fnn": lambda: surrogate.profile(one, time=last),
        "one field at one time, fnn": lambda: surrogate.predict(one, time=last),
        "history of 45 fields, fnn": lambda: surrogate.predict(one, time=history),
        "history of 45 fields, lstm": lambda: surrogate.predict(next(others), time=history, method="lstm"),
        f"{sets} profiles at one time, fnn": lambda: surrogate.profile(table, time=last),
        f"{sets} fields at one time, fnn": lambda: surrogate.predict(table, time=last),
    }
    return {name: _timed(question, repeats) for name, question in questions.items()}


def draw_sets(surrogate: Surrogate, count: int, seed: int = 0) -> np.ndarray:
    """Draw parameter sets over the trained ranges, shape (count, 5), SI units."""
    rng = np.random.default_rng(seed)
    columns = []
    for parameter in PARAMETERS:
        low, high = (parameter.transform(value) for value in surrogate.parameter_ranges[parameter.name])
        values = parameter.inverse(low + (high - low) * rng.random(count))
        columns.append(np.clip(values, *surrogate.parameter_ranges[parameter.name]))
    return np.stack(columns, axis=1)


def _timed(question: Callable[[], Any], repeats: int) -> float:
    question()
    seconds = []
    for _ in range(repeats):
        start = perf_counter()
        question()
        seconds.append(perf_counter() - start)
    return median(seconds)
