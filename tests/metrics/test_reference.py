# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Reference scores against scikit-image, MONAI and closed forms."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from monai.data import MetaTensor
from monai.metrics import SSIMMetric
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics import (
    bias,
    default_data_range,
    edge_error,
    noise_gain,
    psnr,
    reference_scores,
    rmse,
    ssim,
)


def _pair(shape: tuple[int, ...] = (1, 24, 20, 16), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A smooth reference with values around 100 to 200 and a noisy version of it, float32."""
    rng = np.random.default_rng(seed)
    grids = np.meshgrid(*(np.linspace(0, 3, n) for n in shape), indexing="ij")
    reference = (150 + 50 * np.prod([np.cos(g) for g in grids[1:]], axis=0)).astype(np.float32)
    return (reference + 8 * rng.standard_normal(shape)).astype(np.float32), reference


def _skimage_map(image: np.ndarray, reference: np.ndarray, data_range: float) -> np.ndarray:
    """SSIM map of a slice, without the 5 voxels at its border."""
    _, full = structural_similarity(
        image.astype(np.float64),
        reference.astype(np.float64),
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        win_size=11,
        full=True,
    )
    return full[5:-5, 5:-5]


def test_psnr_equals_skimage() -> None:
    image, reference = _pair()
    assert psnr(image, reference, 90.0) == pytest.approx(
        peak_signal_noise_ratio(reference.astype(float), image.astype(float), data_range=90.0), abs=1e-9
    )


@pytest.mark.parametrize("slice_axis", [None, 0, 1, 2])
def test_ssim_equals_skimage_slice_by_slice(slice_axis: int | None) -> None:
    image, reference = _pair()
    axis = 2 if slice_axis is None else slice_axis
    expected = np.mean(
        [
            _skimage_map(a, b, 100.0)
            for a, b in zip(np.moveaxis(image[0], axis, 0), np.moveaxis(reference[0], axis, 0), strict=True)
        ]
    )
    assert ssim(image, reference, 100.0, slice_axis=slice_axis) == pytest.approx(expected, abs=1e-9)


def test_ssim_equals_monai() -> None:
    image, reference = (torch.as_tensor(a) / 200 for a in _pair((3, 32, 24)))
    expected = float(SSIMMetric(2, kernel_type="gaussian", win_size=11)(image[:, None], reference[:, None]).mean())
    # MONAI's float32 is what differs: in float64 its own formula gives our value to 1e-7.
    assert ssim(image, reference, 1.0) == pytest.approx(expected, abs=5e-5)


def test_ssim_keeps_its_value_far_from_zero() -> None:
    """Where float32 loses the variance: values around 1e5, range 1."""
    rng = np.random.default_rng(0)
    reference = 1e5 + rng.random((1, 20, 20))
    image = reference + 0.2 * rng.standard_normal(reference.shape)
    expected = _skimage_map(image[0], reference[0], 1.0).mean()
    assert ssim(image, reference, 1.0) == pytest.approx(expected, abs=1e-6)


def test_ssim_averages_its_map_in_the_mask() -> None:
    image, reference = _pair((2, 30, 30))
    mask = np.zeros((1, 30, 30), dtype=np.uint8)
    mask[0, 2:12, 8:20] = 1
    maps = np.stack([_skimage_map(a, b, 100.0) for a, b in zip(image, reference, strict=True)])
    expected = maps[:, mask[0, 5:-5, 5:-5] > 0].mean()
    assert ssim(image, reference, 100.0, mask=mask) == pytest.approx(expected, abs=1e-9)


def test_all_scores_of_identical_images() -> None:
    image, _ = _pair()
    scores = reference_scores(image, image.copy())
    assert (scores.psnr, scores.ssim, scores.bias, scores.rmse) == (math.inf, 1.0, 0.0, 0.0)
    stored = json.loads(json.dumps(scores.as_dict(), allow_nan=False))
    assert stored["psnr"] is None
    assert stored["identical"] is True


def test_closed_forms_in_a_mask() -> None:
    reference = np.zeros((2, 12, 12))
    image = np.full((2, 12, 12), 1e9)
    image[:, 3:6], image[:, 6:9] = 2.0, -1.0
    mask = np.zeros((12, 12))
    mask[3:9] = 0.5
    scores = reference_scores(image, reference, data_range=10.0, mask=mask)
    assert scores.mask_voxels == 2 * 6 * 12
    assert scores.bias == pytest.approx(0.5)
    assert scores.bias_percent == pytest.approx(5.0)
    assert scores.rmse == pytest.approx(math.sqrt(2.5))
    assert scores.psnr == pytest.approx(10 * math.log10(100 / 2.5))
    assert bias(image, reference, 10.0, mask) == pytest.approx(0.05)
    assert rmse(image, reference, 10.0, mask) == pytest.approx(math.sqrt(2.5) / 10)
    assert scores.as_dict()["identical"] is False


def test_sums_are_float64() -> None:
    """5 million errors of 1e-4 beside values of 1: float32 sums would be off in the third digit."""
    reference = np.ones((1, 5_000_000), dtype=np.float32)
    image = reference + np.float32(1e-4)
    error = float(image[0, 0]) - 1.0
    assert bias(image, reference) == pytest.approx(error, rel=1e-9)
    assert rmse(image, reference) == pytest.approx(error, rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(
    npst.arrays(np.float64, (1, 12, 13), elements=st.floats(-100, 100)),
    st.floats(0.01, 100),
    st.floats(-1000, 1000),
)
def test_psnr_and_bias_follow_affine_changes(error: np.ndarray, scale: float, offset: float) -> None:
    reference = np.arange(156.0).reshape(1, 12, 13)
    error[0, 0, 0] = 1.0
    plain = reference_scores(reference + error, reference, 50.0)
    moved = reference_scores(scale * (reference + error) + offset, scale * reference + offset, 50.0 * scale)
    assert moved.psnr == pytest.approx(plain.psnr, abs=1e-6)
    assert moved.bias == pytest.approx(scale * plain.bias, rel=1e-6, abs=1e-9 * (scale + abs(offset)))


@given(st.floats(-2.0, 2.0), st.integers(0, 5))
def test_noise_gain_of_a_known_mixture(left: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    clean, noise = rng.standard_normal((2, 1, 8, 8))
    assert noise_gain(clean + left * noise, clean, noise) == pytest.approx(left, abs=1e-9)


def test_noise_gain_looks_into_the_mask_only() -> None:
    clean, noise = np.zeros((1, 4, 4)), np.ones((1, 4, 4))
    output = np.zeros((1, 4, 4))
    output[:, :2] = 1.0
    assert noise_gain(output, clean, noise) == 0.5
    assert noise_gain(output, clean, noise, mask=output) == 1.0


def test_noise_gain_without_noise_is_refused() -> None:
    with pytest.raises(InputError, match="noise is 0"):
        noise_gain(np.ones((1, 4, 4)), np.ones((1, 4, 4)), np.zeros((1, 4, 4)))


def test_edge_error_of_a_step() -> None:
    """A step of height 4 has central differences of 2 on its two sides; an image without it misses all of that."""
    step = np.zeros((1, 10, 6))
    step[:, 5:] = 4.0
    assert edge_error(step, step, 8.0) == 0.0
    assert edge_error(np.full_like(step, 7.0), step, 8.0, quantile=0.8) == pytest.approx(2.0 / 8.0)
    assert edge_error(0.5 * step, step, 8.0, quantile=0.8) == pytest.approx(1.0 / 8.0)


def test_edge_error_sees_blur_through_the_slices() -> None:
    reference = np.zeros((1, 4, 4, 9))
    reference[..., 4:] = 1.0
    blurred = reference.copy()
    blurred[..., 1:-1] = (reference[..., :-2] + reference[..., 1:-1] + reference[..., 2:]) / 3
    assert edge_error(blurred, reference, 1.0) > 0.1


def test_edge_error_leaves_out_flat_voxels_and_the_outside_of_the_mask() -> None:
    reference = np.zeros((1, 12, 12))
    reference[:, 6:] = 1.0
    image = reference.copy()
    image[:, :, 8:] += np.arange(12)[None, :, None]
    mask = np.zeros((1, 12, 12))
    mask[..., :6] = 1
    assert edge_error(image, reference, 1.0, mask) == 0.0
    assert edge_error(image, reference, 1.0) > 0.0
    with pytest.raises(InputError, match="no edge"):
        edge_error(image, np.zeros((1, 12, 12)), 1.0)


def test_default_range_ignores_hot_voxels_and_nan() -> None:
    reference = np.linspace(0, 100, 100_000, dtype=np.float32).reshape(1, 100, 1000)
    reference[0, 0, 0], reference[0, 0, 1] = 1e6, np.nan
    assert default_data_range(reference) == pytest.approx(99.8, abs=0.1)


def test_default_range_of_a_sparse_image_is_its_full_range() -> None:
    reference = np.zeros((1, 100, 100))
    reference[0, 0, 0] = 5.0
    assert default_data_range(reference) == 5.0


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_default_range_of_nothing_is_refused(value: float) -> None:
    with pytest.raises(InputError, match="state a data range"):
        default_data_range(np.full((1, 12, 12), value))


def test_default_range_does_not_depend_on_the_mask() -> None:
    image, reference = _pair((1, 20, 20))
    mask = reference > 180
    assert reference_scores(image, reference, mask=mask).data_range == default_data_range(reference)


@pytest.mark.parametrize("shape", [(1, 8, 40), (1, 40, 8), (1, 5, 4, 1)])
def test_slices_smaller_than_the_window_have_no_ssim(shape: tuple[int, ...]) -> None:
    image, reference = _pair(shape)
    scores = reference_scores(image, reference, 100.0)
    assert scores.ssim is None
    assert scores.psnr == psnr(image, reference, 100.0)
    with pytest.raises(InputError, match="11 x 11"):
        ssim(image, reference, 100.0)


def test_tensors_arrays_and_layouts_score_alike() -> None:
    image, reference = _pair()
    plain = reference_scores(image, reference, 100.0)
    assert reference_scores(MetaTensor(image), torch.as_tensor(reference), 100.0) == plain
    swapped = image.astype(">f4"), np.asfortranarray(reference)
    assert reference_scores(*swapped, 100.0) == plain
    assert reference_scores(image[:, ::-1], reference[:, ::-1], 100.0).psnr == pytest.approx(plain.psnr, abs=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.zeros((1, 12, 13))}, "same shape"),
        ({"mask": np.ones((3, 12, 12))}, "mask has shape"),
        ({"mask": np.zeros((1, 12, 12))}, "mask is empty"),
        ({"data_range": 0.0}, "data range is 0.0"),
        ({"data_range": math.nan}, "data range is nan"),
        ({"image": np.full((1, 12, 12), np.nan)}, "NaN or infinite"),
        ({"image": np.ones((1, 12, 12, 2)), "reference": np.ones((1, 12, 12, 2)), "slice_axis": 3}, "slice axis is 3"),
        ({"image": np.ones((12, 12)), "reference": np.ones((12, 12))}, "channels"),
        ({"image": np.ones((0, 12, 12)), "reference": np.ones((0, 12, 12))}, "no voxels"),
    ],
)
def test_what_cannot_be_scored_is_refused(change: dict, message: str) -> None:
    given_ = {"image": np.ones((1, 12, 12)), "reference": np.zeros((1, 12, 12)), "data_range": 1.0, **change}
    with pytest.raises(InputError, match=message):
        reference_scores(**given_)
