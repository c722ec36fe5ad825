"""A predicted evolution as a picture."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from surrogate.diagnostics import title_of
from surrogate.fields import annulus_of
from surrogate.figures.annulus import draw_field, field_bar
from surrogate.figures.style import TEMPERATURE, column_heading, new_figure, styled, temperature_norm

MOST = 5
"""Times drawn in one picture."""

PANEL = 36
"""Width of the picture of one time, mm."""


@styled
def draw_evolution(run: xr.Dataset, profiles: xr.Dataset) -> Figure:
    """Draw a predicted run at its times, and its profiles with their intervals below.

    Parameters
    ----------
    run : xarray.Dataset
        At most five times.
    profiles : xarray.Dataset
        ``lateral_mean_temperature`` at the same times, with or without half-width.

    Returns
    -------
    matplotlib.figure.Figure
    """
    annulus, fields = annulus_of(run), run["temperature"].values
    figure = new_figure(max(PANEL * len(fields), 60) + 18, 2.2 * PANEL + 16)
    axes = figure.subplots(2, len(fields), squeeze=False)
    for line in axes[1, 1:]:
        line.sharex(axes[1, 0])
        line.tick_params(labelleft=False)
    norm, depth = temperature_norm(fields), annulus.depth / 1e3
    for column, time in enumerate(run["time"].values):
        draw_field(axes[0, column], fields[column], annulus, norm)
        axes[0, column].set_axis_off()
        axes[0, column].set_aspect("equal")
        column_heading(axes[0, column], f"{time:.2f} Gyr")
        mean = profiles["lateral_mean_temperature"].values[column]
        below = axes[1, column]
        if "lateral_mean_temperature_half_width" in profiles:
            width = profiles["lateral_mean_temperature_half_width"].values[column]
            below.fill_betweenx(depth, mean - width, mean + width, color="0.8", linewidth=0)
        below.plot(mean, depth, color="black")
        below.set_ylim(float(np.max(depth)), 0.0)
        below.set_xlabel("lateral mean [K]")
    axes[1, 0].set_ylabel("depth [km]")
    field_bar(figure, axes[0], norm, TEMPERATURE, "temperature [K]", shrink=0.9, aspect=18)
    figure.suptitle(f"predicted by {title_of(str(run.attrs.get('method', '')))}")
    return figure
