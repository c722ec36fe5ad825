"""What stands on the page and where: sliders, pictures, charts, buttons; it computes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from surrogate.explore.charts import flux_chart, profile_chart
from surrogate.explore.explorer import Explorer
from surrogate.explore.pictures import Picture, colour_bar, colour_mapper, palette, toolkit
from surrogate.explore.spelling import read, shown_unit, symbol_html, unit_text, written
from surrogate.figures.style import DIFFERENCE, SEQUENTIAL, TEMPERATURE
from surrogate.methods import title_of
from surrogate.parameters import Parameter, Parameters, ParameterSpace
from surrogate.units import to_magnitude

LEVELS = {"50 %": 0.5, "90 %": 0.9, "95 %": 0.95}
"""Intervals offered."""

TEMPERATURES, ANOMALY = "temperature", "minus lateral mean"
"""What the pictures can show."""

LEVEL_NOTE = (
    "So often does the truth lie within the band: calibrated on runs that the networks did not see. Outside the "
    "trained ranges there are no bands."
)

MARGIN = 0.08
"""Share of the trained range by which a slider goes beyond each end of it."""

STEPS = 400
"""Of a slider."""


def web_file(name: str) -> str:
    """Text of a part of the page that is not Python."""
    return files("surrogate").joinpath("data", f"explorer{name}").read_text(encoding="utf-8")


class Controls:
    """The sliders of one session.

    Parameters
    ----------
    space : ParameterSpace
        With the trained ranges.
    start : Parameters
    style : str
        CSS.

    Attributes
    ----------
    changed : callable
        Called with the new Parameters whenever they change; to be set by the owner.
    parameters : Parameters
        What is set, exactly as typed or as the slider stands.
    view : panel.Column
    """

    def __init__(self, space: ParameterSpace, start: Parameters, style: str) -> None:
        self.changed: Callable[[Parameters], None] = lambda _: None
        self.parameters, self._quiet = start, False
        self._sliders: dict[str, Any] = {}
        self._texts: dict[str, Any] = {}
        self._complaints: dict[str, Any] = {}
        rows = [self._row(parameter, style) for parameter in space.parameters]
        self.view = toolkit("panel").Column(*rows, sizing_mode="stretch_width", margin=0)
        self._show(space.parameters)

    def _row(self, parameter: Parameter, style: str) -> Any:
        pn, unit = toolkit("panel"), unit_text(parameter)
        low, high = (float(parameter.natural(value)) for value in (parameter.low, parameter.high))
        width = (high - low) or 0.1 * abs(low) or 1.0
        start, end = low - MARGIN * width, high + MARGIN * width
        if parameter.positive and not parameter.logarithmic:
            start = max(start, 1e-3 * low)
        inner = [100 * (edge - start) / (end - start) for edge in (low, high)]
        track = (
            f":host{{--trained:linear-gradient(to right,#e3e6ec 0 {inner[0]:.1f}%,#a9c4df {inner[0]:.1f}% "
            f"{inner[1]:.1f}%,#e3e6ec {inner[1]:.1f}% 100%)}}"
        )
        wide: dict[str, Any] = {"sizing_mode": "stretch_width", "stylesheets": [style]}
        # For who does not see the page, see explorer_spoken.js.
        spoken = {
            "label": parameter.title,
            "unit": unit,
            "factor": to_magnitude(f"1 {parameter.unit}", shown_unit(parameter), parameter.name, difference=True),
            "logarithmic": parameter.logarithmic,
        }
        slider = pn.widgets.FloatSlider(
            name="",
            start=start,
            end=end,
            step=(end - start) / STEPS,
            value=low,
            show_value=False,
            tooltips=False,
            margin=(0, 10),
            tags=[spoken],
            sizing_mode="stretch_width",
            stylesheets=[style, track],
        )
        text = pn.widgets.TextInput(
            name="", width=78, margin=0, stylesheets=[style], css_classes=["number"], tags=[spoken]
        )
        symbol = symbol_html(parameter)
        label = pn.pane.HTML(f"<label>{escape(parameter.title.capitalize())} {symbol}</label>", margin=(4, 0), **wide)
        behind = pn.pane.HTML(
            f'<span class="unit">{escape(unit)}</span>', width=48, margin=(4, 0, 0, 6), stylesheets=[style]
        )
        complaint = pn.pane.HTML("", visible=False, margin=0, **wide)
        slider.param.watch(lambda event: self._moved(parameter, event.new), "value")
        text.param.watch(lambda event: self._typed(parameter, event.new), "value")
        name = parameter.name
        self._sliders[name], self._texts[name], self._complaints[name] = slider, text, complaint
        head = pn.Row(label, text, behind, sizing_mode="stretch_width", margin=0)
        return pn.Column(head, slider, complaint, sizing_mode="stretch_width", margin=(0, 0, 6, 0))

    def set(self, parameters: Parameters) -> None:
        """Move everything to these parameters, and tell."""
        self.parameters = parameters
        self._show(parameters.space.parameters)
        self.changed(parameters)

    def _moved(self, parameter: Parameter, natural: float) -> None:
        if not self._quiet:
            self._take(parameter, float(parameter.from_natural(natural)))

    def _typed(self, parameter: Parameter, text: str) -> None:
        if self._quiet:
            return
        complaint = self._complaints[parameter.name]
        try:
            value = read(parameter, text)
        except ValueError as error:
            complaint.param.update(object=f'<div class="complaint">{escape(str(error))}</div>', visible=True)
            return
        self._take(parameter, value)

    def _take(self, parameter: Parameter, value: float) -> None:
        self.parameters = Parameters(space=self.parameters.space, **{**self.parameters, parameter.name: value})
        self._show([parameter])
        self.changed(self.parameters)

    def _show(self, which: Sequence[Parameter]) -> None:
        """Bring sliders and numbers to what is set; a value beyond the end of a slider leaves it at its end."""
        self._quiet = True
        try:
            for parameter in which:
                value = self.parameters[parameter.name]
                slider = self._sliders[parameter.name]
                natural = min(max(float(parameter.natural(value)), slider.start), slider.end)
                if abs(slider.value - natural) > 1e-9 * (slider.end - slider.start):
                    slider.value = natural
                self._texts[parameter.name].value = written(parameter, value, unit=False)
                self._complaints[parameter.name].visible = False
        finally:
            self._quiet = False


class Layout:
    """The widgets, pictures and charts of one session, and the template that arranges them.

    Parameters
    ----------
    explorer : Explorer
    document : bokeh.document.Document
        Of the session.

    Attributes
    ----------
    pictures : dict of Picture
        By method, ``simulation`` (with a corpus only) and ``width``.
    titles, bars : dict of panel.pane.HTML
        Above and below each picture.
    profile : Chart
    fluxes : dict of Chart
        By the name of the flux in an answer.
    charts : list of Chart
        All of them.
    controls : Controls
    fields, lines : bokeh.models.ColumnDataSource
        What the browser draws, as one message each: columns of all pictures, and of all charts.
    template : panel.Template
    """

    def __init__(self, explorer: Explorer, document: Any) -> None:
        self.explorer, self._document, self._style = explorer, document, web_file("_parts.css")
        self._build_answers()
        self._build_time()
        self._build_side()
        self.template = self._arrange()

    def html(self, text: str = "", **keywords: Any) -> Any:
        """Text in the style of the page."""
        pn = toolkit("panel")

        settings: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": 0, "stylesheets": [self._style]}
        return pn.pane.HTML(text, **{**settings, **keywords})

    def _build_answers(self) -> None:
        geometry, simulations = self.explorer.surrogate.geometry, self.explorer.simulations
        units = self.explorer.surrogate.units
        self.colours = colour_mapper(TEMPERATURE, stretched=units.dimensional)
        self.width_colours = colour_mapper(SEQUENTIAL, stretched=False)
        methods = self.explorer.methods
        self.pictures = {name: Picture.of(name, geometry, self.colours, units) for name in methods}
        if simulations is not None:
            self.pictures["simulation"] = Picture.of("simulation", simulations.geometry, self.colours, units)
        parts = geometry.refined(None, max(len(methods), 2))
        self.pictures["width"] = Picture.of("width", parts, self.width_colours, units, blend=False)
        self.titles = {name: self.html() for name in self.pictures}
        self.bars = {name: self.html() for name in self.pictures}
        self.profile = profile_chart(geometry, methods, units)
        surface, now_surface = flux_chart("surface", self.explorer.times, methods, units)
        core, now_core = flux_chart("core", self.explorer.times, methods, units)
        self.fluxes = {"surface_heat_flux": surface, "core_mantle_boundary_heat_flux": core}
        self.charts = [self.profile, surface, core]
        self._marks = [now_surface, now_core]
        self.legend, self.light, self.report = self.html(), self.html(), self.html()

    def _build_time(self) -> None:
        models = toolkit("bokeh.models")
        times = [float(value) for value in self.explorer.times]
        last, shown = len(times) - 1, self.explorer.surrogate.units.time
        moments = [shown.text(value).removesuffix(shown.unit).strip() for value in times]
        self.time = models.Slider(
            start=0,
            end=max(last, 1),
            step=1,
            value=last,
            show_value=False,
            tooltips=False,
            title=None,
            sizing_mode="stretch_width",
            name="time_slider",
            stylesheets=[self._style],
            margin=(6, 12),
            tags=[{"label": "time", "unit": shown.unit, "values": moments}],
        )
        self.play = models.Toggle(
            label="▶  Play", name="play_button", width=100, button_type="primary", stylesheets=[self._style]
        )
        playing = models.CustomJS(args={"button": self.play, "time": self.time}, code=web_file("_play.js"))
        self.play.js_on_change("active", playing)
        self.clock = models.Div(text="", name="clock_text", stylesheets=[self._style], width=112)
        self.fields = models.ColumnDataSource(name="fields")
        self.lines = models.ColumnDataSource(name="lines")
        draw_pictures = models.CustomJS(
            args={
                "time": self.time,
                "times": times,
                "moments": moments,
                "unit": shown.unit,
                "fields": self.fields,
                "pictures": [picture.as_arguments() for picture in self.pictures.values()],
                "marks": self._marks,
                "clock": self.clock,
            },
            code=web_file("_pictures.js"),
        )
        draw_lines = models.CustomJS(
            args={
                "time": self.time,
                "lines": self.lines,
                "profiles": self.profile.as_arguments(),
                "series": [entry for chart in self.fluxes.values() for entry in chart.as_arguments()],
            },
            code=web_file("_lines.js"),
        )
        self.time.js_on_change("value", draw_pictures, draw_lines)
        self.fields.js_on_change("data", draw_pictures)
        self.lines.js_on_change("data", draw_lines)
        speak = models.CustomJS(code=web_file("_spoken.js"))
        self._document.js_on_event("document_ready", draw_pictures, draw_lines, speak)

    def _build_side(self) -> None:
        pn = toolkit("panel")

        style: Any = {"stylesheets": [self._style], "sizing_mode": "stretch_width"}
        self.controls = Controls(self.explorer.surrogate.space, self.explorer.centre, self._style)
        self.centre = pn.widgets.Button(name="Centre", margin=0, **style)
        self.nearest = pn.widgets.Button(name="Nearest run", margin=0, **style)
        self.unseen = pn.widgets.Button(name="Unseen run", margin=0, **style)
        self.view = pn.widgets.RadioButtonGroup(
            options=[TEMPERATURES, ANOMALY], value=TEMPERATURES, margin=(0, 0, 10, 0), **style
        )
        self.level = pn.widgets.RadioButtonGroup(options=list(LEVELS), value="90 %", margin=0, **style)
        self.method = pn.widgets.Select(
            options={title_of(name): name for name in self.explorer.surrogate.methods},
            width=112,
            margin=(0, 8, 0, 0),
            stylesheets=[self._style],
        )
        self.download = pn.widgets.FileDownload(
            filename="evolution.nc", label="Download NetCDF", button_type="primary", margin=0, **style
        )
        self.card_button = pn.widgets.Button(name="Physics report card", margin=(8, 0, 0, 0), **style)

    def _arrange(self) -> Any:
        pn = toolkit("panel")

        wide: Any = {"sizing_mode": "stretch_width", "margin": 0}
        buttons = [self.centre] if self.explorer.simulations is None else [self.centre, self.nearest, self.unseen]
        parts = {
            "light": self.light,
            "sliders": self.controls.view,
            "jumps": pn.FlexBox(*buttons, flex_wrap="nowrap", gap="6px", **wide),
            "level": pn.Column(
                self.view,
                self.level,
                self.html(f'<div class="note">{LEVEL_NOTE}</div>', margin=(6, 0, 0, 0)),
                **wide,
            ),
            "download": pn.Column(pn.Row(self.method, self.download, **wide), self.card_button, **wide),
            "clock": pn.pane.Bokeh(self.clock, margin=0),
            "play": pn.pane.Bokeh(self.play, margin=0),
            "time": pn.pane.Bokeh(self.time, **wide),
            "legend": self.legend,
            "report": self.report,
            "profile": pn.pane.Bokeh(self.profile.figure, **wide),
            "surface": pn.pane.Bokeh(self.fluxes["surface_heat_flux"].figure, **wide),
            "core": pn.pane.Bokeh(self.fluxes["core_mantle_boundary_heat_flux"].figure, **wide),
            "provenance": self.html(f'<div class="provenance">{escape(self.explorer.provenance)}</div>'),
        }
        for name, picture in self.pictures.items():
            parts[f"title_{name}"] = self.titles[name]
            parts[f"picture_{name}"] = pn.pane.Bokeh(picture.figure, sizing_mode="scale_width", margin=0)
            parts[f"bar_{name}"] = self.bars[name]

        class Template(pn.Template):  # type: ignore[name-defined]
            """Panel writes out a template again for every part that is added; it takes seconds."""

            def __repr__(self) -> str:
                return "surrogate explorer"

        template = Template(web_file(".html"))
        template.add_variable("page_style", web_file("_page.css"))
        template.add_variable("pictures", list(self.pictures))
        units = self.explorer.surrogate.units
        lower, upper = (f"{wall} {units.heat_flux.title}" for wall in units.walls)
        template.add_variable("flux_titles", {"surface": upper.capitalize(), "core": lower.capitalize()})
        for name, part in parts.items():
            template.add_panel(name, part)
        return template

    # -- showing --

    def show_temperature_scale(self, low: float, high: float) -> None:
        """Set the colour scale of the temperatures."""
        self._show_scale(TEMPERATURE, low, high, stretched=self.explorer.surrogate.units.dimensional)

    def show_anomaly_scale(self, limit: float) -> None:
        """Set the colour scale of temperatures less their lateral means."""
        self._show_scale(DIFFERENCE, -limit, limit, stretched=False)

    def _show_scale(self, colour_map: Any, low: float, high: float, stretched: bool) -> None:
        bar = colour_bar(colour_map, low, high, self.explorer.surrogate.units.temperature.unit, stretched)
        if self.bars[self.explorer.methods[0]].object == bar:
            return
        self.colours.update(palette=palette(colour_map, stretched), low=low, high=high)
        for name, pane in self.bars.items():
            if name != "width":
                pane.object = bar

    def show_width_scale(self, high: float) -> None:
        """Set the colour scale of the half-widths."""
        self.width_colours.update(low=0.0, high=high)
        unit = self.explorer.surrogate.units.temperature.unit
        self.bars["width"].object = colour_bar(SEQUENTIAL, 0.0, high, unit, stretched=False)
