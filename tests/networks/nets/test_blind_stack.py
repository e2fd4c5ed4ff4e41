# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Blind where it must be, seeing all else, sensible before training."""

from __future__ import annotations

import itertools
from copy import deepcopy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks import BlindStack
from tests.networks.blindness import randomize, seen, seen_in_spot

SPOTS: list[dict[str, Any]] = [
    {"blind_spot": 1},
    {"blind_spot": 3, "blind_shape": "diamond"},
    {"blind_spot": (3, 1)},
    {"blind_spot": 5},
]


def pixels(size: tuple[int, ...]) -> list[tuple[int, ...]]:
    return list(itertools.product(*(range(side) for side in size)))


def small(**arguments: Any) -> BlindStack:
    return BlindStack(**{"channels": 4, "levels": 2, "blind_levels": 2, "context_channels": 2, **arguments})


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("context, norm", [(0, None), (2, None), (2, ("GROUP", {"num_groups": 4}))])
@pytest.mark.parametrize("spot", SPOTS, ids=str)
def test_no_pixel_sees_its_blind_spot(spot: dict[str, Any], context: int, norm: Any, training: bool) -> None:
    network = randomize(small(context_channels=context, norm=norm, **spot)).train(training)
    assert isinstance(network, BlindStack) and network.blind is not None
    image = torch.randn(1, 1 + context, 9, 7, dtype=torch.float64)
    inside, outside = seen_in_spot(network, image, pixels((9, 7)), network.blind)
    assert inside == 0 and outside > 0


@pytest.mark.parametrize("spot, size", [(1, (4, 3, 5)), ((1, 3, 1), (5, 4, 3))], ids=str)
def test_no_voxel_sees_its_blind_spot(spot: Any, size: tuple[int, ...]) -> None:
    network = randomize(small(spatial_dims=3, in_channels=2, out_channels=2, context_channels=1, blind_spot=spot))
    assert isinstance(network, BlindStack) and network.blind is not None
    image = torch.randn(1, 3, *size, dtype=torch.float64)
    inside, outside = seen_in_spot(network, image, pixels(size)[::3], network.blind, channels=slice(0, 2))
    assert inside == 0 and outside > 0


@settings(max_examples=15, deadline=None)
@given(
    size=st.tuples(st.integers(1, 13), st.integers(1, 13)),
    spot=st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 3, 7])),
    shape=st.sampled_from(["square", "diamond"]),
    context=st.integers(0, 3),
    in_channels=st.integers(1, 2),
    levels=st.integers(1, 3),
    norm=st.sampled_from([None, ("GROUP", {"num_groups": 2})]),
    seed=st.integers(0, 99),
)
def test_blind_whatever_the_configuration(size, spot, shape, context, in_channels, levels, norm, seed) -> None:
    network = BlindStack(
        2, in_channels, 1, 4, context, levels=1, blind_levels=levels, blind_spot=spot, blind_shape=shape, norm=norm
    )
    randomize(network, seed).eval()
    assert network.blind is not None
    image = torch.randn(1, in_channels + context, *size, dtype=torch.float64)
    some = pixels(size)[seed % 3 :: 7] + [(0, 0), (size[0] - 1, size[1] - 1)]
    inside, _ = seen_in_spot(network, image, some, network.blind, channels=slice(0, in_channels))
    assert inside == 0


def test_blind_after_training_and_averaging() -> None:
    network = small().double()
    average = deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.05, weight_decay=0.1)
    for _ in range(5):
        image = torch.randn(2, 3, 8, 8, dtype=torch.float64)
        optimizer.zero_grad()
        (network(image) - image[:, :1]).square().mean().backward()
        optimizer.step()
        torch._foreach_lerp_([p.data for p in average.parameters()], list(network.parameters()), 0.5)
    for trained in (network, average):
        inside, outside = seen_in_spot(trained, torch.randn(1, 3, 9, 8).double(), pixels((9, 8)), [(0, 0)])
        assert inside == 0 and outside > 0


def test_a_change_of_a_pixel_leaves_its_estimate_bit_for_bit() -> None:
    network = randomize(small()).float().eval()
    image = torch.randn(1, 3, 11, 10)
    changed = image.clone()
    changed[0, 0, 4, 5] += 100
    before, after = network(image), network(changed)
    assert torch.equal(before[..., 4, 5], after[..., 4, 5]) and not torch.equal(before[..., 4, 6], after[..., 4, 6])


def test_the_context_is_seen_at_the_pixel_itself() -> None:
    network = randomize(small(context_channels=4))
    gradient = seen(network, torch.randn(1, 5, 9, 9, dtype=torch.float64), (4, 4))
    assert gradient[0, 4, 4] == 0 and (gradient[1:, 4, 4] > 0).all() and gradient[0, 3, 4] > 0


def test_all_but_one_phase_of_the_slice_is_seen() -> None:
    network = randomize(small(context_channels=0, blind_levels=3))
    gradient = seen(network, torch.randn(1, 1, 10, 10, dtype=torch.float64), (4, 4))[0]
    # offsets that are even along both axes are the price of the blind spot
    assert (gradient[::2, ::2] == 0).all() and (gradient > 0).sum() > 60


def test_a_spot_over_the_whole_slice_sees_the_context_only() -> None:
    network = randomize(small(blind_spot=None))
    gradient = seen(network, torch.randn(1, 3, 8, 8, dtype=torch.float64), (4, 4))
    assert network.blind is None and (gradient[0] == 0).all() and (gradient[1:] > 0).any()


@pytest.mark.parametrize("context, used", [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (4, [2, 3])])
def test_untrained_output_is_the_mean_of_the_nearest_context(context: int, used: list[int]) -> None:
    image = torch.randn(2, 1 + context, 6, 5)
    torch.testing.assert_close(small(context_channels=context)(image), image[:, used].mean(1, keepdim=True))


def test_untrained_output_is_the_mean_of_the_chosen_context() -> None:
    image = torch.randn(2, 4, 6, 5)
    torch.testing.assert_close(small(context_channels=3, base_channels=(2,))(image), image[:, 3:4])


def test_untrained_output_without_context_is_the_mean_of_the_pixels_around() -> None:
    image = torch.rand(1, 2, 5, 6)
    output = small(in_channels=2, out_channels=2, context_channels=0)(image)
    for y, x in [(0, 0), (2, 3), (4, 1)]:
        around = image[0, :, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        mean = (around.sum((1, 2)) - image[0, :, y, x]) / (around[0].numel() - 1)
        torch.testing.assert_close(output[0, :, y, x], mean)


@pytest.mark.parametrize("size", [(1, 1), (5, 4), (45, 63), (4, 3, 5)], ids=str)
@pytest.mark.parametrize("context", [0, 4])
def test_any_size_keeps_its_shape(size: tuple[int, ...], context: int) -> None:
    network = BlindStack(len(size), 1, 2, 4, context, blind_spot=3).eval()
    output = network(torch.randn(2, 1 + context, *size))
    assert output.shape == (2, 2, *size) and output.isfinite().all()


def test_items_of_a_batch_do_not_mix() -> None:
    network = randomize(small()).train()
    images = torch.randn(3, 3, 9, 8, dtype=torch.float64)
    torch.testing.assert_close(network(images), torch.cat([network(image[None]) for image in images]))


def test_every_weight_learns_once_the_last_layer_is_not_zero() -> None:
    network = randomize(small())
    network(torch.randn(2, 3, 16, 16, dtype=torch.float64)).square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_weights_are_saved_and_loaded() -> None:
    network, other = randomize(small(), 1), randomize(small(), 2)
    other.load_state_dict(network.state_dict())
    image = torch.randn(1, 3, 6, 7, dtype=torch.float64)
    assert torch.equal(network(image), other(image))


def test_bfloat16_autocast_trains() -> None:
    network = small()
    with torch.autocast("cpu", torch.bfloat16):
        output = network(torch.randn(1, 3, 8, 8))
    output.float().square().mean().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("how", ["trace", "export"])
def test_copies_that_are_exported_take_any_size(how: str) -> None:
    network = randomize(small()).float().eval().requires_grad_(False)
    image = torch.randn(2, 3, 33, 27)
    if how == "trace":
        copy: Any = torch.jit.trace(network, image)
    else:
        sizes = {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
        copy = torch.export.export(network, (image,), dynamic_shapes=(sizes,)).module()
    for size in ((33, 27), (16, 16), (37, 21), (40, 64)):
        other = torch.randn(2, 3, *size)
        torch.testing.assert_close(copy(other), network(other))


def test_it_learns_to_average_what_is_not_blind() -> None:
    torch.manual_seed(0)
    network = small(context_channels=0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    ramp = torch.linspace(0, 1, 24).expand(24, 24)
    errors, starts = [], []
    for _ in range(60):
        clean = torch.stack([ramp, ramp.T, ramp.flip(1), ramp.flip(0)])[:, None]
        noisy = clean + 0.2 * torch.randn_like(clean)
        output = network(noisy)
        optimizer.zero_grad()
        nn.functional.mse_loss(output, noisy).backward()
        optimizer.step()
        errors.append(float((output - clean).detach().square().mean()))
        starts.append(float((network.base(noisy) - clean).square().mean()))
    assert sum(errors[-10:]) < 0.8 * sum(starts[-10:])


@pytest.mark.parametrize(
    "arguments",
    [
        {"channels": 6},
        {"channels": 0},
        {"in_channels": 0},
        {"out_channels": 0},
        {"context_channels": -1},
        {"levels": 0},
        {"blind_levels": 0},
        {"spatial_dims": 1},
        {"blind_spot": 2},
        {"blind_spot": (1, 1, 1)},
        {"blind_spot": None, "context_channels": 0},
        {"blind_shape": "circle"},
        {"base_channels": (2,)},
        {"base_channels": ()},
        {"base_channels": (0,), "context_channels": 0},
        {"norm": "BATCH"},
        {"norm": ("Batch", {})},
    ],
    ids=str,
)
def test_wrong_arguments_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="expected"):
        small(**arguments)
