# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The denoiser starts as the identity, takes any size and can be exported."""

from __future__ import annotations

import warnings

import pytest
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks import ResidualDenoiser

SIZES_2D = [(5, 4), (45, 63), (16, 16), (2, 1)]
SIZES_3D = [(5, 4, 3), (9, 8, 11)]


def scrambled(network: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """The network with all weights drawn anew, its last layer too."""
    torch.manual_seed(seed)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


@pytest.mark.parametrize("levels", [1, 2, 4])
@pytest.mark.parametrize("size", SIZES_2D + SIZES_3D, ids=str)
def test_untrained_output_is_the_input(size: tuple[int, ...], levels: int) -> None:
    image = torch.randn(2, 1, *size)
    network = ResidualDenoiser(spatial_dims=len(size), channels=4, levels=levels)
    assert torch.equal(network(image), image)


def test_untrained_output_is_the_input_channel_by_channel() -> None:
    image = torch.randn(2, 3, 9, 7)
    assert torch.equal(ResidualDenoiser(in_channels=3, out_channels=3, channels=4, levels=2)(image), image)


@pytest.mark.parametrize(("base", "used"), [((1, 2), [1, 2]), ((3,), [3]), (None, [0, 1, 2, 3])])
def test_untrained_output_is_the_mean_of_the_base_channels(base: tuple[int, ...] | None, used: list[int]) -> None:
    image = torch.randn(2, 4, 6, 5)
    network = ResidualDenoiser(in_channels=4, out_channels=1, channels=4, levels=2, base_channels=base)
    torch.testing.assert_close(network(image), image[:, used].mean(1, keepdim=True))


@pytest.mark.parametrize("size", SIZES_2D + SIZES_3D, ids=str)
def test_trained_output_keeps_the_shape_of_any_size(size: tuple[int, ...]) -> None:
    network = scrambled(ResidualDenoiser(spatial_dims=len(size), channels=4, levels=3))
    image = torch.randn(2, 1, *size)
    output = network(image)
    assert output.shape == image.shape
    assert output.isfinite().all()
    assert not torch.allclose(output, image)


def test_padding_repeats_the_edge_at_the_end() -> None:
    network = scrambled(ResidualDenoiser(channels=4, levels=3))
    image = torch.randn(1, 1, 6, 7)
    padded = torch.cat([image, image[..., -1:]], 3)
    padded = torch.cat([padded, padded[:, :, -1:], padded[:, :, -1:]], 2)
    torch.testing.assert_close(network(image), network(padded)[:, :, :6, :7])


def test_float64_stays_float64() -> None:
    network = scrambled(ResidualDenoiser(channels=4, levels=2)).double()
    image = torch.randn(1, 1, 5, 6, dtype=torch.float64)
    output = network(image)
    assert output.dtype == torch.float64
    torch.testing.assert_close(output.float(), network.float()(image.float()), rtol=1e-4, atol=1e-5)


def test_items_of_a_batch_do_not_mix() -> None:
    network = scrambled(ResidualDenoiser(channels=4, levels=2))
    images = torch.randn(3, 1, 8, 8)
    alone = torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(network(images), alone, rtol=1e-5, atol=1e-5)


def test_every_parameter_learns_once_the_last_layer_is_not_zero() -> None:
    network = scrambled(ResidualDenoiser(channels=4, levels=3)).train()
    network(torch.randn(2, 1, 12, 12)).square().mean().backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # convolutions that a GroupNorm of single channels follows lose their bias, so it may be silent
    assert [name for name in silent if not name.endswith("bias")] == []


def test_untrained_network_has_a_gradient_to_start_with() -> None:
    network = ResidualDenoiser(channels=4, levels=2)
    (network(torch.randn(2, 1, 8, 8)) - torch.randn(2, 1, 8, 8)).square().mean().backward()
    assert sum(float(p.grad.abs().sum()) for p in network.parameters() if p.grad is not None) > 0


@pytest.mark.parametrize("convert", [torch.jit.script, lambda net: torch.jit.trace(net, torch.rand(1, 1, 16, 16))])
def test_exported_copy_takes_any_size(convert) -> None:
    network = scrambled(ResidualDenoiser(channels=4, levels=3))
    image = torch.randn(2, 1, 5, 11)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = convert(network)
    torch.testing.assert_close(exported(image), network(image))


@pytest.mark.parametrize(
    "arguments",
    [
        {"channels": 6},
        {"channels": 0},
        {"channels": -4},
        {"levels": 0},
        {"spatial_dims": 1},
        {"in_channels": 0},
        {"base_channels": (1,)},
        {"base_channels": ()},
        {"base_channels": (-1,)},
    ],
    ids=str,
)
def test_bad_arguments_are_the_users_mistake(arguments: dict) -> None:
    with pytest.raises(InputError, match="expected"):
        ResidualDenoiser(**{"channels": 4, "levels": 2, **arguments})
