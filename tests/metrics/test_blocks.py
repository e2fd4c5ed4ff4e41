# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Sums over blocks and the standard errors that come from them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_diffdenoise.data.phantom import add_noise
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.blocks import Estimate, block_sums, estimate, plane_stack, variance_of


@settings(max_examples=25, deadline=None)
@given(shape=st.lists(st.integers(1, 40), min_size=2, max_size=4), seed=st.integers(0, 99), masked=st.booleans())
def test_blocks_hold_every_voxel_once(shape: list[int], seed: int, masked: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=generator)
    inside = torch.rand(shape, generator=generator) < 0.5 if masked else torch.ones(shape, dtype=torch.bool)
    table = block_sums(lambda v: (v, v.square(), torch.ones_like(v)), values, inside=inside if masked else None)
    kept = values[inside].double()
    assert table.sum(dim=0).tolist() == pytest.approx([float(kept.sum()), float(kept.square().sum()), len(kept)])


def test_voxels_outside_may_be_nan_and_inside_may_not() -> None:
    values = torch.ones(1, 8, 8)
    values[0, 0, 0] = math.nan
    inside = torch.ones(1, 8, 8, dtype=torch.bool)
    with pytest.raises(InputError, match="NaN"):
        block_sums(lambda v: (v,), values, inside=inside)
    inside[0, 0, 0] = False
    assert float(block_sums(lambda v: (v,), values, inside=inside).sum()) == 63


def _mean_of(field: torch.Tensor) -> Estimate:
    table = block_sums(lambda v: (v, torch.ones_like(v)), field)
    total, count = table.sum(dim=0)
    value = total / count
    return estimate(value, (table[:, 0] - value * table[:, 1]) / count)


@pytest.mark.parametrize("kind", ["gaussian", "correlated"])
def test_standard_error_is_that_of_repeated_draws(kind: str) -> None:
    draws = [_mean_of(add_noise(torch.zeros(1, 96, 96, 2), kind, 1.0, seed=s, slice_axis=3)) for s in range(60)]
    spread = float(torch.tensor([d.value for d in draws]).std())
    told = sum(d.standard_error for d in draws) / len(draws)
    # sqrt(1 / 120) is the error of the spread; noise that reaches over the blocks' edges takes a little off
    assert 0.7 * spread < told < 1.3 * spread
    if kind == "correlated":
        assert told > 2.0 / math.sqrt(96 * 96 * 2)


def test_one_block_says_nothing_about_its_error() -> None:
    assert _mean_of(torch.rand(1, 3, 3)).standard_error == math.inf
    assert Estimate(1.0, math.inf).as_dict() == {"value": 1.0, "standard_error": None}


@pytest.mark.parametrize("axis", [-1, 0, 1, 2])
def test_plane_stack_moves_slices_first(axis: int) -> None:
    volume = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    stack = plane_stack(volume, axis)
    assert stack.shape[1] == volume.shape[1:][axis]
    assert torch.equal(stack[:, 1], volume.select(1 + axis % 3, 1))


@pytest.mark.parametrize(("shape", "axis"), [((3, 4, 5), 0), ((1, 3, 4, 5), 3), ((1, 3, 4, 5), -4)])
def test_plane_stack_refuses_what_has_no_slices(shape: tuple[int, ...], axis: int) -> None:
    with pytest.raises(InputError, match="slice axis"):
        plane_stack(torch.zeros(shape), axis)


@pytest.mark.parametrize("sigma", [-1.0, math.nan, math.inf, torch.ones(7)])
def test_variance_refuses_what_is_no_sigma(sigma: float | torch.Tensor) -> None:
    with pytest.raises(InputError, match="sigma"):
        variance_of(sigma, torch.Size((1, 4, 4)))
