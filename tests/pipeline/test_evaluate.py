# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Scoring files: same grid or one clear line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics import default_data_range, reference_scores, ssim
from monai_diffdenoise.pipeline.evaluate import evaluate_files

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


@pytest.fixture
def arrays() -> tuple[np.ndarray, np.ndarray]:
    """Noisy image and reference, (X, Y, Z) float32."""
    rng = np.random.default_rng(0)
    reference = (100 * rng.random((16, 18, 14))).astype(np.float32)
    return reference + rng.normal(2, 5, reference.shape).astype(np.float32), reference


@pytest.fixture
def files(arrays: tuple[np.ndarray, np.ndarray], make_nifti: Callable[..., Path]) -> tuple[Path, Path]:
    return make_nifti(arrays[0], "noisy.nii.gz", affine=AFFINE), make_nifti(arrays[1], "clean.nii.gz", affine=AFFINE)


def test_files_score_as_their_arrays(arrays: tuple[np.ndarray, np.ndarray], files: tuple[Path, Path]) -> None:
    image, reference = (array[None] for array in arrays)
    assert evaluate_files(*files) == reference_scores(image, reference, default_data_range(reference))
    assert evaluate_files(*files, data_range=80.0) == reference_scores(image, reference, 80.0)


def test_mask_chooses_the_voxels(
    arrays: tuple[np.ndarray, np.ndarray], files: tuple[Path, Path], make_nifti: Callable[..., Path]
) -> None:
    mask = np.zeros(arrays[0].shape, dtype=np.uint8)
    mask[4:12, 5:13, 2:6] = 3
    path = make_nifti(mask, "mask.nii.gz", affine=AFFINE)
    expected = reference_scores(arrays[0][None], arrays[1][None], mask=mask)
    assert evaluate_files(*files, mask=path) == expected
    assert expected.mask_voxels == 8 * 8 * 4


def test_one_mask_serves_all_time_points(make_nifti: Callable[..., Path]) -> None:
    rng = np.random.default_rng(0)
    image, reference = rng.random((2, 12, 12, 4, 3)).astype(np.float32)
    mask = np.zeros((12, 12, 4), dtype=np.uint8)
    mask[:6] = 1
    paths = [make_nifti(array, f"{i}.nii.gz", affine=AFFINE) for i, array in enumerate((image, reference, mask))]
    assert evaluate_files(*paths).mask_voxels == 12 * 12 * 4 * 3 // 2


def test_ssim_runs_over_the_slices_of_the_reference(
    arrays: tuple[np.ndarray, np.ndarray], make_nifti: Callable[..., Path]
) -> None:
    coarse_first = np.diag([5.0, 1.0, 1.0, 1.0])
    paths = [make_nifti(array, f"{i}.nii", affine=coarse_first) for i, array in enumerate(arrays)]
    scores = evaluate_files(*paths, data_range=100.0)
    assert scores.ssim == ssim(arrays[0][None], arrays[1][None], 100.0, slice_axis=0)
    assert scores.ssim != ssim(arrays[0][None], arrays[1][None], 100.0, slice_axis=2)


def test_voxels_without_a_value_are_left_out(
    arrays: tuple[np.ndarray, np.ndarray], make_nifti: Callable[..., Path]
) -> None:
    image, reference = (array.copy() for array in arrays)
    image[0, 0, 0], reference[1, 1, 1] = np.nan, np.inf
    paths = make_nifti(image, "a.nii", affine=AFFINE), make_nifti(reference, "b.nii", affine=AFFINE)
    inside = np.isfinite(image) & np.isfinite(reference)
    scores = evaluate_files(*paths, data_range=100.0)
    assert scores.mask_voxels == image.size - 2
    assert scores.rmse == pytest.approx(np.sqrt(np.mean((arrays[0] - arrays[1])[inside].astype(np.float64) ** 2)))


def test_dicom_series_against_itself(make_series: Callable[..., Path]) -> None:
    series = make_series(shape=(12, 16))
    assert evaluate_files(series, series).as_dict()["identical"] is True


@pytest.mark.parametrize("shift", [0.09, -0.05])
def test_a_rounded_affine_is_the_same_grid(
    arrays: tuple[np.ndarray, np.ndarray], files: tuple[Path, Path], make_nifti: Callable[..., Path], shift: float
) -> None:
    moved = AFFINE.copy()
    moved[0, 3] += shift
    other = make_nifti(arrays[0], "moved.nii.gz", affine=moved)
    assert evaluate_files(other, files[1]) == evaluate_files(*files)


@pytest.mark.parametrize(
    "change",
    [
        lambda affine: affine + np.array([[0, 0, 0, 0.2], [0] * 4, [0] * 4, [0] * 4]),
        lambda affine: affine @ np.diag([-1.0, 1, 1, 1]),
        lambda affine: affine @ np.diag([1.02, 1, 1, 1]),
    ],
    ids=["moved", "mirrored", "stretched"],
)
def test_another_place_is_refused(
    arrays: tuple[np.ndarray, np.ndarray],
    files: tuple[Path, Path],
    make_nifti: Callable[..., Path],
    change: Callable[[np.ndarray], np.ndarray],
) -> None:
    other = make_nifti(arrays[0], "other.nii.gz", affine=change(AFFINE))
    with pytest.raises(InputError, match="mm apart"):
        evaluate_files(other, files[1])
    with pytest.raises(InputError, match="mask .* mm apart"):
        evaluate_files(*files, mask=other)


def test_another_shape_is_refused(files: tuple[Path, Path], make_nifti: Callable[..., Path]) -> None:
    small = make_nifti(np.ones((16, 18, 13), dtype=np.int16), "small.nii.gz", affine=AFFINE)
    with pytest.raises(InputError, match=r"\(1, 16, 18, 13\).*\(1, 16, 18, 14\)"):
        evaluate_files(small, files[1])
    with pytest.raises(InputError, match="mask"):
        evaluate_files(*files, mask=small)


def test_masks_that_leave_nothing_are_refused(
    arrays: tuple[np.ndarray, np.ndarray], files: tuple[Path, Path], make_nifti: Callable[..., Path]
) -> None:
    empty = make_nifti(np.zeros(arrays[0].shape, dtype=np.uint8), "empty.nii.gz", affine=AFFINE)
    with pytest.raises(InputError, match="empty"):
        evaluate_files(*files, mask=empty)
    holed = arrays[0].copy()
    holed[:8] = np.nan
    image = make_nifti(holed, "holed.nii.gz", affine=AFFINE)
    mask = np.zeros(holed.shape, dtype=np.uint8)
    mask[:4] = 1
    with pytest.raises(InputError, match="nothing can be compared"):
        evaluate_files(image, files[1], mask=make_nifti(mask, "hole_mask.nii.gz", affine=AFFINE))


def test_real_pair_scores_as_listed(dev_data: Path) -> None:
    """The noisy PSNR of the list that came with the scans (12.16 dB at a range of 32.5714)."""
    folder = dev_data / "A_mri_asl_pcasl3d"
    scores = evaluate_files(
        folder / "pwi_noisy_pair1.nii.gz",
        folder / "pwi_ref_mean_pairs2to8.nii.gz",
        folder / "mask_brain.nii.gz",
        data_range=32.5714,
    )
    assert scores.psnr == pytest.approx(12.16, abs=0.01)
