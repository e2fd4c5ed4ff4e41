# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.metrics.gates import seam_gate
from tests.metrics.gates.conftest import SIGMA, Honest


def test_quiet_on_an_honest_result(honest: Honest) -> None:
    assert seam_gate(honest.noisy, honest.denoised, honest.noise).verdict == "pass"


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("place", [48, 64])
def test_step_along_a_line(honest: Honest, axis: int, place: int) -> None:
    signs = torch.tensor([1.0, -1.0]).repeat(6)[:, None, None]
    behind = torch.arange(96) >= place
    step = 0.6 * SIGMA * signs * (behind[:, None] if axis == 1 else behind)
    found = seam_gate(honest.noisy, honest.denoised + step, honest.noise)
    assert found.verdict == "fail"
    assert f"axis {axis}" in found.reason
    assert abs(int(found.reason.split("pixel ")[1].split()[0]) - place) <= 1


def test_short_step_is_anatomy(honest: Honest) -> None:
    step = torch.zeros_like(honest.denoised)
    step[:, 48:, :32] = SIGMA
    assert seam_gate(honest.noisy, honest.denoised + step, honest.noise).verdict == "pass"


def test_nothing_removed_and_small_images(honest: Honest) -> None:
    assert seam_gate(honest.noisy, honest.noisy, honest.noise).value == 0.0
    assert seam_gate(honest.noisy[:, :20, :20], honest.denoised[:, :20, :20], honest.noise).value == 0.0
