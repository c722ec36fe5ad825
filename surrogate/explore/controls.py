"""Five sliders with units, each with a field for exact numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from surrogate.explore.spelling import SPELLINGS, read, written
from surrogate.explore.toolkit import toolkit
from surrogate.parameters import PARAMETERS, Parameter, Parameters

MARGIN = 0.08
"""Share of the trained range by which a slider goes beyond each end of it."""

STEPS = 400
"""Of a slider."""


class Controls:
    """The sliders of one session.

    Parameters
    ----------
    ranges : mapping
        Trained range of each parameter, SI units.
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

    def __init__(self, ranges: Mapping[str, tuple[float, float]], start: Parameters, style: str) -> None:
        pn = toolkit("panel")

        self.changed: Callable[[Parameters], None] = lambda _: None
        self.parameters, self._quiet = start, False
        self._sliders: dict[str, Any] = {}
        self._texts: dict[str, Any] = {}
        self._complaints: dict[str, Any] = {}
        rows = []
        for parameter in PARAMETERS:
            row = self._row(pn, parameter, ranges[parameter.name], style)
            rows.append(row)
        self.view = pn.Column(*rows, sizing_mode="stretch_width", margin=0)
        self._show()

    def _row(self, pn: Any, parameter: Parameter, trained: tuple[float, float], style: str) -> Any:
        name, spelling = parameter.name, SPELLINGS[parameter.name]
        low, high = (float(parameter.transform(value)) for value in trained)
        width = (high - low) or 0.1 * abs(low) or 1.0
        start, end = low - MARGIN * width, high + MARGIN * width
        if not parameter.logarithmic:
            start = max(start, 1e-3 * low)  # every parameter is positive
        inner = [100 * (edge - start) / (end - start) for edge in (low, high)]
        track = (
            ":host{--trained:linear-gradient(to right,#e3e6ec 0 " + f"{inner[0]:.1f}%,#a9c4df {inner[0]:.1f}% "
            f"{inner[1]:.1f}%,#e3e6ec {inner[1]:.1f}% 100%)" + "}"
        )
        slider = pn.widgets.FloatSlider(
            name="", start=start, end=end, step=(end - start) / STEPS, value=low, show_value=False, tooltips=False,
            sizing_mode="stretch_width", margin=(0, 10, 0, 10), stylesheets=[style, track],
        )  # fmt: skip
        text = pn.widgets.TextInput(
            name="", width=78, margin=0, stylesheets=[style], css_classes=["number"],
        )  # fmt: skip
        label = pn.pane.HTML(
            f"<label>{spelling.label} {spelling.symbol}</label>", sizing_mode="stretch_width", margin=(4, 0),
            stylesheets=[style],
        )  # fmt: skip
        unit = pn.pane.HTML(f'<span class="unit">{spelling.unit}</span>', width=48, margin=(4, 0, 0, 6),
                            stylesheets=[style])  # fmt: skip
        complaint = pn.pane.HTML("", visible=False, margin=0, sizing_mode="stretch_width", stylesheets=[style])
        slider.param.watch(lambda event: self._moved(parameter, event.new), "value")
        text.param.watch(lambda event: self._typed(parameter, event.new), "value")
        self._sliders[name], self._texts[name], self._complaints[name] = slider, text, complaint
        head = pn.Row(label, text, unit, sizing_mode="stretch_width", margin=0)
        return pn.Column(head, slider, complaint, sizing_mode="stretch_width", margin=(0, 0, 6, 0))

    def set(self, parameters: Parameters) -> None:
        """Move everything to these parameters, and tell."""
        self.parameters = parameters
        self._show()
        self.changed(parameters)

    def _moved(self, parameter: Parameter, natural: float) -> None:
        if not self._quiet:
            self._take(parameter, float(parameter.inverse(natural)))

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
        self.parameters = Parameters(**{**self.parameters.as_dict(), parameter.name: value})
        self._show((parameter,))
        self.changed(self.parameters)

    def _show(self, which: tuple[Parameter, ...] = PARAMETERS) -> None:
        """Bring sliders and numbers to what is set; a value beyond the end of a slider leaves it at its end."""
        self._quiet = True
        try:
            for parameter in which:
                value = getattr(self.parameters, parameter.name)
                slider = self._sliders[parameter.name]
                natural = min(max(float(parameter.transform(value)), slider.start), slider.end)
                if abs(slider.value - natural) > 1e-9 * (slider.end - slider.start):
                    slider.value = natural
                self._texts[parameter.name].value = written(parameter, value)
                self._complaints[parameter.name].visible = False
        finally:
            self._quiet = False
