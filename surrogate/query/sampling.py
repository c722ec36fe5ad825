"""Samples: evolutions as sharp as a simulation, where FNN and LSTM answer with the mean over all that may happen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from surrogate.query.answer import field_answer
from surrogate.query.arguments import QueryError

if TYPE_CHECKING:
    from surrogate.query.asking import Question
    from surrogate.query.surrogate import Surrogate


def sample(surrogate: Surrogate, question: Question, samples: int, seed: int) -> xr.Dataset:
    """Draw evolutions for a question that was read and checked; see :meth:`surrogate.query.Surrogate.sample`."""
    if samples < 1:
        raise QueryError(f"samples: expected at least 1, got {samples}")
    flow = surrogate.engine.generative
    if flow is None:
        raise QueryError("sample: this bundle holds no flow; train it again with a current version of surrogate")
    drawn = flow.sample(question.sets.values, question.times, samples=samples, seed=seed)
    answers = [
        field_answer(
            surrogate.engine.expand(np.ascontiguousarray(drawn[:, number])), question, surrogate.annulus,
            surrogate._attributes("flow"),
        )
        for number in range(samples)
    ]  # fmt: skip
    about = {"long_name": "number of the evolution drawn"}
    result = xr.concat(answers, xr.Variable("sample", np.arange(samples), about), data_vars=["temperature"])
    return result.assign_attrs(seed=seed)
