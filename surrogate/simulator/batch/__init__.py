"""Many runs at once in JAX, on a GPU or on a CPU: the physics of the other engine, every run with its own time step.

Needs the extra ``jax``. :func:`run_batch` is what :func:`surrogate.simulator.run_shard` calls for ``engine: jax``.
"""

from surrogate.simulator.batch.driver import run_batch

__all__ = ["run_batch"]
