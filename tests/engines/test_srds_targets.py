# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Targets by sampling, and the weight of what the draws disagree about."""

from __future__ import annotations

import pytest
import torch
from monai.networks.schedulers import DDIMScheduler

from monai_diffdenoise.engines import SRDSTargets, spread_confidence
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import SRDSInferer, SRDSVolumeInferer
from monai_diffdenoise.networks import ConditionalDiffusion
from monai_diffdenoise.transforms import AffineScaling


def test_the_usual_spread_counts_half_and_none_counts_whole() -> None:
    spread = torch.tensor([0.0, 1.0, 2.0, 2.0, 2.0, 4.0, 2000.0]).reshape(1, 1, 1, 7)
    weight = spread_confidence(spread)
    torch.testing.assert_close(weight.flatten(), torch.tensor([1, 0.8, 0.5, 0.5, 0.5, 0.2, 1e-6]))
    assert torch.equal(spread_confidence(3 * spread), weight)


def test_no_spread_at_all_and_several_channels() -> None:
    assert torch.equal(spread_confidence(torch.zeros(2, 3, 3, 3)), torch.ones(1, 3, 3, 3))
    both = spread_confidence(torch.rand(2, 3, 3, 3))
    assert both.shape == (1, 3, 3, 3)


@pytest.mark.parametrize("weigh", [False, True])
def test_an_untrained_model_gives_the_condition_in_the_units_of_the_volume(weigh: bool) -> None:
    sampler = SRDSInferer(DDIMScheduler(1000, prediction_type="v_prediction"), 2)
    network = ConditionalDiffusion(channels=(4, 8), norm_num_groups=4)
    make = SRDSTargets(network, SRDSVolumeInferer(sampler), weigh)
    image = 500 + 200 * torch.rand(1, 8, 8, 3, generator=torch.Generator().manual_seed(0))
    target, weight = make({"image": image, "condition": image + 7, "scaling": AffineScaling(500.0, 200.0)})
    torch.testing.assert_close(target, image + 7, rtol=0, atol=1e-3)
    assert weight.shape == (1, 8, 8, 3) and float(weight.min()) > 0 and float(weight.max()) <= 1


def test_a_volume_needs_its_condition() -> None:
    make = SRDSTargets(torch.nn.Identity(), None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="without a condition"):
        make({"image": torch.zeros(1, 2, 2, 2)})
