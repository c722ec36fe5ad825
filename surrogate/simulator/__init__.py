"""The forward model: convection in the mantle of a planet that cools."""

from surrogate.simulator.evolution import SOLVER_VERSION, SimulationError, run_key, simulate
from surrogate.simulator.shards import run_path, run_shard

__all__ = ["SOLVER_VERSION", "SimulationError", "run_key", "run_path", "run_shard", "simulate"]
