# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks import batch_to_space, space_to_batch
from monai_diffdenoise.networks.blocks.dilated_transformer import DilatedTransformer, DilatedTransformerBlock
from tests.networks.blindness import randomize, seen


def _textbook(block: DilatedTransformerBlock, image: torch.Tensor) -> torch.Tensor:
    """One image at a time, straight from the formulas."""

    def norm(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return x / torch.sqrt(x.var(0, unbiased=False) + 1e-5) * weight[:, None, None]

    results = []
    for x in image:
        a = block.attention
        query, key, value = a.depthwise(a.expand.conv(norm(a.expand.gain, x)[None]))[0].flatten(1).chunk(3)
        heads = []
        for h, (q, k, v) in enumerate(zip(*(part.chunk(a.num_heads) for part in (query, key, value)), strict=True)):
            weights = F.softmax(F.normalize(q, dim=1) @ F.normalize(k, dim=1).T * a.temperature[h], dim=1)
            heads.append(weights @ v)
        x = x + a.project(torch.cat(heads).reshape(1, *x.shape))[0]
        f = block.feed_forward
        gate, passed = f.depthwise(f.expand.conv(norm(f.expand.gain, x)[None]))[0].chunk(2)
        results.append(x + f.project((F.gelu(gate) * passed)[None])[0])
    return torch.stack(results)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_formulas(layout) -> None:
    block = randomize(DilatedTransformerBlock(2, 6, 3), scale=0.5)
    image = torch.randn(2, 6, 5, 7, dtype=torch.float64).contiguous(memory_format=layout)
    torch.testing.assert_close(block(image), _textbook(block, image), rtol=1e-10, atol=1e-10)


def test_pooled_on_phases_is_dilated_on_the_plane() -> None:
    body = randomize(DilatedTransformer(2, 4, 2), scale=0.4)
    dilated = copy.deepcopy(body)
    for layer in dilated.modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3):
            layer.dilation = layer.padding = (3, 3)
    image = torch.randn(2, 4, 9, 6, dtype=torch.float64)
    phases = space_to_batch(image, 3)
    torch.testing.assert_close(batch_to_space(body(phases, 9), 3), dilated(image), rtol=1e-10, atol=1e-10)
    apart = batch_to_space(body(phases), 3)
    assert (apart - dilated(image)).abs().max() > 1e-3


@pytest.mark.parametrize("dims, size", [(2, (4, 6)), (3, (4, 2, 4))])
def test_pooling_mixes_phases_and_nothing_else_does(dims, size) -> None:
    body = randomize(DilatedTransformer(dims, 4, 1))
    image = torch.randn(1, 4, *size, dtype=torch.float64)
    for pool in (1, 2**dims):
        gradient = seen(lambda y, pool=pool: batch_to_space(body(space_to_batch(y, 2), pool), 2), image, (1,) * dims)
        other = gradient[(slice(None), *(slice(0, None, 2),) * dims)].max().item()
        assert (other == 0) is (pool == 1)
        assert gradient[(slice(None), *(slice(1, None, 2),) * dims)].max() > 0


@pytest.mark.parametrize("pool", [1, 4])
def test_empty_phases_have_a_gradient(pool) -> None:
    """Images smaller than the period leave phases of zeros alone."""
    body = DilatedTransformer(2, 4, 1)
    image = torch.zeros(4, 4, 2, 2, requires_grad=True)
    body(image, pool).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in body.parameters())
    assert image.grad.isfinite().all()


@pytest.mark.parametrize("arguments", [(4, 4), (2, 5), (2, 0), (2, 4, 0), (2, 4, 2, 0.1)])
def test_wrong_arguments_are_named(arguments) -> None:
    with pytest.raises(InputError, match="expected"):
        DilatedTransformerBlock(*arguments)
