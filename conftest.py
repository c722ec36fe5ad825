"""What pytest leaves out where an optional package is missing: modules that need it cannot even be imported."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("jax") else ["surrogate/simulator/jax_engine/*"]
