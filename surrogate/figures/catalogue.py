"""Every figure by name: how it is drawn from the files that its entry in :mod:`surrogate.figures.names` lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
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
from surrogate.figures import errors, examples, extremes, modes, pairs, training
from surrogate.figures.animation import animate
from surrogate.figures.concept import concept
from surrogate.figures.names import CATALOGUE, PREDICTORS, Entry, split_name
from surrogate.figures.style import styled
from surrogate.files import atomic, provenance
from surrogate.planet import MARS, Planet


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


def _extremes(inputs: Inputs) -> Figure:
    return extremes.extremes(inputs.truth, inputs.predictions, inputs.settings.example_times)


def _heat_flux(inputs: Inputs) -> Figure:
    return errors.heat_flux(inputs.truth, inputs.predictions, inputs.planet, inputs.conductivity)


MAKERS: dict[str, Callable[[Inputs], Figure]] = {
    "concept": _concept,
    "coverage": lambda i: pairs.coverage(_corpus(i)),
    "losses": lambda i: training.losses(i.tables),
    "learning_curve": lambda i: training.learning_curve(i.tables["learning_curve"]),
    "compression_curve": lambda i: training.compression_curve(i.tables["compression_curve"]),
    "reconstruction": _reconstruction,
    "examples": _examples,
    "evolution_fnn": lambda i: _evolution(i, "fnn"),
    "evolution_lstm": lambda i: _evolution(i, "lstm"),
    "extremes": _extremes,
    "accuracy_pairs": lambda i: pairs.accuracy_pairs(i.truth, i.predictions),
    "error_time": lambda i: errors.error_time(i.truth, i.predictions),
    "error_maps": lambda i: errors.error_maps(i.truth, i.predictions),
    "heat_flux": _heat_flux,
    "spectra": lambda i: errors.spectra(i.truth, i.predictions),
    "singular_values": lambda i: modes.singular_value_spectra(i.truth, i.predictions),
    "pod_modes": lambda i: modes.pod_modes(i.truth, i.predictions),
}
"""Name to what draws it, for every entry of :data:`surrogate.figures.names.CATALOGUE` that is not an animation."""


def _corpus(inputs: Inputs) -> xr.Dataset:
    if inputs.corpus is None:
        raise FieldError("this figure needs the corpus")
    return inputs.corpus


def make_figure(
    name: str,
    inputs: Mapping[str, Any],
    settings: FigureSettings,
    path: str | Path | Sequence[str | Path],
    planet: Planet = MARS,
    conductivity: Conductivity = "olivine",
) -> None:
    """Make one figure and write it, whole or not at all, with what made it in its metadata.

    Parameters
    ----------
    name : str
        One of :func:`surrogate.figures.names.figure_names`.
    inputs : mapping
        ``corpus`` (the store's folder or a dataset), ``predictions`` (mapping of method to NetCDF file or dataset),
        ``tables`` (mapping of name to CSV file or table). More than the figure needs is ignored.
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
        animate(run, predicted, paths, title, made_by)
        return
    figure = MAKERS[base](given)
    for entry_path in paths:
        save(figure, entry_path, settings.resolution, made_by)


@styled
def save(figure: Figure, path: str | Path, resolution: int = 150, made_by: str = "") -> None:
    """Write a figure atomically, with `made_by` in its metadata."""
    path = Path(path)
    key = {".png": "Description", ".pdf": "Subject", ".svg": "Description"}.get(path.suffix)
    if key is None:
        raise ValueError(f"{path}: a figure ends in .png, .pdf or .svg")
    # No date: equal data give equal files.
    undated = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}.get(path.suffix, {})
    if figure.get_layout_engine() is not None:
        # Laid out once, not once for each file: another resolution rounds text to another size.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
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
