# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser: Debian's Chromium, drawing in software, driven by Playwright."""

from __future__ import annotations

import io
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from monai_diffdenoise.data import read_volume, volume_from_array
from monai_diffdenoise.viewer import Scene, Shown, ViewerServer

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
Image = pytest.importorskip("PIL.Image")

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# Drawing without a graphics card, and silence about everything that is not this page.
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")]

SHAPE = (24, 22, 20)
RNG = np.random.default_rng(0)
BALL = (np.sum((np.indices(SHAPE) - np.reshape(SHAPE, (3, 1, 1, 1)) / 2) ** 2, axis=0) < 60).astype(np.float32)
NOISY = 100 * BALL + RNG.normal(0, 10, SHAPE).astype(np.float32)


def _shown(label: str, array: np.ndarray, spacing: float = 2.0) -> Shown:
    array = array if array.ndim == 4 else array[None]
    return Shown(volume_from_array(array, np.diag([spacing, spacing, spacing, 1.0])), label)


PAIR = Scene((_shown("A: noisy", NOISY), _shown("B: denoised", 100 * BALL)), (_shown("Residual", NOISY - 100 * BALL),))
PLAIN = Scene((_shown("A: bright", np.full(SHAPE, 90.0)), _shown("B: dark", np.full(SHAPE, 10.0))))


@dataclass
class Visit:
    """A page that is open, and everything it said and asked for."""

    page: Page
    address: str
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def state(self, expression: str) -> Any:
        """Something of the page's own state."""
        return self.page.evaluate(f"(() => {{ const p = diffdenoise; return {expression} }})()")

    def crosshairs(self) -> list[list[int]]:
        return self.state("p.panes.map((pane) => pane.voxel.map(Math.round))")

    def canvas(self, number: int) -> Locator:
        return self.page.locator("canvas").nth(number)

    def picture(self, what: Locator) -> np.ndarray:
        """(height, width) gray values, as drawn."""
        return np.asarray(self._image(what).convert("L"), dtype=float)

    def colors(self, what: Locator) -> np.ndarray:
        """(height, width, 3), as drawn."""
        return np.asarray(self._image(what).convert("RGB"))

    def _image(self, what: Locator) -> Any:
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return Image.open(io.BytesIO(what.screenshot()))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Factory: serve a scene and open its page; afterwards no test leaves an error or a foreign request behind."""
    open_ones: list[tuple[Visit, ViewerServer]] = []

    def go(scene: Scene, width: int = 1280, height: int = 800, theme: str = "light") -> Visit:
        server = ViewerServer(scene)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
        one = Visit(page, server.address)
        open_ones.append((one, server))
        page.on("console", lambda message: one.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: one.said.append(f"error: {error}"))
        page.on("request", lambda request: one.asked.append(request.url))
        page.goto(server.opening_address)
        page.wait_for_selector("body[data-ready]", timeout=60_000)
        return one

    yield go
    for one, server in open_ones:
        one.page.close()
        server.shutdown()
        server.server_close()
        assert [line for line in one.said if line.startswith(("error", "warning"))] == []
        assert one.asked[0] == server.opening_address or one.asked[0].startswith("http://127.0.0.1:")
        assert {url for url in one.asked[1:] if not url.startswith((server.address, "data:"))} == set()


def test_the_ticket_leads_to_the_page_and_what_is_asked_for_is_known(visit: Callable[..., Visit]) -> None:
    one = visit(PAIR)
    assert one.page.url == one.address
    names = {url.removeprefix(one.address) for url in one.asked if url.startswith(one.address)}
    assert {"scene.json", "niivue.js", "volumes/0/0.nii", "volumes/1/0.nii", "overlays/0/0.nii"} <= names


def test_slices_of_all_images_move_together(visit: Callable[..., Visit]) -> None:
    one = visit(PAIR)
    assert one.crosshairs() == [[12, 11, 10]] * 2
    before = one.picture(one.canvas(1))
    box = one.canvas(0).bounding_box()
    assert box is not None
    # into the axial plane of the first image, at the lower left of its four pictures
    one.page.mouse.click(box["x"] + 0.18 * box["width"], box["y"] + 0.65 * box["height"])
    moved = one.crosshairs()
    assert moved[0] == moved[1] != [12, 11, 10]
    assert np.abs(one.picture(one.canvas(1)) - before).max() > 50
    one.page.mouse.wheel(0, 240)
    assert one.crosshairs()[0] == one.crosshairs()[1] != moved[0]


def test_keys_move_and_switch(visit: Callable[..., Visit]) -> None:
    one = visit(PAIR)
    one.canvas(1).focus()
    # the patient's right is on the left, so that a step to the right goes to lower numbers
    for key, place in [("ArrowRight", [11, 11, 10]), ("ArrowUp", [11, 12, 10]), ("PageUp", [11, 12, 11])]:
        one.page.keyboard.press(key)
        assert one.crosshairs() == [place] * 2
    one.page.keyboard.press("2")
    assert one.page.locator("input[value=coronal]").is_checked()
    one.page.keyboard.press("ArrowUp")
    assert one.crosshairs() == [[11, 12, 12]] * 2
    one.page.keyboard.press("+")
    assert one.state("p.panes.map((pane) => pane.zoom)") == [1.5, 1.5]
    one.page.keyboard.press("r")
    assert one.state("p.panes.map((pane) => pane.zoom)") == [1, 1]
    one.page.keyboard.press("o")
    assert not one.page.locator("#overlays input[type=checkbox]").is_checked()
    one.page.keyboard.press("?")
    assert one.page.locator("#help").is_visible()
    one.page.keyboard.press("Escape")
    assert not one.page.locator("#help").is_visible()


def test_position_sliders_and_values(visit: Callable[..., Visit]) -> None:
    one = visit(PAIR)
    for axis, place in enumerate((4, 7, 9)):
        one.page.locator(f"#slice-{axis}").fill(str(place))
    assert one.crosshairs() == [[4, 7, 9]] * 2
    cells = [float(text) for text in one.page.locator("#values td").all_inner_texts()]
    expected = [NOISY[4, 7, 9], 100 * BALL[4, 7, 9], NOISY[4, 7, 9] - 100 * BALL[4, 7, 9]]
    np.testing.assert_allclose(cells, expected, rtol=1e-4)
    assert one.page.locator("#millimeters").inner_text() == "8.0, 14.0, 18.0 mm"
    playwright.expect(one.page.locator("#announcement")).to_contain_text("8.0, 14.0, 18.0 mm. A: noisy")


def test_images_on_different_grids_meet_in_millimeters(visit: Callable[..., Visit]) -> None:
    one = visit(Scene((_shown("A", NOISY), _shown("B", NOISY[::2, ::2, ::2], spacing=4.0))))
    one.page.locator("#slice-0").fill("8")
    one.page.locator("#slice-2").fill("16")
    assert one.crosshairs()[0] == [8, 11, 16]
    assert [one.crosshairs()[1][axis] for axis in (0, 2)] == [4, 8]


def test_window_changes_what_is_drawn(visit: Callable[..., Visit]) -> None:
    one = visit(PLAIN)
    one.page.locator("label", has_text="Crosshair").click()
    one.page.locator("label:has([value=axial])").click()

    def centers() -> list[float]:
        pictures = [one.picture(one.canvas(number)) for number in range(2)]
        return [
            float(np.median(part[part.shape[0] // 2 - 20 :][:40, part.shape[1] // 2 - 20 :][:, :40]))
            for part in pictures
        ]

    one.page.locator("#target").select_option("all")
    for level, width, expected in [(50, 100, [230, 26]), (50, 200, [178, 77]), (0, 20, [255, 255])]:
        one.page.locator("#level").fill(str(level))
        one.page.locator("#width").fill(str(width))
        np.testing.assert_allclose(centers(), expected, atol=4)
    one.page.locator("#target").select_option("1")
    one.page.locator("#level").fill("20")
    np.testing.assert_allclose(centers(), [255, 0], atol=4)


def test_images_in_other_units_keep_a_window_of_their_own(visit: Callable[..., Visit]) -> None:
    one = visit(Scene((_shown("A", NOISY), _shown("B", 50 * NOISY))))
    assert one.page.locator("#target").input_value() == "0"
    low, high = one.state("p.panes.map((pane) => pane.main.cal_max - pane.main.cal_min)")
    assert high == pytest.approx(50 * low, rel=1e-3)


def test_dragging_with_the_right_button_windows_all(visit: Callable[..., Visit]) -> None:
    one = visit(PAIR)
    before = one.page.locator("#level").input_value()
    box = one.canvas(1).bounding_box()
    assert box is not None
    one.page.mouse.move(box["x"] + 100, box["y"] + 150)
    one.page.mouse.down(button="right")
    one.page.mouse.move(box["x"] + 130, box["y"] + 220, steps=5)
    one.page.mouse.up(button="right")
    one.page.wait_for_timeout(200)
    windows = one.state("p.panes.map((pane) => [pane.main.cal_min, pane.main.cal_max])")
    assert windows[0] == windows[1]
    assert one.page.locator("#level").input_value() != before
    assert one.page.locator("#preset").input_value() == "own"


def test_slider_shows_one_image_left_and_the_other_right(visit: Callable[..., Visit]) -> None:
    one = visit(PLAIN)
    one.page.locator("label", has_text="Crosshair").click()
    one.page.locator("label:has([value=axial])").click()
    one.page.locator("#target").select_option("all")
    one.page.locator("#level").fill("50")
    one.page.locator("#width").fill("100")
    one.page.locator("label", has_text="Before-after slider").click()

    def bright_share() -> float:
        picture = one.picture(one.page.locator("#panes"))
        row = picture[int(0.6 * picture.shape[0])]
        inside = row[(row > 200) | ((row > 15) & (row < 40))]
        return float(np.mean(inside > 200))

    assert bright_share() == pytest.approx(0.5, abs=0.06)
    handle = one.page.locator("#handle").bounding_box()
    panes = one.page.locator("#panes").bounding_box()
    assert handle is not None
    assert panes is not None
    one.page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + 100)
    one.page.mouse.down()
    one.page.mouse.move(panes["x"] + 0.6 * panes["width"], handle["y"] + 120, steps=4)
    one.page.mouse.up()
    assert one.page.locator("#boundary").input_value() == "60"
    dragged = bright_share()
    assert dragged > 0.58
    one.page.locator("#boundary").focus()
    for _ in range(5):
        one.page.keyboard.press("ArrowLeft")
    assert one.page.locator("#boundary-value").inner_text() == "55 %"
    assert 0.5 < bright_share() < dragged
    one.canvas(1).focus()
    one.page.keyboard.press("[")
    assert one.page.locator("#boundary").input_value() == "53"
    one.page.keyboard.press("s")
    assert not one.page.locator("#boundary-row").is_visible()


def test_overlay_is_drawn_and_fades(visit: Callable[..., Visit]) -> None:
    overlay = _shown("Overlay 1", np.linspace(0, 1, NOISY.size, dtype=np.float32).reshape(SHAPE))
    one = visit(Scene((_shown("A", np.zeros(SHAPE)),), (overlay,)))
    colored = one.picture(one.canvas(0)).mean()
    one.page.get_by_label("Opacity").fill("0.2")
    faded = one.picture(one.canvas(0)).mean()
    one.page.get_by_label("Show", exact=True).uncheck()
    clear = one.picture(one.canvas(0)).mean()
    assert colored > faded > clear
    one.page.get_by_label("Show", exact=True).check()
    one.page.get_by_label("Opacity").fill("1")
    before = one.picture(one.canvas(0))
    one.page.get_by_label("Colors").select_option("hot")
    assert np.abs(one.picture(one.canvas(0)) - before).max() > 30


def test_signed_overlay_is_clear_around_zero_and_has_two_colors(visit: Callable[..., Visit]) -> None:
    steps = np.repeat(np.float32([-1.0, -0.2, 0.2, 1.0]), 6)[:, None, None] * np.ones(SHAPE, np.float32)
    one = visit(Scene((_shown("A", np.full(SHAPE, 50.0)),), (_shown("Residual", steps),)))
    one.page.locator("label:has([value=axial])").click()
    one.page.locator("#width").fill("100")
    one.page.get_by_label("From").fill("0.5")
    one.page.get_by_label("To", exact=True).fill("1")
    one.page.get_by_label("Opacity").fill("1")
    colors = one.colors(one.canvas(0))
    row = colors[int(0.7 * len(colors))]
    inside = np.flatnonzero(row.max(axis=1) > 20)
    bands = [row[inside[0] + int(share * len(inside))] for share in (0.12, 0.37, 0.62, 0.88)]
    # positive is at the right of the patient, which is on the left
    red, clear, blank, blue = (band.astype(int) for band in bands)
    assert red[0] > red[2] + 80
    assert blue[2] > blue[0] + 80
    assert np.ptp(clear) == np.ptp(blank) == 0


def test_time_points(visit: Callable[..., Visit]) -> None:
    series = np.stack([np.full(SHAPE, value) for value in (1.0, 2.0, 3.0)])
    one = visit(Scene((_shown("A", series), _shown("B", series[:2]))))
    one.page.locator("#slice-0").fill("5")
    one.page.locator("#frame").fill("3")
    # the second one ends earlier: its last time point stays
    playwright.expect(one.page.locator("#values td")).to_have_text(["3", "2"])
    assert one.crosshairs() == [[5, 11, 10]] * 2
    assert f"{one.address}volumes/1/2.nii" not in one.asked


def test_voxels_without_a_value(visit: Callable[..., Visit]) -> None:
    holes = NOISY.copy()
    holes[12, 11, 10] = np.nan
    one = visit(Scene((_shown("A", holes),)))
    assert one.page.locator("#values td").all_inner_texts() == ["no value"]


def test_presets_for_hounsfield_units(visit: Callable[..., Visit]) -> None:
    one = visit(Scene((_shown("A", np.where(BALL > 0, 400.0, -1000.0)),)))
    assert one.page.locator("#level").input_value() == "40"
    one.page.locator("#preset").select_option(label="CT lung")
    assert (one.page.locator("#level").input_value(), one.page.locator("#width").input_value()) == ("-600", "1500")
    assert one.state("[p.panes[0].main.cal_min, p.panes[0].main.cal_max]") == [-1350, 150]


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit: Callable[..., Visit], width: int, theme: str) -> None:
    one = visit(PAIR, width=width, theme=theme)
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    for prepare in ("0", "p.compare.toggle()", "p.help()"):
        one.state(prepare)
        found = axe.Axe().run(one.page).response["violations"]
        assert [(fault["id"], fault["nodes"][0]["html"]) for fault in found] == [], prepare


def test_theme_can_be_chosen(visit: Callable[..., Visit]) -> None:
    one = visit(PLAIN, theme="light")
    color = "getComputedStyle(document.body).backgroundColor"
    light = one.page.evaluate(color)
    one.page.locator("#theme").select_option("dark")
    assert one.page.evaluate(color) != light


def test_server_that_has_ended_is_told(visit: Callable[..., Visit]) -> None:
    series = np.stack([np.full(SHAPE, value) for value in (1.0, 2.0)])
    one = visit(Scene((_shown("A", series),)))
    one.page.route("**/volumes/**", lambda route: route.fulfill(status=404, body=""))
    one.page.locator("#frame").fill("2")
    one.page.wait_for_selector("#problem:not([hidden])")
    assert "start diffdenoise view again" in one.page.locator("#problem").inner_text()
    one.said.clear()  # the browser's own note of the 404


def test_lost_graphics_are_told(visit: Callable[..., Visit]) -> None:
    one = visit(PLAIN)
    one.state("void p.panes[0].nv.gl.getExtension('WEBGL_lose_context').loseContext()")
    playwright.expect(one.page.locator("#problem")).to_contain_text("reload the page")
    one.said.clear()  # the browser's own words about it


def test_real_scans(visit: Callable[..., Visit], dev_data: Path) -> None:
    for name in ("C_dcm_ge_fse_pd", "A_ct_ldct_L506_3mm/s88_QD.nii.gz", "A_oct_duke_s02/noisy.nii.gz"):
        volume = read_volume(dev_data / name)
        one = visit(Scene((Shown(volume, "A"),)))
        assert one.state("p.panes[0].slices.reduce((a, b) => a * b)") == volume.image[0].numel()
        assert one.picture(one.canvas(0)).std() > 10
