# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks import phase_branch
from monai_diffdenoise.networks.blocks.dilated_transformer import DilatedTransformer
from monai_diffdenoise.networks.blocks.patch_masked_conv import PatchMaskedConv
from monai_diffdenoise.networks.blocks.phase_branch import PhaseBranch
from tests.networks.blindness import randomize, seen_in_spot


def _any_body() -> nn.Module:
    """Everything that would leak on the plane: normalization over space, pooling, strides."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.GroupNorm(2, 4),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 2, 3, padding=1),
    )


@pytest.mark.parametrize("spot, shape, kernel, step", [(3, "diamond", 5, 1), (5, "square", 7, 1), (3, "square", 9, 2)])
def test_any_body_stays_blind(spot, shape, kernel, step) -> None:
    branch = randomize(PhaseBranch(PatchMaskedConv(2, 1, 2, kernel, spot, shape, step), _any_body()))
    image = torch.randn(1, 1, 19, 23, dtype=torch.float64)
    inside, outside = seen_in_spot(branch, image, [(9, 11), (0, 0), (18, 22), (2, 20)], branch.conv.blind)
    assert inside == 0 and outside > 0 and branch(image).shape == (1, 2, 19, 23)


@pytest.mark.parametrize("period", [7, (8, 7), (4, 4), 0, (8, 8, 8)])
def test_a_period_that_leaks_is_refused(period) -> None:
    with pytest.raises(InputError, match="leave it out"):
        PhaseBranch(PatchMaskedConv(2, 1, 2, 9, 9), _any_body(), period)


@pytest.mark.parametrize("pooled", [False, True])
def test_in_parts_it_is_the_same(pooled, monkeypatch) -> None:
    branch = PhaseBranch(PatchMaskedConv(2, 1, 4, 3, 1, "square"), DilatedTransformer(2, 4, 1), pooled=pooled).double()
    image = torch.randn(3, 1, 9, 11, dtype=torch.float64)
    whole = branch(image)
    gradient = torch.autograd.grad(whole.square().sum(), list(branch.parameters()))
    calls = []
    branch.body.register_forward_hook(lambda module, inputs, output: calls.append(len(output)))
    monkeypatch.setattr(phase_branch, "_AT_ONCE", 500)
    parts = branch(image)
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-12)
    again = torch.autograd.grad(parts.square().sum(), list(branch.parameters()))
    torch.testing.assert_close(again, gradient, rtol=1e-10, atol=1e-10)
    # 120 values a phase, four phases an image
    assert calls == [4] * 3


def test_a_squeeze_that_cannot_be_blind_changes_nothing() -> None:
    branch = PhaseBranch(PatchMaskedConv(2, 1, 2, 9, 9), _any_body())
    before = branch.conv.blind
    branch.period = (1, 1)
    with pytest.raises(InputError, match="period"):
        branch.squeeze(3)
    assert branch.conv.blind == before
