"""How long an answer takes on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

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
    table = surrogate.space.draw(sets, 0)
    one, last = table[0], [surrogate.time_range[1]]
    history = np.linspace(*surrogate.time_range, 45)
    others = cycle(table)  # the last rollout of the LSTM is kept: the same set twice would be answered from there
    first = surrogate.methods[0]
    questions: dict[str, Callable[[], Any]] = {
        f"one profile at one time, {first}": lambda: surrogate.profile(one, time=last, method=first),
        f"one field at one time, {first}": lambda: surrogate.predict(one, time=last, method=first),
    }
    for method in surrogate.methods:
        questions[f"history of 45 fields, {method}"] = partial(_history, surrogate, others, history, method)
    questions |= {
        f"{sets} profiles at one time, {first}": lambda: surrogate.profile(table, time=last, method=first),
        f"{sets} fields at one time, {first}": lambda: surrogate.predict(table, time=last, method=first),
    }
    return {name: _timed(question, repeats) for name, question in questions.items()}


def _history(surrogate: Surrogate, sets: Iterator[np.ndarray], times: np.ndarray, method: str) -> Any:
    return surrogate.predict(next(sets), time=times, method=method)


def _timed(question: Callable[[], Any], repeats: int) -> float:
    question()
    seconds = []
    for _ in range(repeats):
        start = perf_counter()
        question()
        seconds.append(perf_counter() - start)
    return median(seconds)
