# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.metrics.gates import NoiseLevel, clipping_gate
from tests.metrics.gates.conftest import SIGMA, Honest


def test_quiet_on_an_honest_result(honest: Honest) -> None:
    assert clipping_gate(honest.noisy, honest.denoised, honest.noise).verdict == "pass"


@pytest.mark.parametrize("end", ["upper", "lower"])
def test_clipped_end(honest: Honest, end: str) -> None:
    noisy, f = honest.noisy * 3, honest.denoised * 3
    limit = float(f.flatten().quantile(0.97 if end == "upper" else 0.7))
    faulty = f.clamp(max=limit) if end == "upper" else f.clamp(min=limit)
    found = clipping_gate(noisy, faulty, honest.noise)
    assert found.verdict == "fail"
    assert f"{end} end" in found.reason


def test_masked_air_and_the_floor_of_magnitudes_are_not_clipped() -> None:
    noisy = torch.randn(4, 32, 32, generator=torch.Generator().manual_seed(0)).abs() * SIGMA + 1
    noisy[:, :16] = 0
    denoised = torch.where(noisy > 0, 1.08 + 0.1 * (noisy - 1.08), 0.0)
    assert clipping_gate(noisy, denoised, NoiseLevel(SIGMA)).verdict == "pass"
    dark = torch.randn(4, 32, 32, generator=torch.Generator().manual_seed(1)) * SIGMA - 0.05
    dark[:, 16:] += 1
    floor = torch.where(dark > 0.3, 0.85 + 0.1 * (dark - 0.85), 0.0)
    assert clipping_gate(dark, floor, NoiseLevel(SIGMA, magnitude=True)).verdict == "pass"
    assert clipping_gate(dark, floor, NoiseLevel(SIGMA)).verdict == "fail"
