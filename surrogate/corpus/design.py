"""The design of a corpus: which points of parameter space are simulated, as a table.

The points are a scrambled Sobol sequence (Owen 1998; :class:`scipy.stats.qmc.Sobol`) on the natural axes of the
parameters, so a logarithmic parameter is uniform in its logarithm. A sequence is extended, never redrawn: a design of
256 runs begins with the 128 runs of the smaller one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from surrogate.config import DesignSettings
from surrogate.files import atomic
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameter, Parameters, ParameterSpace

COMMENT = "#"
"""Lines that begin so say what the columns of a table are; ``pandas.read_csv(path, comment="#")`` skips them."""


class DesignError(ValueError):
    """A design table that cannot be used; the message names file, column and row."""


def make_design(settings: DesignSettings, space: ParameterSpace = EVOLUTION_PARAMETERS) -> pd.DataFrame:
    """Sample parameter space.

    Parameters
    ----------
    settings : DesignSettings
        Number of runs and seed.
    space : ParameterSpace, optional
        Default: the parameters of the simulator; :meth:`surrogate.config.Config.make_space` gives those of a
        configuration.

    Returns
    -------
    pandas.DataFrame
        One row per run, index ``simulation`` (0, 1, ...), one column per parameter, in its unit. :func:`design_space`
        returns the parameters, with their ranges.

    Examples
    --------
    >>> small, large = make_design(DesignSettings(runs=8)), make_design(DesignSettings(runs=16))
    >>> bool((large.iloc[:8] == small).all().all())
    True
    """
    index = pd.RangeIndex(settings.runs, name="simulation")
    design = pd.DataFrame(space.draw(settings.runs, settings.seed), index, list(space.names))
    design.attrs["parameters"] = space.as_dict()
    return design


def design_space(design: pd.DataFrame) -> ParameterSpace:
    """Return the parameters of a design; those of the simulator where it does not describe them.

    >>> design_space(make_design(DesignSettings(runs=2))) == EVOLUTION_PARAMETERS
    True
    """
    described = design.attrs.get("parameters")
    return EVOLUTION_PARAMETERS if described is None else ParameterSpace.from_dict(described)


def write_design(design: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a design as CSV, atomically; reading it back gives the same floats, bit for bit.

    Comment lines before the table describe its parameters: ``# name: {"unit": ..., "low": ..., ...}``.
    """
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        for name, about in design_space(design).as_dict().items():
            stream.write(f"{COMMENT} {name}: {json.dumps(about)}\n")
        design.to_csv(stream, index_label="simulation", lineterminator="\n")


def read_design(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a design.

    Parameters
    ----------
    path : path
        CSV with the column ``simulation`` and one column per parameter. Without the comment lines of
        :func:`write_design`, the parameters are those of the simulator.

    Returns
    -------
    pandas.DataFrame
        As :func:`make_design` gives it.

    Raises
    ------
    FileNotFoundError
        Naming the file.
    DesignError
        Naming file, column and run: a column missing or unknown, a value that cannot be, a run twice.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected a design table (CSV)")
    try:
        space = _described_space(path)
        # As text: the parser of some versions of pandas is off by one unit in the last place, float() is exact.
        design = pd.read_csv(path, dtype=str, keep_default_na=False, comment=COMMENT, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DesignError(f"{path}: not a CSV table: {error}") from error
    expected = ["simulation", *space.names]
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
    for parameter in space:
        design[parameter.name] = [
            _number(parameter, text, f"{path}: column {parameter.name!r}, run {number}")
            for text, number in zip(design[parameter.name], numbers, strict=True)
        ]
    design = design.set_index("simulation")[list(space.names)]
    design.attrs["parameters"] = space.as_dict()
    return design


def _described_space(path: Path) -> ParameterSpace:
    """Read the comment lines at the head of a table."""
    described: dict[str, Any] = {}
    with path.open(encoding="utf-8-sig") as stream:
        for line in stream:
            if not line.startswith(COMMENT):
                break
            name, _, about = line[len(COMMENT) :].partition(":")
            if not about.lstrip().startswith("{"):
                continue  # somebody's own remark
            try:
                described[name.strip()] = json.loads(about)
            except json.JSONDecodeError as error:
                raise DesignError(f"{path}: what is said of parameter {name.strip()!r} is not JSON: {error}") from error
    return ParameterSpace.from_dict(described) if described else EVOLUTION_PARAMETERS


def _number(parameter: Parameter, text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value) or (parameter.positive and value <= 0):
        kind = "positive number" if parameter.positive else "number"
        raise DesignError(f"{where}: expected a {kind} in {parameter.unit}, got {text!r}")
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
    return Parameters.from_array(design.loc[simulation].to_numpy(), design_space(design))
