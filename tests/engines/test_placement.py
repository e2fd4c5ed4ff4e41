# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.engines import place
from monai_diffdenoise.networks import ResidualDenoiser


@pytest.mark.parametrize("device", ["meta", torch.device("meta")])
def test_network_itself_moves(device: str | torch.device) -> None:
    network = ResidualDenoiser()
    assert place(network, device) is network
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}


def test_2d_networks_have_channels_last() -> None:
    weights = [p for p in place(ResidualDenoiser(), "cpu").parameters() if p.dim() == 4 and min(p.shape) > 1]
    assert weights
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)


def test_3d_networks_are_left_as_they_are() -> None:
    network = place(ResidualDenoiser(spatial_dims=3), "cpu")
    assert all(parameter.is_contiguous() for parameter in network.parameters())
