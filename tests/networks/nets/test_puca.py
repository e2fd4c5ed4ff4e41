# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""PUCA does what the published network does."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks import PUCA
from monai_diffdenoise.networks.blocks import use_local_attention
from tests.networks.blindness import randomize, seen

SMALL = {"channels": 4, "encoder": (1, 1), "middle": 1, "decoder": (1, 1)}


SIZES = [(5, 7), (1, 1), (8, 11), (3, 5, 6)]


def dilated(network: PUCA, image: torch.Tensor) -> torch.Tensor:
    """The network as published: nothing is split into phases, everything is dilated. Without channel attention."""
    d = network.dilation

    def block(layers: nn.Module, x: torch.Tensor) -> torch.Tensor:
        deep = layers.depthwise
        y = F.conv2d(
            layers.expand1(layers.norm1(x)), deep.weight, deep.bias, padding=d, dilation=d, groups=x.shape[1] * 2
        )
        x = x + layers.project1.scaled(y.chunk(2, 1)[0] * y.chunk(2, 1)[1], layers.scale1)
        y = layers.expand2(layers.norm2(x))
        return x + layers.project2.scaled(y.chunk(2, 1)[0] * y.chunk(2, 1)[1], layers.scale2)

    def unshuffle(x: torch.Tensor) -> torch.Tensor:
        b, c, h, w = x.shape
        x = x.reshape(b, c, h // d // 2, 2, d, w // d // 2, 2, d).permute(0, 1, 3, 6, 2, 4, 5, 7)
        return x.reshape(b, 4 * c, h // 2, w // 2)

    def shuffle(x: torch.Tensor) -> torch.Tensor:
        b, c, h, w = x.shape
        x = x.reshape(b, c // 4, 2, 2, h // d, d, w // d, d).permute(0, 1, 4, 2, 5, 6, 3, 7)
        return x.reshape(b, c // 4, 2 * h, 2 * w)

    x, skips = network.masked(network.intro(image)), []
    for encoder, down in zip(network.body.encoders, network.body.downs):
        for layers in encoder:
            x = block(layers, x)
        skips.append(x)
        x = unshuffle(down[0](x))
    for layers in network.body.middle:
        x = block(layers, x)
    for up, decoder in zip(network.body.ups, network.body.decoders):
        x = shuffle(up[0](x)) + skips.pop()
        for layers in decoder:
            x = block(layers, x)
    return network.tail(network.final(x))


@pytest.mark.parametrize("dilation, size", [(2, (16, 24)), (3, (24, 12))])
def test_phases_do_what_dilated_convolutions_and_patch_shuffles_do(dilation: int, size: tuple[int, int]) -> None:
    network = randomize(PUCA(dilation=dilation, attention="none", residual=False, **SMALL))
    image = torch.rand(2, 1, *size, dtype=torch.float64)
    assert torch.allclose(network(image), dilated(network, image), atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"strict_blind_spot": False}, {"attention": "local", "window": 6}], ids=str)
def test_a_few_phases_at_a_time_are_all_phases(monkeypatch: pytest.MonkeyPatch, options: dict) -> None:
    network = randomize(PUCA(**options, **SMALL))
    image = torch.rand(2, 1, 16, 13, dtype=torch.float64)
    together = network(image)
    monkeypatch.setattr("monai_diffdenoise.networks.nets.puca._PIXELS_AT_ONCE", 150)
    with torch.no_grad():
        assert torch.allclose(network(image), together, atol=1e-12)


def test_a_stride_is_the_network_on_every_so_many_pixels() -> None:
    network = randomize(PUCA(**SMALL))
    image = torch.rand(1, 1, 16, 24, dtype=torch.float64)
    alone = torch.empty_like(image)
    for row in range(2):
        for column in range(2):
            alone[:, :, row::2, column::2] = network(image[:, :, row::2, column::2])
    network.stride = 2
    assert torch.allclose(network(image), alone, atol=1e-12)


@pytest.mark.parametrize("size", [(5, 7), (1, 1), (3, 4, 5)], ids=str)
def test_untrained_output_is_the_mean_of_the_pixels_around(size: tuple[int, ...]) -> None:
    image = torch.rand(2, 2, *size, dtype=torch.float64)
    expected = torch.zeros_like(image)
    for index in torch.cartesian_prod(*(torch.arange(side) for side in size)).tolist():
        box = image[(..., *(slice(max(p - 1, 0), p + 2) for p in index))]
        number = box[0, 0].numel() - 1
        expected[(..., *index)] = (box.flatten(2).sum(2) - image[(..., *index)]) / max(number, 1)
    assert torch.allclose(PUCA(len(size), 2, 2, **SMALL).double()(image), expected, atol=1e-12)
    mixed = PUCA(len(size), 2, 3, **SMALL).double()(image)
    assert torch.allclose(mixed, expected.mean(1, keepdim=True).expand_as(mixed), atol=1e-12)


def test_untrained_output_with_a_context_is_its_mean() -> None:
    image = torch.rand(2, 4, 5, 7)
    assert torch.allclose(PUCA(2, 1, 1, context_channels=3, **SMALL)(image), image[:, 1:].mean(1, keepdim=True))


@pytest.mark.parametrize("dims", [2, 3])
def test_context_is_seen_whole(dims: int) -> None:
    network = randomize(PUCA(dims, context_channels=2, **SMALL))
    image = torch.rand(1, 3, *[5] * dims, dtype=torch.float64)
    gradient = seen(network, image, [2] * dims)
    assert gradient[(0, *[2] * dims)] == 0
    assert (gradient[1:] > 0).all()


@pytest.mark.parametrize("where", ["join", "tail"])
def test_context_comes_in_behind_the_mask_and_in_the_tail(where: str) -> None:
    network = randomize(PUCA(context_channels=1, **SMALL))
    with torch.no_grad():
        if where == "join":
            network.tail[0].weight[:, SMALL["channels"] :] = 0
        else:
            network.join.weight.zero_()
    gradient = seen(network, torch.rand(1, 2, 8, 8, dtype=torch.float64), (3, 3))
    assert gradient[1].max() > 0


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_output_keeps_the_shape_of_any_size_and_has_zeros_behind_its_end(size: tuple[int, ...]) -> None:
    network = randomize(PUCA(len(size), 2, 3, residual=False, **SMALL))
    image = torch.rand(2, 2, *size, dtype=torch.float64)
    output = network(image)
    assert output.shape == (2, 3, *size) and output.dtype == torch.float64
    padded = torch.zeros(2, 2, *(-(-side // 8) * 8 for side in size), dtype=torch.float64)
    place = (..., *(slice(side) for side in size))
    padded[place] = image
    assert torch.allclose(network(padded)[place], output, atol=1e-12)


def test_items_of_a_batch_do_not_mix() -> None:
    for strict in (True, False):
        network = randomize(PUCA(strict_blind_spot=strict, **SMALL))
        images = torch.rand(3, 1, 8, 7, dtype=torch.float64)
        assert torch.allclose(network(images), torch.cat([network(image[None]) for image in images]), atol=1e-12)


@pytest.mark.parametrize("context", [0, 2])
def test_every_parameter_learns(context: int) -> None:
    network = randomize(PUCA(context_channels=context, **SMALL))
    network(torch.rand(1, 1 + context, 9, 9, dtype=torch.float64)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_channels_last_copies_and_checkpoints_are_equal() -> None:
    network = randomize(PUCA(context_channels=1, **SMALL)).float()
    image = torch.rand(2, 2, 9, 7)
    expected = network(image)
    assert torch.allclose(network(image.contiguous(memory_format=torch.channels_last)), expected, atol=1e-5)
    assert torch.equal(copy.deepcopy(network)(image), expected)
    other = PUCA(context_channels=1, **SMALL)
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(image), expected)
    assert torch.allclose(network.to(memory_format=torch.channels_last)(image), expected, atol=1e-5)


def test_defaults_are_the_papers() -> None:
    """The published network has as many parameters (benchmarks/public_networks.py copies them over)."""
    with torch.device("meta"):
        network = PUCA(in_channels=3, out_channels=3)
    assert sum(parameter.numel() for parameter in network.parameters()) == 12_783_491


def test_local_statistics_can_be_had_later() -> None:
    network, local = PUCA(residual=False, **SMALL), PUCA(residual=False, attention="local", window=10, **SMALL)
    local.load_state_dict(network.state_dict())
    image = torch.rand(1, 1, 24, 24)
    assert not torch.equal(network(image), local(image))
    assert torch.equal(use_local_attention(network, 10)(image), local(image))


@pytest.mark.slow
def test_exported_copy_takes_any_size_from_9_pixels() -> None:
    network = randomize(PUCA(context_channels=1, **SMALL)).float().eval()
    any_size = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    program = torch.export.export(network, (torch.rand(2, 2, 13, 21),), dynamic_shapes=(any_size,))
    for size in ((1, 2, 9, 11), (3, 2, 16, 24)):
        image = torch.rand(size)
        assert torch.allclose(program.module()(image), network(image), atol=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        {"spatial_dims": 1},
        {"in_channels": 0},
        {"out_channels": 0},
        {"channels": 1},
        {"channels": 6, "spatial_dims": 3},
        {"context_channels": -1},
        {"dilation": 1},
        {"stride": 0},
        {"attention": "local"},
    ],
    ids=str,
)
def test_bad_arguments_are_the_users_mistake(arguments: dict) -> None:
    with pytest.raises(InputError, match="expected"):
        PUCA(**{**SMALL, **arguments})
