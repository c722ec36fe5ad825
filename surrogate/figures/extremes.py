"""The best that can be expected, and the worst: single unseen runs of every predictor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from surrogate.diagnostics import relative_accuracy, title_of
from surrogate.diagnostics.pairing import mask_of
from surrogate.diagnostics.summary import run_means
from surrogate.fields import annulus_of
from surrogate.figures.annulus import draw_field, field_bar
from surrogate.figures.examples import nearest_snapshots, run_of
from surrogate.figures.names import median_and_worst
from surrogate.figures.style import (
    DIFFERENCE,
    PAGE,
    TEMPERATURE,
    column_heading,
    difference_norm,
    new_figure,
    row_heading,
    styled,
    temperature_norm,
)

COLUMNS = ("simulation", "prediction", "error")


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
        Gyr; the second of them and the last are drawn.

    Returns
    -------
    matplotlib.figure.Figure
    """
    annulus, real = annulus_of(truth), mask_of(truth)
    ends = np.nanmax(truth["snapshot_time"].values, axis=1).tolist()
    numbers = truth["simulation"].values.tolist()
    ordered = sorted(times)
    shown = [ordered[min(1, len(ordered) - 1)], ordered[-1]]
    lines = []
    for name, entry in predictions.items():
        means = run_means(relative_accuracy(truth, entry), real).values.tolist()
        for position, kind in median_and_worst(numbers, means, ends, ordered[-1]):
            run, predicted = run_of(truth, {name: entry}, position)
            # A run that ended early has its last snapshot in place of one that it lacks.
            indices = [run.sizes["time"] - 1 if i is None else i for i in nearest_snapshots(run, shown)]
            fields = [(run["temperature"][i].values, predicted[name]["temperature"][i].values) for i in indices]
            stamps = [float(run["time"][i]) for i in indices]
            lines.append((f"{title_of(name)}\n{kind}\n{means[position]:.2f} %", stamps, fields))
    temperature = temperature_norm(*(field for _, _, fields in lines for pair in fields for field in pair))
    difference = difference_norm(*(other - one for _, _, fields in lines for one, other in fields))
    figure = new_figure(PAGE, 29 * len(lines) + 24)
    axes = figure.subplots(len(lines), 2 * len(COLUMNS), squeeze=False)
    for line, (label, stamps, fields) in enumerate(lines):
        row_heading(axes[line, 0], label)
        for half, ((one, other), stamp) in enumerate(zip(fields, stamps, strict=True)):
            panels = axes[line, len(COLUMNS) * half : len(COLUMNS) * (half + 1)]
            for panel, field in zip(panels[:2], (one, other), strict=True):
                draw_field(panel, field, annulus, temperature, TEMPERATURE)
            draw_field(panels[2], other - one, annulus, difference, DIFFERENCE)
            names = list(COLUMNS) if line == 0 else ["", "", ""]
            names[1] = f"{stamp:.2f} Gyr\n{names[1]}".strip()
            for panel, text in zip(panels, names, strict=True):
                column_heading(panel, text)
    field_bar(
        figure, axes[:, :3], temperature, TEMPERATURE, "temperature [K]", location="bottom", shrink=0.8, aspect=35
    )
    field_bar(figure, axes[:, 3:], difference, DIFFERENCE, "error [K]", extend="both", location="bottom", shrink=0.8,
              aspect=35)  # fmt: skip
    return figure
