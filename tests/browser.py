# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Pages in a real browser: Debian's Chromium, drawing in software, driven by Playwright."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

__all__ = ["IN_BROWSER", "Visit", "browser", "visit_page"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# Drawing without a graphics card, and silence about everything that is not this page.
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

IN_BROWSER = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")]
"""Marks of every file of browser tests."""


@dataclass
class Visit:
    """A page that is open, and everything it said and asked for."""

    page: Page
    address: str
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def state(self, expression: str) -> Any:
        """Something of the viewer's own state."""
        return self.page.evaluate(f"(() => {{ const p = diffdenoise; return {expression} }})()")

    def crosshairs(self) -> list[list[int]]:
        """Voxel under the crosshair of each image of the viewer."""
        return self.state("p.panes.map((pane) => pane.voxel.map(Math.round))")

    def canvas(self, number: int) -> Locator:
        return self.page.locator("canvas").nth(number)

    def picture(self, what: Locator) -> np.ndarray:
        """(height, width) gray values, as drawn."""
        return np.asarray(self._image(what).convert("L"), dtype=float)

    def colors(self, what: Locator) -> np.ndarray:
        """(height, width, 3), as drawn."""
        return np.asarray(self._image(what).convert("RGB"))

    def width(self) -> int:
        """Of all that is on the page; more than the window's means that it has to be moved sideways."""
        return int(self.page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"))

    def faults(self) -> list[tuple[str, str]]:
        """What axe finds: each fault with the first element that has it."""
        axe = pytest.importorskip("axe_playwright_python.sync_playwright")
        found = axe.Axe().run(self.page).response["violations"]
        return [(fault["id"], fault["nodes"][0]["html"]) for fault in found]

    def complaints(self) -> list[str]:
        """Errors and warnings of the console."""
        return [line for line in self.said if line.startswith(("error", "warning"))]

    def _image(self, what: Locator) -> Any:
        images = pytest.importorskip("PIL.Image")
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return images.open(io.BytesIO(what.screenshot()))


def visit_page(browser: Browser, address: str, width: int = 1280, height: int = 800, theme: str = "light") -> Visit:
    """Open a page and write down from the beginning what it says and asks for.

    Args:
        browser: the fixture of this name.
        address: of the page.
        width: of the window, in pixels.
        height: of the window.
        theme: "light" or "dark".
    """
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)  # type: ignore[arg-type]
    one = Visit(page, address)
    page.on("console", lambda message: one.said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: one.said.append(f"error: {error}"))
    page.on("request", lambda request: one.asked.append(request.url))
    page.goto(address)
    return one


# One a file: as long as it runs, its event loop stands in the way of all others.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    driver_of = pytest.importorskip("playwright.sync_api")
    with driver_of.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()
