"""Speed of the simulator against grid size, and of whole runs.

    pytest benchmarks/bench_simulator.py --benchmark-group-by=param:grid --benchmark-columns=min,median
    python benchmarks/bench_simulator.py 64 96 16

The first times one time step (a flow solution with two energy steps) and its parts at four grids. The second prints
the CPU time of whole runs, a Sobol sample of the parameter ranges. BLAS has to be single-threaded
(OMP_NUM_THREADS=1): threads slow the small matrix products down. Compare within one run.
"""

import sys

import numpy as np
import pytest
from scipy.stats import qmc

from surrogate.config import SimulatorSettings
from surrogate.parameters import PARAMETERS, Parameters
from surrogate.simulator.evolution import Evolution

POINT = Parameters(1e21, 3e5, 6e-6, 20.0, 1700.0)
GRIDS = {"32x48": (32, 48, 100), "64x96": (64, 96, 60), "128x192": (128, 192, 20), "302x394": (302, 394, 5)}
WARM_UP = 10


@pytest.fixture(scope="module", params=GRIDS)
def grid(request):
    """A run that has left its initial state behind, and the number of steps to time."""
    rows, columns, count = GRIDS[request.param]
    settings = SimulatorSettings(
        radial_cells=rows, angular_cells=columns, snapshots=2, maximum_steps=WARM_UP, stokes_tolerance=1e-2
    )
    evolution = Evolution(POINT, settings)
    evolution.run()
    return evolution, count


def advance(evolution: Evolution) -> None:
    """One flow solution and the energy steps that it carries."""
    evolution.settings = evolution.settings.model_copy(update={"maximum_steps": evolution.steps + 1})
    evolution.status = "running"
    evolution.run()


def test_step(benchmark, grid):
    evolution, count = grid
    layer = evolution.layer
    before = layer.iterations, layer.stokes_solutions
    benchmark.pedantic(advance, (evolution,), rounds=count, warmup_rounds=1)
    solutions = layer.stokes_solutions - before[1]
    benchmark.extra_info["iterations"] = (layer.iterations - before[0]) / solutions


def test_flow(benchmark, grid):
    evolution, count = grid
    interval = 2 * evolution.layer.time_step
    benchmark.pedantic(evolution._solve, (interval, 1.0), rounds=count, warmup_rounds=1)


def test_temperature(benchmark, grid):
    evolution, count = grid
    layer = evolution.layer
    layer.carry(evolution._heating())
    benchmark.pedantic(layer.step_temperature, (1e-3 * layer.time_step, True), rounds=count, warmup_rounds=1)


def whole_runs(rows: int, columns: int, count: int) -> None:
    """Print the CPU time of `count` runs of 4.5 Gyr."""
    Evolution(POINT, SimulatorSettings(radial_cells=12, angular_cells=16, snapshots=2, end_time=0.01)).run()  # compile
    seconds = []
    for unit in qmc.Sobol(len(PARAMETERS), seed=1).random(count):
        values = [
            float(entry.inverse(entry.transform(entry.low) * (1 - x) + entry.transform(entry.high) * x))
            for entry, x in zip(PARAMETERS, unit, strict=True)
        ]
        evolution = Evolution(Parameters(*values), SimulatorSettings(radial_cells=rows, angular_cells=columns))
        evolution.run()
        layer = evolution.layer
        seconds.append(evolution.cpu_seconds)
        print(
            f"log10 viscosity {np.log10(values[0]):5.2f} {evolution.status:5s} {evolution.steps:6d} steps "
            f"{layer.iterations / layer.stokes_solutions:5.2f} iterations {seconds[-1]:6.2f} s",
            flush=True,
        )
    mean, median = np.mean(seconds), np.median(seconds)
    print(f"{rows} x {columns}: mean {mean:.2f} s, median {median:.2f} s, max {max(seconds):.2f} s")


if __name__ == "__main__":
    whole_runs(*(int(argument) for argument in sys.argv[1:4]))
