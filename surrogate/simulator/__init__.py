"""The forward model: convection in the mantle of a planet that cools."""

from surrogate.simulator.benchmarks import CASES, run_benchmarks
from surrogate.simulator.compiled import compile_first
from surrogate.simulator.evolution import SimulationError
from surrogate.simulator.shards import run_path, run_shard
from surrogate.simulator.simulation import simulate
from surrogate.simulator.start import SOLVER_VERSION, run_key

__all__ = [
    "CASES",
    "SOLVER_VERSION",
    "SimulationError",
    "compile_first",
    "run_benchmarks",
    "run_key",
    "run_path",
    "run_shard",
    "simulate",
]
