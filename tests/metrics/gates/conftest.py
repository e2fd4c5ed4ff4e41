# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""An honest result to plant faults into: the truth, and a fifth of the noise."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from monai_diffdenoise.data.phantom import make_phantom
from monai_diffdenoise.metrics.gates import NoiseLevel
from monai_diffdenoise.metrics.gates.gate import box

SIGMA = 0.1


@dataclass(frozen=True)
class Honest:
    noisy: torch.Tensor
    denoised: torch.Tensor
    noise: NoiseLevel


@pytest.fixture(scope="session", params=["white", "correlated"])
def honest(request: pytest.FixtureRequest) -> Honest:
    truth = make_phantom((96, 96, 12)).movedim(2, 0).contiguous()
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    correlation = None
    if request.param == "correlated":
        noise = box(noise, 3)
        noise = noise / noise.std()
        ramp = 1 - torch.arange(-6, 7).abs() / 3.0
        correlation = ramp.clamp_min(0)[:, None] * ramp.clamp_min(0)
    noisy = truth + SIGMA * noise
    return Honest(noisy, truth + 0.2 * SIGMA * noise, NoiseLevel(SIGMA, correlation=correlation))
