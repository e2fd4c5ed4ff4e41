# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What neighboring slices have in common, and what follows from it."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, asdict, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage

from monai_diffdenoise.analysis.slices import (
    SliceMeasurement,
    choose_axis_and_distance,
    measure_slices,
    noise_correlation,
    pairing_verdict,
)
from monai_diffdenoise.errors import InputError

SIGMA = 0.05
SPACING = (1.0, 1.0, 2.5)


def anatomy(depth: int = 20, step: int = 1) -> np.ndarray:
    """A bright object in a dark frame, (64, 72, depth): every `step`-th slice of one that changes slowly."""
    texture = ndimage.gaussian_filter(np.random.default_rng(5).standard_normal((64, 72, depth * step)), (3, 3, 8))
    volume = 0.7 + 0.1 * texture / texture.std()
    volume[:8], volume[-8:], volume[:, :8], volume[:, -8:] = 0, 0, 0, 0
    return volume[..., ::step]


def noisy(
    depth: int = 20, step: int = 1, width: tuple[float, ...] = (0, 0, 0), sigma: float = SIGMA, share: float = 0.0
) -> torch.Tensor:
    """Anatomy and noise smoothed by `width`; `share` of the previous slice's noise is added to each slice's own."""
    field = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((64, 72, depth + 1)), width)
    field = field[..., 1:] + share * field[..., :-1]
    return torch.from_numpy(anatomy(depth, step) + sigma * field / field.std()).float()


@pytest.mark.parametrize("width", [(0, 0, 0), (0.8, 0.8, 0)])
def test_independent_slices_are_measured_as_such(width: tuple[float, ...]) -> None:
    found = measure_slices(noisy(width=width))
    assert found.sigma == pytest.approx(SIGMA, rel=0.1)
    assert found.noise_correlation == pytest.approx(0, abs=0.05)
    assert found.matched_fraction is not None and found.matched_fraction > 0.8
    assert found.structure_ratio is not None and found.structure_ratio < 0.3
    assert (found.num_slices, found.axis, found.distance) == (20, -1, 1)
    assert pairing_verdict(found) == (True, "")


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.0), (0.33, 0.298), (0.6, 0.441)])
@pytest.mark.parametrize("width", [(0, 0, 0), (0.8, 0.8, 0)])
def test_correlation_across_slices_is_measured(share: float, expected: float, width: tuple[float, ...]) -> None:
    volume = noisy(width=width, share=share)
    assert 0.75 * expected - 0.03 < noise_correlation(volume) < expected + 0.03
    assert noise_correlation(volume, distance=2) == pytest.approx(0, abs=0.06)
    assert measure_slices(volume).sigma == pytest.approx(SIGMA, rel=0.1)


@pytest.mark.parametrize("width", [0.0, 0.6, 0.8])
def test_correlation_in_the_plane_is_measured_along_each_axis(width: float) -> None:
    down, right = measure_slices(noisy(width=(width, 0, 0))).in_plane_correlation or (9.0, 9.0)
    # that of white noise smoothed by a sampled Gaussian
    kernel = ndimage.gaussian_filter1d(np.eye(1, 33, 16)[0], width) if width else np.eye(1, 33, 16)[0]
    assert down == pytest.approx(np.sum(kernel[1:] * kernel[:-1]) / np.sum(kernel**2), abs=0.06)
    assert right == pytest.approx(0, abs=0.05)


def test_noise_correlated_across_slices_is_a_warning() -> None:
    found = measure_slices(noisy(share=0.6))
    good, message = pairing_verdict(found)
    assert good
    assert "correlated across slices" in message and f"{found.noise_correlation:.2f}" in message


def test_slices_too_far_apart_are_refused_with_numbers() -> None:
    found = measure_slices(noisy(step=16, sigma=0.02))
    good, message = pairing_verdict(found)
    assert not good
    assert f"{found.matched_fraction:.0%} of the foreground" in message
    assert f"{found.sigma:.3g}" in message
    assert "too far apart" in message and "\n" not in message


def test_one_slice_is_refused() -> None:
    found = measure_slices(noisy(depth=1), 2)
    assert found.num_slices == 1 and found.matched_fraction is None and found.noise_correlation is None
    assert found.sigma == pytest.approx(SIGMA, rel=0.2)
    good, message = pairing_verdict(found)
    assert not good and "got 1 slice along axis 2" in message


def test_two_slices_are_a_single_pair() -> None:
    good, message = pairing_verdict(measure_slices(noisy(depth=2), 2))
    assert good and "only 2 slices" in message


def test_more_distance_than_slices_is_refused() -> None:
    good, message = pairing_verdict(measure_slices(noisy(depth=3), 2, distance=3))
    assert not good and "got 3 slices" in message and "at least 4" in message


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_volume_without_noise_is_refused(value: float) -> None:
    good, message = pairing_verdict(measure_slices(torch.full((16, 16, 6), value)))
    assert not good and "no noise" in message


@pytest.mark.parametrize("scale", [1e-9, 1e6])
def test_measurement_does_not_depend_on_units(scale: float) -> None:
    one, other = measure_slices(noisy()), measure_slices(noisy() * scale)
    assert other.sigma == pytest.approx(scale * one.sigma, rel=0.01)
    for name in ("noise_correlation", "matched_fraction", "structure_ratio"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), abs=0.01)


@pytest.mark.parametrize("axis", [0, 1])
def test_measurement_along_any_axis_of_a_metatensor(axis: int) -> None:
    turned = measure_slices(MetaTensor(noisy().movedim(2, axis)), axis)
    assert replace(turned, axis=2) == measure_slices(noisy(), 2)


def test_measurement_is_frozen_and_plain() -> None:
    found = measure_slices(noisy(depth=1))
    assert json.loads(json.dumps(asdict(found), allow_nan=False))["num_slices"] == 1
    with pytest.raises(FrozenInstanceError):
        found.sigma = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 2), (3, 1, 4), (5, 4, 1), (64, 64)])
def test_smallest_volumes_get_an_answer(shape: tuple[int, ...]) -> None:
    volume = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    good, message = pairing_verdict(measure_slices(volume, 0))
    assert isinstance(good, bool) and (good or message)


def test_wrong_axis_is_refused() -> None:
    with pytest.raises(InputError, match="slice axis 3"):
        measure_slices(noisy(), 3)


@pytest.mark.parametrize(("share", "distance"), [(0.0, 1), (0.5, 2)])
def test_smallest_distance_with_independent_noise_is_chosen(share: float, distance: int) -> None:
    axis, chosen, why = choose_axis_and_distance(noisy(share=share), SPACING, 2)
    assert (axis, chosen) == (2, distance)
    assert "slice axis" in why and f"{2.5 * distance:g} mm" in why


def test_noise_that_is_correlated_at_every_distance_leaves_1() -> None:
    axis, chosen, why = choose_axis_and_distance(noisy(width=(0, 0, 2.5)), SPACING, 2)
    assert (axis, chosen) == (2, 1) and "no distance up to 3" in why


def test_few_slices_are_paired_at_distance_1() -> None:
    for depth in (1, 2, 4):
        assert choose_axis_and_distance(noisy(depth=depth, share=0.6), SPACING, 2)[:2] == (2, 1)


def test_what_the_user_asks_for_is_taken() -> None:
    assert choose_axis_and_distance(noisy(), SPACING, 2, distance=3)[:2] == (2, 3)
    axis, distance, why = choose_axis_and_distance(noisy(), SPACING, 2, axis=0)
    assert (axis, distance) == (0, 1) and "asked for" in why


def load(path: Path) -> torch.Tensor:
    return torch.from_numpy(np.asarray(nib.load(path).dataobj, dtype=np.float32))


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("A_oct_duke_s02/vol5_frames.nii.gz", -0.05, 0.05),
        ("A_mri_dwi_trio/dwi_rep1.nii.gz", -0.05, 0.1),
        ("A_ct_headphantom_bone_vs_idose/bone_kernel_noisy.nii.gz", -0.1, 0.05),
        ("A_mri_asl_pcasl3d/pwi_noisy_pair1.nii.gz", 0.2, 0.5),
    ],
)
def test_real_scans_correlate_as_listed(dev_data: Path, name: str, low: float, high: float) -> None:
    volume = load(dev_data / name)
    found = measure_slices(volume[..., 3] if volume.dim() == 4 else volume, 2)
    assert found.noise_correlation is not None and low < found.noise_correlation < high
    assert pairing_verdict(found)[0]


@pytest.mark.parametrize(("step", "good"), [(1, True), (2, True), (8, False)])
def test_template_with_slices_left_out(dev_data: Path, step: int, good: bool) -> None:
    clean = load(dev_data / "B_clean_icbm152_t1_uint8.nii.gz")[..., ::step] / 255
    volume = clean + 0.02 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    found = measure_slices(volume, 2)
    assert found.sigma == pytest.approx(0.02, rel=0.15)
    assert pairing_verdict(found)[0] is good


def test_measurement_without_matching_is_refused() -> None:
    found = SliceMeasurement(0, 1, 5, 1.0, 1.0, 1.0, 1.0, 0.0, (0.0, 0.0), 1.5, 0.9, 3.0)
    good, message = pairing_verdict(found)
    assert not good and "1.5 times the noise" in message
    assert pairing_verdict(replace(found, guide_noise=0.5))[0]
    assert not pairing_verdict(replace(found, guide_noise=0.5, matched_fraction=0.4))[0]
