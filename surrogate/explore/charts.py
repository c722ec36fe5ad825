"""Pictures and line charts of the page, as Bokeh draws them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import Colormap, to_hex

from surrogate.annulus import Annulus
from surrogate.explore.pictures import PixelMap, outline, pack
from surrogate.explore.toolkit import toolkit
from surrogate.figures.style import STRETCH, colour_of

SERIES = ("fnn", "lstm", "simulation")
"""What the charts show, from the back to the front."""

NAMES = {"fnn": "FNN", "lstm": "LSTM", "simulation": "simulation"}
COLOURS = {"fnn": colour_of("fnn"), "lstm": colour_of("lstm"), "simulation": "#111111"}

GRID, INK = "#e7e9ee", "#475067"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
COLOURS_IN_SCALE = 256


def palette(colour_map: Colormap, stretch: float = 1.0) -> list[str]:
    """Colours equally spaced in value; `stretch` above 1 gives more of them to large values, as the figures do."""
    shares = np.linspace(0, 1, COLOURS_IN_SCALE) ** stretch
    return [to_hex(colour) for colour in colour_map(shares)]


@dataclass
class Picture:
    """One sector on the page.

    Attributes
    ----------
    figure : bokeh.plotting.figure
    map : PixelMap
    source, pixels, image : bokeh.models.ColumnDataSource
        The packed history, the pixel map, and the drawn pixels, which the browser fills.
    """

    figure: Any
    map: PixelMap
    source: Any
    pixels: Any
    image: Any

    @classmethod
    def of(cls, name: str, annulus: Annulus, mapper: Any, blend: bool = True) -> Picture:
        """Prepare an empty picture; arguments as for :meth:`PixelMap.of`."""
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
        return cls(plot, chart, models.ColumnDataSource(_no_history(), name=f"history_{name}"), pixels, image)

    def show(self, fields: np.ndarray | None) -> None:
        """Take a history, shape (time, radius, angle); None empties the picture."""
        if fields is None:
            self.source.data = _no_history()
            return
        packed = pack(self.map.thin(fields))
        self.source.data = {"values": [packed.integers], "low": [packed.low], "step": [packed.step]}

    def as_arguments(self) -> dict[str, Any]:
        """Return what the script in the browser needs of this picture."""
        return {"history": self.source, "map": self.pixels, "image": self.image}


def _no_history() -> dict[str, list[Any]]:
    return {"values": [], "low": [], "step": []}


def colour_mapper(colour_map: Colormap, stretched: bool) -> Any:
    """Colour scale of pictures, to be given its ends; transparent where there is no value."""
    models = toolkit("bokeh.models")

    colours = palette(colour_map, STRETCH if stretched else 1.0)
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
class ProfileChart:
    """Lateral mean against depth at the time shown, with bands.

    Attributes
    ----------
    figure : bokeh.plotting.figure
    history : dict of ColumnDataSource
        By name of :data:`SERIES`: ``mean`` and ``half``, arrays of shape (time, radius), and ``depth`` in km.
    shown : dict of ColumnDataSource
        The lines, which the browser cuts out of the history.
    """

    figure: Any
    history: dict[str, Any]
    shown: dict[str, Any]

    @classmethod
    def of(cls, annulus: Annulus) -> ProfileChart:
        """Prepare an empty chart for profiles of a surrogate."""
        models = toolkit("bokeh.models")

        deepest = float(annulus.depth[0]) / 1e3
        plot = _plain_figure(
            "profile", "Lateral mean temperature", "temperature [K]", "depth [km]",
            y_range=models.Range1d(deepest, 0.0), x_range=models.DataRange1d(range_padding=0.04),
        )  # fmt: skip
        shown = {
            name: models.ColumnDataSource({"depth": [], "mean": [], "low": [], "high": []}, name=f"profile_{name}")
            for name in SERIES
        }
        for name in ("fnn", "lstm"):
            plot.harea("low", "high", "depth", source=shown[name], fill_color=COLOURS[name], fill_alpha=0.16)
        for name in SERIES:
            line = plot.line(
                "mean", "depth", source=shown[name], color=COLOURS[name], line_width=2 if name != "simulation" else 1.6,
                line_dash="solid" if name != "simulation" else "4 3",
            )  # fmt: skip
            tip = f"{NAMES[name]}: <b>@mean{{0}} K</b> at @depth{{0}} km"
            plot.add_tools(models.HoverTool(renderers=[line], tooltips=tip, mode="hline"))
        history = {
            name: models.ColumnDataSource({"depth": [], "mean": [], "half": []}, name=f"profiles_{name}")
            for name in SERIES
        }
        return cls(plot, history, shown)

    def show(self, name: str, depth: Any, mean: Any, half: Any = None) -> None:
        """Take a history of profiles, K, shape (time, radius); `depth` in km; None as mean empties it."""
        if mean is None:
            self.history[name].data = {"depth": [], "mean": [], "half": []}
            return
        mean = np.asarray(mean, dtype=np.float32)
        half = np.zeros_like(mean) if half is None else np.asarray(half, dtype=np.float32)
        self.history[name].data = {"depth": [np.asarray(depth, np.float32)], "mean": [mean], "half": [half]}


@dataclass
class FluxChart:
    """One heat flux against time, with bands and a mark at the time shown.

    Attributes
    ----------
    figure : bokeh.plotting.figure
    lines : dict of ColumnDataSource
    now : bokeh.models.Span
    """

    figure: Any
    lines: dict[str, Any]
    now: Any

    @classmethod
    def of(cls, name: str, times: np.ndarray, title: str) -> FluxChart:
        """Prepare an empty chart."""
        models = toolkit("bokeh.models")

        plot = _plain_figure(
            name, title, "time [Gyr]", "heat flux [mW/m²]",
            x_range=models.Range1d(float(times[0]), float(times[-1])),
            y_range=models.DataRange1d(range_padding=0.06, only_visible=True),
        )  # fmt: skip
        lines = {
            key: models.ColumnDataSource({"time": [], "flux": [], "low": [], "high": []}, name=f"{name}_{key}")
            for key in SERIES
        }
        for key in ("fnn", "lstm"):
            plot.varea("time", "low", "high", source=lines[key], fill_color=COLOURS[key], fill_alpha=0.16)
        for key in SERIES:
            line = plot.line(
                "time", "flux", source=lines[key], color=COLOURS[key], line_width=2 if key != "simulation" else 1.6,
                line_dash="solid" if key != "simulation" else "4 3",
            )  # fmt: skip
            tip = f"{NAMES[key]}: <b>@flux{{0.0}} mW/m²</b> at @time{{0.00}} Gyr"
            plot.add_tools(models.HoverTool(renderers=[line], tooltips=tip, mode="vline"))
        now = models.Span(location=float(times[-1]), dimension="height", line_color="#7a8397", line_width=1.2)
        plot.add_layout(now)
        return cls(plot, lines, now)

    def show(self, name: str, times: Any, flux: Any, half: Any = None) -> None:
        """Take a series, W/m2, shape (time,); None as flux empties it."""
        if flux is None:
            self.lines[name].data = {"time": [], "flux": [], "low": [], "high": []}
            return
        flux = 1e3 * np.asarray(flux, dtype=float)
        half = 0.0 if half is None else 1e3 * np.asarray(half, dtype=float)
        self.lines[name].data = {
            "time": np.asarray(times, dtype=float), "flux": flux, "low": flux - half, "high": flux + half
        }  # fmt: skip


def colour_bar(colour_map: Colormap, low: float, high: float, unit: str, stretched: bool, ticks: int = 5) -> str:
    """HTML of a horizontal colour bar with its numbers."""
    colours = palette(colour_map, STRETCH if stretched else 1.0)[:: COLOURS_IN_SCALE // 32]
    raw = (high - low) / ticks
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= raw * (1 - 1e-9))
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
