# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What textures have in common, and the white one."""

from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise import GaussianKernel, GaussianNoise, White, expected_autocorrelation
from monai_diffdenoise.transforms.noise.texture import lag_dims, plane_axes


def test_white_noise_is_white(covariance_z) -> None:
    assert covariance_z(White(), (4, 5)) < 5
    assert expected_autocorrelation(White(), [(0, 0), (1, 0), (0, -3), ()]).tolist() == [1.0, 0.0, 0.0, 1.0]


def test_expected_autocorrelation_asks_textures_and_models_alike() -> None:
    lags, texture = [(0, 0), (1, 0), (0, 2), (0, 0, 1)], GaussianKernel(1.0)
    expected = expected_autocorrelation(texture, lags)
    assert expected.dtype == torch.float64
    assert expected.tolist() == [texture.autocorrelation(lag) for lag in lags]
    assert torch.equal(expected, expected_autocorrelation(GaussianNoise(0.3, texture), lags))
    assert expected_autocorrelation(White(), []).shape == (0,)


@pytest.mark.parametrize(
    ("axes", "dims", "count", "expected"),
    [
        (None, 3, None, (0, 1)),
        (None, 1, None, (0,)),
        (None, 3, 3, (0, 1, 2)),
        ((2, 0), 3, None, (2, 0)),
        ((-1, -3), 3, 2, (2, 0)),
        ([0], 2, None, (0,)),
    ],
)
def test_axes_are_found(axes, dims: int, count: int | None, expected: tuple[int, ...]) -> None:
    assert plane_axes(axes, dims, count) == expected


@pytest.mark.parametrize(
    ("axes", "dims", "count"), [((0, 0), 2, None), ((0, -2), 2, None), ((2,), 2, None), ((0,), 2, 2), (None, 1, 2)]
)
def test_axes_that_cannot_be_are_refused(axes, dims: int, count: int | None) -> None:
    with pytest.raises(InputError, match="axes"):
        plane_axes(axes, dims, count)


def test_a_short_lag_is_filled_up() -> None:
    assert lag_dims((1,), None, None, 2) == 2
    assert lag_dims((1,), None, (0, 2), 2) == 3
    assert lag_dims((1, 0, 0, 0), None, (-1, -2), 2) == 4
    assert lag_dims((1,), (4, 5, 6), None, 1) == 3
