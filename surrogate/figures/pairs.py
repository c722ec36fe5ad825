"""Figures over all pairs of the five parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from surrogate.diagnostics import relative_accuracy, title_of
from surrogate.diagnostics.pairing import mask_of
from surrogate.diagnostics.summary import run_means
from surrogate.fields import SPLITS, parameter_table
from surrogate.figures.annulus import field_bar
from surrogate.figures.style import DENSITY, PAGE, SEQUENTIAL, colour_of, new_figure, styled
from surrogate.parameters import PARAMETERS

HISTOGRAM_FROM = 400
"""With this many runs and more, a density says more than points."""

MARKERS = {"train": ("o", 5), "validation": ("s", 9), "test": ("^", 11)}

SYMBOLS = {
    "reference_viscosity": r"$\log_{10}\,\eta_{\mathrm{ref}}$ [Pa s]",
    "activation_energy": r"$E$ [kJ mol$^{-1}$]",
    "activation_volume": r"$V$ [cm$^3$ mol$^{-1}$]",
    "crustal_enrichment": r"$\Lambda$",
    "initial_temperature": r"$T_{\mathrm{ini}}$ [K]",
}
UNITS = {"activation_energy": 1e-3, "activation_volume": 1e6}
"""Factor from the SI unit to the unit of the axis."""


def drawn_parameters(corpus: xr.Dataset) -> np.ndarray:
    """Parameters of every run in the units of the axes, shape (simulation, 5)."""
    table = parameter_table(corpus)
    columns = [
        UNITS.get(parameter.name, 1.0) * parameter.transform(table[:, number])
        for number, parameter in enumerate(PARAMETERS)
    ]
    return np.stack(columns, axis=1)


def _grid(
    height: float,
    table: np.ndarray,
    lower: Callable[..., None],
    upper: Callable[..., None],
    middle: Callable[..., None],
) -> tuple[Figure, np.ndarray]:
    """Five by five axes, one column and one row per parameter; `lower` and `upper` get (axes, column, row)."""
    figure = new_figure(PAGE, height)
    count = len(PARAMETERS)
    axes = figure.subplots(count, count)
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
            if row == 0 and column == count - 1:  # the first column has none for this row
                panel.tick_params(axis="y", left=False, right=True, labelright=True)
            if row == count - 1:
                panel.set_xlabel(SYMBOLS[PARAMETERS[column].name])
            if column == 0:
                panel.set_ylabel(SYMBOLS[PARAMETERS[row].name])
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
    dense = len(train) >= HISTOGRAM_FROM
    # About ten runs per cell, so that the density and not its noise is seen.
    bins = int(np.clip(np.sqrt(len(train) / 10), 6, 40))
    limits = np.stack([table.min(axis=0), table.max(axis=0)], axis=1)
    columns = [(column, row) for row in range(len(PARAMETERS)) for column in range(row)]
    most = max(np.histogram2d(train[:, a], train[:, b], bins, limits[[a, b]])[0].max() for a, b in columns)
    density = Normalize(0, most)

    def points(panel: Axes, column: int, row: int, name: str) -> None:
        marker, size = MARKERS[name]
        size *= min(1.0, (150 / max(len(parts[name]), 1)) ** 0.5)
        panel.scatter(
            parts[name][:, column], parts[name][:, row], s=size, c=colour_of(name), marker=marker, linewidths=0,
            alpha=0.8,
        )  # fmt: skip

    def trained(panel: Axes, column: int, row: int) -> None:
        if dense:
            panel.hist2d(
                train[:, column], train[:, row], bins=bins, range=limits[[column, row]].tolist(), cmap=DENSITY,
                norm=density, rasterized=True,
            )  # fmt: skip
        else:
            points(panel, column, row, "train")

    def unseen(panel: Axes, column: int, row: int) -> None:
        points(panel, column, row, "validation")
        points(panel, column, row, "test")

    def histogram(panel: Axes, number: int) -> None:
        edges = np.linspace(table[:, number].min(), table[:, number].max(), 13)
        bottom = np.zeros(12)
        for name in SPLITS:
            count, _ = np.histogram(parts[name][:, number], edges)
            panel.bar(edges[:-1], count, np.diff(edges), bottom, align="edge", color=colour_of(name), alpha=0.8)
            bottom += count

    figure, axes = _grid(165 if dense else 150, table, trained, unseen, histogram)
    if dense:
        field_bar(figure, axes, density, DENSITY, "training runs per cell", location="bottom", shrink=0.6, aspect=40)
    handles = [Patch(color=colour_of(name), alpha=0.8) for name in SPLITS]
    labels = [f"{name}: {len(parts[name])} runs" for name in SPLITS]
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


@styled
def accuracy_pairs(truth: xr.Dataset, predictions: Mapping[str, xr.Dataset]) -> Figure:
    """Mean relative accuracy of every unseen run over all pairs of parameters: one method below, one above.

    Parameters
    ----------
    truth : xarray.Dataset
        Corpus of unseen runs.
    predictions : mapping
        Two methods to corpora: the first is drawn below the diagonal, the second above; both against each single
        parameter on it.
    """
    if len(predictions) != 2:
        raise ValueError(f"accuracy over parameter pairs: expected two methods, got {list(predictions)}")
    table = drawn_parameters(truth)
    means = {
        name: run_means(relative_accuracy(truth, entry), mask_of(truth)).values for name, entry in predictions.items()
    }
    below, above = means
    every = np.concatenate(list(means.values()))
    low, high = float(np.floor(10 * every.min()) / 10), float(np.ceil(10 * every.max()) / 10)
    high = max(high, low + 0.1)
    norm = Normalize(low, high)

    def draw(panel: Axes, column: int, row: int, name: str) -> None:
        order = np.argsort(means[name])[::-1]  # the worst on top
        panel.scatter(
            table[order, column], table[order, row], 16, means[name][order], cmap=SEQUENTIAL, norm=norm,
            edgecolors="0.3", linewidths=0.2,
        )  # fmt: skip

    def single(panel: Axes, number: int) -> None:
        for name, values in means.items():
            panel.scatter(table[:, number], values, 6, colour_of(name), linewidths=0, alpha=0.8)
        panel.set_ylim(low - 0.08 * (high - low), high + 0.25 * (high - low))
        panel.set_yticks([low, high])
        panel.tick_params(axis="y", labelright=True, labelsize=6, direction="in", pad=-2, length=0)
        for label in panel.get_yticklabels():
            label.set(ha="right", bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5})

    figure, axes = _grid(
        158, table,
        lambda panel, column, row: draw(panel, column, row, below),
        lambda panel, column, row: draw(panel, column, row, above),
        single,
    )  # fmt: skip
    handles = [Patch(color=colour_of(name), alpha=0.8) for name in means]
    labels = [f"{title_of(below)} (below the diagonal)", f"{title_of(above)} (above the diagonal)"]
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    field_bar(figure, axes, norm, SEQUENTIAL, "mean relative accuracy [%]", location="bottom", shrink=0.6, aspect=40)
    return figure
