# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The page for everyone: axe, themes, and what is told when something breaks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from monai_diffdenoise.viewer import Scene
from tests.browser import IN_BROWSER, Visit
from tests.viewer.scenes import PAIR, PLAIN, SHAPE, shown

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = IN_BROWSER


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit: Callable[..., Visit], width: int, theme: str) -> None:
    one = visit(PAIR, width=width, theme=theme)
    assert one.width() <= width
    for prepare in ("0", "p.compare.toggle()", "p.help()"):
        one.state(prepare)
        assert one.faults() == [], prepare


def test_theme_can_be_chosen(visit: Callable[..., Visit]) -> None:
    one = visit(PLAIN, theme="light")
    color = "getComputedStyle(document.body).backgroundColor"
    light = one.page.evaluate(color)
    one.page.locator("#theme").select_option("dark")
    assert one.page.evaluate(color) != light


def test_server_that_has_ended_is_told(visit: Callable[..., Visit]) -> None:
    series = np.stack([np.full(SHAPE, value) for value in (1.0, 2.0)])
    one = visit(Scene((shown("A", series),)))
    one.page.route("**/volumes/**", lambda route: route.fulfill(status=404, body=""))
    one.page.locator("#frame").fill("2")
    one.page.wait_for_selector("#problem:not([hidden])")
    assert "start diffdenoise view again" in one.page.locator("#problem").inner_text()
    one.said.clear()  # the browser's own note of the 404


def test_lost_graphics_are_told(visit: Callable[..., Visit]) -> None:
    one = visit(PLAIN)
    one.state("void p.panes[0].nv.gl.getExtension('WEBGL_lose_context').loseContext()")
    expect(one.page.locator("#problem")).to_contain_text("reload the page")
    one.said.clear()  # the browser's own words about it
