# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The spread beside the denoised volume."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_diffdenoise.data import LoadVolumed
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline import SaveSpreadd


@pytest.fixture
def loaded(tmp_path: Path) -> dict:
    image = np.random.default_rng(0).normal(100, 20, (5, 6, 4)).astype(np.int16)
    nib.save(nib.Nifti1Image(image, np.diag([1, 2, 3, 1.0])), tmp_path / "a.nii")
    made = LoadVolumed("image", axis=0)({"image": str(tmp_path / "a.nii")})
    both = torch.cat([made["image"].as_tensor(), made["image"].as_tensor() / 8])
    made["pred"] = MetaTensor(both).copy_meta_from(made["image"])
    return {**made, "output": str(tmp_path / "out" / "a_denoised.nii.gz")}


def test_it_goes_to_a_file_of_its_own(loaded: dict, tmp_path: Path) -> None:
    made = SaveSpreadd()(loaded)
    assert torch.equal(made["pred"].as_tensor(), loaded["image"].as_tensor())
    assert made["pred"].meta["slice_axis"] == 0
    spread = nib.load(tmp_path / "out" / "a_denoised_spread.nii.gz")
    before = nib.load(tmp_path / "a.nii")
    np.testing.assert_allclose(spread.get_fdata(), before.get_fdata() / 8)
    assert np.array_equal(spread.affine, before.affine) and spread.get_data_dtype() == np.float32
    with pytest.raises(InputError, match="exists already"):
        SaveSpreadd()(loaded)
    SaveSpreadd(overwrite=True)(loaded)


def test_off_it_does_nothing(loaded: dict, tmp_path: Path) -> None:
    assert SaveSpreadd(enabled=False)(loaded)["pred"].shape[0] == 2
    assert not (tmp_path / "out").exists()


def test_results_of_dicom_are_folders(loaded: dict, tmp_path: Path) -> None:
    SaveSpreadd()({**loaded, "output": str(tmp_path / "series_denoised/")})
    assert (tmp_path / "series_denoised_spread.nii.gz").is_file()
