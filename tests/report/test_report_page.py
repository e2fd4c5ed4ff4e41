# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Reports in the browser, opened from their files, for three modalities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.browser import IN_BROWSER, Visit, visit_page
from tests.report.modalities import MODALITIES, modality_result

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = IN_BROWSER

# Of an A4 sheet with a margin of 1 cm, in CSS pixels.
PAPER = {"width": 718, "height": 1046}

# Texts of charts that are cut off, lie on each other, or are smaller than this many pixels.
SPOILED = """(least) => {
  const found = [];
  for (const chart of document.querySelectorAll("svg.chart")) {
    const frame = chart.getBoundingClientRect();
    const scale = frame.width / chart.viewBox.baseVal.width;
    const texts = [...chart.querySelectorAll("text")].filter((text) => text.textContent.trim());
    const boxes = texts.map((text) => text.getBoundingClientRect());
    texts.forEach((text, k) => {
      const box = boxes[k], size = parseFloat(getComputedStyle(text).fontSize) * scale;
      const name = chart.getAttribute("aria-label") + ": " + text.textContent.trim();
      if (!text.querySelector("tspan") && size < least) found.push(name + " is small: " + size.toFixed(1));
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 ||
          box.bottom > frame.bottom + 1) found.push(name + " is cut");
      boxes.slice(0, k).forEach((other, j) => {
        const wide = Math.min(box.right, other.right) - Math.max(box.left, other.left);
        const tall = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
        if (wide > 2 && tall > 0.35 * Math.min(box.height, other.height))
          found.push(name + " lies on " + texts[j].textContent.trim());
      });
    });
  }
  return found;
}"""
# Pictures that did not load or show one value only.
EMPTY = """async () => {
  const found = [];
  for (const image of document.querySelectorAll("img")) {
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), {width: 64, height: 64});
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0, 64, 64);
    const values = context.getImageData(0, 0, 64, 64).data.filter((_, k) => k % 4 === 1);
    if (Math.max(...values) - Math.min(...values) < 40) found.push(image.alt);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Factory: the report of a modality."""
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    folder = tmp_path_factory.mktemp("reports")

    def write(name: str) -> Path:
        path = folder / f"{name}.html"
        if not path.exists():
            modality_result(name).save_report(path)
        return path

    return write


@pytest.fixture
def visit(browser: Browser, written: Callable[[str], Path]) -> Iterator[Callable[..., Visit]]:
    """Factory: open a report; afterwards nothing was said, and nothing but the file was asked for."""
    open_ones: list[Visit] = []

    def go(name: str, width: int = 1280, theme: str = "light") -> Visit:
        one = visit_page(browser, written(name).as_uri(), width, theme=theme)
        open_ones.append(one)
        return one

    yield go
    for one in open_ones:
        one.page.close()
        assert one.said == []
        assert one.asked[0] == one.address
        assert {url for url in one.asked[1:] if not url.startswith("data:")} == set()


@pytest.mark.parametrize("name", MODALITIES)
def test_readable_at_two_widths_and_complete(
    visit: Callable[..., Visit], written: Callable[[str], Path], name: str
) -> None:
    one = visit(name)
    assert written(name).stat().st_size < 5e6
    assert one.page.evaluate(EMPTY) == []
    for width in (1280, 400):
        one.page.set_viewport_size({"width": width, "height": 900})
        assert one.width() <= width
        assert one.page.evaluate(SPOILED, 8) == []
        assert one.faults() == []


@pytest.mark.parametrize("width", [1280, 400])
def test_axe_finds_nothing_in_the_dark(visit: Callable[..., Visit], width: int) -> None:
    one = visit("mr", width, "dark")
    light = visit("mr", width)
    colors = [page.page.evaluate("getComputedStyle(document.body).backgroundColor") for page in (one, light)]
    assert colors[0] != colors[1]
    assert one.faults() == []


def test_all_panels_are_there_where_there_is_something_to_show(visit: Callable[..., Visit]) -> None:
    titles = set(visit("mr").page.locator("h2, h3").all_inner_texts())
    assert {"Checks", "Stage by stage", "Put back", "Uncertainty", "Across edges", "Scores over training"} <= titles
    assert not {"Stage by stage", "Put back", "Uncertainty"} & set(
        visit("oct").page.locator("h2, h3").all_inner_texts()
    )
    stages = visit("mr").page.locator("#stages ~ .planes figcaption").all_inner_texts()
    assert stages == ["Noisy", "Blind-spot network", "Diffusion model", "Student", "Returned"]
    assert "stages" in visit("mr").page.locator("#gates ~ .scroll tbody th").last.inner_text().lower()


def test_negative_hounsfield_units_keep_their_sign(visit: Callable[..., Visit]) -> None:
    one = visit("ct")
    rows = one.page.locator("#means ~ .two tbody tr").all_inner_texts()
    assert any(row.startswith("-") for row in rows)
    assert "-" in one.page.locator("#images ~ .note").inner_text()


def _changed(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Share of the columns at which two pictures differ, by tenths of the width."""
    differ = (np.abs(one - other) > 12).mean(axis=0)[: len(one[0]) // 10 * 10]
    return differ.reshape(10, -1).mean(axis=1)


def test_slider_moves_by_keyboard_and_mouse(visit: Callable[..., Visit]) -> None:
    one = visit("mr")
    slider, picture = one.page.locator("#split1"), one.page.locator(".compare .picture").first
    picture.scroll_into_view_if_needed()
    start = one.picture(picture)
    slider.focus()
    for _ in range(20):
        one.page.keyboard.press("ArrowRight")
    assert slider.input_value() == "70"
    changed = _changed(start, one.picture(picture))
    # what lay behind the bar is noisy now, and nothing else moved
    assert changed[5:7].min() > 0.1
    assert max(*changed[:4], *changed[8:]) < 0.02
    one.page.keyboard.press("Home")
    assert slider.input_value() == "0"
    denoised = one.picture(picture)
    assert _changed(start, denoised)[2:4].min() > 0.1
    box = picture.bounding_box()
    assert box is not None
    one.page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.5 * box["height"])
    one.page.mouse.down()
    one.page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
    one.page.mouse.up()
    assert int(slider.input_value()) == pytest.approx(90, abs=1)
    assert _changed(denoised, one.picture(picture))[2:8].min() > 0.1


@pytest.mark.parametrize("name", MODALITIES)
def test_prints_without_cutting_figures(visit: Callable[..., Visit], name: str, tmp_path: Path) -> None:
    one = visit(name, theme="dark")
    one.page.emulate_media(media="print")
    one.page.set_viewport_size(PAPER)
    assert one.width() <= PAPER["width"]
    parts = one.page.evaluate(
        """() => [...document.querySelectorAll("figure, svg.chart, tr, .picture")].map((part) => {
             const box = part.getBoundingClientRect(), style = getComputedStyle(part);
             const whole = style.breakInside === "avoid" || part.closest("figure") !== null;
             return [part.tagName, box.left, box.right, box.height, whole]; })"""
    )
    assert len(parts) > 10
    for tag, left, right, height, whole in parts:
        assert left >= -1, tag
        assert right <= PAPER["width"] + 1, tag
        assert height < PAPER["height"], tag
        assert whole, tag
    # before and after lie side by side, in full
    shapes = """() => [...document.querySelectorAll(".compare .picture")].map((picture) => [
        Number(picture.style.getPropertyValue("--aspect")),
        ...[...picture.querySelectorAll("img")].map((image) => image.clientWidth / image.clientHeight)])"""
    for aspect, *drawn in one.page.evaluate(shapes):
        assert drawn == pytest.approx([aspect, aspect], rel=0.02)
    clip = one.page.locator(".compare .after").first.evaluate("(image) => getComputedStyle(image).clipPath")
    assert clip == "none"
    assert one.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    pdf = one.page.pdf(path=tmp_path / "r.pdf", format="A4")
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Subtype /Image") >= one.page.locator("img").count()
