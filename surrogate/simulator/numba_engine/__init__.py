"""One run on one core, compiled with Numba."""
