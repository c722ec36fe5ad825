"""Pictures and line charts of the page, as Bokeh draws them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.colors import Colormap, to_hex

from surrogate.annulus import Annulus
from surrogate.explore.explorer import NAMES
from surrogate.explore.pictures import PixelMap, outline, pack
from surrogate.explore.toolkit import toolkit
from surrogate.figures.style import STRETCH, colour_of, nice_limit

SERIES = ("fnn", "lstm", "simulation")
"""What the charts show, from the back to the front."""

COLOURS = {"fnn": colour_of("fnn"), "lstm": colour_of("lstm"), "simulation": "#111111"}

GRID, INK = "#e7e9ee", "#475067"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
COLOURS_IN_SCALE = 256


def palette(colour_map: Colormap, stretched: bool) -> list[str]:
    """Colours equally spaced in value; `stretched` gives more of them to large values, as the figures do."""
    shares = np.linspace(0, 1, COLOURS_IN_SCALE) ** (STRETCH if stretched else 1.0)
    return [to_hex(colour) for colour in colour_map(shares)]


@dataclass
class Picture:
    """One sector on the page.

    Attributes
    ----------
    name : str
        Column of its fields in an answer.
    figure : bokeh.plotting.figure
    map : PixelMap
    pixels, image : bokeh.models.ColumnDataSource
        The pixel map, and the drawn pixels, which the browser fills.
    """

    name: str
    figure: Any
    map: PixelMap
    pixels: Any
    image: Any

    @classmethod
    def of(cls, name: str, annulus: Annulus, mapper: Any, blend: bool = True) -> Picture:
        """Prepare an empty picture with a colour mapper; other arguments as for :meth:`PixelMap.of`."""
        models = toolkit("bokeh.models")
        chart = PixelMap.of(annulus, blend=blend)
        left, bottom, size = chart.extent
        plot = toolkit("bokeh.plotting").figure(
            width=300, height=300, sizing_mode="scale_width", toolbar_location=None, tools="", name=f"picture_{name}",
            x_range=models.Range1d(left, left + size), y_range=models.Range1d(bottom, bottom + size), min_border=0,
            outline_line_color=None, background_fill_alpha=0, border_fill_alpha=0,
        )  # fmt: skip
        plot.axis.visible = False
        plot.grid.visible = False
        empty = np.full((chart.pixels, chart.pixels), np.nan, dtype=np.float32)
        image = models.ColumnDataSource({"image": [empty]}, name=f"image_{name}")
        drawn = plot.image(
            "image", source=image, x=left, y=bottom, dw=size, dh=size, color_mapper=mapper, level="image"
        )
        plot.line(*outline(annulus), line_color="#444b5d", line_width=1)
        said = models.CustomJSHover(code="return isNaN(value) ? 'outside' : value.toFixed(0) + ' K'")
        plot.add_tools(
            models.HoverTool(
                renderers=[drawn], tooltips="<b>@image{custom}</b>", formatters={"@image": said}, attachment="above"
            )
        )
        pixels = models.ColumnDataSource(
            {key: [getattr(chart, key)] for key in ("pixel", "node", "up", "right")}, name=f"map_{name}"
        )
        return cls(name, plot, chart, pixels, image)

    def columns(self, fields: np.ndarray | None) -> dict[str, list[Any]]:
        """Pack a history, shape (time, radius, angle), as the browser wants it; None empties the picture."""
        packed = pack(np.zeros((0, 0, 0)) if fields is None else self.map.thin(fields))
        return {self.name: [packed.integers], f"{self.name}_low": [packed.low], f"{self.name}_step": [packed.step]}

    def as_arguments(self) -> dict[str, Any]:
        """Return what the script in the browser needs of this picture."""
        return {"name": self.name, "map": self.pixels, "image": self.image}


def colour_mapper(colour_map: Colormap, stretched: bool) -> Any:
    """Colour scale of pictures, to be given its ends; transparent where there is no value."""
    models = toolkit("bokeh.models")

    colours = palette(colour_map, stretched)
    return models.LinearColorMapper(palette=colours, low=0.0, high=1.0, nan_color="rgba(0,0,0,0)")


def _plain_figure(name: str, title: str, x_label: str, y_label: str, **keywords: Any) -> Any:
    plot = toolkit("bokeh.plotting").figure(
        height=270, sizing_mode="stretch_width", toolbar_location=None, tools="", name=name, min_border_right=14,
        title=title, x_axis_label=x_label, y_axis_label=y_label, outline_line_color=None, background_fill_alpha=0,
        border_fill_alpha=0, **keywords,
    )  # fmt: skip
    plot.grid.grid_line_color = GRID
    plot.title.update(text_font=FONT, text_font_size="13px", text_font_style="bold", text_color="#1d2433")
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


@dataclass
class Chart:
    """Lines of the predictors with their bands, and of the simulation.

    Attributes
    ----------
    name : str
        Columns of an answer are called after it, see :meth:`columns`.
    figure : bokeh.plotting.figure
    shown : dict of bokeh.models.ColumnDataSource
        By name of :data:`SERIES`; the browser fills them.
    """

    name: str
    figure: Any
    shown: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        models = toolkit("bokeh.models")
        self.shown = {
            series: models.ColumnDataSource(
                {key: [] for key in (*self.axes, "low", "high")}, name=f"{self.name}_{series}"
            )
            for series in SERIES
        }

    def as_arguments(self) -> list[dict[str, Any]]:
        """Return what the script in the browser needs of this chart."""
        return [{"name": f"{self.name}_{series}", "shown": source} for series, source in self.shown.items()]

    def columns(self, series: str, axis: Any, value: Any = None, half: Any = None) -> dict[str, list[np.ndarray]]:
        """Pack one series as the browser wants it.

        Parameters
        ----------
        series : str
            Of :data:`SERIES`.
        axis : array
            Depths, km, shape (radius,); or times, Gyr, shape (time,).
        value : array, optional
            Temperatures, K, shape (time, radius); or fluxes, mW/m2, shape (time,). None empties the line.
        half : array, optional
            Half-width of the band, of the shape of `value`.
        """
        along, across = self.axes
        value = np.zeros((0,)) if value is None else np.asarray(value, dtype=np.float32)
        half = np.zeros_like(value) if half is None else np.asarray(half, dtype=np.float32)
        axis = np.asarray(axis, dtype=np.float32)[: len(axis) if value.size else 0]
        entries = {along: axis, across: value, "low": value - half, "high": value + half}
        return {f"{self.name}_{series}_{key}": [entry.astype(np.float32)] for key, entry in entries.items()}

    @property
    def axes(self) -> tuple[str, str]:
        """What the chart is drawn along, and what it shows."""
        return ("depth", "mean") if self.name == "profile" else ("time", "flux")

    def draw(self, series: str, x: str, y: str, tip: str, mode: str) -> None:
        """Add the line of a series; `tip` says under the pointer what it is worth."""
        truth = series == "simulation"
        line = self.figure.line(
            x, y, source=self.shown[series], color=COLOURS[series], line_width=1.6 if truth else 2,
            line_dash="4 3" if truth else "solid",
        )  # fmt: skip
        tool = toolkit("bokeh.models").HoverTool(
            renderers=[line], tooltips=f"{NAMES[series]}: {tip}", mode=mode
        )  # fmt: skip
        self.figure.add_tools(tool)


def profile_chart(annulus: Annulus) -> Chart:
    """Lateral mean against depth at the time shown."""
    models = toolkit("bokeh.models")
    plot = _plain_figure(
        "profile", "Lateral mean temperature", "temperature [K]", "depth [km]",
        y_range=models.Range1d(float(annulus.depth[0]) / 1e3, 0.0), x_range=models.DataRange1d(range_padding=0.04),
    )  # fmt: skip
    chart = Chart("profile", plot)
    for series in ("fnn", "lstm"):
        plot.harea("low", "high", "depth", source=chart.shown[series], fill_color=COLOURS[series], fill_alpha=0.16)
    for series in SERIES:
        chart.draw(series, "mean", "depth", "<b>@mean{0} K</b> at @depth{0} km", "hline")
    return chart


def flux_chart(name: str, times: np.ndarray, title: str) -> tuple[Chart, Any]:
    """One heat flux against time; also returns the mark at the time shown."""
    models = toolkit("bokeh.models")
    plot = _plain_figure(
        name, title, "time [Gyr]", "heat flux [mW/m²]",
        x_range=models.Range1d(float(times[0]), float(times[-1])), y_range=models.DataRange1d(range_padding=0.06),
    )  # fmt: skip
    chart = Chart(name, plot)
    for series in ("fnn", "lstm"):
        plot.varea("time", "low", "high", source=chart.shown[series], fill_color=COLOURS[series], fill_alpha=0.16)
    for series in SERIES:
        chart.draw(series, "time", "flux", "<b>@flux{0.0} mW/m²</b> at @time{0.00} Gyr", "vline")
    now = models.Span(
        location=float(times[-1]), dimension="height", line_color="#7a8397", line_width=1.2, name=f"{name}_now"
    )
    plot.add_layout(now)
    return chart, now


def colour_bar(colour_map: Colormap, low: float, high: float, unit: str, stretched: bool, ticks: int = 5) -> str:
    """HTML of a horizontal colour bar with its numbers."""
    colours = palette(colour_map, stretched)[:: COLOURS_IN_SCALE // 32]
    step = nice_limit((high - low) / ticks)
    marks = np.arange(np.ceil(low / step) * step, high + 1e-9 * step, step)
    labels = "".join(f'<span style="left:{100 * (mark - low) / (high - low):.2f}%">{mark:g}</span>' for mark in marks)
    return (
        f'<div class="bar"><div class="scale" style="background:linear-gradient(to right,{",".join(colours)})"></div>'
        f'<div class="marks">{labels}</div><div class="unit">{unit}</div></div>'
    )


def legend(names: Mapping[str, str], note: str = "") -> str:
    """HTML of a legend: name of a series to its label; `note` follows."""
    return '<div class="legend">' + "".join(
        f'<span><i class="{name}" style="border-color:{COLOURS[name]}"></i>{label}</span>'
        for name, label in names.items()
    ) + f'<span class="unit">{note}</span></div>'  # fmt: skip
