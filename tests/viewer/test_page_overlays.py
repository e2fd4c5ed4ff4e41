# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Overlays in the browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_diffdenoise.data import read_volume
from monai_diffdenoise.pipeline.maps import write_map
from monai_diffdenoise.viewer import Scene, load_scene
from tests.browser import IN_BROWSER, Visit
from tests.viewer.scenes import NOISY, SHAPE, shown

pytestmark = IN_BROWSER


def test_overlay_is_drawn_and_fades(visit: Callable[..., Visit]) -> None:
    overlay = shown("Overlay 1", np.linspace(0, 1, NOISY.size, dtype=np.float32).reshape(SHAPE))
    one = visit(Scene((shown("A", np.zeros(SHAPE)),), (overlay,)))
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
    one = visit(Scene((shown("A", np.full(SHAPE, 50.0)),), (shown("Residual", steps),)))
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


def test_map_in_dicom_lies_on_its_series(
    visit: Callable[..., Visit], make_series: Callable[..., Path], tmp_path: Path
) -> None:
    pytest.importorskip("highdicom")
    folder = make_series(shape=(24, 20), slices=12)
    volume = read_volume(folder)
    values = torch.zeros(volume.image.shape)
    values[0, :6] = 1.0
    write_map(volume, values, tmp_path / "map.dcm", "share")
    one = visit(load_scene([folder], [tmp_path / "map.dcm"]))
    assert "Overlay 1" in one.page.locator("#overlays").inner_text().splitlines()
    one.page.locator("label:has([value=axial])").click()
    one.page.get_by_label("Opacity").fill("1")
    one.page.get_by_label("Colors").select_option("hot")
    covered = one.colors(one.canvas(0)).astype(int)
    one.page.get_by_label("Show", exact=True).uncheck()
    changed = (np.abs(covered - one.colors(one.canvas(0))).max(axis=2) > 40).any(axis=0)
    # the first columns lie at the patient's right, which is on the left
    assert 0.02 < changed.mean() < 0.6
    assert np.flatnonzero(changed).mean() < 0.45 * len(changed)
