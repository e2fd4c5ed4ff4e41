# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks import MaskedConv, spot_offsets
from monai_diffdenoise.networks.blocks.patch_masked_conv import PatchMaskedConv
from tests.networks.blindness import randomize, seen


def _found(conv: PatchMaskedConv, side: int = 31) -> set[tuple[int, ...]]:
    """Offsets at which the middle of the output has a gradient."""
    middle = (side // 2, side // 2)
    gradient = seen(conv, torch.randn(1, conv.in_channels, side, side, dtype=torch.float64), middle)
    return {tuple(int(a - m) for a, m in zip(place[1:], middle, strict=True)) for place in gradient.nonzero()}


def test_as_many_taps_as_the_paper() -> None:
    assert len(PatchMaskedConv(2, 1, 1, 9, 9).taps) == 40
    far = PatchMaskedConv(2, 1, 1, 21, 9, step=2)
    assert len(far.taps) == 108 and far.weight.shape[2:] == (11, 11)


@pytest.mark.parametrize(
    "dims, kernel, spot, shape, step",
    [(2, 9, 5, "diamond", 1), (2, (7, 5), (3, 1), "square", 2), (2, 9, 3, "diamond", 3), (3, 5, 3, "diamond", 2)],
)
def test_the_same_as_the_full_kernel(dims, kernel, spot, shape, step) -> None:
    """Also where the kernel's half is no multiple of the step."""
    conv = randomize(PatchMaskedConv(dims, 2, 3, kernel, spot, shape, step))
    full = MaskedConv(dims, 2, 3, kernel, spot, shape, step).double()
    assert conv.taps == full.taps
    with torch.no_grad():
        full.weight.zero_()
        full.weight[(..., *(slice(k // 2 % step, None, step) for k in full.kernel_size))] = conv.weight
        full.bias.copy_(conv.bias)
    image = torch.randn(2, 2, *(9, 12, 7)[:dims], dtype=torch.float64)
    torch.testing.assert_close(conv(image), full(image), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("step, kernel", [(1, 9), (2, 13)])
@pytest.mark.parametrize("shape", ["diamond", "square"])
@pytest.mark.parametrize("smaller", [1, 3, 5, 7])
def test_a_squeezed_kernel_sees_what_it_says_and_nothing_blind(step, kernel, shape, smaller) -> None:
    conv = randomize(PatchMaskedConv(2, 1, 2, kernel + 2 * (shape == "square"), 9 - 2 * (step == 2), shape, step))
    before = _found(conv)
    conv.squeeze(smaller)
    assert conv.blind == spot_offsets(smaller, shape)
    assert _found(conv) == conv.taps and not conv.taps & conv.blind
    conv.squeeze(None)
    assert _found(conv) == before == conv.taps


def test_squeezing_moves_each_tap_without_changing_the_sum() -> None:
    conv = PatchMaskedConv(2, 2, 3, 9, 9)
    trained = conv.kernel()[0].sum((2, 3))
    conv.squeeze(5)
    torch.testing.assert_close(conv.kernel()[0].sum((2, 3)), trained)
    # the tap at (1, 4), beside the patch, moves by 3/5 to (0.6, 2.4), between pixels beside the smaller patch
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, 0, 5, 8] = 1.0
    kernel = conv.kernel()[0][0, 0]
    middle = kernel.shape[0] // 2
    assert {tuple(int(a) - middle for a in place) for place in kernel.nonzero()} == {(0, 3), (1, 2), (1, 3)}


def test_squeezing_is_sampling_between_pixels() -> None:
    """Away from the patch: the paper samples the image at scaled offsets, here the kernel is resampled."""
    conv = PatchMaskedConv(2, 1, 1, 21, 9, step=2).double()
    with torch.no_grad():
        conv.weight.zero_()
        conv.bias.zero_()
        conv.weight[0, 0, 0, 3] = 1.0  # the tap at (-10, -4)
    conv.squeeze(5)
    image = torch.randn(1, 1, 25, 25, dtype=torch.float64)
    place = torch.tensor([12.0 - 10 * 0.6, 12.0 - 4 * 0.6], dtype=torch.float64)
    grid = (place.flip(0) / 12 - 1).reshape(1, 1, 1, 2)
    expected = F.grid_sample(image, grid, align_corners=True).item()
    assert conv(image)[0, 0, 12, 12].item() == pytest.approx(expected, abs=1e-12)


def test_squeezing_leaves_the_saved_weights_alone() -> None:
    conv = PatchMaskedConv(2, 1, 1, 9, 9)
    names = set(conv.state_dict())
    conv.squeeze(3)
    assert set(conv.state_dict()) == names == {"weight", "bias"}
    image = torch.randn(1, 1, 12, 12)
    assert torch.equal(copy.deepcopy(conv)(image), conv(image))


@pytest.mark.parametrize("larger", [11, (9, 11)])
def test_a_larger_patch_is_refused(larger) -> None:
    conv = PatchMaskedConv(2, 1, 1, 9, 9)
    with pytest.raises(InputError, match="at most"):
        conv.squeeze(larger)
    assert conv.blind == spot_offsets(9, "diamond")


def test_the_mean_is_that_of_the_taps_inside() -> None:
    conv = PatchMaskedConv(2, 1, 1, 3, 1, "square")
    image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert torch.allclose(conv.mean(image), torch.tensor([[[[3.0, 8 / 3], [7 / 3, 2.0]]]]))
    assert torch.equal(conv.mean(torch.ones(2, 3, 1, 1)), torch.zeros(2, 3, 1, 1))
