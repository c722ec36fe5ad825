"""Published benchmarks: the cheap ones always, the rest when asked for (`-m slow`)."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from surrogate.simulator.validation.benchmarks import BENCHMARK_CASES, ONSET_CASES, BenchmarkRow, run_benchmarks


def value(table: pd.DataFrame, quantity: str, resolution: str) -> Any:
    return table[(table.quantity == quantity) & (table.resolution == resolution)].iloc[0]


@pytest.mark.parametrize("case", ["blankenbach-1a", "cylinder-2.1"])
def test_steady_convection_meets_the_published_values(case: str) -> None:
    table = run_benchmarks([case], [16, 32])
    assert list(table.columns) == list(BenchmarkRow._fields)
    for quantity in ("Nu", "vrms"):
        assert abs(value(table, quantity, "32").difference) < 0.005
        assert abs(value(table, quantity, "Richardson").difference) < 0.002


def test_graded_grid_resolves_the_boundary_layers_better() -> None:
    uniform, graded = (run_benchmarks(["blankenbach-1b"], [24], grading=grading) for grading in (1.0, 3.0))
    assert abs(value(graded, "Nu", "24").difference) < abs(value(uniform, "Nu", "24").difference)


@pytest.mark.parametrize("case", ONSET_CASES)
def test_onset_of_convection(case: str) -> None:
    table = run_benchmarks([case], [12, 24])
    assert abs(value(table, "Ra", "24").difference) < 0.003
    assert abs(value(table, "Ra", "Richardson").difference) < 3e-4


def test_stokes_cases_report_their_order() -> None:
    table = run_benchmarks(["annulus-no-slip", "manufactured-1e6"], [12, 24])
    orders = table[table.quantity == "order"].ours.to_numpy()
    assert orders.size == 2
    assert np.all(np.abs(orders - 2) < 0.15)


@pytest.mark.parametrize(
    ("cases", "resolutions", "message"),
    [(["blankenbach-9"], [16], "blankenbach-9"), (None, [32, 16], "increasing"), (None, [4], "at least 8")],
)
def test_bad_requests_are_named(cases: list[str] | None, resolutions: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_benchmarks(cases, resolutions)


@pytest.mark.slow
@pytest.mark.parametrize("case", [name for name in BENCHMARK_CASES if name.startswith(("blankenbach", "cylinder"))])
def test_every_steady_case_at_64(case: str) -> None:
    # From 32 cells: on a uniform grid of 48 case 2a stays in pulsations of its lower boundary layer.
    table = run_benchmarks([case], [32, 48, 64])
    for quantity in ("Nu", "vrms"):
        assert abs(value(table, quantity, "64").difference) < 0.01
        assert abs(value(table, quantity, "Richardson").difference) < 0.003
