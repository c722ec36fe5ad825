"""The explorer's server without a browser: sessions, coalescing, what is refused."""

import re
import socket
import threading
import urllib.request
from collections import deque
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from explore_server import running, tiny_explorer
from learning_examples import made_up_corpus

from conftest import Command
from surrogate.diagnostics import surface_heat_flux
from surrogate.explore import ExploreError
from surrogate.explore.explorer import Question
from surrogate.explore.page import Page
from surrogate.explore.pictures import Packed, PixelMap
from surrogate.explore.serving import greeting, make_server, open_explorer
from surrogate.fields import select_run
from surrogate.parameters import Parameters
from surrogate.query import Surrogate

pn = pytest.importorskip("panel", reason="the extra `explore` is not installed")


@pytest.fixture(scope="module")
def explorer(tiny: Surrogate) -> Any:
    return tiny_explorer(tiny)


@pytest.fixture(scope="module")
def address(explorer: Any) -> Any:
    with running(explorer) as url:
        yield url


class Visitor:
    """A page without a browser: answers wait until :meth:`work` is called."""

    def __init__(self, explorer: Any) -> None:
        from bokeh.document import Document

        self.document: Any = Document()
        self.tasks: deque[Any] = deque()
        self.page = Page(explorer, cast(Any, self), self.document)

    def submit(self, function: Any, *arguments: list[str]) -> Any:
        future: Future[Any] = Future()
        self.tasks.append((future, function, arguments))
        return future

    def work(self) -> Any:
        while self.tasks:
            future, function, arguments = self.tasks.popleft()
            try:
                future.set_result(function(*arguments))
            except Exception as error:
                future.set_exception(error)
            for callback in list(self.document.session_callbacks):
                callback.callback()

    def move(self, share: float, number: int = 4) -> Any:
        """Put a slider at a share of its way."""
        slider = self.page.layout.controls.view.select(pn.widgets.FloatSlider)[number]
        slider.value = slider.start + share * (slider.end - slider.start)
        return slider.value

    def shown(self, name: str = "fnn") -> Any:
        data = self.page.layout.fields.data
        return Packed(data[name][0], data[f"{name}_low"][0], data[f"{name}_step"][0]).unpack()


def thinned(surrogate: Any, values: Any) -> Any:
    return PixelMap.of(surrogate.geometry).thin(surrogate.predict(values)["temperature"].values)


def test_what_is_shown_is_what_the_surrogate_says(explorer: Any, tiny: Surrogate) -> None:
    visitor = Visitor(explorer)
    np.testing.assert_allclose(visitor.shown(), thinned(tiny, explorer.centre), atol=0.03)
    values = {**explorer.centre, "initial_temperature": visitor.move(0.25)}
    visitor.work()
    np.testing.assert_allclose(visitor.shown(), thinned(tiny, values), atol=0.03)
    lines = visitor.page.layout.lines.data
    flux = tiny.heat_flux(values)["surface_heat_flux"]
    np.testing.assert_allclose(lines["surface_fnn_flux"][0], 1e3 * flux, rtol=1e-5)
    mean = tiny.profile(values, method="lstm", interval=0.9)
    np.testing.assert_allclose(lines["profile_lstm_mean"][0], mean["lateral_mean_temperature"], rtol=1e-5)
    high = mean["lateral_mean_temperature"] + mean["lateral_mean_temperature_half_width"]
    np.testing.assert_allclose(lines["profile_lstm_high"][0], high, rtol=1e-5)


def test_a_slider_of_viscosity_is_logarithmic(explorer: Any) -> None:
    visitor = Visitor(explorer)
    natural = visitor.move(0.3, number=0)
    assert visitor.page.layout.controls.parameters.reference_viscosity == pytest.approx(10**natural)


def test_a_second_session_is_not_disturbed(explorer: Any) -> None:
    first, second = Visitor(explorer), Visitor(explorer)
    before, other = first.shown(), second.shown()
    first.move(0.9)
    first.work()
    second.work()
    assert np.abs(first.shown() - before).max() > 0.1
    np.testing.assert_array_equal(second.shown(), other)
    assert second.page.layout.controls.parameters == explorer.centre


def test_a_burst_of_events_is_answered_twice_and_ends_with_the_last(
    explorer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    answer = explorer.evolution

    def counted(question: Question) -> Any:
        asked.append(question)
        return answer(question)

    monkeypatch.setattr(explorer, "evolution", counted)
    visitor = Visitor(explorer)
    asked.clear()
    for step in range(40):
        last = visitor.move(0.3 + 0.01 * step)
    assert len(visitor.tasks) == 1
    visitor.work()
    assert len(asked) == 2  # the first, which was under way, and the last
    assert asked[-1].parameters.initial_temperature == pytest.approx(last)
    assert visitor.page.evolution.question == asked[-1]


def test_an_answer_that_fails_is_said_and_the_next_one_comes(explorer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = Visitor(explorer)
    with monkeypatch.context() as broken:
        broken.setattr(explorer, "evolution", lambda question: 1 / 0)
        visitor.move(0.2)
        visitor.work()
    assert "failed" in visitor.page.layout.light.object
    assert "division by zero" in visitor.page.layout.light.object
    visitor.move(0.8)
    visitor.work()
    assert "failed" not in visitor.page.layout.light.object
    assert "answered in" in visitor.page.layout.light.object


def test_a_question_without_an_answer_leaves_no_picture_of_another(explorer: Any) -> None:
    visitor = Visitor(explorer)
    assert visitor.shown().size
    visitor.page.layout.controls.set(Parameters(**{**explorer.centre, "reference_viscosity": 1e31}))
    visitor.work()
    assert "No answer" in visitor.page.layout.light.object
    assert "reference_viscosity" in visitor.page.layout.light.object
    assert visitor.shown().size == 0
    drawn = [renderer for chart in visitor.page.layout.charts for renderer in chart.figure.renderers]
    assert len(drawn) == 3 * 5
    assert not any(renderer.visible for renderer in drawn)
    visitor.page.layout.controls.set(explorer.centre)
    visitor.work()
    assert visitor.shown().size
    assert all(renderer.visible for renderer in drawn)


def test_bands_are_drawn_within_the_trained_ranges_only(explorer: Any) -> None:
    visitor = Visitor(explorer)

    def widths() -> Any:
        lines = visitor.page.layout.lines.data
        return lines["profile_fnn_high"][0] - lines["profile_fnn_low"][0]

    assert widths().max() > 0
    assert "calibrated intervals" in visitor.page.layout.legend.object
    visitor.move(1.0, number=1)  # the end of a slider is beyond the trained range
    visitor.work()
    assert widths().max() == 0
    assert "calibrated intervals" not in visitor.page.layout.legend.object
    assert "none outside the trained ranges" in visitor.page.layout.titles["width"].object


def test_a_visitor_who_left_is_not_answered(explorer: Any) -> None:
    visitor = Visitor(explorer)
    visitor.move(0.2)
    for callback in visitor.document.session_destroyed_callbacks:
        callback(SimpleNamespace(_document=visitor.document))
    before = visitor.shown()
    visitor.work()
    np.testing.assert_array_equal(visitor.shown(), before)


def test_the_simulation_of_an_unseen_run_comes_with_its_flux(explorer: Any) -> None:
    visitor = Visitor(explorer)
    assert visitor.page.layout.fields.data["simulation"][0].size == 0
    visitor.page.layout.unseen.clicks += 1
    visitor.work()
    run = select_run(made_up_corpus(), 15)
    shown = visitor.shown("simulation")
    np.testing.assert_allclose(shown[: run.sizes["time"]], run["temperature"].values, atol=0.03)
    flux = surface_heat_flux(run, explorer.surrogate.planet)
    np.testing.assert_allclose(visitor.page.layout.lines.data["surface_simulation_flux"][0], 1e3 * flux, rtol=1e-5)
    assert "never seen in training" in visitor.page.layout.titles["simulation"].object


def test_everything_the_page_loads_comes_from_the_server_itself(address: str) -> None:
    page = urllib.request.urlopen(address, timeout=600).read().decode()
    sources = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page)
    assert len(sources) >= 4
    assert [source for source in sources if re.match(r"(https?:)?//", source)] == []


def test_a_page_that_is_built_does_not_hold_up_other_sessions(explorer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    building, go_on = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Any:
        building.set()
        assert go_on.wait(600)
        return Page(*arguments)

    monkeypatch.setattr("surrogate.explore.serving.Page", slow)
    pages = []
    with running(explorer) as url:
        visitor = threading.Thread(target=lambda: pages.append(urllib.request.urlopen(url, timeout=600).read()))
        visitor.start()
        assert building.wait(600)
        # The loop of the server still answers.
        assert urllib.request.urlopen(f"{url}/static/js/bokeh.min.js", timeout=600).status == 200
        assert not pages
        go_on.set()
        visitor.join(600)
    assert b"surrogate explorer" in pages[0]


def test_a_page_of_another_site_may_not_connect(address: str) -> None:
    host = address.removeprefix("http://")
    request = (
        f"GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: http://evil.test\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    name, port = host.split(":")
    with socket.create_connection((name, int(port)), timeout=600) as connection:
        connection.sendall(request.encode())
        assert b" 403 " in connection.recv(200).splitlines()[0]


def test_a_port_in_use_is_named(explorer: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        caught = []

        def work() -> Any:
            import asyncio

            asyncio.set_event_loop(asyncio.new_event_loop())
            try:
                make_server(explorer, port)
            except ExploreError as error:
                caught.append(str(error))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(30)
    assert caught
    assert caught[0].startswith(f"port {port} of 127.0.0.1 is in use")


def test_only_this_machine_is_asked_in_unless_told(address: str) -> None:
    assert address.startswith("http://127.0.0.1:")
    assert len(greeting("127.0.0.1", 1)) == 1
    assert greeting("0.0.0.0", 1)[0].startswith("warning: 0.0.0.0 is not loopback")


def test_a_missing_bundle_and_a_missing_corpus_end_the_command(
    command: Command, bundle_folder: Path, tmp_path: Path
) -> None:
    code, _, err = command("explore", tmp_path / "nothing")
    assert code == 2
    assert "nothing: no such bundle" in err
    code, _, err = command("explore", bundle_folder, "--corpus", tmp_path / "none.zarr")
    assert code == 2
    assert "none.zarr: no such corpus" in err


def test_a_corpus_beside_the_bundle_is_found_and_a_broken_one_is_no_obstacle(
    bundle_folder: Path, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(bundle_folder, tmp_path / "surrogate")
    assert open_explorer(str(tmp_path / "surrogate")).simulations is None
    (tmp_path / "corpus.zarr").mkdir()
    with pytest.warns(UserWarning, match="no simulations are shown: .*not a Zarr 3 store"):
        assert open_explorer(str(tmp_path / "surrogate")).simulations is None
