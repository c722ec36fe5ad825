"""The flow of temperature fields, drawn as arrows over them."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from surrogate.fields import geometry_of
from surrogate.figures.field import draw_field, field_bar
from surrogate.figures.style import TEMPERATURE, column_heading, new_figure, styled, temperature_norm
from surrogate.units import YEAR

ARROWS = 16
"""Arrows across a field, in either direction, about."""

PANEL = 58.0
"""Width of a panel, mm."""

CENTIMETRES_PER_YEAR = 100.0 * YEAR
"""In a metre per second."""


@styled
def draw_velocity(run: xr.Dataset, flow: xr.Dataset, times: np.ndarray | None = None) -> Figure:
    """Draw a run at some times with arrows of its flow; the longest arrow is the fastest cell of its panel.

    Parameters
    ----------
    run : xarray.Dataset
        A run in a sector of an annulus.
    flow : xarray.Dataset
        Of :func:`surrogate.simulator.velocity`.
    times : array of int, optional
        Numbers of the snapshots. Default: four at most, equally spaced.
    """
    geometry = geometry_of(run)
    count = run.sizes["time"]
    spread = np.arange(count) if count <= 4 else np.linspace(1, count - 1, 4).round().astype(int)
    chosen = spread if times is None else times
    figure = new_figure(PANEL * len(chosen) + 20, PANEL + 12)
    axes = figure.subplots(1, len(chosen), squeeze=False)[0]
    fields = run["temperature"].values[chosen]
    norm = temperature_norm(fields)
    rows = np.arange(1, geometry.shape[0] - 1, max(1, geometry.shape[0] // ARROWS))
    columns = np.arange(0, geometry.shape[1], max(1, geometry.shape[1] // ARROWS))
    radius, angle = geometry.vertical[rows, None], geometry.lateral[None, columns]
    for axis, number, field in zip(axes, chosen, fields, strict=True):
        draw_field(axis, field, geometry, norm)
        outward, along = (flow[name].values[number].astype(float) for name in ("velocity_radial", "velocity_angular"))
        fastest = np.hypot(outward, along).max()
        outward, along = (part[np.ix_(rows, columns)] for part in (outward, along))
        length = geometry.thickness / ARROWS * 2.0 / max(fastest, 1e-300)
        across = outward * np.cos(angle) - along * np.sin(angle)
        up = outward * np.sin(angle) + along * np.cos(angle)
        axis.quiver(
            radius * np.cos(angle),
            radius * np.sin(angle),
            length * across,
            length * up,
            angles="xy",
            scale_units="xy",
            scale=1.0,
            width=0.004,
        )
        time, speed = float(run["time"].values[number]), CENTIMETRES_PER_YEAR * fastest
        column_heading(axis, f"{time:.2f} Gyr, up to {speed:.2g} cm/yr")
    field_bar(figure, axes, norm, TEMPERATURE, "temperature [K]", shrink=0.9, aspect=18)
    return figure
