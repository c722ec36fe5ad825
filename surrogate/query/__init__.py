"""Asking a trained surrogate: load a bundle, predict, encode, decode, inspect, verify."""

from surrogate.query.arguments import OutOfRangeWarning, QueryError, read_sets, read_times
from surrogate.query.bundle import BundleError, pack, read_bundle
from surrogate.query.registry import names
from surrogate.query.rounding import pack_rounded
from surrogate.query.sensitivity import jacobian, sobol_indices
from surrogate.query.surrogate import Surrogate
from surrogate.query.writing import write_bundle

__all__ = [
    "BundleError",
    "OutOfRangeWarning",
    "QueryError",
    "Surrogate",
    "jacobian",
    "names",
    "pack",
    "pack_rounded",
    "read_bundle",
    "read_sets",
    "read_times",
    "sobol_indices",
    "write_bundle",
]
