# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.pipeline.fuse_channel."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from monai_diffdenoise.pipeline.fuse_channel import fuse_channel
from monai_diffdenoise.pipeline.plan import Plan
from monai_diffdenoise.transforms import AffineScaling

# variance 0.01 + 0.1 x brightness
FAMILY: dict[str, Any] = {
    "name": "poisson-gaussian",
    "parameters": {"gain": 0.1, "offset": 0.0, "sigma": 0.1},
    "misfit": 0.0,
    "alternatives": {},
    "certain": True,
}
NOISE = {"certain": True, "sigma": 0.3, "family": FAMILY, "level_variation": None}
PLAN = replace(Plan("bsn", "blind", 2, 1, (), (), None), noise=NOISE, sigma=0.3)


def put_back(brightness: float, brightest: float) -> float:
    """Share of what was removed that comes back where a residual of 1 was removed at some brightness."""
    denoised = torch.full((12, 12, 6), brightness)
    signs = torch.where(torch.rand(denoised.shape, generator=torch.Generator().manual_seed(0)) < 0.5, -1.0, 1.0)
    unit = AffineScaling(0.0, 1.0)
    return fuse_channel(
        PLAN, denoised + signs, denoised, None, 0.3, unit, torch.empty_like(denoised), brightest=brightest
    )


@pytest.mark.parametrize("brightest", [math.inf, 5.0])
def test_noise_grows_with_the_signal_as_far_as_it_was_measured(brightest: float) -> None:
    # the residual is three times the noise here
    assert put_back(1.0, brightest) == pytest.approx(1 - 1.25 * 0.11, abs=0.05)
    # and would be noise here, if it went on growing
    beyond = put_back(20.0, brightest)
    assert beyond == pytest.approx(0.0 if brightest == math.inf else 1 - 1.25 * 0.51, abs=0.05)
