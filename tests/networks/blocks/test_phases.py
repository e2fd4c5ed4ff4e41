# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks import batch_to_space, crop_to, pad_to_multiple, space_to_batch


@pytest.mark.parametrize("size, period", [((6, 9), 3), ((6, 4), (3, 2)), ((4, 6, 10), 2), ((4, 6, 5), (2, 3, 1))])
def test_phases_come_back_as_the_image(size: tuple[int, ...], period: int | tuple[int, ...]) -> None:
    image = torch.randn(2, 3, *size)
    assert torch.equal(batch_to_space(space_to_batch(image, period), period), image)


def test_a_phase_is_every_sth_pixel() -> None:
    image = torch.randn(2, 3, 6, 8)
    phases = space_to_batch(image, (3, 2)).reshape(2, 3, 2, 3, 2, 4)
    for row in range(3):
        for column in range(2):
            assert torch.equal(phases[:, row, column], image[:, :, row::3, column::2])


@pytest.mark.parametrize("period", [2, 3])
def test_a_convolution_on_phases_is_a_dilated_one(period: int) -> None:
    image, weight = torch.randn(2, 3, 6 * period, 12, dtype=torch.float64), torch.randn(4, 3, 3, 3, dtype=torch.float64)
    dilated = F.conv2d(image, weight, dilation=period, padding=period)
    phases = batch_to_space(F.conv2d(space_to_batch(image, period), weight, padding=1), period)
    assert torch.allclose(dilated, phases, atol=1e-12)


@pytest.mark.parametrize("size", [(5, 7), (8, 4), (3, 5, 9)], ids=str)
def test_padding_is_cropped_again(size: tuple[int, ...]) -> None:
    image = torch.rand(1, 2, *size)
    for mode in ("constant", "replicate"):
        padded = pad_to_multiple(image, 4, mode)
        assert not any(side % 4 for side in padded.shape[2:]) and torch.equal(crop_to(padded, image), image)


def test_padding_repeats_the_last_pixel() -> None:
    padded = pad_to_multiple(torch.arange(6.0).reshape(1, 1, 2, 3), [2, 5], "replicate")
    assert padded[0, 0].tolist() == [[0.0, 1.0, 2.0, 2.0, 2.0], [3.0, 4.0, 5.0, 5.0, 5.0]]


def test_padding_adds_zeros_behind_the_end() -> None:
    image = torch.ones(1, 1, 5, 6)
    padded = pad_to_multiple(image, [4, 3])
    assert padded.shape == (1, 1, 8, 6) and torch.equal(padded[:, :, :5], image) and not padded[:, :, 5:].any()
    assert torch.equal(pad_to_multiple(image, 1), image) and torch.equal(crop_to(padded, image), image)


@pytest.mark.parametrize(
    "call",
    [
        lambda: space_to_batch(torch.ones(1, 1, 5, 6), 2),
        lambda: space_to_batch(torch.ones(1, 1, 4), 2),
        lambda: space_to_batch(torch.ones(1, 1, 4, 4), (2, 2, 2)),
        lambda: space_to_batch(torch.ones(1, 1, 4, 4), 0),
        lambda: batch_to_space(torch.ones(3, 1, 4, 4), 2),
    ],
)
def test_wrong_sizes_are_named(call) -> None:
    with pytest.raises(InputError, match="expected"):
        call()
