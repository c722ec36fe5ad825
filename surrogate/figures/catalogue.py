"""The catalogue of figures: what each is, what it is made from, and what draws it.

An entry is one function of this package; the names of its parameters say which of the inputs (:class:`Inputs`) it
gets. Nothing that draws is loaded before a figure is made, so that the workflow can list its figures.
The caption of an entry in the report is ``workflow/report/<entry>.rst``.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from surrogate.config import Config, FigureSettings
from surrogate.figures.selection import example_times
from surrogate.files import provenance
from surrogate.methods import METHODS, methods, title_of
from surrogate.planet import MARS, Planet

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

MEANS = ("mean",)
NETWORKS = ("autoencoder", *MEANS)
SHARP = (*NETWORKS, "sample")
"""Kinds of methods; with samples, which have the lateral structure of a simulation, where predictors give means."""

CURVES = ("learning_curve", "compression_curve")
"""Figures that cost many trainings: made if the study of that name is not empty, from the table of that name."""


def keys(*kinds: str) -> tuple[str, ...]:
    """Keys of the methods of these kinds, in order."""
    return tuple(method.key for method in methods(*kinds))


@dataclass(frozen=True)
class Entry:
    """One entry of the catalogue.

    Attributes
    ----------
    category : str
        In the report.
    maker : str
        ``module.function`` of this package.
    kinds : tuple of str
        Kinds of methods (:mod:`surrogate.methods`) whose predictions it needs.
    corpus : bool
        Whether it needs the corpus.
    losses : bool
        Whether it needs the losses of all that is trained.
    curve : str
        Name of the curve whose table it needs.
    posterior : bool
        Whether it needs the posterior, and is made only where there are observations.
    per_example, per_predictor : bool
        One figure per example run, whose name ends in ``_1``, ``_2``, ...; one per predictor, ``_fnn``, ...
    animated : bool
        The file is an animation.
    """

    category: str
    maker: str
    kinds: tuple[str, ...] = ()
    corpus: bool = True
    losses: bool = False
    curve: str = ""
    posterior: bool = False
    per_example: bool = False
    per_predictor: bool = False
    animated: bool = False

    @property
    def predictions(self) -> tuple[str, ...]:
        """Methods whose predictions it needs."""
        return keys(*self.kinds)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that it needs: of what is trained, or of a curve."""
        return keys(*SHARP) if self.losses else (self.curve,) if self.curve else ()

    @property
    def suffix(self) -> str:
        """Regular expression of what follows the entry in the name of a figure."""
        method = f"_({'|'.join(map(re.escape, keys(*MEANS)))})" if self.per_predictor else ""
        return method + (r"_\d+" if self.per_example else "")

    def function(self) -> Callable[..., Any]:
        """Load what draws it."""
        module, _, name = self.maker.partition(".")
        function: Callable[..., Any] = getattr(import_module(f"surrogate.figures.{module}"), name)
        return function

    def formats(self, settings: FigureSettings) -> list[str]:
        """Suffixes, without the dot, of the files that one figure is written to."""
        return list(settings.animations if self.animated else settings.formats)


CATALOGUE: dict[str, Entry] = {
    "concept": Entry("Corpus", "concept.concept"),
    "coverage": Entry("Corpus", "pairs.coverage"),
    "losses": Entry("Training", "training.losses", corpus=False, losses=True),
    **{name: Entry("Training", f"training.{name}", corpus=False, curve=name) for name in CURVES},
    # All figures of one run need all predictors: they choose the same runs.
    "reconstruction": Entry("Fields", "examples.reconstruction", NETWORKS, per_example=True),
    "examples": Entry("Fields", "examples.examples", MEANS, per_example=True),
    "evolution": Entry("Fields", "examples.evolution", MEANS, per_example=True, per_predictor=True),
    "extremes": Entry("Fields", "examples.extremes", MEANS),
    "animation": Entry("Fields", "animation.animate", MEANS, per_example=True, animated=True),
    "accuracy_pairs": Entry("Errors", "pairs.accuracy_pairs", MEANS),
    "error_time": Entry("Errors", "errors.error_time", MEANS),
    "error_maps": Entry("Errors", "errors.error_maps", NETWORKS),
    "heat_flux": Entry("Errors", "errors.heat_flux", NETWORKS),
    "spectra": Entry("Modes and scales", "errors.spectra", SHARP),
    "singular_values": Entry("Modes and scales", "modes.singular_value_spectra", SHARP),
    "pod_modes": Entry("Modes and scales", "modes.pod_modes", NETWORKS),
    **{
        name: Entry("Inversion", f"inversion.{name}", corpus=False, posterior=True)
        for name in ("posterior", "posterior_predictive", "information")
    },
}
"""Name to entry; in the order of the report."""


LANDING = {
    "examples_1": "The unseen run of median accuracy, simulated and predicted.",
    "heat_flux": "Heat fluxes of every unseen snapshot, predicted against simulated.",
}
"""Figures that the report opens on, and what is said of them there."""


class FigureName(NamedTuple):
    """The name of a figure in parts: its entry, and which predictor ("" if of all) and example it shows."""

    entry: str
    method: str = ""
    number: int = 1


def split_name(name: str) -> FigureName:
    """Split the name of a figure into its parts.

    Raises
    ------
    KeyError
        If there is no such figure.

    Examples
    --------
    >>> split_name("examples_2")
    FigureName(entry='examples', method='', number=2)
    >>> split_name("coverage").entry
    'coverage'
    """
    for base, entry in CATALOGUE.items():
        if re.fullmatch(re.escape(base) + entry.suffix, name):
            rest, number = name[len(base) :], 1
            if entry.per_example:
                rest, _, digits = rest.rpartition("_")
                number = int(digits)
            return FigureName(base, rest.removeprefix("_"), number)
    raise KeyError(f"no figure {name!r}; expected one of {figure_names(Config())}")


def figure_names(config: Config) -> list[str]:
    """Names of all figures of a pipeline run; curves, which cost many trainings, only if asked for."""
    names = []
    for name, entry in CATALOGUE.items():
        if (name in CURVES and name not in asked_for(config)) or (
            entry.posterior and not config.inference.observations
        ):
            continue
        methods = [f"_{method}" for method in keys(*MEANS)] if entry.per_predictor else [""]
        numbers = [f"_{number + 1}" for number in range(config.figures.examples)] if entry.per_example else [""]
        names += [name + method + number for method in methods for number in numbers]
    return names


def asked_for(config: Config) -> list[str]:
    """Those of :data:`CURVES` that the studies of a configuration ask for.

    >>> asked_for(Config(studies={"compression_curve": [35, 142]}))
    ['compression_curve']
    """
    return [name for name in CURVES if getattr(config.studies, name)]


def file_names(config: Config) -> list[str]:
    """File names of all figures: one per format.

    >>> file_names(Config(figures={"formats": ["png", "pdf"], "examples": 1}))[:3]
    ['concept.png', 'concept.pdf', 'coverage.png']
    """
    return [
        f"{name}.{suffix}"
        for name in figure_names(config)
        for suffix in CATALOGUE[split_name(name).entry].formats(config.figures)
    ]


class Inputs:
    """What the functions of the catalogue get, each by the name of its parameter.

    Parameters
    ----------
    name : str
        Of the figure.
    given : mapping
        ``corpus`` (the store's folder or a dataset), ``predictions`` (mapping of method to NetCDF file or dataset),
        ``tables`` (mapping of name to CSV file or table), ``posterior`` (NetCDF file or dataset). More than the figure
        needs is ignored.
    settings : FigureSettings
    planet : Planet
    conductivity : {"constant", "olivine"}

    Raises
    ------
    KeyError
        If there is no figure of that name, or something that it needs is not given.
    """

    def __init__(
        self, name: str, given: Mapping[str, Any], settings: FigureSettings, planet: Planet, conductivity: str
    ) -> None:
        self.name, self.parts, self.settings = name, split_name(name), settings
        self.planet, self.conductivity, self.method = planet, conductivity, self.parts.method
        self.entry = CATALOGUE[self.parts.entry]
        for part in ("corpus", "posterior"):
            if getattr(self.entry, part) and part not in given:
                raise KeyError(f"figure {name!r} needs the {part}; got {sorted(given)}")
        needs = {"predictions": self.entry.predictions, "tables": self.entry.tables}
        for part, wanted in needs.items():
            for key in wanted:
                if key not in given.get(part, {}):
                    raise KeyError(f"figure {name!r} needs {part}[{key!r}]; got {sorted(given.get(part, {}))}")
        self.sources = {
            **{part: given[part] for part in ("corpus", "posterior") if getattr(self.entry, part)},
            **{method: given["predictions"][method] for method in self.entry.predictions},
            **{table: given["tables"][table] for table in self.entry.tables},
        }

    @cached_property
    def corpus(self) -> xr.Dataset:
        """The whole corpus with its split."""
        from surrogate.corpus.store import open_corpus

        corpus: xr.Dataset | str = self.sources["corpus"]
        return open_corpus(corpus) if isinstance(corpus, str | Path) else corpus

    @cached_property
    def unseen(self) -> xr.Dataset:
        """The unseen runs."""
        from surrogate.fields import select_split

        return select_split(self.corpus, "test")

    @cached_property
    def times(self) -> list[float]:
        """When examples are shown."""
        return example_times(self.settings, self.unseen["snapshot_time"].max(dim="time").values.tolist())

    @cached_property
    def _predicted(self) -> dict[str, xr.Dataset]:
        """Method to the corpus of the unseen runs as predicted; in the order in which they are drawn."""
        from surrogate.fields import open_netcdf

        paths = {method: self.sources[method] for method in self.entry.predictions}
        return {name: open_netcdf(path) if isinstance(path, str | Path) else path for name, path in paths.items()}

    @cached_property
    def _example(self) -> tuple[int, str]:
        """Position among the unseen runs of the example that is drawn, and what run it is."""
        from surrogate.figures.examples import example_runs

        ranked = {name: entry for name, entry in self._predicted.items() if METHODS[name].kind in MEANS}
        chosen = example_runs(self.unseen, ranked, self.settings.examples, max(self.times))
        return chosen[min(self.parts.number, len(chosen)) - 1]

    @cached_property
    def run(self) -> xr.Dataset:
        """The run that is drawn: the example, or the first of the unseen ones."""
        from surrogate.fields import select_run

        return select_run(self.unseen, self._example[0] if self.entry.per_example else 0).load()

    @property
    def truth(self) -> xr.Dataset:
        """The run that is drawn, in a figure of one run; else all unseen ones."""
        return self.run if self.entry.per_example else self.unseen

    @cached_property
    def predictions(self) -> dict[str, xr.Dataset]:
        """Method to what it predicts of the truth."""
        from surrogate.fields import select_run

        if not self.entry.per_example:
            return self._predicted
        return {name: select_run(entry, self._example[0]).load() for name, entry in self._predicted.items()}

    @property
    def prediction(self) -> xr.Dataset:
        """The one that is drawn: of the figure's predictor, or what the autoencoder leaves of the truth."""
        return self.predictions[self.method or keys("autoencoder")[0]]

    @property
    def title(self) -> str:
        """What run is drawn, and by which predictor."""
        return self._example[1] + (f", {title_of(self.method)}" if self.method else "")

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Name to table: the losses of what is trained, or a curve."""
        import pandas as pd

        paths = {name: self.sources[name] for name in self.entry.tables}
        return {name: pd.read_csv(path) if isinstance(path, str | Path) else path for name, path in paths.items()}

    @cached_property
    def posterior(self) -> xr.Dataset:
        """The posterior."""
        import xarray as xr

        source = self.sources["posterior"]
        return xr.load_dataset(source, engine="h5netcdf") if isinstance(source, str | Path) else source

    @property
    def table(self) -> pd.DataFrame:
        """The only table."""
        return self.tables[self.entry.curve]

    def made_by(self) -> str:
        """Provenance as JSON: paths of what is used; data that came in memory are called so."""
        used = {name: str(part) if isinstance(part, str | Path) else "in memory" for name, part in self.sources.items()}
        return json.dumps(provenance(figure=self.name, inputs=used), sort_keys=True)

    def draw(self, **more: Any) -> Any:
        """Call the function of the catalogue with the inputs that it names."""
        function = self.entry.function()
        names = [name for name in inspect.signature(function).parameters if name not in more]
        return function(
            **{name: getattr(self, name) for name in names if hasattr(type(self), name) or name in vars(self)}, **more
        )


def draw_figure(
    name: str,
    given: Mapping[str, Any],
    settings: FigureSettings | None = None,
    planet: Planet = MARS,
    conductivity: str = "olivine",
) -> Figure:
    """Draw one figure, not an animation, and return it; parameters as for :func:`make_figure`."""
    inputs = Inputs(name, given, settings or FigureSettings(), planet, conductivity)
    if inputs.entry.animated:
        raise ValueError(f"{name}: an animation is written to a file, by make_figure")
    figure: Figure = inputs.draw()
    return figure


def make_figure(
    name: str,
    given: Mapping[str, Any],
    settings: FigureSettings,
    path: str | Path | Sequence[str | Path],
    planet: Planet = MARS,
    conductivity: str = "olivine",
) -> None:
    """Make one figure and write it, whole or not at all, with what made it in its metadata.

    Parameters
    ----------
    name : str
        One of :func:`figure_names`.
    given : mapping
        ``corpus`` (the store's folder or a dataset), ``predictions`` (mapping of method to NetCDF file or dataset),
        ``tables`` (mapping of name to CSV file or table), ``posterior`` (NetCDF file or dataset). More than the figure
        needs is ignored.
    settings : FigureSettings
    path : path, or several
        The suffix chooses the format: png, pdf, svg; gif or mp4 for an animation. Several files are of one drawing.
    planet : Planet
    conductivity : {"constant", "olivine"}
        Law of the simulations.

    Raises
    ------
    KeyError
        If there is no figure of that name, or an input that it needs is not given.
    """
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(entry) for entry in path]
    inputs = Inputs(name, given, settings, planet, conductivity)
    if inputs.entry.animated:
        inputs.draw(paths=paths, comment=inputs.made_by())
        return
    from surrogate.figures.style import save

    figure = inputs.draw()
    for entry_path in paths:
        save(figure, entry_path, settings.resolution, inputs.made_by())
