"""Every figure by name: what it needs and how it is made. One entry is one job of the workflow.

The caption of a figure in the report is ``workflow/report/<name>.rst``, where a name of one example loses its number.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from surrogate.config import FigureSettings
from surrogate.corpus.store import open_corpus
from surrogate.diagnostics import title_of
from surrogate.diagnostics.physics import Conductivity
from surrogate.fields import FieldError, open_netcdf, select_run, select_split
from surrogate.figures import errors, examples, modes, pairs, training
from surrogate.figures.animation import animate
from surrogate.figures.concept import concept
from surrogate.figures.style import styled
from surrogate.files import atomic, provenance
from surrogate.planet import MARS, Planet

PREDICTORS = ("fnn", "lstm")
NETWORKS = ("autoencoder", *PREDICTORS)
MODELS = ("autoencoder", "feedforward", "recurrent")


@dataclass(frozen=True)
class Inputs:
    """What figures are made from.

    Attributes
    ----------
    corpus : xarray.Dataset or None
        The whole corpus with its split.
    predictions : mapping
        Method to the corpus of the unseen runs as predicted; in the order in which they are drawn.
    tables : mapping
        Name to table: the losses of every network, or a learning curve.
    settings : FigureSettings
    planet : Planet
    conductivity : {"constant", "olivine"}
        Law of the simulations.
    number : int
        Which example (1, 2, ...), for figures of one run.
    """

    corpus: xr.Dataset | None
    predictions: Mapping[str, xr.Dataset]
    tables: Mapping[str, pd.DataFrame]
    settings: FigureSettings
    planet: Planet = MARS
    conductivity: Conductivity = "olivine"
    number: int = 1

    @property
    def truth(self) -> xr.Dataset:
        """The unseen runs."""
        if self.corpus is None:
            raise FieldError("this figure needs the corpus")
        return select_split(self.corpus, "test")

    def example(self) -> tuple[xr.Dataset, dict[str, xr.Dataset], str]:
        """Truth and predictions of example `number`, and what run it is."""
        ranked = {name: entry for name, entry in self.predictions.items() if name in PREDICTORS} or self.predictions
        chosen = examples.example_runs(self.truth, ranked, self.settings.examples, max(self.settings.example_times))
        position, title = chosen[min(self.number, len(chosen)) - 1]
        run, predicted = examples.run_of(self.truth, self.predictions, position)
        return run, predicted, title


@dataclass(frozen=True)
class Entry:
    """One figure of the catalogue.

    Attributes
    ----------
    make : callable
        From :class:`Inputs` to a figure.
    category : str
        In the report.
    corpus : bool
        Whether it needs the corpus.
    predictions, tables : tuple of str
        Methods whose predictions, and tables, it needs.
    per_example : bool
        One figure per example run: its name ends in ``_1``, ``_2``, ...
    animated : bool
        The file is an animation.
    """

    make: Callable[[Inputs], Figure]
    category: str
    corpus: bool = True
    predictions: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    per_example: bool = False
    animated: bool = False


def _examples(inputs: Inputs) -> Figure:
    run, predicted, title = inputs.example()
    return examples.examples(run, predicted, inputs.settings.example_times, title)


def _evolution(inputs: Inputs, method: str) -> Figure:
    run, predicted, title = inputs.example()
    heading = f"{title}, {title_of(method)}"
    return examples.evolution(run, predicted[method], method, inputs.settings.example_times, heading)


def _reconstruction(inputs: Inputs) -> Figure:
    run, predicted, title = inputs.example()
    return examples.reconstruction(run, predicted["autoencoder"], inputs.settings.example_times, title=title)


def _concept(inputs: Inputs) -> Figure:
    return concept(select_run(inputs.truth, 0).load(), inputs.planet, inputs.conductivity)


def _heat_flux(inputs: Inputs) -> Figure:
    return errors.heat_flux(inputs.truth, inputs.predictions, inputs.planet, inputs.conductivity)


def _learning_curve(inputs: Inputs) -> Figure:
    return training.learning_curve(inputs.tables["learning_curve"])


CATALOGUE: dict[str, Entry] = {
    "concept": Entry(_concept, "Corpus"),
    "coverage": Entry(lambda i: pairs.coverage(_corpus(i)), "Corpus"),
    "losses": Entry(lambda i: training.losses(i.tables), "Training", corpus=False, tables=MODELS),
    "learning_curve": Entry(
        _learning_curve, "Training", corpus=False, tables=("learning_curve",)
    ),
    # All figures of one run need both predictors: they choose the same runs.
    "reconstruction": Entry(_reconstruction, "Fields", predictions=NETWORKS, per_example=True),
    "examples": Entry(_examples, "Fields", predictions=PREDICTORS, per_example=True),
    "evolution_fnn": Entry(lambda i: _evolution(i, "fnn"), "Fields", predictions=PREDICTORS, per_example=True),
    "evolution_lstm": Entry(lambda i: _evolution(i, "lstm"), "Fields", predictions=PREDICTORS, per_example=True),
    "animation": Entry(
        _examples, "Fields", predictions=PREDICTORS, per_example=True, animated=True
    ),
    "accuracy_pairs": Entry(
        lambda i: pairs.accuracy_pairs(i.truth, i.predictions), "Errors", predictions=PREDICTORS
    ),
    "error_time": Entry(
        lambda i: errors.error_time(i.truth, i.predictions), "Errors", predictions=PREDICTORS
    ),
    "error_maps": Entry(
        lambda i: errors.error_maps(i.truth, i.predictions), "Errors", predictions=NETWORKS
    ),
    "heat_flux": Entry(_heat_flux, "Errors", predictions=NETWORKS),
    "spectra": Entry(
        lambda i: errors.spectra(i.truth, i.predictions), "Modes and scales", predictions=NETWORKS
    ),
    "singular_values": Entry(
        lambda i: modes.singular_value_spectra(i.truth, i.predictions), "Modes and scales",
        predictions=NETWORKS,
    ),
    "pod_modes": Entry(
        lambda i: modes.pod_modes(i.truth, i.predictions), "Modes and scales", predictions=NETWORKS
    ),
}  # fmt: skip
"""Name to entry; in the order of the report."""


def _corpus(inputs: Inputs) -> xr.Dataset:
    if inputs.corpus is None:
        raise FieldError("this figure needs the corpus")
    return inputs.corpus


def split_name(name: str) -> tuple[str, int]:
    """Split the name of a figure into that of its catalogue entry and the number of the example (1 if it has none).

    Raises
    ------
    KeyError
        If there is no such figure.

    Examples
    --------
    >>> split_name("examples_2"), split_name("coverage")
    (('examples', 2), ('coverage', 1))
    """
    base, _, number = name.rpartition("_")
    if base in CATALOGUE and CATALOGUE[base].per_example and number.isdigit():
        return base, int(number)
    if name in CATALOGUE and not CATALOGUE[name].per_example:
        return name, 1
    raise KeyError(f"no figure {name!r}; expected one of {figure_names(FigureSettings())}")


def entry_of(name: str) -> Entry:
    """Catalogue entry of a figure name."""
    return CATALOGUE[split_name(name)[0]]


def figure_names(settings: FigureSettings) -> list[str]:
    """Names of all figures of a pipeline run; the learning curve, which costs many trainings, only if asked for."""
    names = []
    for name, entry in CATALOGUE.items():
        if name == "learning_curve" and not settings.learning_curve:
            continue
        numbers = range(1, settings.examples + 1) if entry.per_example else [None]
        names += [name if number is None else f"{name}_{number}" for number in numbers]
    return names


def file_names(settings: FigureSettings) -> list[str]:
    """File names of all figures: one per format, an animation as GIF.

    >>> file_names(FigureSettings(formats=["png", "pdf"], examples=1))[:3]
    ['concept.png', 'concept.pdf', 'coverage.png']
    """
    files = []
    for name in figure_names(settings):
        formats = ["gif"] if entry_of(name).animated else settings.formats
        files += [f"{name}.{suffix}" for suffix in formats]
    return files


def make_figure(
    name: str,
    inputs: Mapping[str, Any],
    settings: FigureSettings,
    path: str | Path,
    planet: Planet = MARS,
    conductivity: Conductivity = "olivine",
) -> None:
    """Make one figure and write it, whole or not at all, with what made it in its metadata.

    Parameters
    ----------
    name : str
        One of :func:`figure_names`.
    inputs : mapping
        ``corpus`` (the store's folder or a dataset), ``predictions`` (mapping of method to NetCDF file or dataset),
        ``tables`` (mapping of name to CSV file or table). More than the figure needs is ignored.
    settings : FigureSettings
    path : path
        Its suffix chooses the format: png, pdf, svg; gif or mp4 for an animation.
    planet : Planet
    conductivity : {"constant", "olivine"}
        Law of the simulations.

    Raises
    ------
    KeyError
        If there is no figure of that name, or an input that it needs is not given.
    """
    path = Path(path)
    base, number = split_name(name)
    entry = CATALOGUE[base]
    given = Inputs(
        _open_corpus(inputs, name) if entry.corpus else None,
        {method: _open_prediction(_need(inputs, "predictions", method, name)) for method in entry.predictions},
        {table: _open_table(_need(inputs, "tables", table, name)) for table in entry.tables},
        settings, planet, conductivity, number,
    )  # fmt: skip
    made_by = json.dumps(provenance(figure=name, inputs=_described(inputs, entry)), sort_keys=True)
    if entry.animated:
        run, predicted, title = given.example()
        animate(run, predicted, path, title, made_by)
        return
    save(entry.make(given), path, settings.resolution, made_by)


@styled
def save(figure: Figure, path: str | Path, resolution: int = 150, made_by: str = "") -> None:
    """Write a figure atomically, with `made_by` in its metadata."""
    path = Path(path)
    key = {".png": "Description", ".pdf": "Subject", ".svg": "Description"}.get(path.suffix)
    if key is None:
        raise ValueError(f"{path}: a figure ends in .png, .pdf or .svg")
    # No date: equal data give equal files.
    undated = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}.get(path.suffix, {})
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=resolution, metadata={key: made_by, **undated})


def _need(inputs: Mapping[str, Any], kind: str, entry: str, name: str) -> Any:
    try:
        return inputs[kind][entry]
    except KeyError:
        raise KeyError(f"figure {name!r} needs {kind}[{entry!r}]; got {sorted(inputs.get(kind, {}))}") from None


def _open_corpus(inputs: Mapping[str, Any], name: str) -> xr.Dataset:
    if "corpus" not in inputs:
        raise KeyError(f"figure {name!r} needs the corpus; got {sorted(inputs)}")
    corpus = inputs["corpus"]
    return corpus if isinstance(corpus, xr.Dataset) else open_corpus(corpus)


def _open_prediction(source: Any) -> xr.Dataset:
    return source if isinstance(source, xr.Dataset) else open_netcdf(source)


def _open_table(source: Any) -> pd.DataFrame:
    return source if isinstance(source, pd.DataFrame) else pd.read_csv(source)


def _described(inputs: Mapping[str, Any], entry: Entry) -> dict[str, Any]:
    """Paths of what a figure used; data that came in memory are called so."""

    def name_of(source: Any) -> str:
        return str(source) if isinstance(source, str | Path) else "in memory"

    return {
        **({"corpus": name_of(inputs["corpus"])} if entry.corpus else {}),
        **{method: name_of(inputs["predictions"][method]) for method in entry.predictions},
        **{table: name_of(inputs["tables"][table]) for table in entry.tables},
    }
