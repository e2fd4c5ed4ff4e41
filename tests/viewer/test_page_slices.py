# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Slices in the browser: where they lie, and how they move."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monai_diffdenoise.data import read_volume
from monai_diffdenoise.viewer import Scene, Shown
from tests.browser import IN_BROWSER, Visit
from tests.viewer.scenes import BALL, NOISY, PAIR, SHAPE, shown

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = IN_BROWSER


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
    expect(one.page.locator("#announcement")).to_contain_text("8.0, 14.0, 18.0 mm. A: noisy")


def test_images_on_different_grids_meet_in_millimeters(visit: Callable[..., Visit]) -> None:
    one = visit(Scene((shown("A", NOISY), shown("B", NOISY[::2, ::2, ::2], spacing=4.0))))
    one.page.locator("#slice-0").fill("8")
    one.page.locator("#slice-2").fill("16")
    assert one.crosshairs()[0] == [8, 11, 16]
    assert [one.crosshairs()[1][axis] for axis in (0, 2)] == [4, 8]


def test_time_points(visit: Callable[..., Visit]) -> None:
    series = np.stack([np.full(SHAPE, value) for value in (1.0, 2.0, 3.0)])
    one = visit(Scene((shown("A", series), shown("B", series[:2]))))
    one.page.locator("#slice-0").fill("5")
    one.page.locator("#frame").fill("3")
    # the second one ends earlier: its last time point stays
    expect(one.page.locator("#values td")).to_have_text(["3", "2"])
    assert one.crosshairs() == [[5, 11, 10]] * 2
    assert f"{one.address}volumes/1/2.nii" not in one.asked


def test_voxels_without_a_value(visit: Callable[..., Visit]) -> None:
    holes = NOISY.copy()
    holes[12, 11, 10] = np.nan
    one = visit(Scene((shown("A", holes),)))
    assert one.page.locator("#values td").all_inner_texts() == ["no value"]


def test_real_scans(visit: Callable[..., Visit], dev_data: Path) -> None:
    for name in ("C_dcm_ge_fse_pd", "A_ct_ldct_L506_3mm/s88_QD.nii.gz", "A_oct_duke_s02/noisy.nii.gz"):
        volume = read_volume(dev_data / name)
        one = visit(Scene((Shown(volume, "A"),)))
        assert one.state("p.panes[0].slices.reduce((a, b) => a * b)") == volume.image[0].numel()
        assert one.picture(one.canvas(0)).std() > 10
