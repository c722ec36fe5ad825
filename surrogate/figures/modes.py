"""What the proper orthogonal decomposition shows.

Functions take `truth`, the corpus of unseen runs, and `predictions`, method to the corpus of the same runs as
predicted, and return a :class:`matplotlib.figure.Figure`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from surrogate.diagnostics import decompose, singular_values
from surrogate.fields import geometry_of, iterate_runs, units_of
from surrogate.figures.field import draw_field, field_bar
from surrogate.figures.style import (
    DIFFERENCE,
    PAGE,
    TRUTH_COLOUR,
    colour_of,
    column_heading,
    heading,
    line_of,
    new_figure,
    nice_limit,
    row_heading,
    styled,
)
from surrogate.methods import title_of


def _spectra(corpus: xr.Dataset, count: int, ours: bool) -> np.ndarray:
    """Singular values of every run, shape (run, count), NaN beyond a run's number of snapshots."""
    table = np.full((corpus.sizes["simulation"], count), np.nan)
    for number, run in enumerate(iterate_runs(corpus)):
        values = singular_values(run.load(), count, remove_mean=ours, weighted=ours)
        # Beyond the rank of the run only rounding is left.
        values = values[: run.sizes["time"] - int(ours)]
        table[number, : len(values)] = values
    return table


@styled
def singular_value_spectra(truth: xr.Dataset, predictions: Mapping[str, xr.Dataset], count: int = 50) -> Figure:
    """Singular values per run against the number of the mode: median and middle 80 % of the runs.

    Parameters
    ----------
    count : int
        Modes.
    """
    units = units_of(truth)
    figure = new_figure(PAGE, 78)
    axes = figure.subplots(1, 2)
    for number, (panel, ours) in enumerate(zip(axes, (False, True), strict=True)):
        curves: dict[str, tuple[xr.Dataset, str, Any]] = {"simulation": (truth, TRUTH_COLOUR, "-")}
        curves |= {title_of(name): (entry, colour_of(name), line_of(name)) for name, entry in predictions.items()}
        floor, lowest, highest = np.inf, 0.0, 1.0
        for label, (corpus, colour, line) in curves.items():
            table = _spectra(corpus, count, ours)
            known = np.isfinite(table).any(axis=0)
            modes = np.arange(1, count + 1)[known]
            low, middle, high = np.nanpercentile(table[:, known], [10, 50, 90], axis=0)
            if corpus is truth:
                lowest, highest = middle.min(), high.max()
            floor = min(floor, middle.min())
            panel.fill_between(modes, low, high, color=colour, alpha=0.12, linewidth=0)
            panel.plot(modes, middle, color=colour, linestyle=line, label=label, zorder=3 if corpus is truth else 2)
        # All medians; but far below the simulations there is only the rounding of predictions of lower rank.
        panel.set(
            yscale="log", xlabel="mode", xlim=(0.5, count + 0.5), ylim=(0.3 * max(floor, 3e-3 * lowest), 3 * highest)
        )
        heading(
            panel,
            "time mean removed, weighted by volume" if ours else "as the paper: mean kept, all nodes alike",
            number,
        )
        panel.set_ylabel(units.temperature.label("singular value"))
    axes[0].legend()
    return figure


@styled
def pod_modes(truth: xr.Dataset, predictions: Mapping[str, xr.Dataset], count: int = 5, memory: float = 1e9) -> Figure:
    """Draw the leading POD modes of all snapshots, of the truth and of every prediction.

    Parameters
    ----------
    count : int
        Modes.
    memory : float
        Bytes, see :func:`surrogate.diagnostics.decompose`.
    """
    geometry = geometry_of(truth)
    parts = {"simulation": decompose(truth, count, memory=memory)}
    parts |= {title_of(name): decompose(entry, count, memory=memory) for name, entry in predictions.items()}
    reference = parts["simulation"]["pattern"].values
    limit = nice_limit(float(np.percentile(np.abs(reference), 99)))
    norm = Normalize(-limit, limit)
    figure = new_figure(PAGE, max(36 * geometry.slenderness, 22) * len(parts) + 14)
    axes = figure.subplots(len(parts), count, squeeze=False)
    for line, (label, part) in enumerate(parts.items()):
        row_heading(axes[line, 0], label)
        for column in range(count):
            panel = axes[line, column]
            panel.set_axis_off()
            if column >= part.sizes["mode"]:
                continue
            pattern = part["pattern"].values[column]
            # The sign of a mode is arbitrary: the simulation's are positive in the mean, the others turned as they are.
            like = reference[min(column, len(reference) - 1)]
            sign = np.sign(np.sum(pattern * like * geometry.weight) * np.sum(like * geometry.weight)) or 1.0
            draw_field(panel, sign * pattern, geometry, norm, DIFFERENCE)
            mode = f"mode {column + 1}: " if line == 0 else ""
            column_heading(panel, f"{mode}{100 * float(part['energy'][column]):.1f} %")
    field_bar(
        figure, axes, norm, DIFFERENCE, "mode (unit norm)", extend="both", location="bottom", shrink=0.5, aspect=35
    )
    return figure
