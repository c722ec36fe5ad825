"""Figures of a posterior: its parameters, what it predicts of what was observed, and which datum tells what."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from surrogate.figures.style import DENSITY, PAGE, SEQUENTIAL, axis_of, new_figure, styled
from surrogate.parameters import Parameter
from surrogate.quantities import VARIABLES

BINS = 24
"""Cells along each parameter."""

PRIOR, FITTING = "0.75", "#0072B2"
"""Colours of what was known before, and of what fits."""

READABLE = {"W m-2": (1e3, "mW m$^{-2}$"), "m": (1e-3, "km"), "K m-1": (1e3, "K km$^{-1}$"), "1": (1.0, "")}
"""Factor and unit in which a quantity is drawn, by its unit."""


def _parameters(posterior: xr.Dataset) -> list[Parameter]:
    return [
        Parameter(
            str(name),
            str(posterior["unit"].values[row]),
            float(posterior["low"].values[row]),
            float(posterior["high"].values[row]),
            str(posterior["symbol"].values[row]),
            logarithmic=bool(posterior["logarithmic"].values[row]),
        )
        for row, name in enumerate(posterior["parameter"].values)
    ]


@styled
def posterior(posterior: xr.Dataset) -> Figure:
    """Marginals of the parameters that fit, and of each pair of them; the box is the prior."""
    known = _parameters(posterior)
    axes_of = [axis_of(entry) for entry in known]
    drawn = [
        axis.values(entry.natural(posterior["draws"].values[:, column]))
        for column, (entry, axis) in enumerate(zip(known, axes_of, strict=True))
    ]
    ends = [axis.values(entry.natural([entry.low, entry.high])) for entry, axis in zip(known, axes_of, strict=True)]
    count = len(known)
    figure = new_figure(PAGE, PAGE * min(1.0, 0.25 + 0.15 * count))
    axes = figure.subplots(count, count, squeeze=False)
    for row in range(count):
        for column in range(count):
            panel = axes[row, column]
            if column > row:
                panel.set_axis_off()
                continue
            panel.set_xlim(ends[column])
            if row == column:
                edges = np.linspace(float(ends[row][0]), float(ends[row][1]), BINS + 1)
                panel.hist(drawn[row], edges, density=True, color=FITTING)
                panel.axhline(1.0 / np.ptp(ends[row]), color=PRIOR, linewidth=1.0)
                panel.set_yticks([])
                bits = float(posterior["parameter_bits"].values[row])
                panel.set_title(f"{bits:.2f} bit")
            else:
                box = [ends[column], ends[row]]
                panel.hist2d(drawn[column], drawn[row], BINS, range=box, cmap=DENSITY, cmin=0.5)
                panel.set_ylim(ends[row])
                panel.locator_params(axis="y", nbins=3)
            panel.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
            panel.tick_params(labelbottom=row == count - 1, labelleft=column == 0 and row > 0)
            if row == count - 1:
                panel.set_xlabel(axes_of[column].label)
            if column == 0 and row > 0:
                panel.set_ylabel(axes_of[row].label)
    figure.align_labels()
    return figure


def _titled(name: str) -> str:
    """Name of a quantity in two lines, if it is long."""
    words = name.replace("core_mantle_boundary", "core-mantle_boundary").split("_")
    middle = (len(words) + 1) // 2
    return " ".join(words[:middle]) + ("\n" + " ".join(words[middle:]) if len(words) > 1 else "")


@styled
def posterior_predictive(posterior: xr.Dataset) -> Figure:
    """Histories of what was observed: of all parameters, of those that fit, and the data as boxes."""
    quantities = [str(name) for name in dict.fromkeys(posterior["observed_quantity"].values) if name in VARIABLES]
    columns = min(3, max(1, len(quantities)))
    rows = -(-max(1, len(quantities)) // columns)
    figure = new_figure(PAGE, 52 * rows + 6)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels[len(quantities) :]:
        panel.set_axis_off()
    for panel, name in zip(panels, quantities, strict=False):
        stated = str(posterior[f"{name}_posterior"].attrs.get("units", VARIABLES[name][0]))
        factor, unit = READABLE.get(stated, (1.0, stated))
        times = posterior["time"].values
        for kind, colour, label in (("prior", PRIOR, "prior"), ("posterior", FITTING, "fits the data")):
            low, median, high = factor * posterior[f"{name}_{kind}"].values
            panel.fill_between(times, low, high, color=colour, alpha=0.5, linewidth=0, label=label)
            panel.plot(times, median, color=colour)
        bottom, top = panel.get_ylim()
        width = 0.03 * np.ptp(times)
        for row in np.flatnonzero(posterior["observed_quantity"].values == name):
            low, high = (factor * float(posterior[f"observed_{end}"].values[row]) for end in ("low", "high"))
            low, high = (low if np.isfinite(low) else bottom), (high if np.isfinite(high) else top)
            corner = (float(posterior["observed_time"].values[row]) - width, low)
            panel.add_patch(Rectangle(corner, 2 * width, high - low, fill=False, edgecolor="black", label="observed"))
            bottom, top = min(bottom, low), max(top, high)
        panel.set_ylim(bottom, top + 0.02 * (top - bottom))
        when = "time" if posterior["time"].attrs.get("units") == "1" else "time [Gyr]"
        panel.set(xlabel=when, ylabel=_titled(name) + (f" [{unit}]" if unit else ""))
    if quantities:
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


@styled
def information(posterior: xr.Dataset) -> Figure:
    """Bits that every subset of the observations gives on every parameter, on its own, and on all together."""
    used, bits = posterior["used"].values.astype(bool), posterior["bits"].values
    table = np.column_stack([bits, posterior["total_bits"].values])
    names = [*(axis_of(entry).symbol for entry in _parameters(posterior)), "all"]
    data = [_titled(str(name)) for name in posterior["observed_quantity"].values]
    times = posterior["observed_time"].values
    if len(set(times)) > 1:
        unit = "" if "time" in posterior and posterior["time"].attrs.get("units") == "1" else " Gyr"
        data = [f"{name}, {time:g}{unit}" for name, time in zip(data, times, strict=True)]
    figure = new_figure(PAGE, 4.5 * len(table) + 70)
    left, right = figure.subplots(1, 2, width_ratios=[max(1, len(data)), len(names)], sharey=True)
    for row, part in enumerate(used):
        left.plot(np.flatnonzero(part), np.full(part.sum(), row), "o", color="black", markersize=3)
    left.set_xticks(range(len(data)), data, rotation=90)
    left.set(xlim=(-0.6, max(len(data), 1) - 0.4), yticks=[], ylabel="observations that are used")
    left.grid(axis="x", linewidth=0.3)
    image: Any = right.imshow(np.maximum(table, 0), aspect="auto", cmap=SEQUENTIAL, vmin=0)
    for row, values in enumerate(table):
        for column, value in enumerate(values):
            shade = image.norm(value)
            colour = "white" if sum(image.cmap(shade)[:3]) < 1.5 else "black"
            right.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=5.5, color=colour)
    right.set_xticks(range(len(names)), names)
    figure.colorbar(image, ax=right, label="information [bit]", shrink=0.7)
    return figure
