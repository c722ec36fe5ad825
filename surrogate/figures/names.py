"""The catalogue of figures: names, and what each is made from. One entry is one job of the workflow.

Nothing here draws, so that the workflow can list its figures without loading a plotting library. The caption of a
figure in the report is ``workflow/report/<name>.rst``, where a name of one example loses its number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from surrogate.config import Config, FigureSettings

if TYPE_CHECKING:
    import pandas as pd

TIME_TOLERANCE = 0.3
"""A run whose nearest snapshot is further than this, Gyr, from a time asked for has none at that time."""

PREDICTORS = ("fnn", "lstm")
NETWORKS = ("autoencoder", *PREDICTORS)
SHARP = (*NETWORKS, "flow")
"""With samples, which have the lateral structure of a simulation, where the predictors give means."""
MODELS = ("autoencoder", "fnn", "lstm", "flow")
CURVES = ("learning_curve", "compression_curve")
"""Figures that cost many trainings: made if the study of that name is not empty, from the table of that name."""


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
    **{name: Entry("Training", corpus=False, tables=(name,)) for name in CURVES},
    # All figures of one run need both predictors: they choose the same runs.
    "reconstruction": Entry("Fields", predictions=NETWORKS, per_example=True),
    "examples": Entry("Fields", predictions=PREDICTORS, per_example=True),
    "evolution_fnn": Entry("Fields", predictions=PREDICTORS, per_example=True),
    "evolution_lstm": Entry("Fields", predictions=PREDICTORS, per_example=True),
    "extremes": Entry("Fields", predictions=PREDICTORS),
    "animation": Entry("Fields", predictions=PREDICTORS, per_example=True, animated=True),
    "accuracy_pairs": Entry("Errors", predictions=PREDICTORS),
    "error_time": Entry("Errors", predictions=PREDICTORS),
    "error_maps": Entry("Errors", predictions=NETWORKS),
    "heat_flux": Entry("Errors", predictions=NETWORKS),
    "spectra": Entry("Modes and scales", predictions=SHARP),
    "singular_values": Entry("Modes and scales", predictions=SHARP),
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
    raise KeyError(f"no figure {name!r}; expected one of {figure_names(Config())}")


def entry_of(name: str) -> Entry:
    """Catalogue entry of a figure name."""
    return CATALOGUE[split_name(name)[0]]


def figure_names(config: Config) -> list[str]:
    """Names of all figures of a pipeline run; curves, which cost many trainings, only if asked for."""
    names = []
    for name, entry in CATALOGUE.items():
        if name in CURVES and name not in asked_for(config):
            continue
        numbers = range(1, config.figures.examples + 1) if entry.per_example else [None]
        names += [name if number is None else f"{name}_{number}" for number in numbers]
    return names


def asked_for(config: Config) -> list[str]:
    """Those of :data:`CURVES` that the studies of a configuration ask for.

    >>> asked_for(Config(studies={"compression_curve": [35, 142]}))
    ['compression_curve']
    """
    return [name for name in CURVES if getattr(config.studies, name)]


def median_and_worst(
    simulations: Sequence[int], accuracies: Sequence[float], ends: Sequence[float], until: float = 0.0
) -> list[tuple[int, str]]:
    """Median and least accurate run of one method: positions among the unseen runs, and "median run 7"."""
    chosen = choose_examples(simulations, accuracies, ends, 2, until)
    kinds = ["median", "worst"] if len(chosen) == 2 else ["only"]
    return [
        (position, f"{kind} run {int(simulations[position])}")
        for kind, (position, _) in zip(kinds, chosen, strict=True)
    ]


def formats_of(entry: Entry, settings: FigureSettings) -> list[str]:
    """Suffixes, without the dot, of the files that one figure is written to."""
    return list(settings.animations if entry.animated else settings.formats)


def file_names(config: Config) -> list[str]:
    """File names of all figures: one per format.

    >>> file_names(Config(figures={"formats": ["png", "pdf"], "examples": 1}))[:3]
    ['concept.png', 'concept.pdf', 'coverage.png']
    """
    return [
        f"{name}.{suffix}" for name in figure_names(config) for suffix in formats_of(entry_of(name), config.figures)
    ]


def choose_examples(
    simulations: Sequence[int], accuracies: Sequence[float], ends: Sequence[float], count: int, until: float = 0.0
) -> list[tuple[int, str]]:
    """Choose runs by their accuracy, not by their looks: the median one first, the least accurate last.

    Parameters
    ----------
    simulations : sequence of int
        Numbers of the unseen runs.
    accuracies, ends : sequence of float
        Mean relative accuracy, and time of the last snapshot, Gyr, of each.
    count : int
        How many; those between are equally spaced in rank.
    until : float
        Gyr. Only runs that reach this time are taken, if there are any.

    Returns
    -------
    list of (int, str)
        Position among the unseen runs, and what the run is.

    Examples
    --------
    >>> choose_examples([7, 8, 9], [99.0, 98.0, 99.5], [4.5, 4.5, 4.5], 2)[0]
    (0, 'Run 7: the median in accuracy of 3 unseen runs')
    """
    everyone = range(len(accuracies))
    pool = [run for run in everyone if ends[run] >= until - TIME_TOLERANCE] or list(everyone)
    order = sorted(pool, key=lambda run: accuracies[run])  # the least accurate first
    median = (len(order) - 1) // 2
    steps = max(count - 1, 1)
    ranks = sorted({round(median * (steps - step) / steps) for step in range(min(count, len(order)))}, reverse=True)
    chosen = []
    for rank in ranks:
        if rank == 0:
            place = "the least accurate"
        elif rank == median:
            place = "the median in accuracy"
        else:
            place = f"number {rank + 1} from the least accurate"
        chosen.append((order[rank], f"Run {int(simulations[order[rank]])}: {place} of {len(order)} unseen runs"))
    return chosen


def kept_epoch(table: pd.DataFrame) -> pd.Series:
    """Row of the epoch whose weights were kept: the best of the last stage, where a training has stages.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns epoch, validation_loss and, for a training in several stages, stage.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"epoch": [1, 2, 3], "validation_loss": [0.1, 0.3, 0.2], "stage": [1, 2, 2]})
    >>> int(kept_epoch(table)["epoch"])
    3
    """
    last = table[table["stage"] == table["stage"].max()] if "stage" in table else table
    return last.iloc[int(last["validation_loss"].to_numpy().argmin())]
