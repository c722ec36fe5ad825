"""Published benchmarks: steady convection in a box and in a cylinder, onset of convection, exact Stokes solutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from surrogate.geometry import Kind
from surrogate.simulator.validation.analytic import AnnulusSolution, ManufacturedSolution, velocity_error
from surrogate.simulator.validation.onset import critical_rayleigh, exact_onset
from surrogate.simulator.validation.steady import STEADY_CASES, settle


class BenchmarkRow(NamedTuple):
    """A row of the table of benchmarks.

    Attributes
    ----------
    case, resolution, quantity : str
    published, ours : float
    difference : float
        Relative, or absolute where the published value is an order or zero.
    """

    case: str
    resolution: str
    quantity: str
    published: float
    ours: float
    difference: float


STOKES_CASES: dict[str, AnnulusSolution | ManufacturedSolution] = {
    "annulus-free-slip": AnnulusSolution(1.22, 2.22, 4, 6),
    "annulus-no-slip": AnnulusSolution(1.22, 2.22, 4, 6, no_slip=True),
    **{f"manufactured-1e{exponent}": ManufacturedSolution(1 / 3, 4 / 3, 10.0**exponent) for exponent in (4, 6, 8, 10)},
    "spherical-annulus-1e6": ManufacturedSolution(1.0, 2.0, 1e6, "spherical_annulus"),
}
"""Stokes solutions by name; the table holds the error of the velocity and the order of convergence."""

ONSET_CASES: dict[str, Kind] = {
    "onset": "box",
    "onset-cylinder": "cylinder",
    "onset-spherical-annulus": "spherical_annulus",
}
"""Onsets of convection by name."""

BENCHMARK_CASES: tuple[str, ...] = (*STEADY_CASES, *ONSET_CASES, *STOKES_CASES)
"""Every case that :func:`run_benchmarks` knows."""


def _extrapolated(resolutions: Sequence[int], values: Sequence[float]) -> float:
    """Richardson extrapolation of the last two values at second order."""
    coarse, fine = resolutions[-2], resolutions[-1]
    ratio = (fine / coarse) ** 2
    return (ratio * values[-1] - values[-2]) / (ratio - 1)


def _row(case: str, resolution: str, quantity: str, published: float, ours: float) -> BenchmarkRow:
    return BenchmarkRow(case, resolution, quantity, published, ours, (ours - published) / published)


def _steady_rows(name: str, resolutions: Sequence[int], grading: float | None) -> list[BenchmarkRow]:
    case, state = STEADY_CASES[name], None
    rows: list[BenchmarkRow] = []
    found: dict[str, list[float]] = {quantity: [] for quantity in case.published}
    for cells in resolutions:
        state = settle(case, cells, state.layer if state else None, grading)
        values = {"Nu": 0.5 * (state.nusselt_inner + state.nusselt_outer), "vrms": state.vrms}
        for quantity, published in case.published.items():
            found[quantity].append(values[quantity])
            rows.append(_row(name, str(cells), quantity, published, values[quantity]))
    if len(resolutions) > 1:
        for quantity, published in case.published.items():
            rows.append(_row(name, "Richardson", quantity, published, _extrapolated(resolutions, found[quantity])))
    return rows


def _stokes_rows(name: str, resolutions: Sequence[int]) -> list[BenchmarkRow]:
    solution = STOKES_CASES[name]
    errors = [velocity_error(solution, cells) for cells in resolutions]
    rows = [
        BenchmarkRow(name, str(cells), "velocity error", 0.0, error, error)
        for cells, error in zip(resolutions, errors, strict=True)
    ]
    if len(resolutions) > 1:
        order = float(np.log(errors[-2] / errors[-1]) / np.log(resolutions[-1] / resolutions[-2]))
        span = f"{resolutions[-2]}-{resolutions[-1]}"
        rows.append(BenchmarkRow(name, span, "order", 2.0, order, order - 2.0))
    return rows


def run_benchmarks(
    cases: Sequence[str] | None = None,
    resolutions: Sequence[int] = (32, 64),
    grading: float | None = None,
    progress: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Run published cases and compare.

    Parameters
    ----------
    cases : sequence of str, optional
        Of :data:`BENCHMARK_CASES`; default all.
    resolutions : sequence of int
        Cells between the walls, increasing. With two or more, steady cases get a row of Richardson extrapolation from
        the last two, and Stokes solutions a row with the order of convergence.
    grading : float, optional
        Thickness of the middle cells over that of the cells at the walls, for steady cases; 1 is uniform. Default that
        of each case.
    progress : callable, optional
        Told the name of each case before it runs.

    Returns
    -------
    pandas.DataFrame
        With the fields of :class:`BenchmarkRow` as columns.

    Raises
    ------
    ValueError
        For an unknown case or resolutions that do not increase.

    Examples
    --------
    >>> table = run_benchmarks(["annulus-free-slip"], [8, 16])
    >>> bool(table.ours.iloc[-1] > 1.9)
    True
    """
    names = list(BENCHMARK_CASES) if cases is None else list(cases)
    unknown = [name for name in names if name not in BENCHMARK_CASES]
    if unknown:
        raise ValueError(f"unknown benchmark {', '.join(unknown)}; expected some of {', '.join(BENCHMARK_CASES)}")
    if not resolutions or any(cells < 8 for cells in resolutions) or list(resolutions) != sorted(set(resolutions)):
        raise ValueError(f"resolutions: expected increasing numbers of at least 8 cells, got {list(resolutions)}")
    rows: list[BenchmarkRow] = []
    for name in names:
        if progress is not None:
            progress(name)
        if name in STEADY_CASES:
            rows += _steady_rows(name, resolutions, grading)
        elif name in STOKES_CASES:
            rows += _stokes_rows(name, resolutions)
        else:
            found = [critical_rayleigh(cells, ONSET_CASES[name]) for cells in resolutions]
            exact = exact_onset(ONSET_CASES[name])
            rows += [_row(name, str(cells), "Ra", exact, ra) for cells, ra in zip(resolutions, found, strict=True)]
            if len(resolutions) > 1:
                rows.append(_row(name, "Richardson", "Ra", exact, _extrapolated(resolutions, found)))
    return pd.DataFrame(rows, columns=list(BenchmarkRow._fields))
