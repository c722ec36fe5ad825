"""One visitor's session: how the page follows the sliders without ever lagging behind."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from html import escape
from typing import Any

import numpy as np
import xarray as xr

from surrogate.explore.charts import NAMES, legend
from surrogate.explore.controls import SPELLINGS, written
from surrogate.explore.explorer import METHODS, Explorer, card_rows
from surrogate.explore.layout import LEVELS, Layout
from surrogate.explore.simulations import SAME, NearRun
from surrogate.explore.toolkit import toolkit
from surrogate.figures.style import nice_limit
from surrogate.parameters import PARAMETERS, Parameters

logger = logging.getLogger(__name__)

SPLIT_WORDS = {
    "train": "used in training",
    "validation": "used in validation",
    "test": "never seen in training",
    "": "not known whether seen in training",
}

Question = tuple[Parameters, float]
"""Parameters, and the level of the intervals."""


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

    Attributes
    ----------
    layout : Layout
    shown : Question or None
        What the pictures answer.
    """

    def __init__(self, explorer: Explorer, executor: Executor) -> None:
        self.explorer, self._executor = explorer, executor
        self._document = toolkit("bokeh.io").curdoc()
        self._busy = self._gone = False
        self._serial, self._unseen = 0, 0
        self._low = 50 * np.floor(explorer.surrogate.planet.surface_temperature / 50)
        self._high = self._widest = 0.0
        self.layout = layout = Layout(explorer)
        self._wanted: Question = (layout.controls.parameters, LEVELS[layout.level.value])
        self.shown: Question | None = None
        layout.controls.changed = lambda _: self._ask()
        layout.level.param.watch(lambda _: self._ask(), "value")
        layout.centre.on_click(lambda _: layout.controls.set(explorer.centre))
        layout.nearest.on_click(lambda _: self._go_to_nearest())
        layout.unseen.on_click(lambda _: self._go_to_unseen())
        layout.card_button.on_click(lambda _: self._ask_report())
        layout.method.param.watch(lambda _: self._name_file(), "value")
        layout.download.callback = self._file
        self._document.on_session_destroyed(self._leave)
        self._name_file()
        # The first answer is part of the page.
        self._show_fields(self._wanted, self._fields(self._wanted))
        self._show_lines(self._lines(self._wanted))

    def _leave(self, _: Any) -> None:
        self._gone = True

    # -- asking --

    def _ask(self) -> None:
        self._wanted = (self.layout.controls.parameters, LEVELS[self.layout.level.value])
        self._name_file()
        if not self._busy:
            self._answer()

    def _answer(self) -> None:
        question = self._wanted
        self._submit(partial(self._fields, question), partial(self._fields_done, question))

    def _fields_done(self, question: Question, answers: dict[str, xr.Dataset] | BaseException) -> None:
        if isinstance(answers, BaseException):
            self._fail(question, answers)
            return
        self._show_fields(question, answers)
        if self._wanted != question:
            self._answer()
        else:
            self._submit(partial(self._lines, question), partial(self._lines_done, question))

    def _lines_done(self, question: Question, answers: dict[str, xr.Dataset] | BaseException) -> None:
        if isinstance(answers, BaseException):
            self._fail(question, answers)
            return
        if self._wanted != question:
            self._answer()
            return
        self._show_lines(answers)

    def _fail(self, question: Question, error: BaseException) -> None:
        logger.error("no answer for %s", question, exc_info=error)
        self.layout.light.object = f'<div class="state failed"><i></i><span>{escape(str(error))}</span></div>'
        if self._wanted != question:
            self._answer()

    def _submit(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Compute in the executor, then call `done` with the result (or the exception) in the thread of the server."""
        self._busy = True

        def finish(result: Any) -> None:
            self._busy = False
            self._document.hold("combine")  # one message to the browser per answer
            try:
                done(result)
            finally:
                self._document.unhold()

        def finished(future: Future[Any]) -> None:
            if not self._gone:
                result = future.exception() or future.result()
                self._document.add_next_tick_callback(partial(finish, result))

        self._executor.submit(work).add_done_callback(finished)

    def _fields(self, question: Question) -> dict[str, xr.Dataset]:
        started = time.perf_counter()
        answers = {method: self.explorer.fields(question[0], method, question[1]) for method in METHODS}
        self._milliseconds = 1e3 * (time.perf_counter() - started)
        near = self.explorer.nearest(question[0])
        if near is not None and near.near and self.explorer.simulations is not None:
            self.explorer.simulations.run(near.position)  # read here, not in the thread of the server
        return answers

    def _lines(self, question: Question) -> dict[str, xr.Dataset]:
        return {method: self.explorer.lines(question[0], method, question[1]) for method in METHODS}

    # -- showing --

    def _show_fields(self, question: Question, answers: dict[str, xr.Dataset]) -> None:
        layout, explorer = self.layout, self.explorer
        parameters, level = question
        near = explorer.nearest(parameters)
        run = None
        if near is not None and near.near and explorer.simulations is not None:
            run = explorer.simulations.run(near.position)
        fields = {name: answer["temperature"].values for name, answer in answers.items()}
        for method in METHODS:
            layout.pictures[method].show(fields[method])
            layout.titles[method].object = f'<div class="title">{NAMES[method]}</div>'
        self._show_widths(answers, level)
        self._show_simulation(near, run)
        hottest = max(float(values.max()) for values in fields.values())
        high = 100 * np.ceil(hottest / 100)
        if high > self._high:  # a scale that follows every answer would hide what changes
            self._high = high
            layout.show_temperature_scale(self._low, high)
        self._show_light(explorer.outside(parameters, answers["fnn"]))
        self.shown = question
        self._serial += 1
        layout.redraw(self._serial)

    def _show_widths(self, answers: dict[str, xr.Dataset], level: float) -> None:
        layout = self.layout
        halves = [answers[method].get("temperature_half_width") for method in METHODS]
        if any(half is None for half in halves):
            layout.pictures["width"].show(None)
            note = "this bundle holds no calibrated intervals"
        else:
            widths = np.stack([half.values for half in halves], axis=-1)  # type: ignore[union-attr]
            # The sector begins on the right: the second column is the left half of the picture.
            layout.pictures["width"].show(widths[..., ::-1])
            widest = nice_limit(float(widths.max()))
            if widest > self._widest:
                self._widest = widest
                layout.show_width_scale(widest)
            note = "half-width: FNN left, LSTM right"
        layout.titles["width"].object = f'<div class="title">{level:.0%} interval, ±<small>{note}</small></div>'

    def _show_simulation(self, near: NearRun | None, run: xr.Dataset | None) -> None:
        layout, simulations = self.layout, self.explorer.simulations
        names = {method: NAMES[method] for method in METHODS}
        if near is not None and simulations is not None:
            picture = layout.pictures["simulation"]
            if run is None:
                picture.show(None)
                layout.profile.show("simulation", None, None)
                for chart in layout.fluxes.values():
                    chart.show("simulation", None, None)
            else:
                index = simulations.snapshots(near.position, self.explorer.times)
                known = (index >= 0)[:, None]
                fields = run["temperature"].values[index]
                picture.show(np.where(known[..., None], fields, np.nan))
                profile = run["lateral_mean_temperature"].values[index]
                depth = simulations.annulus.depth / 1e3
                layout.profile.show("simulation", depth, np.where(known, profile, np.nan))
                for name, chart in layout.fluxes.items():
                    chart.show("simulation", run["time"].values, run[name].values)
                names["simulation"] = f"simulation (run {near.simulation})"
            layout.titles["simulation"].object = self._simulation_title(near)
        bands = " · bands: calibrated intervals" if self.explorer.surrogate.calibrated("fnn") else ""
        layout.legend.object = legend(names, bands)

    def _simulation_title(self, near: NearRun) -> str:
        share, tip = f"{100 * near.distance:.2g} % of the ranges away", ""
        if near.distance <= SAME:
            head, text = f"Simulation {near.simulation}", f"these parameters; {SPLIT_WORDS[near.split]}"
        elif near.near:
            head, text = f"Simulation {near.simulation}", f"{share}; {SPLIT_WORDS[near.split]}"
        else:
            head, text = "No simulation near", f"run {near.simulation} is {share}"
        if near.distance > SAME:
            tip = f"differs most in {SPELLINGS[near.farthest].label.lower()}"
        return f'<div class="title" title="{tip}">{head}<small>{escape(text)}</small></div>'

    def _show_light(self, reasons: list[str]) -> None:
        took = f"<small>answered in {self._milliseconds:.0f} ms</small>"
        if reasons:
            text = "Extrapolation: " + "; ".join(reasons)
            self.layout.light.object = f'<div class="state out"><i></i><span>{escape(text)}</span>{took}</div>'
        else:
            text = "Within the range of the training runs"
            self.layout.light.object = f'<div class="state"><i></i><span>{text}</span>{took}</div>'

    def _show_lines(self, answers: dict[str, xr.Dataset]) -> None:
        layout, annulus = self.layout, self.explorer.surrogate.annulus
        for method, answer in answers.items():
            mean = answer["lateral_mean_temperature"].values
            layout.profile.show(method, annulus.depth / 1e3, mean, _half(answer, "lateral_mean_temperature"))
            for name, chart in layout.fluxes.items():
                chart.show(method, self.explorer.times, answer[name].values, _half(answer, name))
        self._serial += 1
        layout.redraw(self._serial)

    # -- the rest of the page --

    def _go_to(self, position: int) -> None:
        simulations = self.explorer.simulations
        if simulations is not None:
            self.layout.controls.set(Parameters.from_array(simulations.parameters[position]))

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
        parameters, level = self._wanted
        return io.BytesIO(self.explorer.netcdf(parameters, self.layout.method.value, level))

    def _ask_report(self) -> None:
        parameters = self.layout.controls.parameters
        self.layout.report.object = '<div class="note">computing the report card ...</div>'
        self._executor.submit(self.explorer.report_cards, parameters).add_done_callback(
            lambda future: self._gone or self._document.add_next_tick_callback(
                partial(self._show_report, parameters, future)
            )
        )  # fmt: skip

    def _show_report(self, parameters: Parameters, future: Future[Any]) -> None:
        error = future.exception()
        if error is not None:
            self.layout.report.object = f'<div class="complaint">{escape(str(error))}</div>'
            return
        cards = future.result()
        point = ", ".join(written(entry, getattr(parameters, entry.name), unit=True) for entry in PARAMETERS)
        head = "".join(f"<th>{NAMES[name]}</th>" for name in cards)
        body = ""
        for label, limit, cells in card_rows(cards):
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


def _half(answer: xr.Dataset, name: str) -> np.ndarray | None:
    half = answer.get(f"{name}_half_width")
    return None if half is None else half.values
