"""A field, drawn as it lies in the plane."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colors import Colormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from surrogate.figures.style import DIFFERENCE, TEMPERATURE
from surrogate.geometry import Geometry
from surrogate.quantities import Units

OUTLINE = {"fill": False, "edgecolor": "0.25", "linewidth": 0.5}


def draw_field(
    axes: Axes, field: Any, geometry: Geometry, norm: Normalize, colour_map: Colormap = TEMPERATURE
) -> QuadMesh:
    """Draw a field as it lies in the plane, walls included, without axes.

    Values are drawn where they lie, wall rows on the walls, and interpolated between; they are continued to the sides.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    field : array, shape (rows, columns)
    geometry : Geometry
    norm : matplotlib.colors.Normalize
    colour_map : matplotlib.colors.Colormap

    Returns
    -------
    matplotlib.collections.QuadMesh
    """
    values = np.asarray(field, dtype=float)
    if values.shape != geometry.shape:
        raise ValueError(f"field: shape {values.shape}, expected that of the grid, {geometry.shape}")
    lateral = np.r_[geometry.lateral_faces[0], geometry.lateral, geometry.lateral_faces[-1]]
    x, y = geometry.to_plane(geometry.vertical[:, None], lateral[None, :])
    values = geometry.to_sides(values)
    mesh = axes.pcolormesh(x, y, values, norm=norm, cmap=colour_map, shading="gouraud", rasterized=True)
    draw_outline(axes, geometry)
    return mesh


def draw_outline(axes: Axes, geometry: Geometry) -> None:
    """Draw walls and sides of the domain, and make the axes fit it."""
    for x, y in geometry.outlines():
        axes.add_patch(Polygon(np.stack([x, y], axis=1), closed=True, **OUTLINE))
    left, right, bottom, top = geometry.box_around
    margin = 0.02 * max(right - left, top - bottom)
    axes.set(xlim=(left - margin, right + margin), ylim=(bottom - margin, top + margin), aspect="equal")
    axes.set_axis_off()


def field_bar(
    figure: Figure,
    axes: Any,
    norm: Normalize,
    colour_map: Colormap,
    label: str,
    extend: str = "neither",
    gap: float = 0.14,
    **keywords: Any,
) -> None:
    """Add one colour bar beside or below `axes`, an Axes or several.

    The label says where the scale is stretched; `gap` is then the smallest distance of its ticks, as a share of the
    bar; `keywords` go to :meth:`matplotlib.figure.Figure.colorbar`.
    """
    if isinstance(norm, PowerNorm):
        label = f"{label}, stretched scale"
        keywords["ticks"] = _spread_ticks(norm, gap)
    if "cax" not in keywords:
        keywords = {"ax": axes, "aspect": 25, "pad": 0.02, **keywords}
    bar = figure.colorbar(ScalarMappable(norm, colour_map), extend=extend, label=label, **keywords)
    bar.outline.set_linewidth(0.5)


def temperature_bar(figure: Figure, axes: Any, norm: Normalize, units: Units, **keywords: Any) -> None:
    """Add the colour bar of temperatures; keywords as for :func:`field_bar`."""
    field_bar(figure, axes, norm, TEMPERATURE, units.temperature.label(), **keywords)


def difference_bar(figure: Figure, axes: Any, norm: Normalize, units: Units, **keywords: Any) -> None:
    """Add the colour bar of differences, which says how their sign is meant; keywords as for :func:`field_bar`."""
    label = units.temperature.label("prediction - simulation")
    field_bar(figure, axes, norm, DIFFERENCE, label, extend="both", **keywords)


def _spread_ticks(norm: PowerNorm, gap: float) -> list[float]:
    """Multiples of 100 from the top of a stretched scale down, none nearer than `gap` to the next."""
    low, high = float(norm.vmin or 0.0), float(norm.vmax or 1.0)
    ticks = [100.0 * np.floor(high / 100)]
    for value in np.arange(ticks[0] - 100, low, -100):
        if norm(ticks[-1]) - norm(value) >= gap:
            ticks.append(float(value))
    if norm(ticks[-1]) >= gap:
        ticks.append(low)
    return ticks
