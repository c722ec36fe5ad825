"""Line charts of the page, as Bokeh draws them: profiles and heat fluxes with their bands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from surrogate.explore.pictures import toolkit
from surrogate.geometry import Geometry
from surrogate.methods import METHODS, title_of
from surrogate.quantities import Units

SIMULATION_COLOUR = "#111111"

GRID, INK = "#e7e9ee", "#475067"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


@dataclass
class Chart:
    """Lines of the predictors with their bands, and of the simulation.

    Attributes
    ----------
    name : str
        Columns of an answer are called after it, see :meth:`columns`.
    figure : bokeh.plotting.figure
    methods : tuple of str
    shown : dict of bokeh.models.ColumnDataSource
        By method, and ``simulation``; the browser fills them.
    """

    name: str
    figure: Any
    methods: tuple[str, ...]
    shown: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        models = toolkit("bokeh.models")
        self.shown = {
            series: models.ColumnDataSource(
                {key: [] for key in (*self.axes, "low", "high")}, name=f"{self.name}_{series}"
            )
            for series in (*self.methods, "simulation")
        }

    def as_arguments(self) -> list[dict[str, Any]]:
        """Return what the script in the browser needs of this chart."""
        return [{"name": f"{self.name}_{series}", "shown": source} for series, source in self.shown.items()]

    def columns(self, series: str, axis: Any, value: Any = None, half: Any = None) -> dict[str, list[np.ndarray]]:
        """Pack one series as the browser wants it.

        Parameters
        ----------
        series : str
            A method, or ``simulation``.
        axis : array
            Depths, shape (radius,); or times, shape (time,).
        value : array, optional
            Temperatures, shape (time, radius); or fluxes, shape (time,). None empties the line.
        half : array, optional
            Half-width of the band, of the shape of `value`.
        """
        along, across = self.axes
        value = np.zeros((0,)) if value is None else np.asarray(value, dtype=np.float32)
        half = np.zeros_like(value) if half is None else np.asarray(half, dtype=np.float32)
        axis = np.asarray(axis, dtype=np.float32)[: len(axis) if value.size else 0]
        entries = {along: axis, across: value, "low": value - half, "high": value + half}
        return {f"{self.name}_{series}_{key}": [entry.astype(np.float32)] for key, entry in entries.items()}

    def fill(self, columns: dict[str, list[np.ndarray]]) -> None:
        """Put the last moment of an answer into the page as it is sent: an empty chart has no ranges."""
        for series, source in self.shown.items():
            values = {key: columns[f"{self.name}_{series}_{key}"][0] for key in (*self.axes, "low", "high")}
            source.data = {key: entry[-1] if entry.ndim == 2 else entry for key, entry in values.items()}

    def show(self, visible: bool) -> None:
        """Show or hide everything drawn; what is hidden still holds the ranges."""
        for renderer in self.figure.renderers:
            renderer.visible = visible

    @property
    def axes(self) -> tuple[str, str]:
        """What the chart is drawn along, and what it shows."""
        return ("depth", "mean") if self.name == "profile" else ("time", "flux")

    def draw(self, x: str, y: str, tip: str, mode: str) -> None:
        """Add bands and lines, from the back to the front; `tip` says under the pointer what a line is worth."""
        for method in self.methods:
            fill = {"source": self.shown[method], "fill_color": METHODS[method].colour, "fill_alpha": 0.16}
            if x == self.axes[0]:
                self.figure.varea(x, "low", "high", **fill)
            else:
                self.figure.harea("low", "high", y, **fill)
        for series, source in self.shown.items():
            truth = series == "simulation"
            colour, width = (SIMULATION_COLOUR, 1.6) if truth else (METHODS[series].colour, 2)
            dash = "4 3" if truth else "solid"
            line = self.figure.line(x, y, source=source, color=colour, line_width=width, line_dash=dash)
            tool = toolkit("bokeh.models").HoverTool(renderers=[line], tooltips=f"{title_of(series)}: {tip}", mode=mode)
            self.figure.add_tools(tool)


def profile_chart(geometry: Geometry, methods: tuple[str, ...], units: Units) -> Chart:
    """Lateral mean against depth at the time shown."""
    models = toolkit("bokeh.models")
    plot = _plain_figure(
        "profile",
        units.temperature.label(),
        units.length.label(),
        y_range=models.Range1d(units.length.factor * float(geometry.depth[0]), 0.0),
        x_range=models.DataRange1d(range_padding=0.04),
    )
    chart = Chart("profile", plot, methods)
    tip = "<b>@mean{0} K</b> at @depth{0} km" if units.dimensional else "<b>@mean{0.000}</b> at @depth{0.000}"
    chart.draw("mean", "depth", tip, "hline")
    return chart


def flux_chart(name: str, times: np.ndarray, methods: tuple[str, ...], units: Units) -> tuple[Chart, Any]:
    """One heat flux against time; also returns the mark at the time shown."""
    models = toolkit("bokeh.models")
    plot = _plain_figure(
        name,
        units.time.label(),
        units.heat_flux.label(),
        x_range=models.Range1d(float(times[0]), float(times[-1])),
        y_range=models.DataRange1d(range_padding=0.06),
    )
    chart = Chart(name, plot, methods)
    tip = "<b>@flux{0.0} mW/m²</b> at @time{0.00} Gyr" if units.dimensional else "<b>@flux{0.00}</b> at @time{0.0000}"
    chart.draw("time", "flux", tip, "vline")
    now = models.Span(
        location=float(times[-1]), dimension="height", line_color="#7a8397", line_width=1.2, name=f"{name}_now"
    )
    plot.add_layout(now)
    return chart, now


def _plain_figure(name: str, x_label: str, y_label: str, **keywords: Any) -> Any:
    plot = toolkit("bokeh.plotting").figure(
        name=name,
        x_axis_label=x_label,
        y_axis_label=y_label,
        height=250,
        sizing_mode="stretch_width",
        toolbar_location=None,
        tools="",
        min_border_right=14,
        outline_line_color=None,
        background_fill_alpha=0,
        border_fill_alpha=0,
        **keywords,
    )
    plot.grid.grid_line_color = GRID
    plot.axis.axis_label_text_font_style = "normal"
    for part in ("axis_label_text", "major_label_text"):
        setattr(plot.axis, f"{part}_font", FONT)
        setattr(plot.axis, f"{part}_color", INK)
    plot.axis.axis_label_text_font_size = "12px"
    plot.axis.major_label_text_font_size = "11px"
    plot.axis.axis_line_color = "#aab1c2"
    plot.axis.minor_tick_line_color = None
    plot.axis.major_tick_line_color = "#aab1c2"
    return plot


def legend(names: Mapping[str, str], note: str = "") -> str:
    """HTML of a legend: name of a series to its label; `note` follows."""
    colours = {name: METHODS[name].colour if name in METHODS else SIMULATION_COLOUR for name in names}
    lines = [
        f'<span><i class="{name}" style="border-color:{colours[name]}"></i>{label}</span>'
        for name, label in names.items()
    ]
    return f'<div class="legend">{"".join(lines)}<span class="unit">{note}</span></div>'
