"""Many runs at once in JAX, on a GPU or on a CPU: the physics of the other engine, every run with its own time step.

Needs the extra ``jax``.
"""
