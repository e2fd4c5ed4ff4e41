# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Levels that change over the image."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise import EdgeToCenter, LevelMap
from monai_diffdenoise.transforms.noise.varying import level_values


@given(
    st.floats(0.01, 100), st.floats(0.1, 10), st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(1, 3)
)
def test_root_mean_square_is_sigma_on_any_grid(sigma: float, ratio: float, sides: list[int], channels: int) -> None:
    shape = (channels, *sides)
    values = EdgeToCenter(sigma, ratio).values(shape).expand(shape)
    assert float(values.square().mean().sqrt()) == pytest.approx(sigma, rel=1e-9)
    assert bool((values > 0).all())


def test_profile_rises_linearly_to_the_center() -> None:
    values = EdgeToCenter(1.0, 3.0).values((1, 21, 11, 3))[0]
    assert values.shape == (21, 11, 1)
    edge = values[0, 5, 0]
    expected = [1 + 2 * r for r in (0.0, 0.1, 0.5, 1.0, 0.5)]
    assert (values[[0, 1, 5, 10, 15], 5, 0] / edge).tolist() == pytest.approx(expected)
    assert (values[10, [0, 5, 10], 0] / edge).tolist() == pytest.approx([1.0, 3.0, 1.0])
    assert float(values[0, 0, 0]) == pytest.approx(float(edge))


def test_profile_along_other_axes() -> None:
    values = EdgeToCenter(1.0, 0.5, (-1,)).values((1, 4, 5))[0]
    assert values.shape == (1, 5)
    assert float(values[0, 2] / values[0, 0]) == pytest.approx(0.5)


def test_number_is_the_same_everywhere() -> None:
    assert level_values(0.3, (1, 4, 5)).expand(1, 4, 5).unique().tolist() == [0.3]


@pytest.mark.parametrize("shape", [(2, 4, 5), (1, 4, 5)])
def test_map_is_taken_as_it_is(shape: tuple[int, ...]) -> None:
    sigma = torch.rand(shape)
    assert torch.equal(LevelMap(sigma).values((2, 4, 5)), sigma.double())


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5), (1, 5, 4), (1, 1, 1)])
def test_map_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"map of shape .* for an image of shape \(2, 4, 5\)"):
        LevelMap(torch.ones(shape)).values((2, 4, 5))


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_map_that_cannot_be_is_refused(value: float) -> None:
    with pytest.raises(InputError, match="level map"):
        LevelMap(torch.tensor([[0.1, value]]))


@pytest.mark.parametrize(("sigma", "ratio"), [(-1.0, 3.0), (math.nan, 3.0), (1.0, 0.0), (1.0, -2.0), (1.0, math.inf)])
def test_profile_that_cannot_be_is_refused(sigma: float, ratio: float) -> None:
    with pytest.raises(InputError, match="noise"):
        EdgeToCenter(sigma, ratio)
