"""Fast, trustworthy surrogates of 2D mantle-convection simulations.

The names below are imported when they are first used, so that ``import surrogate`` and ``surrogate --help``
never wait for TensorFlow.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

from surrogate.learning.registration import register_layers

__version__ = version("surrogate")

register_layers()

_HOME = {
    "Annulus": "surrogate.annulus",
    "Config": "surrogate.config",
    "MARS": "surrogate.planet",
    "PARAMETERS": "surrogate.parameters",
    "POD": "surrogate.diagnostics.pod",
    "Parameters": "surrogate.parameters",
    "Planet": "surrogate.planet",
    "Surrogate": "surrogate.query",
    "draw_figure": "surrogate.figures",
    "evaluate": "surrogate.diagnostics",
    "lateral_anomaly_error": "surrogate.diagnostics",
    "load_config": "surrogate.config",
    "profile_error": "surrogate.diagnostics",
    "relative_accuracy": "surrogate.diagnostics",
    "snakefile": "surrogate.cli.project",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'surrogate' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), "load" if name == "load_config" else name)


def __dir__() -> list[str]:
    return sorted(__all__)
