# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.networks.blocks.sliding_mean."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from monai_diffdenoise.networks.blocks import ChannelAttention, NAFBlock
from monai_diffdenoise.networks.blocks.sliding_mean import inner_mean, sliding_mean, widened
from tests.networks.blindness import randomize


def image_of(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


@given(st.integers(1, 40), st.integers(1, 50), st.sampled_from([2, 3, -1]))
def test_inner_means_widened_are_the_sliding_means(side: int, window: int, axis: int) -> None:
    shape = [2, 3, 4, 5]
    shape[axis] = side
    image = image_of(*shape)
    means = inner_mean(image, axis, window)
    assert means.shape[axis] == max(side - window + 1, 1)
    windows = [1, 1]
    windows[axis - 2 if axis > 0 else axis] = window
    expected = sliding_mean(image, axis, window)
    assert torch.allclose(widened(means, shape[2:], windows).expand_as(image), expected, atol=1e-12)


def test_each_inner_mean_is_that_of_its_window() -> None:
    image = image_of(1, 1, 12)
    expected = torch.stack([image[..., k : k + 5].mean(-1) for k in range(8)], -1)
    assert torch.allclose(inner_mean(image, 2, 5), expected, atol=1e-12)


@pytest.mark.parametrize("axis", [2, 3])
def test_a_tile_has_the_same_bits_as_the_image(axis: int) -> None:
    image = image_of(1, 2, 30, 30, dtype=torch.float32)
    whole = inner_mean(image, axis, 7).narrow(axis, 9, 10)
    assert torch.equal(inner_mean(image.narrow(axis, 9, 16), axis, 7), whole)


def test_16_bit_numbers_are_summed_in_32() -> None:
    image = torch.full((1, 1, 4096), 0.1, dtype=torch.bfloat16)
    means = inner_mean(image, 2, 1024)
    assert means.dtype == torch.bfloat16
    assert torch.allclose(means, torch.tensor(0.1, dtype=torch.bfloat16), rtol=1e-2)


@pytest.mark.parametrize("window", [(0, 3), (3, 0), (0, 0), (9, 9), (4, 3), (9, 3)], ids=str)
def test_attention_is_the_same_by_both_ways(window: tuple[int, int]) -> None:
    attention, image = randomize(ChannelAttention(2, 4, window)).double(), image_of(2, 4, 7, 6)
    assert torch.allclose(attention(image), image * attention.weigh(attention.pool(image)), atol=1e-12)


def test_gradients_are_those_of_the_plain_means() -> None:
    image = image_of(1, 2, 8).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: widened(inner_mean(x, 2, 3), [8], [3]), image)


def test_a_traced_and_a_scripted_block_take_other_sizes() -> None:
    block = randomize(NAFBlock(2, 4, "local", window=7)).double().eval()
    traced = torch.jit.trace(block, image_of(1, 4, 9, 8))
    for copy in (traced, torch.jit.script(block)):
        # the window fits into one of them
        for other in (image_of(1, 4, 5, 6), image_of(1, 4, 12, 11)):
            assert torch.allclose(copy(other), block(other), atol=1e-12)


def test_an_exported_block_takes_other_sizes() -> None:
    block: nn.Module = randomize(NAFBlock(2, 4, "local", window=7)).double().eval()
    sides = {2: torch.export.Dim("rows", min=4, max=64), 3: torch.export.Dim("columns", min=4, max=64)}
    program = torch.export.export(block, (image_of(1, 4, 9, 8),), dynamic_shapes=(sides,))
    for other in (image_of(1, 4, 20, 9), image_of(1, 4, 5, 4)):
        assert torch.allclose(program.module()(other), block(other), atol=1e-12)
