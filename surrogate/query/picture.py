"""A predicted evolution as a picture or a film."""

from __future__ import annotations

from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from surrogate.fields import geometry_of, units_of
from surrogate.figures.animation import WRITERS
from surrogate.figures.field import draw_field, field_bar
from surrogate.figures.style import TEMPERATURE, column_heading, new_figure, styled, temperature_norm
from surrogate.files import atomic
from surrogate.methods import title_of

MOST_TIMES = 5
"""Times drawn in one picture."""

PANEL_WIDTH = 36
"""Width of the picture of one time, mm."""


@styled
def animate_evolution(run: xr.Dataset, path: Path) -> None:
    """Write a predicted run as a film, one picture per time.

    Parameters
    ----------
    run : xarray.Dataset
    path : Path
        Ends in .mp4, which needs ffmpeg, or .gif.

    Raises
    ------
    ValueError
        For another suffix, or for .mp4 without ffmpeg.
    """
    if path.suffix not in WRITERS:
        raise ValueError(f"{path}: an animation ends in .gif or .mp4")
    if path.suffix == ".mp4" and which("ffmpeg") is None:
        raise ValueError(f"{path}: ffmpeg is not installed; choose .gif")
    geometry, units, fields = geometry_of(run), units_of(run), run["temperature"].values
    figure = new_figure(2 * PANEL_WIDTH, (2 * geometry.slenderness + 0.2) * PANEL_WIDTH + 8)
    figure.set_dpi(150)
    canvas: Any = FigureCanvasAgg(figure)
    axes, norm = figure.subplots(), temperature_norm(fields, units=units)
    axes.set_axis_off()
    field_bar(figure, [axes], norm, TEMPERATURE, units.temperature.label(), location="bottom", shrink=0.8, aspect=25)
    pictures, title = [], figure.suptitle(" ")
    for number, time in enumerate(run["time"].values):
        title.set_text(f"{title_of(str(run.attrs.get('method', '')))}, {units.time.text(time)}")
        for mesh in list(axes.collections):
            mesh.remove()
        draw_field(axes, fields[number], geometry, norm)
        axes.set_aspect("equal")
        canvas.draw()
        if number == 0:
            figure.set_layout_engine("none")  # the parts must not move from frame to frame
        pictures.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    with atomic(path) as temporary:
        WRITERS[path.suffix](pictures, temporary, f"bundle {run.attrs.get('bundle_digest', '')}")


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
    geometry, units, fields = geometry_of(run), units_of(run), run["temperature"].values
    figure = new_figure(max(PANEL_WIDTH * len(fields), 60) + 18, 2.2 * PANEL_WIDTH + 16)
    axes = figure.subplots(2, len(fields), squeeze=False)
    for line in axes[1, 1:]:
        line.sharex(axes[1, 0])
        line.tick_params(labelleft=False)
    norm, depth = temperature_norm(fields, units=units), units.length.factor * geometry.depth
    for column, time in enumerate(run["time"].values):
        draw_field(axes[0, column], fields[column], geometry, norm)
        axes[0, column].set_axis_off()
        axes[0, column].set_aspect("equal")
        column_heading(axes[0, column], units.time.text(time))
        mean = profiles["lateral_mean_temperature"].values[column]
        below = axes[1, column]
        if "lateral_mean_temperature_half_width" in profiles:
            width = profiles["lateral_mean_temperature_half_width"].values[column]
            below.fill_betweenx(depth, mean - width, mean + width, color="0.8", linewidth=0)
        below.plot(mean, depth, color="black")
        below.set_ylim(float(np.max(depth)), 0.0)
        below.set_xlabel(units.temperature.label("lateral mean"))
    axes[1, 0].set_ylabel(units.length.label())
    field_bar(figure, axes[0], norm, TEMPERATURE, units.temperature.label(), shrink=0.9, aspect=18)
    figure.suptitle(f"predicted by {title_of(str(run.attrs.get('method', '')))}")
    return figure
