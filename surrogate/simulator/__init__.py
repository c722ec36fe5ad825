"""The forward models: convection in the mantle of a planet that cools, and dimensionless convection.

The names below are imported when they are first used: neither Numba nor JAX is loaded before it is needed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surrogate.simulator.compilation import compile_kernels as compile_kernels
    from surrogate.simulator.convection import BoussinesqConvection as BoussinesqConvection
    from surrogate.simulator.evolution import Evolution as Evolution
    from surrogate.simulator.jax_engine.batch import run_batch as run_batch
    from surrogate.simulator.problem import SOLVER_VERSION as SOLVER_VERSION
    from surrogate.simulator.problem import run_key as run_key
    from surrogate.simulator.run import simulate as simulate
    from surrogate.simulator.shards import RunStatus as RunStatus
    from surrogate.simulator.shards import run_path as run_path
    from surrogate.simulator.shards import run_shard as run_shard
    from surrogate.simulator.simulation import SimulationError as SimulationError
    from surrogate.simulator.still import velocity as velocity
    from surrogate.simulator.validation.benchmarks import BENCHMARK_CASES as BENCHMARK_CASES
    from surrogate.simulator.validation.benchmarks import run_benchmarks as run_benchmarks
    from surrogate.simulator.validation.gaia import GAIA_OBSERVABLES as GAIA_OBSERVABLES
    from surrogate.simulator.validation.gaia import compare_gaia as compare_gaia
    from surrogate.simulator.validation.gaia import compare_gaia_examples as compare_gaia_examples
    from surrogate.simulator.validation.gaia import gaia_settings as gaia_settings

_HOME = {
    "BENCHMARK_CASES": "surrogate.simulator.validation.benchmarks",
    "GAIA_OBSERVABLES": "surrogate.simulator.validation.gaia",
    "BoussinesqConvection": "surrogate.simulator.convection",
    "SOLVER_VERSION": "surrogate.simulator.problem",
    "Evolution": "surrogate.simulator.evolution",
    "RunStatus": "surrogate.simulator.shards",
    "SimulationError": "surrogate.simulator.simulation",
    "compare_gaia": "surrogate.simulator.validation.gaia",
    "compare_gaia_examples": "surrogate.simulator.validation.gaia",
    "compile_kernels": "surrogate.simulator.compilation",
    "gaia_settings": "surrogate.simulator.validation.gaia",
    "run_batch": "surrogate.simulator.jax_engine.batch",
    "run_benchmarks": "surrogate.simulator.validation.benchmarks",
    "run_key": "surrogate.simulator.problem",
    "run_path": "surrogate.simulator.shards",
    "run_shard": "surrogate.simulator.shards",
    "simulate": "surrogate.simulator.run",
    "velocity": "surrogate.simulator.still",
}

__all__ = list(_HOME)

if not TYPE_CHECKING:  # for which a misspelt name is an error

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'surrogate.simulator' has no attribute {name!r}")
        return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
