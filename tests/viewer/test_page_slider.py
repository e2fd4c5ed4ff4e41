# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The before-after slider in the browser."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.browser import IN_BROWSER, Visit
from tests.viewer.scenes import PLAIN

pytestmark = IN_BROWSER


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
