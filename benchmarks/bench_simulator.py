"""Speed of the simulator against grid size: time steps, whole runs, batches.

    pytest benchmarks/bench_simulator.py --benchmark-columns=min,median
    python benchmarks/bench_simulator.py steps
    python benchmarks/bench_simulator.py runs --grid 64x96 --count 64 --output runs_64x96.csv
    python benchmarks/bench_simulator.py fit runs_*.csv
    python benchmarks/bench_simulator.py batch --grid 32x48 --count 16

The first times the parts of a step for pytest-benchmark. `steps` prints the table of time per step, share of the Stokes
solution and iterations at four grids, all from one developed state; `runs` the CPU time of whole runs over a Sobol
sample of the parameter ranges, one line a run, and writes them as a table; `fit` what steps, time per step and cost do
with grid size in such tables; `batch` the CPU time of the same runs by both engines. All times are CPU times of one
process with single-threaded BLAS. Compare within one run: machines differ, and so do their hours.
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

if __name__ == "__main__":  # before NumPy comes
    os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})

import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import RegularGridInterpolator
from scipy.stats import qmc

from surrogate.parameters import EVOLUTION_PARAMETERS, Parameters
from surrogate.settings import EvolutionSettings
from surrogate.simulator import Evolution

POINT = Parameters(1e21, 3e5, 6e-6, 20.0, 1700.0)
GRIDS = {"32x48": 600, "64x96": 600, "128x192": 400, "302x394": 300}
"""Grids, and energy steps to time."""

DEVELOPED = 1.0
"""Age of the state from which steps are timed, Gyr."""

WARM_UP = 20


def shape_of(grid: str) -> tuple[int, int]:
    rows, columns = grid.split("x")
    return int(rows), int(columns)


def developed(point: Parameters = POINT, cells: int = 32) -> Evolution:
    """A run on a coarse grid that convects."""
    settings = EvolutionSettings(radial_cells=cells, angular_cells=3 * cells // 2, snapshots=2, end_time=DEVELOPED)
    evolution = Evolution(point, settings)
    evolution.run()
    return evolution


def carried_over(start: Evolution, grid: str) -> Evolution:
    """Put a developed state on another grid, and let it find its time step there."""
    rows, columns = shape_of(grid)
    settings = EvolutionSettings(radial_cells=rows, angular_cells=columns, snapshots=2, maximum_steps=WARM_UP)
    evolution = Evolution(start.parameters, settings)
    coarse, fine = start.mesh, evolution.mesh
    walls = np.full((1, coarse.columns), start.layer.inner), np.full((1, coarse.columns), start.layer.outer)
    padded = np.pad(np.concatenate([walls[0], start.layer.temperature, walls[1]]), ((0, 0), (1, 1)), mode="edge")
    radii = np.r_[coarse.faces[0], coarse.centres, coarse.faces[-1]]
    angles = (np.arange(-1, coarse.columns + 1) + 0.5) * coarse.step
    points = np.meshgrid(fine.centres, fine.angles, indexing="ij")
    evolution.layer.temperature[:] = RegularGridInterpolator((radii, angles), padded)(tuple(points))
    evolution.layer.inner = start.layer.inner
    evolution.time = DEVELOPED * evolution.time_unit
    evolution.run()
    return evolution


def advance(evolution: Evolution, steps: int) -> None:
    """Go on for a number of energy steps."""
    evolution.settings = evolution.settings.model_copy(update={"maximum_steps": evolution.steps + steps})
    evolution.status = "running"
    evolution.run()


@pytest.fixture(scope="module")
def start() -> Evolution:
    return developed()


@pytest.fixture(scope="module", params=GRIDS)
def grid(request: pytest.FixtureRequest, start: Evolution) -> tuple[Evolution, int]:
    """A run that has left its initial state behind, and how often to time it."""
    return carried_over(start, request.param), max(5, GRIDS[request.param] // 20)


def test_step(benchmark: Any, grid: tuple[Evolution, int]) -> None:
    evolution, count = grid
    layer = evolution.layer
    before = layer.iterations, layer.stokes_solutions
    benchmark.pedantic(advance, (evolution, 2), rounds=count, warmup_rounds=1)
    benchmark.extra_info["iterations"] = (layer.iterations - before[0]) / (layer.stokes_solutions - before[1])


def test_flow(benchmark: Any, grid: tuple[Evolution, int]) -> None:
    evolution, count = grid
    interval = 2 * evolution.layer.time_step
    benchmark.pedantic(evolution._solve, (interval, 1.0), rounds=count, warmup_rounds=1)


def test_temperature(benchmark: Any, grid: tuple[Evolution, int]) -> None:
    evolution, count = grid
    layer = evolution.layer
    layer.carry(evolution._heating())
    benchmark.pedantic(layer.step_temperature, (1e-3 * layer.time_step, True), rounds=count, warmup_rounds=1)


def step_table() -> pd.DataFrame:
    """Time per energy step, share of the Stokes solution and iterations, all grids from one developed state."""
    state, rows = developed(), []
    for name, count in GRIDS.items():
        evolution = carried_over(state, name)
        layer, solve, spent = evolution.layer, evolution._solve, [0.0]

        def timed(*arguments: float, solve: Callable[..., None] = solve, spent: list[float] = spent) -> None:
            begun = time.process_time()
            solve(*arguments)
            spent[0] += time.process_time() - begun

        setattr(evolution, "_solve", timed)  # noqa: B010
        before = layer.iterations, layer.stokes_solutions, evolution.steps, evolution.time
        begun = time.process_time()
        advance(evolution, count)
        seconds = time.process_time() - begun
        steps = evolution.steps - before[2]
        rows.append(
            {
                "grid": name,
                "steps": steps,
                "ms_per_step": 1e3 * seconds / steps,
                "microseconds_per_cell": 1e6 * seconds / steps / np.prod(shape_of(name)),
                "stokes_share": spent[0] / seconds,
                "iterations": (layer.iterations - before[0]) / (layer.stokes_solutions - before[1]),
                "step_Myr": (evolution.time - before[3]) / evolution.time_unit / steps * 1e3,
            }
        )
    return pd.DataFrame(rows)


def sample(count: int, size: int = 64) -> list[Parameters]:
    """The first `count` points of a scrambled Sobol sample of the parameter ranges."""
    unit = qmc.Sobol(len(EVOLUTION_PARAMETERS), seed=1).random(size)[:count]
    return [Parameters.from_array(values) for values in EVOLUTION_PARAMETERS.unscale(unit)]


def whole_runs(name: str, count: int) -> pd.DataFrame:
    """Make `count` runs of 4.5 Gyr, one line each."""
    rows, columns = shape_of(name)
    Evolution(POINT, EvolutionSettings(radial_cells=12, angular_cells=16, snapshots=2, end_time=0.01)).run()  # compile
    lines = []
    for parameters in sample(count):
        evolution = Evolution(parameters, EvolutionSettings(radial_cells=rows, angular_cells=columns))
        evolution.run()
        layer = evolution.layer
        lines.append(
            {
                "grid": name,
                "reference_viscosity": parameters.reference_viscosity,
                "status": evolution.status,
                "steps": evolution.steps,
                "iterations": layer.iterations / layer.stokes_solutions,
                "direct_solutions": layer.direct_solutions,
                "budget_error": evolution.budget()["budget_relative_error"],
                "cpu_seconds": evolution.cpu_seconds,
            }
        )
        print(
            {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in lines[-1].items()}, flush=True
        )
    return pd.DataFrame(lines)


def fit(paths: list[str]) -> None:
    """Print the means of each table, and the powers of the number of radial cells on the runs that all have."""
    tables = [pd.read_csv(path) for path in paths]
    tables.sort(key=lambda table: shape_of(table.grid[0])[0])
    common = min(map(len, tables))
    cells, steps, cost = [], [], []
    for table in tables:
        seconds = table.cpu_seconds
        print(
            f"{table.grid[0]}: {len(table)} runs, mean {seconds.mean():.2f} s, median {seconds.median():.2f} s, "
            f"max {seconds.max():.2f} s, steps mean {table.steps.mean():.0f}, iterations {table.iterations.mean():.2f} "
            f"(highest {table.iterations.max():.2f}), direct {table.direct_solutions.sum()}"
        )
        cells.append(shape_of(table.grid[0])[0])
        steps.append(table.steps[:common].mean())
        cost.append(seconds[:common].mean())
    powers = [np.polyfit(np.log(cells), np.log(values), 1)[0] for values in (steps, np.divide(cost, steps), cost)]
    print(
        f"over the first {common} runs of each: steps ~ N^{powers[0]:.2f}, time per step ~ N^{powers[1]:.2f}, "
        f"cost ~ N^{powers[2]:.2f}"
    )


def batched(name: str, count: int) -> None:
    """Compare the CPU time of the same runs by both engines."""
    rows, columns = shape_of(name)
    settings = EvolutionSettings(
        radial_cells=rows, angular_cells=columns, snapshots=2, end_time=0.5, engine="jax", batch_width=count
    )

    from surrogate.simulator import run_batch

    runs = list(enumerate(sample(count)))
    begun = time.process_time()
    done = dict(run_batch(runs, settings))
    print(f"jax, with compilation: {count} runs of {settings.end_time} Gyr, {time.process_time() - begun:.1f} CPU s")
    single = [Evolution(parameters, settings) for _, parameters in runs]
    for evolution in single:
        evolution.run()
    seconds = sum(evolution.cpu_seconds for evolution in single)
    steps = sum(evolution.steps for evolution in single)
    print(f"numba: {seconds:.1f} CPU s, {1e3 * seconds / steps:.3f} ms per step")
    longest = max(evolution.layer.stokes_solutions for evolution in done.values())
    used = sum(evolution.layer.stokes_solutions for evolution in done.values()) / (longest * count)
    print(f"places in use: {100 * used:.0f} % of the time until the longest run ended")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["steps", "runs", "fit", "batch"])
    parser.add_argument("tables", nargs="*", help="of runs, to be fitted")
    parser.add_argument("--grid", default="64x96")
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--output")
    arguments = parser.parse_args()
    if arguments.what == "steps":
        print(step_table().to_string(index=False, float_format="%.3f"))
    elif arguments.what == "fit":
        fit(arguments.tables)
    elif arguments.what == "batch":
        batched(arguments.grid, arguments.count)
    else:
        table = whole_runs(arguments.grid, arguments.count)
        seconds = table.cpu_seconds
        print(
            f"{arguments.grid}: mean {seconds.mean():.2f} s, median {seconds.median():.2f} s, max {seconds.max():.2f} s"
        )
        if arguments.output:
            table.to_csv(arguments.output, index=False)


if __name__ == "__main__":
    main()
