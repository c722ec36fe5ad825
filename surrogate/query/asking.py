"""One signature for everything that is asked of parameters and times."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from surrogate.parameters import PARAMETER_NAMES
from surrogate.query.arguments import OutOfRangeWarning, Sets

if TYPE_CHECKING:
    from surrogate.query.answering import Answers

Method = Literal["fnn", "lstm", "ensemble"]
Band = Literal["pointwise", "simultaneous"]

Variables = Mapping[str, tuple[tuple[str, ...], Any, Mapping[str, Any]]]
"""What an answer is made of: by name the dimensions beyond (simulation, time), values and attributes."""

ARGUMENTS = """\
Parameters
----------
parameters : optional
    One set (`Parameters`, a mapping, five numbers) or many (a list of sets, an array of shape (n, 5), a pandas
    or xarray table); see :func:`surrogate.query.read_sets`.
reference_viscosity, activation_energy, activation_volume, crustal_enrichment, initial_temperature : optional
    The five parameters by name, instead of a table: numbers in SI units, strings such as ``"1e21 Pa s"``, pint
    quantities, or equally long sequences of them. They complete or replace those of a single set.
time : float, str, quantity or sequence, optional
    Increasing; bare numbers are Gyr. Default: the times of the training runs.
method : {"fnn", "lstm", "ensemble"}
    The LSTM advances at the cadence of the training runs and its latents are interpolated linearly to the
    requested times. The ensemble decodes the mean of the latents of both.
interval : float, optional
    Level of calibrated intervals, 0.9 for 90 %: adds ``{variable}_half_width`` in the unit of the variable; the
    truth lies within value +- half-width that often (:mod:`surrogate.query.intervals`).
band : {"pointwise", "simultaneous"}
    Whether each value lies within so often, or the whole history at once.

"""

ERRORS = """

Raises
------
QueryError
    If a parameter is missing, unknown, or of the wrong unit; if times do not increase.

Warns
-----
OutOfRangeWarning
    If the answer is an extrapolation.
"""


@dataclass(frozen=True)
class Question:
    """What was asked, read and checked.

    Attributes
    ----------
    sets : Sets
    times : array, shape (time,), Gyr
    method : str
    latents : array, shape (simulation, time, latent)
        The answer before it is decoded.
    in_range : array of bool, shape (simulation, time)
        Whether question and answer lie within the training runs.
    distance : array, shape (simulation, time)
        To the training runs, relative to the threshold; see :func:`surrogate.query.trust.trusted`.
    interval : float or None
    band : str
    complaints : tuple of str
        Why it is not in range, a line each.
    """

    sets: Sets
    times: np.ndarray
    method: str
    latents: np.ndarray
    in_range: np.ndarray
    distance: np.ndarray
    interval: float | None = None
    band: str = "pointwise"
    complaints: tuple[str, ...] = ()


def warn_out_of_range(lines: Sequence[str]) -> None:
    """Issue one :class:`OutOfRangeWarning` for all `lines`, if there are any, at the caller of the answering method."""
    if lines:
        warnings.warn("extrapolation: " + "; ".join(lines), OutOfRangeWarning, stacklevel=3)


def answers(compute: Callable[[Any, Question], xr.Dataset | Variables]) -> Callable[..., xr.Dataset]:
    """Make a method that takes a :class:`Question` one that takes what users write.

    The arguments are documented and checked in one place; the signature that ``help`` and tab completion show names
    all of them. What it computes becomes a dataset, with intervals.
    """

    @wraps(compute)
    def ask(
        self: Answers,
        parameters: Any = None,
        *,
        time: Any = None,
        method: Method = "fnn",
        interval: float | None = None,
        band: Band = "pointwise",
        **keywords: Any,
    ) -> xr.Dataset:
        question = self._question(parameters, time, method, keywords, interval, band)
        warn_out_of_range(question.complaints)
        return self._answer(compute(self, question), question)

    text = inspect.cleandoc(compute.__doc__ or "")
    ask.__doc__ = text.replace("Returns\n---", f"{ARGUMENTS}Returns\n---") + ERRORS
    del ask.__wrapped__  # type: ignore[attr-defined]  # the signature is that of `ask`, not that of `compute`
    own = inspect.signature(ask, eval_str=False).parameters
    named = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in PARAMETER_NAMES]
    first, rest = list(own.values())[:2], [entry for entry in own.values() if entry.kind is entry.KEYWORD_ONLY]
    ask.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*first, *named, *rest], return_annotation="xr.Dataset"
    )
    return ask
