# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import itertools
import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks import LGBPN
from monai_diffdenoise.networks.blocks import spot_offsets
from tests.networks.blindness import randomize, seen, seen_in_spot

_SMALL: dict[str, Any] = {"channels": 4, "head_channels": 2, "local_blocks": 1, "global_blocks": 1}


def _alive(network: LGBPN, seed: int = 0) -> LGBPN:
    """Random weights, but biases that keep every ReLU open, so that the control cannot fail by chance."""
    randomize(network, seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() == 1:
                parameter.abs_().add_(1.0)
    return network


def _places(size: tuple[int, ...], number: int) -> list[tuple[int, ...]]:
    """Corners, the middle, and pixels spread over the image."""
    every = list(itertools.product(*map(range, size)))
    corners = list(itertools.product(*((0, side - 1) for side in size)))
    return [*corners, tuple(side // 2 for side in size), *every[3 :: max(1, len(every) // number)]]


def test_the_paper_sizes() -> None:
    network = LGBPN(in_channels=3, out_channels=3)
    assert network.periods == {"local_branch": (8, 8), "global_branch": (15, 15)}
    assert network.blind == spot_offsets(9, "diamond")
    taps = {name: len(branch.conv.taps) for name, branch in network.branches.items()}
    assert taps == {"local_branch": 40, "global_branch": 108}
    # the published 6.16 million hold each masked kernel twice, and its zeros; 4.56 million are left without the copies
    dense = 24 * 128 * (21 * 21 - 11 * 11)
    assert sum(p.numel() for p in network.parameters()) + dense == pytest.approx(4.56e6, abs=5e3)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("size", [(5, 7), (1, 1), (2, 12)])
def test_every_pixel_of_small_images_is_blind_over_the_whole_patch(size, training) -> None:
    network = _alive(LGBPN(**_SMALL, blind_spot=5)).train(training)
    image = torch.randn(1, 1, *size, dtype=torch.float64)
    inside, outside = seen_in_spot(network, image, itertools.product(*map(range, size)), network.blind)
    assert inside == 0 and (outside > 0 or size == (1, 1))


@settings(max_examples=8, deadline=None)
@given(
    spot=st.tuples(*(st.sampled_from([1, 3, 5, 7, 9, 11]),) * 2),
    shape=st.sampled_from(["diamond", "square"]),
    size=st.tuples(st.integers(1, 29), st.integers(20, 29)),
    residual=st.booleans(),
    branches=st.sampled_from([(1, 1), (2, 0), (0, 2)]),
    seed=st.integers(0, 99),
)
def test_any_patch_is_blind(spot, shape, size, residual, branches, seed) -> None:
    sizes = {**_SMALL, "local_blocks": branches[0], "global_blocks": branches[1]}
    network = _alive(LGBPN(**sizes, blind_spot=spot, blind_shape=shape, residual=residual), seed)
    assert network.blind == spot_offsets(spot, shape)
    image = torch.randn(1, 1, *size, dtype=torch.float64)
    inside, outside = seen_in_spot(network, image, _places(size, 2), network.blind)
    assert inside == 0 and outside > 0 and network(image).shape == image.shape


@pytest.mark.parametrize("spot, shape", [(3, "diamond"), ((5, 3, 1), "square")])
def test_volumes_are_blind(spot, shape) -> None:
    sizes = {"local_kernel": 5 if spot == 3 else (7, 5, 3), "global_kernel": 9}
    network = _alive(LGBPN(3, **_SMALL, **sizes, blind_spot=spot, blind_shape=shape))
    image = torch.randn(1, 1, 9, 8, 7, dtype=torch.float64)
    inside, outside = seen_in_spot(network, image, [(0, 0, 0), (4, 4, 3), (8, 7, 6), (1, 6, 2)], network.blind)
    assert inside == 0 and outside > 0 and network(image).shape == image.shape


def test_training_does_not_open_the_patch() -> None:
    network = LGBPN(**_SMALL, blind_spot=5)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.05, weight_decay=0.1)
    image = torch.rand(1, 1, 17, 21)
    for _ in range(3):
        optimizer.zero_grad()
        (network(image) - image).square().mean().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
        optimizer.step()
    for training in (True, False):
        inside, outside = seen_in_spot(network.train(training), image, [(8, 10), (0, 0), (16, 2)], network.blind)
        assert inside == 0 and outside > 0


def test_a_change_of_the_patch_leaves_the_output_bit_by_bit() -> None:
    """What gradients cannot show: statistics taken outside of them."""
    network = _alive(LGBPN(**_SMALL)).float().eval()
    image = torch.rand(1, 1, 40, 33)
    changed = image.clone()
    for a, b in network.blind:
        changed[0, 0, 20 + a, 15 + b] += 100
    with torch.no_grad():
        before, after = network(image), network(changed)
    assert before[0, 0, 20, 15] == after[0, 0, 20, 15] and (before - after).abs().max() > 1e-3


def test_the_published_attention_leaks_and_the_proof_sees_it() -> None:
    network = _alive(LGBPN(**_SMALL, strict_blind_spot=False))
    image = torch.randn(1, 1, 21, 17, dtype=torch.float64)
    assert seen_in_spot(network, image, [(10, 8)], network.blind)[0] > 0


def test_context_is_seen_whole_and_the_image_is_not() -> None:
    network = _alive(LGBPN(**_SMALL, in_channels=2, out_channels=2, context_channels=3))
    image = torch.randn(1, 5, 12, 11, dtype=torch.float64)
    gradient = seen(network, image, (6, 5))
    assert (gradient[2:, 5:8, 4:7] > 0).all()
    inside, outside = seen_in_spot(network, image, _places((12, 11), 4), network.blind, slice(0, 2))
    assert inside == 0 and outside > 0 and network(image).shape == (1, 2, 12, 11)


def test_it_starts_at_the_mean_of_what_it_may_see() -> None:
    level = torch.full((1, 1, 12, 12), 0.7)
    assert torch.allclose(LGBPN(**_SMALL)(level), level)
    image = torch.rand(2, 3, 9, 9)
    context = LGBPN(**_SMALL, context_channels=2)
    assert torch.allclose(context(image), image[:, 1:].mean(1, keepdim=True))
    assert LGBPN(**_SMALL, in_channels=3, out_channels=1)(image).shape == (2, 1, 9, 9)


def test_untrained_features_vary_up_to_the_last_layer() -> None:
    """With torch's initialization they varied by 0.0005 there, and networks with context never started to learn."""
    torch.manual_seed(0)
    network = LGBPN(channels=32, head_channels=16, context_channels=2, global_blocks=1)
    found: list[torch.Tensor] = []
    network.tail[-1].register_forward_hook(lambda module, inputs, output: found.append(inputs[0]))
    network(torch.rand(2, 3, 32, 32))
    assert 0.05 < found[0].std((0, 2, 3)).mean() < 2


@pytest.mark.parametrize(
    "smaller, shape", [(5, "diamond"), (3, "diamond"), (1, "diamond"), (5, "square"), ((7, 1), "square")]
)
def test_a_smaller_patch_at_test_is_blind_too(smaller, shape) -> None:
    network = _alive(LGBPN(**_SMALL, blind_shape=shape))
    trained, image = network.blind, torch.randn(1, 1, 23, 26, dtype=torch.float64)
    expected = network(image)
    with network.with_blind_spot(smaller) as narrow:
        assert narrow is network and network.blind == spot_offsets(smaller, shape) < trained
        inside, outside = seen_in_spot(network, image, _places((23, 26), 3), network.blind)
        assert inside == 0 and outside > 0
        # something of the larger patch is seen now
        assert seen_in_spot(network, image, [(11, 13)], trained)[0] > 0
    assert network.blind == trained and torch.equal(network(image), expected)


def test_copies_and_saved_weights_give_the_same() -> None:
    network, image = _alive(LGBPN(**_SMALL)).float(), torch.rand(1, 1, 20, 20)
    other = LGBPN(**_SMALL)
    other.load_state_dict(network.state_dict())
    assert torch.equal(copy.deepcopy(network)(image), network(image))
    assert torch.equal(other(image), network(image))


def test_it_trains_in_bfloat16() -> None:
    torch.manual_seed(0)
    network, image = LGBPN(**{**_SMALL, "channels": 8}, residual=False), torch.rand(1, 1, 20, 20)
    with torch.autocast("cpu", torch.bfloat16):
        output = network(image)
    output.float().square().mean().backward()
    assert output.shape == image.shape and output.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert (output.float() - network(image)).abs().max() < 0.05


def test_a_traced_copy_takes_other_sizes() -> None:
    network = _alive(LGBPN(**_SMALL)).float().eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        traced = torch.jit.trace(network, torch.rand(1, 1, 20, 21))
        for size in ((20, 21), (35, 50), (8, 15)):
            image = torch.rand(2, 1, *size)
            torch.testing.assert_close(traced(image), network(image))


@pytest.mark.slow
def test_an_exported_copy_takes_other_sizes() -> None:
    network = _alive(LGBPN(**_SMALL)).float().eval()
    any_size = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    with torch.no_grad():
        program = torch.export.export(network, (torch.rand(2, 1, 45, 70),), dynamic_shapes=(any_size,))
        for size in ((1, 1, 20, 21), (3, 1, 120, 33)):
            image = torch.rand(*size)
            torch.testing.assert_close(program.module()(image), network(image))


@pytest.mark.parametrize(
    "arguments",
    [
        {"channels": 5},
        {"channels": 6, "num_heads": 4},
        {"blind_spot": 4},
        {"blind_shape": "circle"},
        {"local_blocks": 0, "global_blocks": 0},
        {"local_period": 7},
        {"global_period": 11},
        {"local_kernel": 5},
        {"context_channels": -1},
        {"spatial_dims": 4},
        {"head_channels": 0},
    ],
)
def test_wrong_arguments_are_named(arguments) -> None:
    with pytest.raises(InputError, match="expected|leave it out"):
        LGBPN(**{**_SMALL, **arguments})


def test_another_number_of_channels_is_named() -> None:
    with pytest.raises(InputError, match="expected 1"):
        LGBPN(**_SMALL)(torch.rand(1, 2, 9, 9))
