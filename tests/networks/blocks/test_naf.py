# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks import ChannelAttention, ChannelLayerNorm, NAFBlock, use_local_attention
from monai_diffdenoise.networks.blocks.naf import Pointwise, simple_gate
from tests.networks.blindness import randomize

SIZES = [(5, 7), (4, 3, 5)]


def image_of(size: tuple[int, ...], channels: int = 4, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, channels, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_norm_is_over_the_channels_of_each_pixel(size: tuple[int, ...]) -> None:
    norm = randomize(ChannelLayerNorm(4, eps=1e-3))
    image = image_of(size)
    mean, variance = image.mean(1, keepdim=True), image.var(1, unbiased=False, keepdim=True)
    column = (-1, *[1] * len(size))
    expected = (image - mean) / (variance + 1e-3).sqrt() * norm.weight.view(column) + norm.bias.view(column)
    assert torch.allclose(norm(image), expected, atol=1e-12)
    assert ChannelLayerNorm(4).eps == 1e-6


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pointwise_is_a_1x1_convolution(size: tuple[int, ...]) -> None:
    layer, image = randomize(Pointwise(4, 6)), image_of(size)
    convolve = F.conv2d if len(size) == 2 else F.conv3d
    weight = layer.weight[(..., *[None] * len(size))]
    expected = convolve(image, weight, layer.bias)
    assert torch.allclose(layer(image), expected, atol=1e-12)
    scale = torch.arange(6, dtype=torch.float64)
    scaled = expected * scale.view(-1, *[1] * len(size))
    assert torch.allclose(layer.scaled(image, scale), scaled, atol=1e-12)


def test_gate_multiplies_the_halves() -> None:
    image = image_of((3, 3))
    assert torch.equal(simple_gate(image), image[:, :2] * image[:, 2:])


def window_means(image: torch.Tensor, window: tuple[int, ...]) -> torch.Tensor:
    """The slow way: the window nearest to centered that fits into the image."""
    means = torch.empty_like(image)
    sides = image.shape[2:]
    for pixel in torch.cartesian_prod(*(torch.arange(side) for side in sides)).tolist():
        place = []
        for p, side, wanted in zip(pixel, sides, window, strict=True):
            size = min(wanted, side)
            start = min(max(p - (wanted - 1) // 2, 0), side - size)
            place.append(slice(start, start + size))
        means[(..., *pixel)] = image[(..., *place)].mean(tuple(range(2, image.dim())))
    return means


@pytest.mark.parametrize(
    "size, window",
    [((7, 6), (3, 3)), ((7, 6), (4, 2)), ((7, 6), (1, 5)), ((5, 6), (5, 9)), ((4, 3, 5), (3, 2, 4)), ((1, 1), (3, 3))],
)
def test_window_means_are_those_of_the_pixels_around(size: tuple[int, ...], window: tuple[int, ...]) -> None:
    attention = ChannelAttention(len(size), 4, window)
    image = image_of(size)
    assert torch.allclose(attention.pool(image), window_means(image, window), atol=1e-12)


def test_window_of_zero_is_the_whole_axis() -> None:
    image = image_of((5, 7))
    assert torch.allclose(ChannelAttention(2, 4).pool(image), image.mean((2, 3), keepdim=True))
    mixed = ChannelAttention(2, 4, (0, 3)).pool(image)
    assert mixed.shape == (2, 4, 1, 7)
    assert torch.allclose(mixed, window_means(image, (5, 3))[:, :, :1], atol=1e-12)


def test_window_of_16_bit_numbers_is_summed_in_32() -> None:
    image = torch.full((1, 1, 1, 4096), 0.1, dtype=torch.bfloat16)
    means = ChannelAttention(2, 1, (1, 64)).pool(image)
    assert means.dtype == torch.bfloat16
    assert torch.allclose(means, image, rtol=1e-2)


def test_shared_means_are_those_of_neighbors_in_the_batch() -> None:
    image = image_of((3, 2), batch=6)
    alone = image.mean((2, 3), keepdim=True)
    shared = ChannelAttention(2, 4, shared=3).pool(image)
    assert torch.allclose(shared[:3], alone[:3].mean(0, keepdim=True))
    assert torch.allclose(shared[3:], alone[3:].mean(0, keepdim=True))


def plain_block(block: NAFBlock, image: torch.Tensor, attention: str) -> torch.Tensor:
    """The block in the words of the paper."""
    dims = image.dim() - 2
    convolve = F.conv2d if dims == 2 else F.conv3d
    ones = [1] * dims

    def pointwise(layer: Pointwise, x: torch.Tensor) -> torch.Tensor:
        return convolve(x, layer.weight.view(*layer.weight.shape, *ones), layer.bias)

    def norm(layer: ChannelLayerNorm, x: torch.Tensor) -> torch.Tensor:
        x = (x - x.mean(1, keepdim=True)) / (x.var(1, unbiased=False, keepdim=True) + 1e-6).sqrt()
        return x * layer.weight.view(-1, *ones) + layer.bias.view(-1, *ones)

    x = pointwise(block.expand1, norm(block.norm1, image))
    x = simple_gate(convolve(x, block.depthwise.weight, block.depthwise.bias, padding=1, groups=x.shape[1]))
    if attention != "none":
        means = window_means(x, (3,) * dims) if attention == "local" else x.mean(tuple(range(2, x.dim())), keepdim=True)
        x = x * pointwise(block.attention.weigh, means)
    image = image + pointwise(block.project1, x) * block.scale1.view(-1, *ones)
    x = simple_gate(pointwise(block.expand2, norm(block.norm2, image)))
    return image + pointwise(block.project2, x) * block.scale2.view(-1, *ones)


@pytest.mark.parametrize("attention", ["global", "local", "none"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_block_does_what_the_paper_says(size: tuple[int, ...], attention: str) -> None:
    block = randomize(NAFBlock(len(size), 4, attention, window=3))
    image = image_of(size)
    assert torch.allclose(block(image), plain_block(block, image, attention), atol=1e-12)


def test_block_is_the_same_in_channels_last() -> None:
    block, image = randomize(NAFBlock(2, 4)), image_of((6, 5))
    assert torch.allclose(block(image.contiguous(memory_format=torch.channels_last)), block(image), atol=1e-13)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_untrained_block_is_the_identity_unless_its_gains_are_not_zero(size: tuple[int, ...]) -> None:
    image = image_of(size).float()
    assert torch.equal(NAFBlock(len(size), 4)(image), image)
    assert not torch.allclose(NAFBlock(len(size), 4, scale_init=1.0)(image), image)


def test_local_attention_gives_a_tile_what_the_whole_image_gives() -> None:
    block = randomize(NAFBlock(2, 4))
    image = image_of((40, 40))
    tile, inner = (..., slice(10, 30), slice(10, 30)), (..., slice(5, 15), slice(5, 15))
    whole = block(image)[tile][inner]
    assert not torch.allclose(block(image[tile])[inner], whole, atol=1e-6, rtol=0)
    use_local_attention(block, 7)
    assert torch.allclose(block(image[tile])[inner], block(image)[tile][inner], atol=1e-12)


def test_local_attention_can_be_taken_back_and_leaves_the_weights() -> None:
    block, image = randomize(NAFBlock(2, 4)), image_of((9, 9))
    state = {name: value.clone() for name, value in block.state_dict().items()}
    before = block(image)
    assert use_local_attention(block, (3, 5)) is block
    assert block.attention.window == [3, 5] and not torch.allclose(block(image), before)
    assert torch.equal(use_local_attention(block, None)(image), before)
    assert all(torch.equal(value, state[name]) for name, value in block.state_dict().items())


@pytest.mark.parametrize("spacing, expected", [(1, [12, 12]), (4, [3, 3]), (16, [1, 1])])
def test_window_is_in_pixels_of_the_network(spacing: int, expected: list[int]) -> None:
    attention = ChannelAttention(2, 4, spacing=spacing)
    use_local_attention(nn.Sequential(attention), 12)
    assert attention.window == expected


@pytest.mark.parametrize(
    "call",
    [
        lambda: NAFBlock(1, 4),
        lambda: NAFBlock(2, 0),
        lambda: NAFBlock(2, 4, "some"),
        lambda: NAFBlock(2, 4, "local"),
        lambda: ChannelAttention(2, 4, (1, 2, 3)),
        lambda: ChannelAttention(2, 4, -1),
        lambda: ChannelAttention(2, 4, shared=0),
        lambda: use_local_attention(nn.Identity(), 5),
        lambda: use_local_attention(NAFBlock(2, 4), (5, 5, 5)),
        lambda: use_local_attention(NAFBlock(2, 4), 0),
    ],
)
def test_bad_arguments_are_the_users_mistake(call) -> None:
    with pytest.raises(InputError, match="expected"):
        call()
