"""Fields side by side: truth, predictions, differences.

Functions that draw take `truth`, one run, `predictions`, method to the same run as predicted (or one `prediction`), the
`times` to show, and a `title` of the whole; they return a :class:`matplotlib.figure.Figure`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from surrogate.diagnostics import accuracy_of_runs, lateral_mean
from surrogate.fields import geometry_of, select_run, units_of
from surrogate.figures.field import difference_bar, draw_field, temperature_bar
from surrogate.figures.selection import TIME_TOLERANCE, choose_examples, median_and_worst
from surrogate.figures.style import (
    DIFFERENCE,
    PAGE,
    TEMPERATURE,
    TRUTH_COLOUR,
    colour_of,
    column_heading,
    difference_norm,
    new_figure,
    nice_limit,
    row_heading,
    styled,
    temperature_norm,
)
from surrogate.methods import title_of


def example_runs(
    truth: xr.Dataset, predictions: Mapping[str, xr.Dataset], count: int, until: float = 0.0
) -> list[tuple[int, str]]:
    """Choose unseen runs by their accuracy, not by their looks: the median one first, the least accurate last.

    Parameters
    ----------
    truth : xarray.Dataset
        Corpus of unseen runs.
    predictions : mapping
        Method to corpus; the mean of their accuracies decides.
    count, until : optional
        As for :func:`surrogate.figures.selection.choose_examples`, which chooses by numbers alone.

    Returns
    -------
    list of (int, str)
        Position in the corpus, and what the run is.
    """
    means = np.mean([accuracy_of_runs(truth, entry) for entry in predictions.values()], axis=0)
    ends = np.nanmax(truth["snapshot_time"].values, axis=1)
    return choose_examples(truth["simulation"].values.tolist(), means.tolist(), ends.tolist(), count, until)


def nearest_snapshots(run: xr.Dataset, times: Sequence[float]) -> list[int | None]:
    """Return the index of the snapshot nearest to each time; None where the run ended long before."""
    stamps, indices = run["time"].values, []
    for time in times:
        slack = TIME_TOLERANCE * max(time, stamps[-1])
        within = stamps[0] - slack <= time <= stamps[-1] + slack
        indices.append(int(np.argmin(np.abs(stamps - time))) if within else None)
    return indices


def _fields(run: xr.Dataset, indices: Sequence[int | None]) -> list[np.ndarray | None]:
    return [None if index is None else run["temperature"][index].values for index in indices]


def _present(rows: Sequence[Sequence[np.ndarray | None]]) -> list[np.ndarray]:
    return [field for row in rows for field in row if field is not None]


@styled
def examples(
    truth: xr.Dataset, predictions: Mapping[str, xr.Dataset], times: Sequence[float], title: str = ""
) -> Figure:
    """One run at several times: truth, every prediction, and the differences."""
    geometry, units = geometry_of(truth), units_of(truth)
    indices = nearest_snapshots(truth, times)
    true = _fields(truth, indices)
    rows = [true, *(_fields(entry, indices) for entry in predictions.values())]
    differences = [
        [None if one is None or other is None else other - one for one, other in zip(true, row, strict=True)]
        for row in rows[1:]
    ]
    names = [title_of(name) for name in predictions]
    titles = ["simulation", *names, *(f"{name} - simulation" for name in names)]
    temperature = temperature_norm(*_present(rows), units=units)
    difference = difference_norm(*_present(differences))
    height = PAGE / len(titles) * len(times) * geometry.slenderness
    figure = new_figure(PAGE, height + 28)
    axes = figure.subplots(len(times), len(titles), squeeze=False)
    columns = [(row, temperature, TEMPERATURE) for row in rows]
    columns += [(row, difference, DIFFERENCE) for row in differences]
    for column, (row, norm, colours) in enumerate(columns):
        column_heading(axes[0, column], titles[column])
        for line, field in enumerate(row):
            if field is not None:
                draw_field(axes[line, column], field, geometry, norm, colours)
            axes[line, column].set_axis_off()
    for line, (time, index) in enumerate(zip(times, indices, strict=True)):
        label = (
            f"{units.time.text(time)}:\nrun ended" if index is None else units.time.text(float(truth["time"][index]))
        )
        row_heading(axes[line, 0], label)
    temperature_bar(figure, axes[:, : len(rows)], temperature, units, location="bottom", shrink=0.6, aspect=35)
    difference_bar(figure, axes[:, len(rows) :], difference, units, location="bottom", shrink=0.8, aspect=25)
    if title:
        figure.suptitle(title)
    return figure


@styled
def evolution(
    truth: xr.Dataset, prediction: xr.Dataset, method: str, times: Sequence[float], title: str = ""
) -> Figure:
    """One run at several times as the paper shows it: truth, one prediction, difference, and lateral-mean profiles.

    Parameters
    ----------
    method : str
        Name of the method.
    """
    geometry, units = geometry_of(truth), units_of(truth)
    depth = units.length.factor * geometry.depth
    indices = nearest_snapshots(truth, times)
    true, predicted = _fields(truth, indices), _fields(prediction, indices)
    differences = [None if a is None or b is None else b - a for a, b in zip(true, predicted, strict=True)]
    temperature = temperature_norm(*_present([true, predicted]), units=units)
    difference = difference_norm(*_present([differences]))
    profiles = [lateral_mean(run).values for run in (truth, prediction)]
    offsets = [profiles[1][index] - profiles[0][index] for index in indices if index is not None]
    reach = 1.1 * max(units.degree, float(np.abs(offsets).max()))
    step = 0.5 * nice_limit(0.7 * reach)  # away from the ends, where the numbers of the neighbour are; 0 has a line
    figure = new_figure(PAGE, max(40 * geometry.slenderness, 24) * len(times) + 22)
    axes = figure.subplots(len(times), 5, squeeze=False, width_ratios=[1, 1, 1, 0.9, 0.6])
    for column, text in enumerate(
        ["simulation", title_of(method), f"{title_of(method)} - simulation", "mean profile", "its difference"]
    ):
        column_heading(axes[0, column], text)
    for line, index in enumerate(indices):
        row = axes[line]
        label = (
            f"{units.time.text(times[line])}:\nrun ended"
            if index is None
            else units.time.text(float(truth["time"][index]))
        )
        row_heading(row[0], label)
        if index is None:
            for panel in row:
                panel.set_axis_off()
            continue
        draw_field(row[0], true[line], geometry, temperature)
        draw_field(row[1], predicted[line], geometry, temperature)
        draw_field(row[2], differences[line], geometry, difference, DIFFERENCE)
        row[3].plot(profiles[0][index], depth, color=TRUTH_COLOUR, label="simulation")
        row[3].plot(profiles[1][index], depth, "--", color=colour_of(method), label=title_of(method))
        row[4].plot(profiles[1][index] - profiles[0][index], depth, color=colour_of(method))
        row[4].axvline(0, color="0.6", linewidth=0.6, zorder=0)
        row[3].set(ylabel=units.length.label(), xlim=(temperature.vmin, temperature.vmax))
        row[4].set(xlim=(-reach, reach), yticklabels=[], xticks=[-step, step])
        for panel in row[3:]:
            panel.set_ylim(depth.max(), 0)
            if line < len(times) - 1:
                panel.set_xticklabels([])
    axes[-1, 3].set_xlabel(units.temperature.label())
    axes[-1, 4].set_xlabel(units.temperature.label("difference"))
    drawn = next(row[3] for row in axes if row[3].lines)
    drawn.legend(loc="lower left", handlelength=1.5)
    temperature_bar(figure, axes[:, :2], temperature, units, location="bottom", shrink=0.8)
    difference_bar(figure, axes[:, 2], difference, units, location="bottom", aspect=14)
    if title:
        figure.suptitle(title)
    return figure


@styled
def reconstruction(
    truth: xr.Dataset, prediction: xr.Dataset, times: Sequence[float], latents: int | None = None, title: str = ""
) -> Figure:
    """One run through the autoencoder at several times: original, reconstruction, difference.

    Parameters
    ----------
    latents : int, optional
        Number of latent variables, for the heading.
    """
    geometry, units = geometry_of(truth), units_of(truth)
    indices = [index for index in nearest_snapshots(truth, times) if index is not None]
    rows: list[list[Any]] = [[run["temperature"][index].values for index in indices] for run in (truth, prediction)]
    rows.append([other - one for one, other in zip(*rows, strict=True)])
    temperature, difference = temperature_norm(*rows[0], *rows[1], units=units), difference_norm(*rows[2])
    figure = new_figure(PAGE, 102 * max(geometry.slenderness, 0.7) + 26)
    axes = figure.subplots(3, len(indices), squeeze=False)
    second = "reconstruction" if latents is None else f"from {latents} latents"
    for line, label in enumerate(["simulation", second, "difference"]):
        row_heading(axes[line, 0], label)
        norm, colours = (difference, DIFFERENCE) if line == 2 else (temperature, TEMPERATURE)
        for column, field in enumerate(rows[line]):
            draw_field(axes[line, column], field, geometry, norm, colours)
    for column, index in enumerate(indices):
        column_heading(axes[0, column], units.time.text(float(truth["time"][index])))
    temperature_bar(figure, axes[:2], temperature, units, aspect=20)
    difference_bar(figure, axes[2], difference, units, aspect=10)
    if title:
        figure.suptitle(title)
    return figure


EXTREMES_COLUMNS = ("simulation", "prediction", "difference")


@styled
def extremes(truth: xr.Dataset, predictions: Mapping[str, xr.Dataset], times: Sequence[float]) -> Figure:
    """Median and least accurate unseen run of every predictor, in the middle and at the end of the evolution.

    Parameters
    ----------
    truth : xarray.Dataset
        Corpus of the unseen runs.
    predictions : mapping
        Method to corpus; the runs of each are chosen by its own accuracy.
    times : sequence of float
        The second of them and the last are drawn.

    Returns
    -------
    matplotlib.figure.Figure
    """
    geometry, units = geometry_of(truth), units_of(truth)
    ends = np.nanmax(truth["snapshot_time"].values, axis=1).tolist()
    numbers = truth["simulation"].values.tolist()
    ordered = sorted(times)
    shown = [ordered[min(1, len(ordered) - 1)], ordered[-1]]
    lines = []
    for name, entry in predictions.items():
        means = accuracy_of_runs(truth, entry).tolist()
        for position, kind in median_and_worst(numbers, means, ends, ordered[-1]):
            run, predicted = (select_run(corpus, position).load() for corpus in (truth, entry))
            # A run that ended early has its last snapshot in place of one that it lacks.
            indices = [run.sizes["time"] - 1 if i is None else i for i in nearest_snapshots(run, shown)]
            fields = [(run["temperature"][i].values, predicted["temperature"][i].values) for i in indices]
            stamps = [float(run["time"][i]) for i in indices]
            lines.append((f"{title_of(name)}\n{kind}\n{means[position]:.2f} %", stamps, fields))
    temperature = temperature_norm(*(field for _, _, fields in lines for pair in fields for field in pair), units=units)
    difference = difference_norm(*(other - one for _, _, fields in lines for one, other in fields))
    figure = new_figure(PAGE, max(29 * geometry.slenderness, 20) * len(lines) + 24)
    axes = figure.subplots(len(lines), 2 * len(EXTREMES_COLUMNS), squeeze=False)
    for line, (label, stamps, fields) in enumerate(lines):
        row_heading(axes[line, 0], label)
        for half, ((one, other), stamp) in enumerate(zip(fields, stamps, strict=True)):
            panels = axes[line, len(EXTREMES_COLUMNS) * half : len(EXTREMES_COLUMNS) * (half + 1)]
            for panel, field in zip(panels[:2], (one, other), strict=True):
                draw_field(panel, field, geometry, temperature, TEMPERATURE)
            draw_field(panels[2], other - one, geometry, difference, DIFFERENCE)
            names = list(EXTREMES_COLUMNS) if line == 0 else ["", "", ""]
            names[1] = f"{units.time.text(stamp)}\n{names[1]}".strip()
            for panel, text in zip(panels, names, strict=True):
                column_heading(panel, text)
    temperature_bar(figure, axes[:, :3], temperature, units, location="bottom", shrink=0.8, aspect=35)
    difference_bar(figure, axes[:, 3:], difference, units, location="bottom", shrink=0.8, aspect=35)
    return figure
