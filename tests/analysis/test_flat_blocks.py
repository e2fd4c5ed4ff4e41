# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
import torch

from monai_diffdenoise.analysis.flat_blocks import (
    cut_blocks,
    find_flat_blocks,
    fine_detail,
    slice_fields,
    without_plane,
)


def white(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("distance", [1, 2])
def test_fields_keep_the_variance_of_one_slice_and_lose_what_slices_share(order, distance):
    noise = white(40, 48, 48)
    anatomy = torch.linspace(0, 50, 48)[None, :, None] * torch.ones(40, 48, 48)
    field, mean, index = slice_fields(noise + anatomy, distance, order)
    assert field.std() == pytest.approx(1.0, rel=0.02)
    assert mean.mean() == pytest.approx(25.0, rel=0.01)
    assert field.shape[0] == len(index) == 40 - order * distance


def test_steady_change_across_slices_cancels_from_order_2_on():
    ramp = torch.arange(12.0)[:, None, None].expand(12, 16, 16)
    assert slice_fields(ramp, 1, 1)[0].abs().max() > 0.5
    assert slice_fields(ramp, 1, 2)[0].abs().max() < 1e-5
    assert slice_fields(ramp**2, 1, 3)[0].abs().max() < 1e-4


def test_fine_detail_keeps_white_noise_and_loses_waves():
    assert fine_detail(white(20, 64, 64)).std() == pytest.approx(1.0, rel=0.03)
    wave = torch.sin(torch.arange(64) * 2 * math.pi / 16)
    assert fine_detail((wave[:, None] * wave[None, :])[None]).std() < 0.01


def test_cut_blocks_keeps_whole_blocks_in_order():
    field = torch.arange(2 * 9 * 10.0).reshape(2, 9, 10)
    blocks = cut_blocks(field, 4)
    assert blocks.shape == (8, 4, 4)
    assert torch.equal(blocks[3], field[0, 4:8, 4:8])
    assert torch.equal(blocks[4], field[1, :4, :4])


def test_picked_blocks_are_flat_where_they_say_and_unbiased():
    noise = 0.1 * white(64, 64, 24)
    volume = noise.clone()
    # half of every slice is textured
    volume[:, 32:] += torch.sin(torch.arange(32.0) * 0.9)[None, :, None]
    blocks = find_flat_blocks(volume)
    assert blocks is not None
    clean = (blocks.structure < 1.8)[blocks.group]
    assert int(clean.sum()) > 50
    assert (blocks.place[clean, 2] < 32).all()
    assert blocks.energy[clean].mean().sqrt() == pytest.approx(0.1, rel=0.02)
    first = blocks.place[0].tolist()
    run = [volume[first[1] : first[1] + 8, first[2] : first[2] + 8, first[0] + k] for k in (-1, 0, 1)]
    torch.testing.assert_close(blocks.field[0], (run[0] - 2 * run[1] + run[2]) / math.sqrt(6))


def test_quiet_regions_are_not_preferred():
    # the same brightness everywhere; noise is three times weaker in one half
    level = torch.ones(192, 192, 1)
    level[:, 96:] = 1 / 3
    blocks = find_flat_blocks(level * white(192, 192, 12))
    assert blocks is not None
    loud = (blocks.place[:, 2] < 96).double().mean()
    assert 0.3 < loud < 0.7


def test_structure_tells_textured_groups():
    volume = 0.05 * white(64, 64, 24)
    volume += torch.linspace(0, 1, 64)[:, None, None]
    clean = find_flat_blocks(volume)
    texture = torch.sin(torch.arange(64) * 0.7)[None, :, None] * 0.3
    textured = find_flat_blocks(volume + texture)
    assert clean is not None and textured is not None
    assert float(clean.structure.max()) < 1.2
    assert float(textured.structure.min()) > 3


@pytest.mark.parametrize("shape", [(64, 64, 2), (7, 64, 20)])
def test_too_small(shape):
    assert find_flat_blocks(white(*shape)) is None


def test_equal_slices_hold_no_noise():
    assert find_flat_blocks(white(32, 32, 1).expand(32, 32, 10)) is None


def test_axis_is_honored():
    volume = white(20, 40, 48)
    a, b = find_flat_blocks(volume, 0), find_flat_blocks(volume.movedim(0, -1), -1)
    assert a is not None and b is not None
    assert torch.equal(a.field, b.field)


def test_a_plane_is_taken_out_and_noise_is_not():
    slope = torch.arange(8.0)[:, None] * 3 + torch.arange(8.0)[None, :] * 2 + 7
    assert without_plane(slope[None]).abs().max() < 1e-4
    assert without_plane(white(500, 8, 8)).square().mean() == pytest.approx(61 / 64, rel=0.02)
