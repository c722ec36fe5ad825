"""Fast, trustworthy surrogates of 2D mantle-convection simulations.

The names below are imported when they are first used, so that ``import surrogate`` and ``surrogate --help`` never wait
for Keras or xarray. The rooms (``surrogate.corpus``, ``surrogate.query``, ...) offer more.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from surrogate.learning.registration import register_layers

if TYPE_CHECKING:
    from surrogate.cli.project import snakefile as snakefile
    from surrogate.config import Config as Config
    from surrogate.config import load_config as load_config
    from surrogate.corpus import examine as examine
    from surrogate.corpus import ingest as ingest
    from surrogate.corpus import make_design as make_design
    from surrogate.corpus import open_corpus as open_corpus
    from surrogate.corpus import open_run as open_run
    from surrogate.diagnostics import check as check
    from surrogate.diagnostics import core_mantle_boundary_heat_flux as core_mantle_boundary_heat_flux
    from surrogate.diagnostics import evaluate as evaluate
    from surrogate.diagnostics import lateral_anomaly_error as lateral_anomaly_error
    from surrogate.diagnostics import mean_temperature as mean_temperature
    from surrogate.diagnostics import profile_error as profile_error
    from surrogate.diagnostics import relative_accuracy as relative_accuracy
    from surrogate.diagnostics import surface_heat_flux as surface_heat_flux
    from surrogate.diagnostics.pod import POD as POD
    from surrogate.fields import make_corpus as make_corpus
    from surrogate.fields import make_run as make_run
    from surrogate.fields import open_netcdf as open_netcdf
    from surrogate.fields import select_run as select_run
    from surrogate.fields import select_split as select_split
    from surrogate.fields import validate as validate
    from surrogate.fields import write_netcdf as write_netcdf
    from surrogate.figures import draw_figure as draw_figure
    from surrogate.figures import make_figure as make_figure
    from surrogate.geometry import Geometry as Geometry
    from surrogate.learning import Autoencoder as Autoencoder
    from surrogate.learning import encode_corpus as encode_corpus
    from surrogate.learning import load_predictor as load_predictor
    from surrogate.learning import train_autoencoder as train_autoencoder
    from surrogate.learning import train_predictor as train_predictor
    from surrogate.methods import METHODS as METHODS
    from surrogate.parameters import EVOLUTION_PARAMETERS as EVOLUTION_PARAMETERS
    from surrogate.parameters import Parameter as Parameter
    from surrogate.parameters import Parameters as Parameters
    from surrogate.parameters import ParameterSpace as ParameterSpace
    from surrogate.planet import MARS as MARS
    from surrogate.planet import Planet as Planet
    from surrogate.query import OutOfRangeWarning as OutOfRangeWarning
    from surrogate.query import Surrogate as Surrogate
    from surrogate.simulator import simulate as simulate
else:
    _HOME = {
        "geometry": ("Geometry",),
        "cli.project": ("snakefile",),
        "config": ("Config", "load_config"),
        "corpus": ("examine", "ingest", "make_design", "open_corpus", "open_run"),
        "diagnostics": (
            "check",
            "core_mantle_boundary_heat_flux",
            "evaluate",
            "lateral_anomaly_error",
            "mean_temperature",
            "profile_error",
            "relative_accuracy",
            "surface_heat_flux",
        ),
        "diagnostics.pod": ("POD",),
        "fields": (
            "make_corpus",
            "make_run",
            "open_netcdf",
            "select_run",
            "select_split",
            "validate",
            "write_netcdf",
        ),
        "figures": ("draw_figure", "make_figure"),
        "learning": ("Autoencoder", "encode_corpus", "load_predictor", "train_autoencoder", "train_predictor"),
        "methods": ("METHODS",),
        "parameters": ("EVOLUTION_PARAMETERS", "Parameter", "ParameterSpace", "Parameters"),
        "planet": ("MARS", "Planet"),
        "query": ("OutOfRangeWarning", "Surrogate"),
        "simulator": ("simulate",),
    }
    _ROOM = {name: f"surrogate.{room}" for room, names in _HOME.items() for name in names}
    __all__ = ["__version__", *sorted(_ROOM)]

    def __getattr__(name: str) -> Any:
        if name not in _ROOM:
            raise AttributeError(f"module 'surrogate' has no attribute {name!r}")
        return getattr(import_module(_ROOM[name]), name)

    def __dir__() -> list[str]:
        return sorted(__all__)


__version__ = version("surrogate")

register_layers()
