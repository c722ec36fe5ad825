"""Figures over all pairs of the parameters of a corpus, however many there are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from textwrap import fill

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from surrogate.diagnostics import accuracy_of_runs
from surrogate.fields import SPLITS, parameter_table, space_of, units_of
from surrogate.figures.field import field_bar
from surrogate.figures.style import DENSITY, PAGE, SEQUENTIAL, SPLIT_COLOURS, axis_of, colour_of, new_figure, styled
from surrogate.methods import title_of

HISTOGRAM_FROM = 400
"""With this many runs and more, a density says more than points."""

MOST_IN_LINE = 5
"""Parameters whose labels fit beside each other in one line."""

MARKERS = {"train": ("o", 5), "validation": ("s", 9), "test": ("^", 11)}


def drawn_parameters(corpus: xr.Dataset) -> np.ndarray:
    """Parameters of every run in the units of the axes, shape (simulation, n)."""
    space = space_of(corpus)
    natural = space.natural(parameter_table(corpus))
    return np.stack([axis_of(entry).values(natural[:, place]) for place, entry in enumerate(space)], axis=1)


def _broken(label: str, width: int) -> str:
    """Break the label of a narrow axis into lines; a formula stays whole."""
    whole = re.sub(r"\$[^$]*\$", lambda found: found[0].replace(" ", "\0"), label)
    return fill(whole, width, break_long_words=False).replace("\0", " ")


def _grid(
    height: float,
    corpus: xr.Dataset,
    lower: Callable[[Axes, int, int], None],
    upper: Callable[[Axes, int, int], None],
    middle: Callable[[Axes, int], None],
    middle_label: str,
) -> tuple[Figure, np.ndarray]:
    """Square of axes, a column and a row per parameter; `lower` and `upper` get (axes, column, row)."""
    table, labels = drawn_parameters(corpus), [axis_of(parameter).label for parameter in space_of(corpus)]
    count = len(labels)
    if count > MOST_IN_LINE:
        labels = [_broken(label, 72 // count) for label in labels]
    figure = new_figure(PAGE if count > 1 else 0.55 * PAGE, height * np.clip(0.25 + 0.15 * count, 0.0, 1.0))
    axes = figure.subplots(count, count, squeeze=False)
    low, high = table.min(axis=0), table.max(axis=0)
    margin = 0.06 * np.where(high > low, high - low, 1.0)
    for row in range(count):
        for column in range(count):
            panel: Axes = axes[row, column]
            panel.set_xlim(low[column] - margin[column], high[column] + margin[column])
            if row == column:
                panel.set_yticks([])
                middle(panel, row)
            else:
                panel.set_ylim(low[row] - margin[row], high[row] + margin[row])
                (lower if row > column else upper)(panel, column, row)
                panel.spines[["top", "right"]].set_visible(True)
                panel.locator_params(axis="y", nbins=4)
            short = max(abs(low[column]), abs(high[column])) < 100  # labels of two digits
            panel.xaxis.set_major_locator(MaxNLocator(4 if short else 3, steps=[1, 2, 5, 10]))
            panel.tick_params(labelbottom=row == count - 1, labelleft=column == 0 and row > 0)
            if row == count - 1:
                panel.set_xlabel(labels[column])
            if column == 0 and row > 0:
                panel.set_ylabel(labels[row])
    # What is on the diagonal has an axis of its own: the parameter of the first row stands at its other end.
    axes[0, 0].set_ylabel(middle_label)
    if count > 1:
        axes[0, -1].tick_params(axis="y", left=False, right=True, labelright=True)
        axes[0, -1].yaxis.set_label_position("right")
        axes[0, -1].set_ylabel(labels[0])
    figure.align_ylabels(axes[:, 0])
    return figure, axes


@styled
def coverage(corpus: xr.Dataset) -> Figure:
    """Where the runs lie: training runs below the diagonal, unseen ones above, each parameter by itself on it.

    Parameters
    ----------
    corpus : xarray.Dataset
        The whole corpus, with its split.
    """
    table, split = drawn_parameters(corpus), corpus["split"].values
    parts = {name: table[split == number] for number, name in enumerate(SPLITS)}
    train = parts["train"]
    # About ten runs per cell, so that the density and not its noise is seen.
    bins = int(np.clip(np.sqrt(len(train) / 10), 6, 40))
    widened = np.where(np.ptp(table, axis=0) > 0, 0.0, 0.5)
    limits = np.stack([table.min(axis=0) - widened, table.max(axis=0) + widened], axis=1)
    cells = [(column, row) for row in range(table.shape[1]) for column in range(row)]
    dense = len(train) >= HISTOGRAM_FROM and bool(cells)
    most = [np.histogram2d(train[:, a], train[:, b], bins, limits[[a, b]].tolist())[0].max() for a, b in cells]
    density = Normalize(0, max(most, default=1.0))

    def points(panel: Axes, column: int, row: int, name: str) -> None:
        marker, size = MARKERS[name]
        size *= min(1.0, (150 / max(len(parts[name]), 1)) ** 0.5)
        x, y = parts[name][:, column], parts[name][:, row]
        panel.scatter(x, y, s=size, c=SPLIT_COLOURS[name], marker=marker, linewidths=0, alpha=0.8)

    def trained(panel: Axes, column: int, row: int) -> None:
        if dense:
            ends = limits[[column, row]].tolist()
            x, y = train[:, column], train[:, row]
            panel.hist2d(x, y, bins=bins, range=ends, cmap=DENSITY, norm=density, rasterized=True)
        else:
            points(panel, column, row, "train")

    def unseen(panel: Axes, column: int, row: int) -> None:
        points(panel, column, row, "validation")
        points(panel, column, row, "test")

    def histogram(panel: Axes, number: int) -> None:
        edges = np.linspace(limits[number, 0], limits[number, 1], 13)
        bottom = np.zeros(12)
        for name in SPLITS:
            count, _ = np.histogram(parts[name][:, number], edges)
            panel.bar(edges[:-1], count, np.diff(edges), bottom, align="edge", color=SPLIT_COLOURS[name], alpha=0.8)
            bottom += count

    figure, axes = _grid(165 if dense else 150, corpus, trained, unseen, histogram, "runs")
    if dense:
        field_bar(figure, axes, density, DENSITY, "training runs per cell", location="bottom", shrink=0.6, aspect=40)
    handles = [Patch(color=SPLIT_COLOURS[name], alpha=0.8) for name in SPLITS]
    labels = [f"{name}: {len(parts[name])} runs" for name in SPLITS]
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


@styled
def accuracy_pairs(truth: xr.Dataset, predictions: Mapping[str, xr.Dataset]) -> Figure:
    """Mean accuracy of every unseen run over all pairs of parameters: one method below, one above.

    Parameters
    ----------
    truth : xarray.Dataset
        Corpus of unseen runs.
    predictions : mapping
        Methods to corpora: the first is drawn below the diagonal, the second above, and all of them against each
        single parameter on it.
    """
    if not predictions:
        raise ValueError("accuracy over parameter pairs: expected the predictions of one method or more, got none")
    table = drawn_parameters(truth)
    means = {name: accuracy_of_runs(truth, entry) for name, entry in predictions.items()}
    below, above = [*means, None][:2]
    every = np.concatenate(list(means.values()))
    low, high = float(np.floor(10 * every.min()) / 10), float(np.ceil(10 * every.max()) / 10)
    high = max(high, low + 0.1)
    norm = Normalize(low, high)

    def draw(panel: Axes, column: int, row: int, name: str | None) -> None:
        if name is None:
            panel.set_axis_off()
            return
        order = np.argsort(means[name])[::-1]  # the worst on top
        x, y, colours = table[order, column], table[order, row], means[name][order]
        panel.scatter(x, y, 16, colours, cmap=SEQUENTIAL, norm=norm, edgecolors="0.3", linewidths=0.2)

    def single(panel: Axes, number: int) -> None:
        for name, values in means.items():
            panel.scatter(table[:, number], values, 6, colour_of(name), linewidths=0, alpha=0.8)
        panel.set_ylim(low - 0.08 * (high - low), high + 0.25 * (high - low))
        panel.set_yticks([low, high])
        panel.tick_params(axis="y", labelright=True, labelsize=6, direction="in", pad=-2, length=0)
        for label in panel.get_yticklabels():
            label.set(ha="right", bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5})

    def lower(panel: Axes, column: int, row: int) -> None:
        draw(panel, column, row, below)

    def upper(panel: Axes, column: int, row: int) -> None:
        draw(panel, column, row, above)

    figure, axes = _grid(158, truth, lower, upper, single, "accuracy [%]")
    places = {below: "below and on the diagonal", above: "above and on the diagonal"}
    handles = [Patch(color=colour_of(name), alpha=0.8) for name in means]
    labels = [f"{title_of(name)} ({places.get(name, 'on the diagonal alone')})" for name in means]
    if len(axes) == 1:
        labels = [title_of(name) for name in means]
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    if len(axes) > 1:
        label = f"mean {units_of(truth).accuracy_title} [%]"
        field_bar(figure, axes, norm, SEQUENTIAL, label, location="bottom", shrink=0.6, aspect=40)
    return figure
