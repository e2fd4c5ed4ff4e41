# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.pipeline.slices_a_pass."""

from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.pipeline.slices_a_pass import slices_a_pass


@pytest.mark.parametrize(
    ("asked", "sides", "tile", "expected"),
    [
        (8, (96, 96), 512, 8),
        (8, (256, 256), 512, 4),
        (8, (512, 512), 512, 1),
        (8, (2048, 2048), 256, 4),
        (1, (9, 9), 16, 1),
    ],
)
def test_a_pass_on_a_cpu_holds_no_more_pixels_than_one_large_slice(
    asked: int, sides: tuple[int, int], tile: int, expected: int
) -> None:
    assert slices_a_pass(asked, sides, tile, torch.device("cpu")) == expected
    assert slices_a_pass(asked, sides, tile, torch.device("cuda")) == asked
