"""Asking a trained surrogate: load a bundle, predict, encode, decode, inspect, verify."""

from surrogate.query.arguments import read_sets, read_times
from surrogate.query.bundle.content import Bundle
from surrogate.query.bundle.convert import convert
from surrogate.query.bundle.files import names, pack, read_bundle
from surrogate.query.bundle.round import pack_rounded
from surrogate.query.bundle.write import write_bundle
from surrogate.query.errors import BundleError, OutOfRangeWarning, QueryError
from surrogate.query.observables import Observables, crust_concentration, crust_heat, mantle_heat
from surrogate.query.surrogate import Surrogate

__all__ = [
    "Bundle",
    "BundleError",
    "Observables",
    "OutOfRangeWarning",
    "QueryError",
    "Surrogate",
    "convert",
    "crust_concentration",
    "crust_heat",
    "mantle_heat",
    "names",
    "pack",
    "pack_rounded",
    "read_bundle",
    "read_sets",
    "read_times",
    "write_bundle",
]
