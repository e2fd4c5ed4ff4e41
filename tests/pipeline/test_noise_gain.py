# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.pipeline import DenoiseSettings, make_plan, resolve
from monai_diffdenoise.pipeline.noise_gain import noise_gain
from monai_diffdenoise.pipeline.zero_shot import ZeroShot

CLEAN = make_phantom((96, 96, 16), seed=0)


class Share(nn.Module):
    """Lets a share of each voxel through, and structure of its own in the place of the rest."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.share * image[:, :1] + 0.3 * (1 - self.share)


def job(noise: float, **changes) -> ZeroShot:
    volume = volume_from_array(add_noise(CLEAN, "gaussian", noise, seed=1)[None], slice_axis=2)
    settings = DenoiseSettings(**{"method": "ns-n2n", "distance": 1, **changes})
    plan = make_plan(volume, settings)
    return ZeroShot(
        volume.image.as_tensor(), plan, resolve(settings, plan.preset_of), torch.device("cpu"), slice_axis=2
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_is_found(share: float) -> None:
    assert noise_gain(job(0.1), Share(share)) == pytest.approx(share, abs=0.02)


def test_blind_networks_and_runs_without_fusion_have_none() -> None:
    assert noise_gain(job(0.1, method="bsn"), Share(0.5)) == 0.0
    assert noise_gain(job(0.1, fusion=False), Share(0.5)) == 0.0


def test_fusion_allows_for_it() -> None:
    """An estimate that keeps most of the noise and errs as much as noise does: its residual is weak all the same."""
    made = job(0.02)
    noise = made.image - CLEAN[None]
    wrong = 0.02 * torch.sign(torch.sin(torch.arange(96.0) / 3))[None, :, None, None]
    estimate = CLEAN[None] + 0.5 * noise + wrong
    error = {}
    for gain in (0.0, 0.5):
        made.plan = replace(made.plan, noise_gain=gain, noise=None, sigma=0.02)
        made.noise.sigmas = {0: 0.02 / made.scalings[0].scale}
        fused, _ = made.fuse(estimate, torch.empty_like(estimate))
        error[gain] = float((fused - CLEAN[None]).square().mean())
    assert error[0.0] > 1.1 * 0.02**2
    assert error[0.5] < 0.95 * 0.02**2
