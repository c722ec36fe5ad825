"""Samples: evolutions as sharp as a simulation, where FNN and LSTM answer with the mean over all that may happen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from surrogate.query.answer import field_answer
from surrogate.query.arguments import QueryError

if TYPE_CHECKING:
    from surrogate.query.answering import Answers
    from surrogate.query.asking import Question


def sample(surrogate: Answers, question: Question, samples: int, seed: int) -> xr.Dataset:
    """Draw evolutions for a question that was read and checked; see :meth:`surrogate.query.Surrogate.sample`."""
    if samples < 1:
        raise QueryError(f"samples: expected at least 1, got {samples}")
    flow = surrogate.engine.flow
    if flow is None:
        raise QueryError("sample: this bundle holds no flow; train it again with a current version of surrogate")
    drawn = flow.sample(question.sets.values, question.times, samples=samples, seed=seed)
    attributes = surrogate.attributes("fnn") | {
        "method": "flow",
        "seed": seed,
        "time_interpolation": (
            f"the flow advances in steps of {flow.cadence:g} Gyr from {flow.first_time:g} Gyr; latents are linear in "
            "time between its steps"
        ),
    }
    fields = [surrogate.engine.expand(np.ascontiguousarray(drawn[:, number])) for number in range(samples)]
    annulus, form = surrogate.annulus, surrogate.form
    answers = [field_answer(field, question, annulus, form, attributes) for field in fields]
    about = {"long_name": "number of the evolution drawn"}
    number = xr.Variable("sample", np.arange(samples), about)
    return xr.concat(answers, number, data_vars=["temperature"], coords="minimal", compat="override")
