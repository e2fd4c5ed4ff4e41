# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.pipeline.channel_noise."""

from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.data.phantom import make_phantom
from monai_diffdenoise.pipeline import DenoiseSettings, make_plan
from monai_diffdenoise.pipeline.settings import resolve
from monai_diffdenoise.pipeline.zero_shot import ZeroShot

SIGMA = 0.05


@pytest.mark.parametrize("strongest", [1.0, 8.0])
def test_strong_contrast_at_one_time_point_is_no_noise(strongest: float) -> None:
    """As in a diffusion series, whose first volume is many times brighter and has the noise of the others."""
    anatomy = make_phantom((48, 48, 16))
    # slices that differ, as thick ones do
    clean = torch.stack([strongest * anatomy, 0.8 * anatomy, anatomy, 0.6 * anatomy, 0.9 * anatomy])
    noisy = clean + SIGMA * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    volume = volume_from_array(noisy, slice_axis=2)
    settings = DenoiseSettings(method="bsn", device="cpu")
    plan = make_plan(volume, settings)
    job = ZeroShot(noisy, plan, resolve(settings, plan.preset_of), torch.device("cpu"), slice_axis=volume.slice_axis)
    found = [job.noise.sigma(channel) * job.scalings[channel].scale for channel in range(len(noisy))]
    assert found == pytest.approx([SIGMA] * len(noisy), rel=0.15)
