# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""MONAI's diffusion network as one tensor in, one tensor out."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks import ConditionalDiffusion


def make(seed: int = 0, random: bool = True, **arguments: object) -> ConditionalDiffusion:
    torch.manual_seed(seed)
    options: dict = {"channels": (8, 8), "norm_num_groups": 4, "num_head_channels": 4, **arguments}
    network = ConditionalDiffusion(**options)
    if random:
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.2)
    return network.eval()


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("side", [1, 5, 8, 13])
def test_any_size(spatial_dims: int, side: int) -> None:
    network = make(spatial_dims=spatial_dims, condition_channels=2, channels=(8, 8, 8))
    image = torch.rand(2, 3, side, *[6] * (spatial_dims - 1))
    output = network(image, torch.tensor([3, 700]))
    assert output.shape == (2, 1, *image.shape[2:])
    assert bool(output.isfinite().all())


def test_without_times_the_last_one_is_meant() -> None:
    network, image = make(num_train_timesteps=50), torch.rand(2, 2, 8, 8)
    assert torch.equal(network(image), network(image, torch.tensor([49, 49])))
    assert not torch.equal(network(image), network(image, torch.tensor([0, 0])))


def test_state_and_condition_both_count() -> None:
    network, image = make(), torch.rand(1, 2, 8, 8, requires_grad=True)
    network(image).sum().backward()
    assert bool((image.grad.abs().amax((0, 2, 3)) > 0).all())


def test_it_starts_at_zero() -> None:
    assert not make(random=False)(torch.rand(1, 2, 8, 8)).any()


def test_images_of_a_batch_do_not_mix() -> None:
    network, image, times = make(), torch.rand(3, 2, 8, 8), torch.tensor([1, 500, 999])
    alone = torch.cat([network(image[k : k + 1], times[k : k + 1]) for k in range(3)])
    torch.testing.assert_close(network(image, times), alone, rtol=1e-4, atol=1e-5)


def test_attention_is_there_when_asked_for() -> None:
    def kinds(network: nn.Module) -> set[str]:
        return {type(module).__name__ for module in network.modules()}

    assert "SpatialAttentionBlock" not in kinds(make())
    assert "SpatialAttentionBlock" in kinds(make(middle_attention=True))
    assert "SpatialAttentionBlock" in kinds(make(attention_levels=(False, True)))


def test_copies_and_saved_weights_give_the_same() -> None:
    network, image = make(), torch.rand(1, 2, 7, 9)
    other = make(seed=1)
    assert not torch.equal(other(image), network(image))
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(image), network(image))
    assert torch.equal(deepcopy(network)(image), network(image))


def test_half_precision_trains() -> None:
    network = make().train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = network(torch.rand(2, 2, 8, 8), torch.tensor([5, 900])).float().square().mean()
    loss.backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())


@pytest.mark.slow
def test_exported_at_one_size_it_takes_another() -> None:
    network = make()
    dims = {0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    program = torch.export.export(network, (torch.rand(2, 2, 16, 24),), dynamic_shapes=(dims,))
    image = torch.rand(3, 2, 20, 12)
    torch.testing.assert_close(program.module()(image), network(image), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_traced_copy_takes_another_size() -> None:
    network = make()
    traced = torch.jit.trace(network, torch.rand(1, 2, 16, 16))
    image = torch.rand(1, 2, 13, 19)
    torch.testing.assert_close(traced(image), network(image), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"spatial_dims": 1},
        {"condition_channels": 0},
        {"channels": (8, 10)},
        {"channels": ()},
        {"attention_levels": (True,)},
        {"num_train_timesteps": 0},
    ],
    ids=str,
)
def test_wrong_arguments_are_named(wrong: dict) -> None:
    with pytest.raises(InputError, match="expected"):
        make(**wrong)
