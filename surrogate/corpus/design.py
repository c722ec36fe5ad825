"""The design of a corpus: which points of parameter space are simulated, as a table.

The points are a scrambled Sobol sequence (Owen 1998; :class:`scipy.stats.qmc.Sobol`) on the natural axes of the
parameters, so a logarithmic parameter is uniform in its logarithm. A sequence is extended, never redrawn: a design of
256 runs begins with the 128 runs of the smaller one.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import qmc

from surrogate.config import DesignSettings
from surrogate.files import atomic
from surrogate.parameters import PARAMETER_NAMES, PARAMETERS, Parameters


class DesignError(ValueError):
    """A design table that cannot be used; the message names file, column and row."""


def make_design(settings: DesignSettings) -> pd.DataFrame:
    """Sample parameter space.

    Parameters
    ----------
    settings : DesignSettings
        Number of runs, seed and ranges.

    Returns
    -------
    pandas.DataFrame
        One row per run, index ``simulation`` (0, 1, ...), one column per parameter, SI units.

    Examples
    --------
    >>> small, large = make_design(DesignSettings(runs=8)), make_design(DesignSettings(runs=16))
    >>> bool((large.iloc[:8] == small).all().all())
    True
    """
    sampler = qmc.Sobol(d=len(PARAMETERS), scramble=True, rng=np.random.default_rng(settings.seed))
    with warnings.catch_warnings():
        # Any number of runs is allowed; only a power of two is balanced, which the configuration says.
        warnings.filterwarnings("ignore", message="The balance properties of Sobol", category=UserWarning)
        unit = sampler.random(settings.runs)
    columns = {}
    for parameter, coordinate in zip(PARAMETERS, unit.T, strict=True):
        low, high = settings.ranges[parameter.name]
        low_axis, high_axis = parameter.transform(low), parameter.transform(high)
        values = parameter.inverse(low_axis + (high_axis - low_axis) * coordinate)
        columns[parameter.name] = np.clip(values, low, high)  # 10 ** log10(x) may leave the range by one digit
    return pd.DataFrame(columns, index=pd.RangeIndex(settings.runs, name="simulation"))


def write_design(design: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a design as CSV, atomically; reading it back gives the same floats, bit for bit."""
    with atomic(path) as temporary:
        design.to_csv(temporary, index_label="simulation")


def read_design(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a design.

    Parameters
    ----------
    path : path
        CSV with the column ``simulation`` and one column per parameter, SI units.

    Returns
    -------
    pandas.DataFrame
        As :func:`make_design` gives it.

    Raises
    ------
    FileNotFoundError
        Naming the file.
    DesignError
        Naming file, column and run: a column missing or unknown, a value that is no positive number, a run twice.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected a design table (CSV)")
    try:
        # As text: the parser of some versions of pandas is off by one unit in the last place, float() is exact.
        design = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DesignError(f"{path}: not a CSV table: {error}") from error
    expected = ["simulation", *PARAMETER_NAMES]
    missing = [name for name in expected if name not in design]
    unknown = [name for name in design if name not in expected]
    if missing or unknown:
        raise DesignError(f"{path}: missing columns {missing}, unknown columns {unknown}; expected {expected}")
    if design.empty:
        raise DesignError(f"{path}: the table has no runs")
    numbers = design["simulation"].tolist()
    for text in numbers:
        if not text.isdecimal():
            raise DesignError(f"{path}: column 'simulation' must hold run numbers 0, 1, ..., got {text!r}")
    design["simulation"] = design["simulation"].astype(int)
    twice = design["simulation"][design["simulation"].duplicated()]
    if not twice.empty:
        raise DesignError(f"{path}: run {twice.iloc[0]} stands twice in column 'simulation'")
    for name in PARAMETER_NAMES:
        design[name] = [
            _positive(text, f"{path}: column {name!r}, run {number}")
            for text, number in zip(design[name], numbers, strict=True)
        ]
    return design.set_index("simulation")[list(PARAMETER_NAMES)]


def _positive(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not (np.isfinite(value) and value > 0):
        raise DesignError(f"{where}: expected a positive number, got {text!r}")
    return value


def parameters_of_run(design: pd.DataFrame, simulation: int) -> Parameters:
    """Return the parameters of run number `simulation`.

    Raises
    ------
    DesignError
        If the design has no such run.
    """
    if simulation not in design.index:
        raise DesignError(f"run {simulation} is not in the design, which has {len(design)} runs")
    return Parameters.from_array(design.loc[simulation].to_numpy())
