# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What the network is shown while it trains."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_diffdenoise.inferers import PairInferer, SymmetricPairInferer


class Counting(nn.Module):
    """f(x) = x^2, and how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return image**2


def test_the_image_alone() -> None:
    image, network = torch.randn(2, 1, 4, 4), Counting()
    assert torch.equal(PairInferer()(image, network, pair={"target": torch.zeros(2, 1, 4, 4)}), image**2)
    assert network.calls == 1


@pytest.mark.parametrize("mean", [True, False])
def test_both_sides_and_their_mean_in_one_pass(mean: bool) -> None:
    image, target, network = torch.randn(2, 1, 4, 5), torch.randn(2, 1, 4, 5), Counting()
    estimates = SymmetricPairInferer(mean)(image, network, pair={"image": image, "target": target})
    expected = {"image": image**2, "target": target**2}
    if mean:
        expected["mean"] = (0.5 * (image + target)) ** 2
    assert estimates.keys() == expected.keys()
    assert all(torch.equal(estimates[name], expected[name]) for name in expected)
    assert network.calls == 1


def test_gradients_reach_the_network_from_every_estimate() -> None:
    network = nn.Conv2d(1, 1, 1)
    image, target = torch.randn(1, 1, 3, 3), torch.randn(1, 1, 3, 3)
    for name in ("image", "target", "mean"):
        network.zero_grad()
        SymmetricPairInferer()(image, network, pair={"target": target})[name].sum().backward()
        assert network.weight.grad.abs().sum() > 0


def test_the_pair_must_be_there() -> None:
    with pytest.raises(ValueError, match="PreparePair"):
        SymmetricPairInferer()(torch.zeros(1, 1, 2, 2), Counting())
