# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise estimates against noise that is known."""

from __future__ import annotations

import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage

from monai_diffdenoise.analysis.sigma import (
    best_sigma,
    sigma_in_plane,
    sigma_second_difference,
    sigma_slice_difference,
)
from monai_diffdenoise.errors import InputError

SIGMA = 0.05


def anatomy(depth: int = 24, smooth: float = 8) -> np.ndarray:
    """A bright object of varied brightness in a dark frame, (64, 72, depth), changing slowly along the last axis."""
    texture = ndimage.gaussian_filter(np.random.default_rng(5).standard_normal((64, 72, 64)), smooth)[..., :depth]
    volume = 0.7 + 0.1 * texture / texture.std()
    volume[:8], volume[-8:], volume[:, :8], volume[:, -8:] = 0, 0, 0, 0
    return volume


def noise(kind: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Noise of standard deviation 1 whose slices along the last axis are independent, except for "3d"."""
    white = np.random.default_rng(seed).standard_normal(shape)
    width = {"white": (0, 0, 0), "correlated": (0.8, 0.8, 0), "3d": (0.8, 0.8, 0.8)}[kind]
    field = ndimage.gaussian_filter(white, width)
    return field / field.std()


def noisy(kind: str = "white", sigma: float = SIGMA, depth: int = 24) -> torch.Tensor:
    clean = anatomy(depth)
    if kind == "rician":
        real, imaginary = clean + sigma * noise("white", clean.shape), sigma * noise("white", clean.shape, 1)
        return torch.from_numpy(np.hypot(real, imaginary)).float()
    return torch.from_numpy(clean + sigma * noise(kind, clean.shape)).float()


@pytest.mark.parametrize("kind", ["white", "rician", "correlated"])
@pytest.mark.parametrize("sigma", [0.02, 0.05, 0.1])
@pytest.mark.parametrize(
    ("estimate", "error"), [(sigma_slice_difference, 0.06), (sigma_second_difference, 0.06), (best_sigma, 0.12)]
)
def test_sigma_across_slices_is_found(estimate, error: float, sigma: float, kind: str) -> None:
    assert estimate(noisy(kind, sigma)) == pytest.approx(sigma, rel=error)


def test_sigma_within_slices_is_found_for_white_noise_only() -> None:
    assert sigma_in_plane(noisy("white")) == pytest.approx(SIGMA, rel=0.07)
    assert sigma_in_plane(noisy("correlated")) < 0.5 * SIGMA


def test_wide_lag_does_not_care_for_correlation_in_the_plane_or_across_slices() -> None:
    for kind in ("correlated", "3d"):
        assert sigma_in_plane(noisy(kind), lag=3) == pytest.approx(SIGMA, rel=0.1)


def test_second_difference_takes_less_structure() -> None:
    ramp = torch.linspace(0, 4, 24) * torch.linspace(1, 3, 72)[:, None] * torch.ones(64, 1, 1)
    volume = noisy() + ramp
    assert sigma_second_difference(volume) == pytest.approx(SIGMA, rel=0.1)
    assert sigma_slice_difference(volume) > 1.5 * SIGMA


def test_best_sigma_corrects_for_correlation_across_slices() -> None:
    volume = noisy("3d")
    assert sigma_slice_difference(volume) < 0.7 * SIGMA
    assert best_sigma(volume, correlation=0.6) == pytest.approx(SIGMA, rel=0.15)


def test_best_sigma_stands_slices_that_have_nothing_in_common() -> None:
    volume = noisy() + torch.linspace(0, 1, 64)[:, None, None] * torch.tensor([1.0, -1.0, 0.0]).repeat(8)
    assert best_sigma(volume) == pytest.approx(SIGMA, rel=0.15)
    assert min(sigma_slice_difference(volume), sigma_second_difference(volume)) > 1.5 * SIGMA


@pytest.mark.parametrize("axis", [0, 1, -3])
def test_any_axis_and_metatensors(axis: int) -> None:
    volume = MetaTensor(noisy().movedim(2, axis % 3))
    assert sigma_slice_difference(volume, axis) == pytest.approx(sigma_slice_difference(noisy(), 2))


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e6])
@pytest.mark.parametrize("offset", [0.0, -10.0])
def test_sigma_scales_with_the_volume(scale: float, offset: float) -> None:
    volume = scale * (noisy() + offset)
    assert best_sigma(volume) == pytest.approx(scale * best_sigma(noisy()), rel=0.02)


def test_distance_counts_slices() -> None:
    volume = torch.zeros(32, 32, 8)
    volume[..., 1::2] = 1
    volume += SIGMA * torch.randn(volume.shape, generator=torch.Generator().manual_seed(0))
    assert sigma_slice_difference(volume, distance=2) == pytest.approx(SIGMA, rel=0.1)
    assert sigma_slice_difference(volume, distance=1) == pytest.approx(1 / 2**0.5, rel=0.1)


@pytest.mark.parametrize("depth", [1, 2])
def test_few_slices_leave_out_what_cannot_be_measured(depth: int) -> None:
    volume = noisy(depth=depth)
    assert math.isnan(sigma_slice_difference(volume)) == (depth < 2)
    assert math.isnan(sigma_second_difference(volume))
    assert best_sigma(volume) == pytest.approx(SIGMA, rel=0.15)


def test_image_is_one_slice() -> None:
    image = noisy()[..., 3]
    assert sigma_in_plane(image) == sigma_in_plane(image[..., None])
    assert math.isnan(sigma_slice_difference(image))


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 5), (5, 4, 1), (1, 3, 2)])
def test_smallest_volumes_are_measured_without_an_error(shape: tuple[int, ...]) -> None:
    assert best_sigma(torch.rand(shape)) >= 0


@pytest.mark.parametrize("estimate", [sigma_slice_difference, sigma_second_difference, sigma_in_plane, best_sigma])
def test_constant_volume_has_no_noise(estimate) -> None:
    assert estimate(torch.full((16, 16, 5), 7.0)) == 0.0


@pytest.mark.parametrize(("shape", "axis"), [((4,), 0), ((2, 4, 4, 4), 0), ((4, 0, 4), 0), ((4, 4, 4), 3)])
def test_other_shapes_and_axes_are_refused(shape: tuple[int, ...], axis: int) -> None:
    with pytest.raises(InputError, match="expected \\(X, Y, Z\\)"):
        sigma_slice_difference(torch.zeros(shape), axis)


@pytest.mark.parametrize(
    ("name", "sigma", "correlation"),
    [
        ("A_oct_duke_s02/vol5_frames.nii.gz", 29.1, 0.0),
        ("A_ct_headphantom_bone_vs_idose/bone_kernel_noisy.nii.gz", 14.8, 0.0),
        ("A_mri_asl_pcasl3d/pwi_noisy_pair1.nii.gz", 5.55, 0.27),
    ],
)
def test_real_scans_have_the_sigma_of_their_table(dev_data: Path, name: str, sigma: float, correlation: float) -> None:
    volume = torch.from_numpy(np.asarray(nib.load(dev_data / name).dataobj, dtype=np.float32))
    assert best_sigma(volume, 2, correlation=correlation) == pytest.approx(sigma, rel=0.2)
