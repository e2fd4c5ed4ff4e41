# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks import ChannelAttention, NAFUNet
from monai_diffdenoise.networks.blocks.naf_unet import to_channels_last
from tests.networks.blindness import randomize, seen


@pytest.mark.parametrize("down", ["conv", "shuffle"])
@pytest.mark.parametrize("size", [(8, 12), (4, 8, 4)], ids=str)
def test_output_has_the_shape_of_the_input_and_sees_all_of_it(size: tuple[int, ...], down: str) -> None:
    network = randomize(NAFUNet(len(size), 4, (1, 1), 1, (1, 1), down=down))
    assert network.divisor == 4
    image = torch.rand(2, 4, *size, dtype=torch.float64)
    assert network(image).shape == image.shape
    assert (seen(network, image, [0] * len(size)) > 0).all()


@pytest.mark.parametrize("dims", [2, 3])
def test_shuffles_double_the_channels_and_come_back(dims: int) -> None:
    network = NAFUNet(dims, 4, (0, 0), 0, (0, 0), down="shuffle")
    image = torch.rand(1, 4, *[8] * dims)
    middle = network.downs[0](image)
    assert middle.shape == (1, 8, *[4] * dims)
    assert network.downs[1](middle).shape == (1, 16, *[2] * dims)
    down, up = network.downs[0][1], network.ups[0][1]
    assert torch.equal(up(down(image)), image)


def test_skips_are_added_from_the_level_of_the_same_size() -> None:
    network = randomize(NAFUNet(2, 4, (0, 0), 0, (0, 0)))
    image = torch.rand(1, 4, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        network.ups[1][0].weight.zero_()
    assert torch.allclose(network(image), image)
    with torch.no_grad():
        network.ups[0][0].weight.zero_()
    second = network.downs[0](image)
    network.ups[1][0].weight.data.normal_()
    assert torch.allclose(network(image), image + network.ups[1](second))


def test_blocks_of_a_level_know_their_window() -> None:
    network = NAFUNet(2, 4, (1, 1), 1, (1, 1), attention="local", window=48, spacing=2)
    windows = [module.window for module in network.modules() if isinstance(module, ChannelAttention)]
    spacings = [module.spacing for module in network.modules() if isinstance(module, ChannelAttention)]
    assert windows == [[24, 24], [12, 12], [6, 6], [12, 12], [24, 24]]
    assert spacings == [2, 4, 8, 4, 2]


@pytest.mark.parametrize("size", [(5, 7), (3, 5, 9)], ids=str)
def test_channels_of_a_pixel_lie_side_by_side(size: tuple[int, ...]) -> None:
    image = torch.rand(2, 3, *size)
    assert torch.equal(to_channels_last(image), image) and to_channels_last(image).stride(1) == 1


@pytest.mark.parametrize(
    "arguments",
    [{"decoder": (1,)}, {"middle": -1}, {"channels": 0}, {"channels": 5, "spatial_dims": 3}, {"down": "max"}],
    ids=str,
)
def test_bad_arguments_are_the_users_mistake(arguments: dict) -> None:
    given = {"spatial_dims": 2, "channels": 4, "encoder": (1, 1), "middle": 1, "decoder": (1, 1), "down": "shuffle"}
    with pytest.raises(InputError, match="expected"):
        NAFUNet(**{**given, **arguments})
