"""The explorer in a real browser: sliders moved, pictures change, nothing leaves this machine."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from explore_server import running, tiny_explorer

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
def address(tiny):
    with running(tiny_explorer(tiny)) as url:
        yield url


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield opened
        opened.close()


class Visit:
    """A page that remembers what went wrong and where it asked."""

    def __init__(self, browser, address, width=1440, height=1000):
        self.context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
        self.page = self.context.new_page()
        self.errors, self.elsewhere = [], []
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("response", lambda r: self.errors.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        self.page.on("request", lambda r: self._asked(r.url))
        self.page.on("websocket", lambda socket: self._asked(socket.url))
        self.page.goto(address)
        self.page.wait_for_function("window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle")
        self.until(lambda: np.any(self.image("fnn") > 0))

    def _asked(self, url):
        if "//127.0.0.1:" not in url and not url.startswith(("data:", "blob:")):
            self.elsewhere.append(url)

    def image(self, name):
        return np.array(self.page.evaluate(PIXELS, f"image_{name}"))

    def value(self, name, what):
        return self.page.evaluate(f"name => Bokeh.documents[0].get_model_by_name(name).{what}", name)

    def until(self, condition, seconds=20):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            self.page.wait_for_timeout(50)

    def press(self, slider, key="ArrowRight", times=1):
        handle = self.page.locator(".noUi-handle").nth(slider)
        for _ in range(times):
            handle.press(key)

    def close(self):
        self.context.close()


@pytest.fixture(scope="module")
def shared_visit(browser, address):
    visited = Visit(browser, address)
    yield visited
    visited.close()


@pytest.fixture
def visit(shared_visit):
    yield shared_visit
    assert shared_visit.errors == []
    assert shared_visit.elsewhere == []


@pytest.mark.parametrize("slider", range(5))
def test_every_slider_changes_every_picture(visit, slider):
    before = {name: visit.image(name) for name in ("fnn", "lstm")}
    screen = visit.page.locator("figure").first.screenshot()
    visit.press(slider, "PageUp", 3)
    visit.until(lambda: all(np.abs(visit.image(name) - before[name]).max() > 0.01 for name in before))
    visit.page.wait_for_timeout(200)
    assert visit.page.locator("figure").first.screenshot() != screen
