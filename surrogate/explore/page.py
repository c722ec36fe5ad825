"""One visitor's session: how the page follows the sliders without ever lagging behind."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from functools import partial
from html import escape
from typing import Any

import numpy as np
import xarray as xr

from surrogate.explore.charts import legend
from surrogate.explore.explorer import SAME, Evolution, Explorer, NearRun, Question, card_rows
from surrogate.explore.layout import ANOMALY, LEVELS, Layout
from surrogate.explore.spelling import written
from surrogate.figures.style import nice_limit
from surrogate.methods import METHODS, title_of
from surrogate.parameters import Parameters
from surrogate.query import QueryError

logger = logging.getLogger(__name__)

SPLIT_WORDS = {
    "train": "used in training",
    "validation": "used in validation",
    "test": "never seen in training",
    "": "not known whether seen in training",
}


class Page:
    """The session of one visitor; sessions share the `explorer` and nothing else.

    A slider event only notes what is wanted. Answers are computed in `executor`, one of a session at a time; of what
    was wanted in between only the last is kept, so that the page is never more than one answer behind. Pictures come
    first, lines follow if the sliders rest.

    Parameters
    ----------
    explorer : Explorer
    executor : concurrent.futures.Executor
        Where answers are computed.
    document : bokeh.document.Document
        Of the session.

    Attributes
    ----------
    layout : Layout
    evolution : Evolution
        What the pictures show.
    """

    def __init__(self, explorer: Explorer, executor: Executor, document: Any) -> None:
        self.explorer, self._executor, self._document = explorer, executor, document
        self._busy = self._gone = False
        self._unseen = 0
        units, bundle = explorer.surrogate.units, explorer.surrogate.bundle
        coldest = bundle.planet.surface_temperature if units.dimensional else bundle.temperature_range[0]
        self._low = 50 * units.degree * np.floor(coldest / (50 * units.degree))
        self._high = self._widest = self._strongest = 0.0
        self.layout = layout = Layout(explorer, document)
        self._wanted = self._question()
        layout.controls.changed = lambda _: self._ask()
        layout.level.param.watch(lambda _: self._ask(), "value")
        layout.view.param.watch(lambda _: self._show_evolution(self.evolution), "value")
        layout.centre.on_click(lambda _: layout.controls.set(explorer.centre))
        layout.nearest.on_click(lambda _: self._go_to_nearest())
        layout.unseen.on_click(lambda _: self._go_to_unseen())
        layout.card_button.on_click(lambda _: self._ask_report())
        layout.method.param.watch(lambda _: self._name_file(), "value")
        layout.download.callback = self._file
        self._document.on_session_destroyed(self._leave)
        self._name_file()
        for method in explorer.methods:
            what = escape(METHODS[method].description.partition(": ")[2].rstrip("."))
            layout.titles[method].object = f'<div class="title">{title_of(method)}<small>{what}</small></div>'
        # The first answer is part of the page.
        evolution = explorer.evolution(self._wanted)
        self._show_evolution(evolution)
        self._show_lines(evolution, explorer.lines(self._wanted))
        for chart in layout.charts:
            chart.fill(layout.lines.data)

    def _leave(self, _: Any) -> None:
        self._gone = True

    # -- asking --

    def _ask(self) -> None:
        self._wanted = self._question()
        self._name_file()
        if not self._busy:
            self._answer()

    def _question(self) -> Question:
        return Question(self.layout.controls.parameters, LEVELS[self.layout.level.value])

    def _answer(self) -> None:
        self._submit(partial(self.explorer.evolution, self._wanted), self._take_evolution)

    def _take_evolution(self, evolution: Evolution) -> None:
        self._show_evolution(evolution)
        if self._wanted == evolution.question:  # the sliders rest
            self._submit(partial(self.explorer.lines, self._wanted), partial(self._take_lines, evolution))
        else:
            self._answer()

    def _take_lines(self, evolution: Evolution, lines: Mapping[str, xr.Dataset]) -> None:
        if self._wanted == evolution.question:
            self._show_lines(evolution, lines)
        else:
            self._answer()

    def _submit(self, work: Callable[[], Any], take: Callable[[Any], None]) -> None:
        """Compute in the executor, then call `take` with the result in the thread of the server."""
        self._busy, asked = True, self._wanted

        def finish(future: Future[Any]) -> None:
            self._busy = False
            error = future.exception()
            if error is None:
                take(future.result())
                return
            if isinstance(error, QueryError):  # so far outside that there is no answer
                self._show_nothing()
            else:
                logger.error("no answer to %s", asked, exc_info=error)
            self.layout.light.object = state_line("failed", f"No answer: {error}")
            if self._wanted != asked:
                self._answer()

        self._executor.submit(work).add_done_callback(
            lambda future: self._gone or self._document.add_next_tick_callback(partial(finish, future))
        )

    # -- showing --

    def _show_nothing(self) -> None:
        """Empty pictures and charts: those of another question would be taken for the answer."""
        columns: dict[str, Any] = {}
        for picture in self.layout.pictures.values():
            columns |= picture.columns(None)
        self.layout.fields.data = columns
        for chart in self.layout.charts:
            chart.show(False)

    def _show_evolution(self, evolution: Evolution) -> None:
        layout, near, run = self.layout, evolution.near, evolution.run
        fields = {name: answer["temperature"].values for name, answer in evolution.fields.items()}
        shown: dict[str, np.ndarray | None] = {**fields, "width": self._widths(evolution)}
        if near is not None:
            shown["simulation"] = None if run is None else self._on_page(run["temperature"], near)
            layout.titles["simulation"].object = simulation_title(near)
        if layout.view.value == ANOMALY:
            names = [name for name in (*self.explorer.methods, "simulation") if shown.get(name) is not None]
            shown |= {name: _anomaly(shown[name]) for name in names}
            strongest = max(float(np.nanpercentile(np.abs(shown[name]), 99.8)) for name in names)  # type: ignore
            self._strongest = max(self._strongest, nice_limit(strongest))
            layout.show_anomaly_scale(self._strongest)
        else:
            # A scale that followed every answer would hide what changes: it only ever grows.
            hottest = max(float(values.max()) for values in fields.values())
            step = 100 * self.explorer.surrogate.units.degree
            self._high = max(self._high, step * np.ceil(hottest / step))
            layout.show_temperature_scale(self._low, self._high)
        columns: dict[str, Any] = {}
        for name, picture in layout.pictures.items():
            columns |= picture.columns(shown[name])
        layout.fields.data = columns
        reasons = self.explorer.outside(evolution)
        text = "Extrapolation: " + "; ".join(reasons) if reasons else "Within the range of the training runs"
        took = f"answered in {evolution.milliseconds:.0f} ms"
        layout.light.object = state_line("out" if reasons else "in", text, took)
        self.evolution = evolution

    def _on_page(self, values: xr.DataArray, near: NearRun) -> np.ndarray:
        """Values of a simulation at the times of the page; NaN where it has no snapshot."""
        index = self.explorer.simulations.snapshots(near.position, self.explorer.times)  # type: ignore[union-attr]
        known = (index >= 0).reshape(-1, *[1] * (values.ndim - 1))
        return np.where(known, values.values[index], np.nan)

    def _widths(self, evolution: Evolution) -> np.ndarray | None:
        """Half-widths of all predictors side by side, shape (time, radius, parts); None where there are none."""
        layout, methods = self.layout, self.explorer.methods
        halves = [
            half for half in (_half(evolution.fields[name], "temperature") for name in methods) if half is not None
        ]
        if not any(self.explorer.surrogate.calibrated(method) for method in methods):
            widths, note = None, "this bundle holds no calibrated intervals"
        elif len(halves) < len(methods):
            widths, note = None, "none outside the trained ranges"
        else:
            # A sector begins on the right, where its last column is the leftmost part of the picture; a box does not.
            backward = -1 if self.explorer.surrogate.geometry.curved else 1
            parts = halves[::backward] if len(halves) > 1 else halves * 2
            widths = np.stack(parts, axis=-1)
            note = f"half-width: {', '.join(map(title_of, methods))}" + (", from the left" if len(methods) > 1 else "")
            self._widest = max(self._widest, nice_limit(float(widths.max())))
            layout.show_width_scale(self._widest)
        level = f"{evolution.question.level:.0%}".replace("%", " %")
        layout.titles["width"].object = f'<div class="title">{level} interval, ±<small>{note}</small></div>'
        return widths

    def _show_lines(self, evolution: Evolution, lines: Mapping[str, xr.Dataset]) -> None:
        layout, geometry, units = self.layout, self.explorer.surrogate.geometry, self.explorer.surrogate.units
        factor = units.heat_flux.factor
        names = {method: title_of(method) for method in lines}
        columns: dict[str, Any] = {}
        for method, answer in lines.items():
            mean, half = answer["lateral_mean_temperature"].values, _half(answer, "lateral_mean_temperature")
            columns |= layout.profile.columns(method, units.length.factor * geometry.depth, mean, half)
            for name, chart in layout.fluxes.items():
                half = _half(answer, name)
                columns |= chart.columns(
                    method, self.explorer.times, factor * answer[name].values, None if half is None else factor * half
                )
        near, run = evolution.near, evolution.run
        if near is None or run is None:
            for chart in layout.charts:
                columns |= chart.columns("simulation", [])
        else:
            names["simulation"] = f"simulation {near.simulation}"
            depth = units.length.factor * self.explorer.simulations.geometry.depth  # type: ignore[union-attr]
            profile = self._on_page(run["lateral_mean_temperature"], near)
            columns |= layout.profile.columns("simulation", depth, profile)
            for name, chart in layout.fluxes.items():
                columns |= chart.columns("simulation", run["time"].values, factor * run[name].values)
        banded = any("lateral_mean_temperature_half_width" in answer for answer in lines.values())
        bands = " · bands: calibrated intervals" if banded else ""
        layout.legend.object = legend(names, bands)
        layout.lines.data = columns
        for chart in layout.charts:
            chart.show(True)

    # -- the rest of the page --

    def _go_to(self, position: int) -> None:
        simulations = self.explorer.simulations
        if simulations is not None:
            self.layout.controls.set(
                Parameters.from_array(simulations.parameters[position], self.explorer.surrogate.space)
            )

    def _go_to_nearest(self) -> None:
        near = self.explorer.nearest(self.layout.controls.parameters)
        if near is not None:
            self._go_to(near.position)

    def _go_to_unseen(self) -> None:
        if self.explorer.simulations is not None:
            rows = self.explorer.simulations.unseen()
            self._go_to(rows[self._unseen % len(rows)])
            self._unseen += 1

    def _name_file(self) -> None:
        parameters, method = self.layout.controls.parameters, self.layout.method.value
        self.layout.download.filename = self.explorer.file_name(parameters, method)

    def _file(self) -> io.BytesIO:
        return io.BytesIO(self.explorer.netcdf(self._wanted, self.layout.method.value))

    def _ask_report(self) -> None:
        parameters = self.layout.controls.parameters
        self.layout.report.object = '<div class="note">computing the report card ...</div>'
        self._executor.submit(self.explorer.report_cards, parameters).add_done_callback(
            lambda future: (
                self._gone or self._document.add_next_tick_callback(partial(self._show_report, parameters, future))
            )
        )

    def _show_report(self, parameters: Parameters, future: Future[Any]) -> None:
        error = future.exception()
        if error is not None:
            self.layout.report.object = f'<div class="complaint">{escape(str(error))}</div>'
            return
        cards = future.result()
        point = ", ".join(written(entry, parameters[entry.name]) for entry in parameters.space.parameters)
        head = "".join(f"<th>{title_of(name)}</th>" for name in cards)
        body = ""
        for label, limit, cells in card_rows(cards, self.explorer.surrogate.units):
            body += f"<tr><td>{label}</td><td>{limit}</td>"
            for text, passed in cells:
                kind = {True: ' class="ok"', False: ' class="bad"'}.get(passed, "")  # type: ignore[arg-type]
                body += f"<td{kind}>{text}{' ✓' if passed else ' ✗' if passed is False else ''}</td>"
            body += "</tr>"
        self.layout.report.object = (
            '<div class="cards"><b>Physics report card</b> '
            f'<span class="unit">of {escape(point)}, all times</span>'
            f"<table><tr><th></th><th>at most</th>{head}</tr>{body}</table></div>"
        )


def simulation_title(near: NearRun) -> str:
    """HTML that says which simulation is shown and how near it is."""
    share, tip = f"{100 * near.distance:.2g} % of the ranges away", ""
    if near.distance <= SAME:
        head, text = f"Simulation {near.simulation}", f"these parameters; {SPLIT_WORDS[near.split]}"
    elif near.near:
        head, text = f"Simulation {near.simulation}", f"{share}; {SPLIT_WORDS[near.split]}"
    else:
        head, text = "No simulation near", f"run {near.simulation} is {share}"
    if near.distance > SAME:
        tip = f"differs most in {near.farthest.replace('_', ' ')}"
    return f'<div class="title" title="{tip}">{head}<small>{text}</small></div>'


def state_line(state: str, text: str, note: str = "") -> str:
    """HTML of the light: green for "in", amber for "out", red for "failed"."""
    return f'<div class="state {state}"><i></i><span>{escape(text)}</span><small>{note}</small></div>'


def _anomaly(fields: np.ndarray | None) -> np.ndarray | None:
    return None if fields is None else fields - fields.mean(axis=-1, keepdims=True)


def _half(answer: xr.Dataset, name: str) -> np.ndarray | None:
    half = answer.get(f"{name}_half_width")
    return None if half is None else half.values
