# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""PUCA is blind, exactly and everywhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from monai_diffdenoise.networks import PUCA
from tests.networks.blindness import randomize, seen_in_spot

SMALL = {"channels": 4, "encoder": (1, 1), "middle": 1, "decoder": (1, 1)}


def sight(network: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor) -> torch.Tensor:
    """Gradient of every output pixel by every input pixel, (pixels out, channels in, *S): one pass for all of them."""
    pixels = image[0, 0].numel()
    images = image.expand(pixels, *image.shape[1:]).clone().requires_grad_(True)
    output = network(images).flatten(2)
    output[range(pixels), :, range(pixels)].sum().backward()
    assert images.grad is not None
    return images.grad.abs()


def offsets(size: tuple[int, ...]) -> torch.Tensor:
    """From every output pixel to every input pixel, (pixels, *S, axes)."""
    grid = torch.stack(torch.meshgrid(*(torch.arange(side) for side in size), indexing="ij"), -1)
    return grid[None] - grid.reshape(-1, *[1] * len(size), len(size))


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("size, dilation", [((9, 11), 2), ((8, 8), 2), ((7, 10), 3), ((3, 5, 4), 2)], ids=str)
def test_every_pixel_sees_all_but_its_own_phase(size: tuple[int, ...], dilation: int, train: bool) -> None:
    network = randomize(PUCA(len(size), dilation=dilation, **SMALL)).train(train)
    image = torch.rand(1, 1, *size, dtype=torch.float64)
    own_phase = (offsets(size) % dilation == 0).all(-1)
    gradient = sight(network, image)[:, 0]
    assert not gradient[own_phase].any()
    assert (gradient[~own_phase] > 0).all()
    assert network.blind == {(0,) * len(size)}


@pytest.mark.parametrize("stride", [2, 3])
def test_with_a_stride_every_pixel_sees_its_own_comb_only(stride: int) -> None:
    network = randomize(PUCA(**SMALL))
    network.stride = stride
    image = torch.rand(1, 1, 13, 10, dtype=torch.float64)
    away = offsets((13, 10))
    visible = (away % stride == 0).all(-1) & ~(away % (2 * stride) == 0).all(-1)
    gradient = sight(network, image)[:, 0]
    assert torch.equal(gradient > 0, visible)
    assert network.blind == {(a, b) for a in range(1 - stride, stride) for b in range(1 - stride, stride)}


@settings(max_examples=12, deadline=None)
@given(
    size=st.one_of(
        st.tuples(st.integers(1, 17), st.integers(1, 17)), st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3))
    ),
    channels=st.sampled_from([4, 8]),
    levels=st.integers(0, 2),
    dilation=st.integers(2, 3),
    stride=st.integers(1, 3),
    attention=st.sampled_from(["global", "local", "none"]),
    context=st.integers(0, 2),
    outputs=st.integers(1, 2),
    residual=st.booleans(),
    data=st.data(),
)
def test_blind_in_any_configuration(
    size: tuple[int, ...],
    channels: int,
    levels: int,
    dilation: int,
    stride: int,
    attention: str,
    context: int,
    outputs: int,
    residual: bool,
    data: st.DataObject,
) -> None:
    network = randomize(
        PUCA(
            len(size),
            1,
            outputs,
            channels,
            context,
            [1] * levels,
            1,
            [1] * levels,
            dilation,
            stride,
            True,
            attention,
            5,
        )
    )
    image = torch.rand(1, 1 + context, *size, dtype=torch.float64)
    pixels = [[0] * len(size), [side - 1 for side in size], [data.draw(st.integers(0, side - 1)) for side in size]]
    inside, outside = seen_in_spot(network, image, pixels, network.blind)
    assert inside == 0
    assert outside > 0 or (context == 0 and max(size) <= stride)


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
def test_blind_after_training(train: bool) -> None:
    network = randomize(PUCA(context_channels=1, **SMALL), scale=0.1)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    image = torch.rand(1, 2, 9, 10, dtype=torch.float64)
    for _ in range(5):
        optimizer.zero_grad()
        F.mse_loss(network(image), image[:, :1]).backward()
        optimizer.step()
    gradient = sight(network.train(train), image)
    own = (offsets((9, 10)) == 0).all(-1)
    assert not gradient[:, 0][own].any()
    assert gradient[:, 0].amax() > 0 and (gradient[:, 1][own] > 0).all()


def test_a_large_change_of_a_pixel_leaves_its_estimate_bitwise_as_it_was() -> None:
    """Sees what gradients cannot: statistics taken outside of autograd. In float32, as it runs."""
    network = randomize(PUCA(**SMALL)).float()
    image = torch.rand(1, 1, 12, 9)
    with torch.no_grad():
        before = network(image)
        for pixel in [(0, 0), (11, 8), (5, 4), (4, 1)]:
            changed = image.clone()
            changed[(0, 0, *pixel)] += 100
            after = network(changed)
            assert torch.equal(after[(0, 0, *pixel)], before[(0, 0, *pixel)])
            assert (after - before).abs().max() > 1e-3


def test_published_statistics_leak_and_only_they_do() -> None:
    leaky = randomize(PUCA(strict_blind_spot=False, **SMALL))
    image = torch.rand(1, 1, 8, 8, dtype=torch.float64)
    gradient = sight(leaky, image)[:, 0]
    assert (gradient[(offsets((8, 8)) == 0).all(-1)] > 0).all()
    assert leaky.blind == set()
    strict = randomize(PUCA(attention="none", **SMALL))
    loose = randomize(PUCA(strict_blind_spot=False, attention="none", **SMALL))
    assert torch.equal(strict(image), loose(image)) and loose.blind == {(0, 0)}


def test_trains_and_is_blind_under_autocast() -> None:
    network = randomize(PUCA(**SMALL)).float()
    image = torch.rand(1, 1, 9, 7)
    with torch.autocast("cpu", torch.bfloat16):
        output = network(image)
        gradient = sight(lambda images: network(images).float(), image)[:, 0]
    assert torch.allclose(output.float(), network(image), atol=0.1)
    assert not gradient[(offsets((9, 7)) == 0).all(-1)].any() and gradient.any()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
