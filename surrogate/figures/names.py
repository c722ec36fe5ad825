"""The catalogue of figures: names, and what each is made from. One entry is one job of the workflow.

Nothing here draws, so that the workflow can list its figures without loading a plotting library. The caption of a
figure in the report is ``workflow/report/<name>.rst``, where a name of one example loses its number.
"""

from __future__ import annotations

from dataclasses import dataclass

from surrogate.config import FigureSettings

PREDICTORS = ("fnn", "lstm")
NETWORKS = ("autoencoder", *PREDICTORS)
MODELS = ("autoencoder", "feedforward", "recurrent")


@dataclass(frozen=True)
class Entry:
    """One figure of the catalogue.

    Attributes
    ----------
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

    category: str
    corpus: bool = True
    predictions: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    per_example: bool = False
    animated: bool = False


CATALOGUE: dict[str, Entry] = {
    "concept": Entry("Corpus"),
    "coverage": Entry("Corpus"),
    "losses": Entry("Training", corpus=False, tables=MODELS),
    "learning_curve": Entry("Training", corpus=False, tables=("learning_curve",)),
    # All figures of one run need both predictors: they choose the same runs.
    "reconstruction": Entry("Fields", predictions=NETWORKS, per_example=True),
    "examples": Entry("Fields", predictions=PREDICTORS, per_example=True),
    "evolution_fnn": Entry("Fields", predictions=PREDICTORS, per_example=True),
    "evolution_lstm": Entry("Fields", predictions=PREDICTORS, per_example=True),
    "animation": Entry("Fields", predictions=PREDICTORS, per_example=True, animated=True),
    "accuracy_pairs": Entry("Errors", predictions=PREDICTORS),
    "error_time": Entry("Errors", predictions=PREDICTORS),
    "error_maps": Entry("Errors", predictions=NETWORKS),
    "heat_flux": Entry("Errors", predictions=NETWORKS),
    "spectra": Entry("Modes and scales", predictions=NETWORKS),
    "singular_values": Entry("Modes and scales", predictions=NETWORKS),
    "pod_modes": Entry("Modes and scales", predictions=NETWORKS),
}
"""Name to entry; in the order of the report."""


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
