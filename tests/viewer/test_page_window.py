# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Level and width in the browser."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from monai_diffdenoise.viewer import Scene
from tests.browser import IN_BROWSER, Visit
from tests.viewer.scenes import BALL, NOISY, PAIR, PLAIN, shown

pytestmark = IN_BROWSER


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
    one = visit(Scene((shown("A", NOISY), shown("B", 50 * NOISY))))
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


def test_presets_for_hounsfield_units(visit: Callable[..., Visit]) -> None:
    one = visit(Scene((shown("A", np.where(BALL > 0, 400.0, -1000.0)),)))
    assert one.page.locator("#level").input_value() == "40"
    one.page.locator("#preset").select_option(label="CT lung")
    assert (one.page.locator("#level").input_value(), one.page.locator("#width").input_value()) == ("-600", "1500")
    assert one.state("[p.panes[0].main.cal_min, p.panes[0].main.cal_max]") == [-1350, 150]
