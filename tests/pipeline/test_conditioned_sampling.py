# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Both stages on volumes in the units of a scan."""

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor
from monai.networks.schedulers import DDPMScheduler
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import ConditionalMeanInferer, DiffusionState, SRDSInferer, SRDSVolumeInferer
from monai_diffdenoise.inferers.slices import VolumeSliceInferer
from monai_diffdenoise.networks import ConditionalDiffusion
from monai_diffdenoise.pipeline import ConditionedSampling
from monai_diffdenoise.transforms import BlindSpotPair

VOLUMES = 700 * torch.rand(2, 2, 8, 8, 3, generator=torch.Generator().manual_seed(0)) + 100


class Same(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image[:, :1]


def two_stages(spread: bool) -> ConditionedSampling:
    sampler = SRDSInferer(DDPMScheduler(1000, prediction_type="v_prediction"), 2, state=DiffusionState(True, 0.1))
    return ConditionedSampling(Same(), VolumeSliceInferer(BlindSpotPair()), SRDSVolumeInferer(sampler), spread)


@pytest.mark.parametrize("spread", [False, True])
def test_an_untrained_model_returns_the_condition_with_its_metadata(spread: bool) -> None:
    volumes = MetaTensor(VOLUMES, affine=2 * torch.eye(4))
    network = ConditionalDiffusion(channels=(4, 8), norm_num_groups=4)
    made = two_stages(spread)(volumes, network)
    assert isinstance(made, MetaTensor) and torch.equal(made.affine, volumes.affine)
    torch.testing.assert_close(made.as_tensor()[:, :2], VOLUMES, rtol=0, atol=0.01)
    assert made.shape[1] == (4 if spread else 2)
    if spread:
        assert float(made[:, 2:].min()) >= 0 and 1 < float(made[:, 2:].mean()) < 700


def test_the_mean_has_no_spread() -> None:
    with pytest.raises(InputError, match="draws nothing"):
        ConditionedSampling(Same(), VolumeSliceInferer(), SRDSVolumeInferer(ConditionalMeanInferer()), spread=True)
