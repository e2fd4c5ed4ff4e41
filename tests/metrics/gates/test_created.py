# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.metrics.gates import NoiseLevel, created_energy, created_gate
from monai_diffdenoise.metrics.gates.gate import box
from tests.metrics.gates.conftest import SIGMA, Honest


def _disk(like: torch.Tensor, strength: float, radius: float = 5.0) -> torch.Tensor:
    y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in like.shape[1:]), indexing="ij")
    field = torch.zeros_like(like)
    field[6] = strength * (((y - 8) ** 2 + (x - 8) ** 2) <= radius**2)
    return field


def test_quiet_on_an_honest_result(honest: Honest) -> None:
    assert created_gate(honest.noisy, honest.denoised, honest.noise).value < 3.0


def test_pasted_disk_is_found_where_it_is(honest: Honest) -> None:
    faulty = honest.denoised + _disk(honest.denoised, 3 * SIGMA)
    found = created_gate(honest.noisy, faulty, honest.noise)
    assert found.verdict == "fail"
    assert "slice 6, around pixel" in found.reason
    energy = created_energy(honest.noisy, faulty, honest.noise)
    number, row, column = torch.unravel_index(energy.argmax(), energy.shape)
    assert int(number) == 6
    assert 4 * int(row) + 4 <= 20
    assert 4 * int(column) + 4 <= 20


def test_what_both_images_show_was_not_created(honest: Honest) -> None:
    disk = _disk(honest.denoised, 3 * SIGMA)
    assert created_gate(honest.noisy + disk, honest.denoised + disk, honest.noise).verdict == "pass"


@pytest.mark.parametrize("side", [3, 7])
def test_smoothing_creates_nothing(side: int) -> None:
    noisy = torch.randn(8, 64, 64, generator=torch.Generator().manual_seed(0))
    assert created_gate(noisy, box(box(noisy, side), side), NoiseLevel(1.0)).value < 3.0


def test_tiny_images() -> None:
    assert created_gate(torch.zeros(1, 4, 4), torch.zeros(1, 4, 4), NoiseLevel(1.0)).verdict == "pass"


def test_dark_magnitudes_do_not_show_the_truth() -> None:
    """The truth itself has more than its magnitudes show where there is hardly anything."""
    random = torch.Generator().manual_seed(0)
    truth = (1 + torch.sin(torch.arange(64.0) / 3)).expand(8, 64, 64).contiguous()
    one, other = torch.randn((2, *truth.shape), generator=random)
    noisy = ((truth + one).square() + other.square()).sqrt()
    assert created_gate(noisy, truth, NoiseLevel(1.0)).verdict == "fail"
    assert created_gate(noisy, truth, NoiseLevel(1.0, magnitude=True)).value == 0.0


def test_more_windows_may_show_more_by_chance() -> None:
    random = torch.Generator().manual_seed(0)
    truth = torch.sin(torch.arange(128.0) / 5).expand(96, 128, 128).contiguous()
    noisy = truth + torch.randn(truth.shape, generator=random)
    large, small = created_gate(noisy, truth, NoiseLevel(1.0)), created_gate(noisy[:1], truth[:1], NoiseLevel(1.0))
    assert large.verdict == small.verdict == "pass"
    assert large.threshold > small.threshold + 0.5
    # chance alone: what a threshold for any size would have to lie above
    assert large.value > 3.5
