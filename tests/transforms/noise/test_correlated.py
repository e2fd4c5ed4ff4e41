# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Filtered noise: stationary to the border, correlated as stated."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage, signal

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise import GaussianKernel, Kernel, Texture
from monai_diffdenoise.transforms.noise.correlated import draw_filtered, kernel_autocorrelation

SKEW = torch.tensor([[1.0, -2.0, 0.5], [3.0, 0.0, 1.0]])


@pytest.mark.parametrize(
    ("texture", "shape"),
    [
        (GaussianKernel(0.8), (6, 5)),
        (GaussianKernel(0.8), (4, 3, 2)),
        (GaussianKernel(1.5, (1,)), (2, 9)),
        (GaussianKernel(0.6, (-1, -3)), (3, 2, 4)),
        (GaussianKernel(0.7, (0, 1, 2)), (3, 3, 3)),
        (Kernel(SKEW), (5, 6)),
        (Kernel(SKEW), (1, 1)),
        (Kernel(SKEW, (2, 0)), (4, 2, 3)),
        (Kernel(torch.tensor([1.0, 1.0, 1.0])), (7, 2)),
        (Kernel(torch.ones(2, 2, 2), (0, 1, 2)), (3, 2, 3)),
    ],
)
def test_any_two_voxels_have_the_stated_covariance(texture: Texture, shape: tuple[int, ...], covariance_z) -> None:
    assert covariance_z(texture, shape) < 5


def test_kernel_and_gaussian_are_the_same_filter() -> None:
    one = GaussianKernel(1.1)
    two = Kernel(one.taps[:, None] * one.taps[None, :])
    for lag in ((0, 0), (1, 0), (2, -3), (9, 1), (0, 0, 1)):
        assert one.autocorrelation(lag) == pytest.approx(two.autocorrelation(lag), abs=1e-12)


def test_noise_is_the_convolution_of_white_noise() -> None:
    kernel = SKEW.double()
    white = torch.randn((1, 9, 10), generator=torch.Generator().manual_seed(4))
    field = draw_filtered((1, 8, 8), kernel, (0, 1), torch.Generator().manual_seed(4))
    expected = ndimage.convolve(white[0].numpy(), kernel.numpy(), mode="wrap", origin=(-1, -1))
    assert np.allclose(field[0], expected[:8, :8], atol=1e-5)


@pytest.mark.parametrize(("width", "error"), [(0.6, 0.055), (0.8, 0.007), (1.5, 1e-6), (3.0, 1e-5)])
def test_gaussian_autocorrelation_is_near_its_formula(width: float, error: float) -> None:
    for lag in ((1, 0), (0, 2), (2, 1), (-1, 3)):
        expected = math.exp(-(lag[0] ** 2 + lag[1] ** 2) / (4 * width**2))
        assert GaussianKernel(width).autocorrelation(lag) == pytest.approx(expected, abs=error)


SIDES = st.tuples(st.integers(1, 5), st.integers(1, 5))


@settings(max_examples=60, deadline=None)
@given(SIDES.flatmap(lambda shape: arrays(np.float64, shape, elements=st.integers(-9, 9).map(float))))
def test_autocorrelation_of_any_kernel_is_scipys(kernel: np.ndarray) -> None:
    if not kernel.any():
        with pytest.raises(InputError, match="noise kernel"):
            Kernel(torch.from_numpy(kernel))
        return
    expected = signal.correlate2d(kernel, kernel) / (kernel**2).sum()
    reach = np.array(kernel.shape) - 1
    for place in np.ndindex(*expected.shape):
        lag = tuple(np.array(place) - reach)
        assert Kernel(torch.from_numpy(kernel)).autocorrelation(lag) == pytest.approx(expected[place], abs=1e-9)


def test_autocorrelation_beyond_the_kernel_or_off_its_axes_is_0() -> None:
    assert kernel_autocorrelation(SKEW, (0, 1), (2, 0)) == 0.0
    assert kernel_autocorrelation(SKEW, (0, 1), (0, 0, 1)) == 0.0
    assert kernel_autocorrelation(SKEW, (0, 2), (0, 0, 1)) == pytest.approx((-2 - 1) / 15.25)
    assert kernel_autocorrelation(SKEW, (0, 1), ()) == pytest.approx(1.0)
    assert GaussianKernel(1.0).autocorrelation((0, 0, 2)) == 0.0
    assert GaussianKernel(1.0).autocorrelation((2,)) == GaussianKernel(1.0).autocorrelation((2, 0)) > 0.3
    assert GaussianKernel(1.0, (0, 2)).autocorrelation((0, 0, 2)) == pytest.approx(math.exp(-1), abs=1e-3)


def test_scale_of_the_kernel_does_not_matter() -> None:
    fields = [Kernel(SKEW * scale).draw((1, 5, 5), torch.Generator().manual_seed(0)) for scale in (1.0, 1e-20, 1e20)]
    assert torch.allclose(fields[0], fields[1]) and torch.allclose(fields[0], fields[2])


@pytest.mark.parametrize("kernel", [torch.zeros(3), torch.tensor(1.0), torch.tensor([math.nan, 1.0]), torch.zeros(0)])
def test_kernels_that_cannot_be_are_refused(kernel: torch.Tensor) -> None:
    with pytest.raises(InputError, match="noise kernel"):
        Kernel(kernel)


@pytest.mark.parametrize("width", [0.0, -1.0, math.nan, math.inf])
def test_widths_that_cannot_be_are_refused(width: float) -> None:
    with pytest.raises(InputError, match="width"):
        GaussianKernel(width)


def test_a_kernel_with_more_axes_than_the_image_is_refused() -> None:
    with pytest.raises(InputError, match="along 2 axes"):
        Kernel(SKEW).draw((1, 7), torch.Generator())
