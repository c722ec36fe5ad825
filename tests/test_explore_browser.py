"""The explorer in a real browser: sliders moved, pictures change, nothing leaves this machine."""

import os
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explore_server import running, tiny_explorer

from surrogate.query import Surrogate

pytest.importorskip("panel", reason="the extra `explore` is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
if not CHROMIUM.exists():
    pytest.skip(f"no browser at {CHROMIUM}; the environment variable CHROMIUM names another", allow_module_level=True)

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

# Every 23rd pixel is enough to see a change, and quick to hand over.
PIXELS = """name => [...Bokeh.documents[0].get_model_by_name(name).data.image[0]]
    .filter((_, k) => k % 23 == 0).map(v => isNaN(v) ? -1 : v)"""


@pytest.fixture(scope="module")
def address(tiny: Surrogate) -> Any:
    with running(tiny_explorer(tiny)) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Any:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield opened
        opened.close()


class Visit:
    """A page that remembers what went wrong and where it asked."""

    def __init__(self, browser: Any, address: str, width: int = 1440, height: int = 1000) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("response", lambda r: self.errors.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        self.page.on("request", lambda r: self._asked(r.url))
        self.page.on("websocket", lambda socket: self._asked(socket.url))
        self.page.goto(address)
        self.page.wait_for_function("window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle")
        self.until(lambda: np.any(self.image("fnn") > 0))

    def _asked(self, url: Any) -> Any:
        if "//127.0.0.1:" not in url and not url.startswith(("data:", "blob:")):
            self.elsewhere.append(url)

    def image(self, name: str) -> Any:
        return np.array(self.page.evaluate(PIXELS, f"image_{name}"))

    def value(self, name: str, what: Any) -> Any:
        return self.page.evaluate(f"name => Bokeh.documents[0].get_model_by_name(name).{what}", name)

    def until(self, condition: Any, seconds: Any = 300) -> Any:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            self.page.wait_for_timeout(50)

    def press(self, slider: int, key: str = "ArrowRight", times: int = 1) -> Any:
        handle = self.page.locator(".noUi-handle").nth(slider)
        for _ in range(times):
            handle.press(key)

    def close(self) -> Any:
        self.context.close()


@pytest.fixture(scope="module")
def shared_visit(browser: Any, address: str) -> Any:
    visited = Visit(browser, address)
    yield visited
    visited.close()


@pytest.fixture
def visit(shared_visit: Visit) -> Any:
    yield shared_visit
    assert shared_visit.errors == []
    assert shared_visit.elsewhere == []


@pytest.mark.parametrize("slider", range(5))
def test_every_slider_changes_every_picture(visit: Visit, slider: int) -> None:
    before = {name: visit.image(name) for name in ("fnn", "lstm")}
    screen = visit.page.locator("figure").first.screenshot()
    visit.press(slider, "PageUp", 3)
    visit.until(lambda: all(np.abs(visit.image(name) - before[name]).max() > 0.01 for name in before))
    visit.page.wait_for_timeout(200)
    assert visit.page.locator("figure").first.screenshot() != screen


def test_a_slider_says_what_it_is_and_its_value_with_its_unit(visit: Visit, tiny: Surrogate) -> None:
    visit.page.get_by_role("button", name="Centre").click()
    point = tiny_explorer(tiny).centre
    handle = visit.page.get_by_role("slider", name="activation volume")
    text = f"{1e6 * point['activation_volume']:.4g} cm³/mol"
    visit.until(lambda: handle.get_attribute("aria-valuetext") == text)
    handle.press("PageUp")
    visit.until(lambda: handle.get_attribute("aria-valuetext") != text)
    assert (
        visit.page.get_by_role("slider", name="reference viscosity").get_attribute("aria-valuetext").endswith(" Pa s")
    )
    assert visit.page.get_by_role("slider", name="time").get_attribute("aria-valuetext").endswith(" Gyr")
    assert visit.page.get_by_role("textbox", name="activation volume in cm³/mol").count() == 1
    visit.page.get_by_role("button", name="Centre").click()


def test_no_heading_is_cut_on_a_small_laptop(browser: Any, address: str) -> None:
    visit = Visit(browser, address, 1280, 800)
    cut = "[...document.querySelectorAll('h2, h3')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.textContent)"
    assert visit.page.evaluate(cut) == []
    assert visit.page.get_by_role("heading", name="Core-mantle boundary heat flux").count() == 1
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 1280
    visit.close()
    assert visit.errors == []


def test_the_pictures_on_the_screen_are_the_prediction(visit: Visit, tiny: Surrogate) -> None:
    """What the browser draws is what Python draws from the same answer."""
    from surrogate.explore.pictures import PixelMap

    visit.page.get_by_role("button", name="Centre").click()
    point = tiny_explorer(tiny).centre
    chart = PixelMap.of(tiny.geometry)
    field = tiny.predict(point)["temperature"].values[-1]
    expected = np.nan_to_num(chart.draw(chart.thin(field)).ravel()[::23], nan=-1)
    visit.until(lambda: np.allclose(visit.image("fnn"), expected, atol=0.1))


def test_a_typed_number_moves_the_slider_and_a_wrong_unit_is_refused(visit: Visit) -> None:
    before = visit.image("fnn")
    field = visit.page.locator("input[type=text]").nth(4)
    handle = visit.page.locator(".noUi-handle").nth(4)
    there = handle.bounding_box()["x"]
    field.fill("1350 degC")
    field.press("Enter")
    visit.until(lambda: field.input_value() == "1623")
    visit.until(lambda: np.abs(visit.image("fnn") - before).max() > 0.01)
    assert abs(handle.bounding_box()["x"] - there) > 10
    field.fill("1700 Pa")
    field.press("Enter")
    visit.page.get_by_text("Initial temperature: expected a positive number in K, got '1700 Pa'").wait_for()
    field.fill("1700")
    field.press("Enter")
    visit.page.get_by_text("expected a positive number").wait_for(state="hidden")


def test_time_moves_by_itself_and_asks_the_server_for_nothing(visit: Visit) -> None:
    last = visit.image("fnn")
    end = visit.value("time_slider", "end")
    visit.page.get_by_role("button", name="Play").click()
    visit.until(lambda: 0 < visit.value("time_slider", "value") < end)
    visit.until(lambda: visit.value("time_slider", "value") == end and not visit.value("play_button", "active"))
    visit.page.evaluate("Bokeh.documents[0].get_model_by_name('time_slider').value = 3")
    visit.until(lambda: np.abs(visit.image("fnn") - last).max() > 1)
    marked = visit.value("surface_now", "location")
    assert f"{marked:.2f}" in visit.value("clock_text", "text")
    profile = visit.value("profile_fnn", "data.mean")
    visit.page.evaluate("Bokeh.documents[0].get_model_by_name('time_slider').value = 7")
    visit.until(lambda: visit.value("profile_fnn", "data.mean") != profile)


def test_the_light_says_why_it_is_amber_and_why_there_is_no_answer(visit: Visit) -> None:
    field = visit.page.locator("input[type=text]").nth(1)
    field.fill("600")
    field.press("Enter")
    visit.page.get_by_text(re.compile("Extrapolation: activation energy 600 kJ/mol is above the trained")).wait_for()
    visit.until(lambda: np.all(visit.image("width") == -1))
    field.fill("9e9")
    field.press("Enter")
    visit.page.get_by_text(re.compile("No answer: .*activation_energy")).wait_for()
    visit.until(lambda: np.all(visit.image("fnn") == -1))
    visit.page.get_by_role("button", name="Centre").click()
    visit.page.get_by_text("No answer").wait_for(state="hidden")


def test_the_simulation_of_an_unseen_run_stands_beside_its_prediction(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Unseen run").click()
    visit.page.get_by_text("these parameters; never seen in training").wait_for()
    # This made-up run ends early: at the last time there is no simulation, before there is.
    visit.page.evaluate("Bokeh.documents[0].get_model_by_name('time_slider').value = 2")
    visit.until(lambda: np.any(visit.image("simulation") > 0))
    visit.until(lambda: len(visit.value("surface_simulation", "data.flux")) > 3)
    visit.page.get_by_role("button", name="Centre").click()
    visit.page.get_by_text("No simulation near").wait_for()
    visit.until(lambda: np.all(visit.image("simulation") == -1))  # drawn in the next frame


def test_pictures_without_their_lateral_mean_are_of_both_signs(visit: Visit) -> None:
    visit.page.get_by_role("button", name="minus lateral mean").click()
    visit.until(lambda: np.any(visit.image("fnn") < -1.5))
    visit.page.get_by_role("button", name="temperature", exact=True).click()
    visit.until(lambda: visit.image("fnn").max() > 1000)


def test_wider_intervals_for_higher_levels(visit: Visit) -> None:
    widths = {}
    for level in ("50 %", "95 %"):
        before = visit.image("width").max()
        visit.page.get_by_role("button", name=level).click()
        visit.until(lambda before=before: visit.image("width").max() != before)
        widths[level] = visit.image("width").max()
    assert widths["95 %"] > widths["50 %"] > 0
    visit.page.get_by_role("button", name="90 %").click()


def test_the_download_opens(visit: Visit, tmp_path: Path) -> None:
    from surrogate.fields import open_netcdf

    visit.page.get_by_role("combobox").select_option("LSTM")
    with visit.page.expect_download() as started:
        visit.page.get_by_text("Download NetCDF").click()
    target = tmp_path / started.value.suggested_filename
    started.value.save_as(target)
    assert target.name.startswith("evolution_lstm_")
    with open_netcdf(target) as run:
        assert run.attrs["method"] == "lstm"
        assert run["temperature"].shape[1:] == (12, 10)


def test_the_report_card_comes_on_demand(visit: Visit) -> None:
    assert visit.page.get_by_text("surface temperature deviation").count() == 0
    visit.page.get_by_role("button", name="Physics report card").click()
    visit.page.get_by_text("surface temperature deviation").wait_for()


def test_a_second_tab_does_not_disturb_the_first(visit: Visit, browser: Any, address: str) -> None:
    before = visit.image("lstm")
    other = Visit(browser, address, 430, 900)
    start = other.image("lstm")
    other.press(0, "PageUp", 2)
    other.until(lambda: np.abs(other.image("lstm") - start).max() > 0.01)
    # The narrow page is one column: nothing sticks out to the right.
    assert other.page.evaluate("document.documentElement.scrollWidth") <= 430
    other.close()
    assert other.errors == []
    np.testing.assert_array_equal(visit.image("lstm"), before)
    visit.press(0, "PageUp")
    visit.until(lambda: np.abs(visit.image("lstm") - before).max() > 0.001)
