# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import warnings

import pytest
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks import NAFNet
from monai_diffdenoise.networks.blocks import use_local_attention
from tests.networks.blindness import randomize

SMALL = {"channels": 4, "encoder": (1, 1), "middle": 1, "decoder": (1, 1)}
SIZES = [(5, 7), (1, 1), (13, 8), (3, 5, 6)]


def test_defaults_are_the_papers() -> None:
    """The published network of width 32 has as many parameters (benchmarks/public_networks.py copies them over)."""
    with torch.device("meta"):
        network = NAFNet(2, 3, 3)
    assert sum(parameter.numel() for parameter in network.parameters()) == 29_159_715


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_untrained_output_is_the_input(size: tuple[int, ...]) -> None:
    image = torch.randn(2, 1, *size)
    assert torch.equal(NAFNet(len(size), **SMALL)(image), image)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_output_keeps_the_shape_of_any_size_and_has_zeros_behind_its_end(size: tuple[int, ...]) -> None:
    network = randomize(NAFNet(len(size), **SMALL))
    image = torch.rand(2, 1, *size, dtype=torch.float64)
    output = network(image)
    assert output.shape == image.shape and output.dtype == torch.float64 and not torch.allclose(output, image)
    padded = torch.zeros(2, 1, *(-(-side // 4) * 4 for side in size), dtype=torch.float64)
    place = (..., *(slice(side) for side in size))
    padded[place] = image
    assert torch.allclose(network(padded)[place], output, atol=1e-12)


def test_residual_is_added_to_the_first_channels() -> None:
    image = torch.randn(2, 5, 6, 7)
    assert torch.equal(NAFNet(2, 5, 2, **SMALL)(image), image[:, :2])
    free = NAFNet(2, 1, 3, residual=False, **SMALL)
    assert free(image[:, :1]).shape == (2, 3, 6, 7)


def test_every_parameter_learns() -> None:
    network = randomize(NAFNet(2, 2, 1, **SMALL))
    network(torch.rand(1, 2, 9, 9, dtype=torch.float64)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_items_of_a_batch_do_not_mix() -> None:
    network = randomize(NAFNet(**SMALL))
    images = torch.rand(3, 1, 6, 6, dtype=torch.float64)
    assert torch.allclose(network(images), torch.cat([network(image[None]) for image in images]), atol=1e-12)


def test_channels_last_copies_and_checkpoints_are_equal() -> None:
    network = randomize(NAFNet(**SMALL)).float()
    image = torch.rand(2, 1, 9, 7)
    expected = network(image)
    assert torch.allclose(network(image.contiguous(memory_format=torch.channels_last)), expected, atol=1e-5)
    assert torch.equal(copy.deepcopy(network)(image), expected)
    other = NAFNet(**SMALL)
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(image), expected)
    assert torch.allclose(network.to(memory_format=torch.channels_last)(image), expected, atol=1e-5)


def test_trains_under_autocast() -> None:
    network = randomize(NAFNet(**SMALL)).float()
    image = torch.rand(2, 1, 9, 7)
    with torch.autocast("cpu", torch.bfloat16):
        output = network(image)
    output.float().square().mean().backward()
    assert torch.allclose(output.float(), network(image), atol=0.1)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("window", [None, 6])
@pytest.mark.parametrize("dims", [2, 3])
def test_scripted_copy_takes_any_size(dims: int, window: int | None) -> None:
    network = randomize(NAFNet(dims, **SMALL)).eval()
    use_local_attention(network, window)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(network)
    image = torch.rand(2, 1, *(5, 11, 3)[:dims], dtype=torch.float64)
    assert torch.allclose(scripted(image), network(image))


@pytest.mark.slow
@pytest.mark.parametrize("window", [None, 6])
def test_exported_copy_takes_any_size(window: int | None) -> None:
    network = randomize(NAFNet(**SMALL)).float().eval()
    use_local_attention(network, window)
    any_size = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    program = torch.export.export(network, (torch.rand(2, 1, 12, 20),), dynamic_shapes=(any_size,))
    for size in ((1, 1, 5, 11), (3, 1, 16, 9)):
        image = torch.rand(size)
        assert torch.allclose(program.module()(image), network(image), atol=1e-5)


def test_local_statistics_follow_the_window_and_not_the_image() -> None:
    network = randomize(NAFNet(**SMALL))
    image = torch.rand(1, 1, 96, 96, dtype=torch.float64)
    tile = (..., slice(16, 80), slice(16, 80))
    inner = (..., slice(24, 40), slice(24, 40))

    @torch.no_grad()
    def gap() -> float:
        whole = network(image)[tile][inner]
        return float((network(image[tile])[inner] - whole).abs().max() / whole.abs().max())

    everywhere = gap()
    use_local_attention(network, 8)
    assert gap() < 1e-12 < 1e-6 < everywhere


@pytest.mark.parametrize(
    "arguments",
    [
        {"spatial_dims": 1},
        {"in_channels": 0},
        {"out_channels": 2},
        {"channels": 0},
        {"attention": "some"},
        {"attention": "local"},
    ],
    ids=str,
)
def test_bad_arguments_are_the_users_mistake(arguments: dict) -> None:
    with pytest.raises(InputError, match="expected"):
        NAFNet(**{**SMALL, **arguments})
