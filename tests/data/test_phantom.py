# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The phantom and its noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from monai_diffdenoise.data.phantom import NOISE_KINDS, add_noise, make_phantom, phantom_noise, phantom_volume
from monai_diffdenoise.errors import InputError


def _correlation(one: torch.Tensor, two: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([one.flatten(), two.flatten()]))[0, 1])


def test_phantom_is_fixed_by_its_seed() -> None:
    first, again, other = make_phantom(seed=3), make_phantom(seed=3), make_phantom(seed=4)
    assert torch.equal(first, again)
    assert _correlation(first, other) < 0.999


def test_phantom_uses_the_range_from_0_to_1() -> None:
    phantom = make_phantom()
    assert (phantom.dtype, tuple(phantom.shape)) == (torch.float32, (96, 96, 40))
    assert float(phantom.min()) == 0.0
    assert float(phantom.max()) > 0.95
    assert float(phantom.max()) <= 1.0
    assert float((phantom == 0).float().mean()) > 0.1


def test_structure_goes_on_from_slice_to_slice_and_still_changes() -> None:
    phantom = make_phantom()
    neighbors = [_correlation(phantom[..., i], phantom[..., i + 1]) for i in range(39)]
    assert min(neighbors) > 0.95
    assert max(neighbors) < 0.9995
    assert _correlation(phantom[..., 20], phantom[..., 30]) < min(neighbors)


def test_fine_structure_is_there() -> None:
    """What a Gaussian of one voxel would take away is well above nothing: cortex, vessels, lesions."""
    phantom = make_phantom()
    smooth = torch.nn.functional.avg_pool3d(phantom[None, None], 3, stride=1, padding=1)[0, 0]
    assert float((phantom - smooth)[8:-8, 8:-8].square().mean().sqrt()) > 0.03


@settings(max_examples=25, deadline=None)
@given(st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 12)), st.integers(0, 99))
def test_any_shape(shape: tuple[int, int, int], seed: int) -> None:
    phantom = make_phantom(shape, seed)
    assert tuple(phantom.shape) == shape
    assert bool(torch.isfinite(phantom).all())
    assert float(phantom.min()) >= 0.0
    assert float(phantom.max()) <= 1.0


@pytest.mark.parametrize("shape", [(96, 96), (8, 8, 0), (8, 8, 8, 8)])
def test_a_shape_that_cannot_be_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="three sizes"):
        make_phantom(shape)


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_noise_is_fixed_by_its_seed_and_leaves_the_image_alone(kind: str) -> None:
    clean = make_phantom((20, 20, 6))
    kept = clean.clone()
    noisy = add_noise(clean, kind, 0.1, seed=5)
    assert torch.equal(noisy, add_noise(clean, kind, 0.1, seed=5))
    assert not torch.equal(noisy, add_noise(clean, kind, 0.1, seed=6))
    assert torch.equal(clean, kept)
    assert noisy.dtype == torch.float32


@pytest.mark.parametrize("kind", ["gaussian", "correlated"])
def test_added_noise_has_mean_zero_and_sigma_everywhere(kind: str) -> None:
    noise = add_noise(torch.zeros(64, 64, 200), kind, 0.25, seed=1)
    assert float(noise.mean()) == pytest.approx(0.0, abs=0.002)
    assert float(noise.std()) == pytest.approx(0.25, rel=0.01)
    # The border is no weaker than the middle.
    assert float(noise[0].std()) == pytest.approx(0.25, rel=0.05)
    assert float(noise[:, -1].std()) == pytest.approx(0.25, rel=0.05)


@pytest.mark.parametrize("width", [0.7, 1.5])
def test_correlated_noise_is_a_filtered_one_in_the_plane_and_white_across(width: float) -> None:
    noise = add_noise(torch.zeros(2, 64, 96, 40), "correlated", 1.0, seed=2, width=width)
    for axis, expected in ((1, math.exp(-0.25 / width**2)), (2, math.exp(-0.25 / width**2)), (3, 0.0), (0, 0.0)):
        n = noise.shape[axis]
        lag1 = _correlation(noise.narrow(axis, 0, n - 1), noise.narrow(axis, 1, n - 1))
        assert lag1 == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("slice_axis", [0, 1, -1])
def test_slices_lie_along_the_stated_axis(slice_axis: int) -> None:
    noise = add_noise(torch.zeros(48, 50, 52), "correlated", 1.0, slice_axis=slice_axis).movedim(slice_axis, 0)
    assert abs(_correlation(noise[:-1], noise[1:])) < 0.03
    assert _correlation(noise[:, :-1], noise[:, 1:]) > 0.5
    assert _correlation(noise[:, :, :-1], noise[:, :, 1:]) > 0.5


def test_rician_noise_has_the_known_moments() -> None:
    background = add_noise(torch.zeros(1, 100, 1000), "rician", 2.0, seed=0)
    assert float(background.mean()) == pytest.approx(2.0 * math.sqrt(math.pi / 2), rel=0.01)
    signal = add_noise(torch.full((1, 100, 1000), 7.0), "rician", 2.0, seed=0)
    assert float(signal.square().mean()) == pytest.approx(7.0**2 + 2 * 2.0**2, rel=0.01)


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_no_noise_of_strength_zero(kind: str) -> None:
    clean = make_phantom((12, 12, 3))
    assert torch.equal(add_noise(clean.numpy(), kind, 0.0), clean)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "pink"}, "gaussian, rician, correlated"),
        ({"sigma": -0.1}, "sigma -0.1"),
        ({"sigma": math.nan}, "sigma nan"),
        ({"kind": "correlated", "width": 0.0}, "width 0.0"),
        ({"kind": "correlated", "slice_axis": 3}, "slice axis is 3"),
    ],
)
def test_noise_that_cannot_be_is_refused(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        add_noise(torch.zeros(4, 4, 4), **change)


def test_first_kinds_of_noise_keep_their_voxels() -> None:
    """Measurements in the docs rest on them."""
    clean, sigma = make_phantom((24, 20, 10)), 0.1
    generator = torch.Generator().manual_seed(7)
    first, second = torch.randn(clean.shape, generator=generator), torch.randn(clean.shape, generator=generator)
    assert torch.equal(add_noise(clean, "gaussian", sigma, seed=7), clean + sigma * first)
    assert torch.equal(add_noise(clean, "rician", sigma, seed=7), torch.hypot(clean + sigma * first, sigma * second))
    noise = add_noise(torch.zeros(24, 20, 10), "correlated", sigma, seed=7)
    white = torch.randn((32, 28, 10), generator=torch.Generator().manual_seed(7)).double().numpy()
    taps = np.exp(-0.5 * (np.arange(-4, 5) / 0.8) ** 2)
    taps /= np.sqrt((taps**2).sum())
    for axis in (0, 1):
        white = ndimage.correlate1d(white, taps, axis=axis)
    np.testing.assert_allclose(noise, sigma * white[4:-4, 4:-4], atol=1e-6)


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_phantom_noise_is_the_truth_about_added_noise(kind: str) -> None:
    clean = make_phantom((64, 60, 24))
    model = phantom_noise(kind, 0.1)
    error = (add_noise(clean, kind, 0.1, seed=1) - model.mean(clean[None])[0]).square()
    assert float(error.mean() / model.variance(clean[None]).mean()) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("kind", ["ct", "zero-filled", "correlated"])
@pytest.mark.parametrize("slice_axis", [0, 1, -1])
def test_plane_of_correlated_kinds_is_across_the_slices(kind: str, slice_axis: int) -> None:
    noise = add_noise(torch.zeros(40, 42, 44), kind, 1.0, slice_axis=slice_axis).movedim(slice_axis, 0)
    model = phantom_noise(kind, 1.0, slice_axis=slice_axis)
    assert abs(_correlation(noise[:-1], noise[1:])) < 0.03
    lag = [0 if axis == slice_axis % 3 else 1 for axis in range(3)]
    assert _correlation(noise[:, :-1, :-1], noise[:, 1:, 1:]) == pytest.approx(model.autocorrelation(lag), abs=0.03)


@pytest.mark.parametrize("kind", NOISE_KINDS)
@pytest.mark.parametrize("shape", [(2, 12, 10, 4), (12, 10)])
def test_series_and_single_slices_take_noise(kind: str, shape: tuple[int, ...]) -> None:
    clean = torch.full(shape, 0.5)
    if kind == "ct" and len(shape) == 2:
        with pytest.raises(InputError, match="along 2 axes"):
            add_noise(clean, kind, 0.1)
    else:
        assert add_noise(clean, kind, 0.1).shape == shape


def test_an_image_of_one_slice_is_all_plane() -> None:
    noise = add_noise(torch.zeros(200, 200), "ct", 1.0, slice_axis=None)
    for axis in (0, 1):
        lag1 = _correlation(noise.narrow(axis, 0, 199), noise.narrow(axis, 1, 199))
        assert lag1 == pytest.approx(0.406, abs=0.03)


def test_volume_holds_the_phantom_and_takes_noise() -> None:
    volume = phantom_volume((20, 24, 6), seed=1)
    assert torch.equal(volume.image.as_tensor()[0], make_phantom((20, 24, 6), seed=1))
    assert (volume.spacing, volume.slice_axis, volume.finite) == ((1.0, 1.0, 1.0), 2, None)
    np.testing.assert_array_equal(volume.image.affine, np.eye(4))
    noisy = volume.with_image(add_noise(volume.image, "gaussian", 0.1))
    assert float((noisy.image - volume.image).std()) == pytest.approx(0.1, rel=0.1)
