# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Robust noise level of a field that is mostly noise."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_diffdenoise.transforms import block_noise
from monai_diffdenoise.transforms.block_noise import (
    block_mean,
    block_noise_std,
    foreground_threshold,
    log_mode,
    noise_std_of_parts,
    spread_slices,
)


def white(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("pixels", [1, 4, 64])
def test_mode_of_block_energies_is_their_mean_for_any_block_size(pixels: int) -> None:
    assert log_mode(white(20000, pixels).square().mean(1)) == pytest.approx(1, rel=0.12)


@pytest.mark.parametrize("values", [[4.0], [1.0, 4.0, 9.0], [2.0] * 9])
def test_mode_of_a_few_or_equal_values(values: list[float]) -> None:
    assert log_mode(torch.tensor(values)) == pytest.approx(sorted(values)[len(values) // 2], rel=2e-3)


@pytest.mark.parametrize(
    ("shape", "blocks"), [((2, 19, 16), (2, 2, 2)), ((1, 5, 20), (1, 1, 2)), ((1, 1, 1), (1, 1, 1))]
)
def test_blocks_of_any_slice(shape: tuple[int, ...], blocks: tuple[int, ...]) -> None:
    assert block_mean(torch.ones(shape)).tolist() == torch.ones(blocks).tolist()


@settings(max_examples=30, deadline=None)
@given(scale=st.floats(1e-12, 1e12), seed=st.integers(0, 99))
def test_std_of_noise_in_any_unit(scale: float, seed: int) -> None:
    field = white(4, 64, 64, seed=seed)
    assert block_noise_std(field.double() * scale, field, -math.inf) == pytest.approx(scale, rel=0.08)


def test_structure_in_a_third_of_the_blocks_does_not_count() -> None:
    field = white(8, 64, 64)
    field[:, :, :21] += 5
    assert block_noise_std(field, field, -math.inf) == pytest.approx(1, rel=0.05)


def test_foreground_counts_and_masked_places_do_not() -> None:
    field, intensity = white(8, 64, 64), torch.zeros(8, 64, 64)
    intensity[:, 32:] = 100
    field[:, :32] *= 0.655  # the background of a magnitude image
    assert block_noise_std(field, intensity, 50.0) == pytest.approx(1, rel=0.05)
    field[:, :32] = 0
    assert block_noise_std(field, intensity, -math.inf) == pytest.approx(1, rel=0.05)


def test_where_nothing_varies_there_is_no_noise() -> None:
    for shape in ((2, 16, 16), (0, 16, 16)):
        assert block_noise_std(torch.zeros(shape), torch.ones(shape), 0.5) == 0.0


def test_threshold_parts_object_from_background() -> None:
    image = torch.full((1, 64, 64), -1000.0)
    image[:, 16:48, 16:48] = 40
    assert -1000 < foreground_threshold(image) < 40


def test_alike_blocks_have_no_threshold() -> None:
    assert foreground_threshold(torch.ones(1, 16, 16)) == -math.inf


def test_parts_of_a_field_have_the_noise_of_the_whole() -> None:
    field = white(9, 40, 40) * torch.linspace(0.5, 2, 9)[:, None, None]
    field[2:4] = 0
    level = torch.linspace(0, 1, 40).expand(9, 40, 40)
    expected = block_noise_std(field, level, 0.4)
    assert expected > 0
    for size in (1, 2, 4):
        parts = list(zip(field.split(size), level.split(size), strict=True))
        assert noise_std_of_parts(partial(iter, parts), 0.4) == expected
    assert noise_std_of_parts(list, 0.0) == 0.0


def test_some_slices_tell_the_threshold_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = torch.full((30, 32, 32), 100.0)
    stack[[0, 14, 29]] = (torch.arange(32) > 15).float()
    assert foreground_threshold(stack) > 1
    monkeypatch.setattr(block_noise, "_VOXELS", 1)
    monkeypatch.setattr(block_noise, "_SLICES", 3)
    assert spread_slices(stack, 1, 3) == [0, 14, 29]
    assert 0 < foreground_threshold(stack) < 1


@pytest.mark.parametrize(("count", "voxels", "fewest", "expected"), [(5, 99, 9, 5), (50, 40, 3, 10), (50, 4, 3, 3)])
def test_slices_are_spread_evenly(count: int, voxels: int, fewest: int, expected: int) -> None:
    chosen = spread_slices(torch.zeros(count, 2, 2), voxels, fewest)
    assert len(chosen) == expected and chosen[0] == 0 and chosen[-1] == count - 1
    assert set(np.diff(chosen)) <= {(count - 1) // (expected - 1), -(-(count - 1) // (expected - 1))}


def test_the_threshold_does_not_depend_on_how_the_slices_lie() -> None:
    stack = white(12, 24, 24) + 3 * (torch.arange(24) > 9)
    assert foreground_threshold(stack.movedim(0, 2).contiguous().movedim(2, 0)) == foreground_threshold(stack)
