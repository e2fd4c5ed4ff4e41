# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor, decollate_batch

from monai_diffdenoise.data import LoadVolumed, SaveVolumed, open_volume, read_volume
from monai_diffdenoise.data.volume_transforms import slices_back, slices_last
from monai_diffdenoise.errors import InputError

STORED = np.random.default_rng(0).integers(-500, 500, (4, 5, 6), dtype=np.int16)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_moving_the_slices_moves_no_voxel_in_space(make_nifti: Callable[..., Path], axis: int) -> None:
    volume = read_volume(make_nifti(STORED))
    moved = slices_last(volume.image, axis)
    assert moved.shape[-1] == STORED.shape[axis]
    at = [1, 2, 3]
    there = [at[other] for other in range(3) if other != axis] + [at[axis]]
    assert moved[(0, *there)] == volume.image[(0, *at)]
    here = volume.image.affine @ torch.tensor([*at, 1.0], dtype=torch.float64)
    assert torch.allclose(moved.affine @ torch.tensor([*there, 1.0], dtype=torch.float64), here)
    assert torch.equal(slices_back(moved, volume, axis), volume.image.as_tensor())


@pytest.mark.parametrize(
    "stored",
    [STORED, STORED[..., :1], STORED[0], np.stack([STORED, STORED + 1], -1)],
    ids=["3D", "one slice", "2D", "4D"],
)
@pytest.mark.parametrize("axis", [None, 1])
@pytest.mark.parametrize("workers", [0, 2])
def test_way_through_a_loader_changes_no_bit(
    make_nifti: Callable[..., Path], tmp_path: Path, stored: np.ndarray, axis: int | None, workers: int
) -> None:
    path = make_nifti(stored, slope=0.37, inter=-3.0)
    items = [{"image": str(path), "output": str(tmp_path / "new" / "out.nii.gz")}]
    loader = DataLoader(Dataset(items, LoadVolumed(axis=axis)), batch_size=1, num_workers=workers)
    (batch,) = loader
    assert batch["image"].dim() == 5
    assert isinstance(batch["image"], MetaTensor)
    batch["pred"] = batch["image"].clone()
    for item in decollate_batch(batch):
        SaveVolumed(print_log=False)(item)
    before, after = nib.load(path), nib.load(tmp_path / "new" / "out.nii.gz")
    assert np.array_equal(np.asarray(after.dataobj.get_unscaled()), stored)
    assert np.array_equal(after.affine, before.affine)


def test_dicom_series_gives_a_folder(make_series: Callable[..., Path], tmp_path: Path) -> None:
    series = make_series()
    item = LoadVolumed()({"image": str(series), "output": str(tmp_path / "out.v2") + "/"})
    item["pred"] = item["image"] + 10
    SaveVolumed()(item)
    change = read_volume(tmp_path / "out.v2").image.as_tensor() - read_volume(series).image.as_tensor()
    assert torch.equal(change, torch.full_like(change, 10))


def test_units_of_the_scan_are_kept(make_nifti: Callable[..., Path]) -> None:
    path = make_nifti(STORED, slope=2.0, inter=-1000.0)
    image = LoadVolumed(axis=2)({"image": str(path)})["image"]
    assert torch.equal(image[0].as_tensor(), torch.from_numpy(STORED * 2.0 - 1000.0).float())


def test_what_was_written_is_told(
    make_nifti: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    item = LoadVolumed()({"image": str(make_nifti(STORED)), "output": str(tmp_path / "out.nii")})
    item["pred"] = item["image"] + 1
    SaveVolumed()(item)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"wrote {tmp_path / 'out.nii'} (int16)\n"


def test_output_dtype_and_overwrite(make_nifti: Callable[..., Path], tmp_path: Path) -> None:
    item = LoadVolumed()({"image": str(make_nifti(STORED)), "output": str(tmp_path / "out.nii")})
    item["pred"] = item["image"] + 0.25
    SaveVolumed(output_dtype="float32")(item)
    assert np.array_equal(nib.load(tmp_path / "out.nii").get_fdata(), STORED + 0.25)
    with pytest.raises(InputError, match="exists already"):
        SaveVolumed()(item)
    SaveVolumed(overwrite=True)(item)
    assert np.array_equal(nib.load(tmp_path / "out.nii").get_fdata(), STORED)


def test_axis_that_no_volume_has_is_refused() -> None:
    with pytest.raises(InputError, match="expected 0, 1 or 2"):
        LoadVolumed(axis=3)


def test_volume_from_elsewhere_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="LoadVolumed"):
        SaveVolumed()({"pred": torch.zeros(1, 2, 3, 4), "output": str(tmp_path / "out.nii")})


def test_one_series_of_several_is_picked(make_series: Callable[..., Path], tmp_path: Path) -> None:
    def other(dataset: object, index: int) -> None:
        dataset.SeriesInstanceUID = "1.2.3.77"  # type: ignore[attr-defined]
        dataset.SOPInstanceUID = f"1.2.3.77.{index}"  # type: ignore[attr-defined]

    (tmp_path / "both").mkdir()
    make_series("both/one")
    make_series("both/two", slices=3, edit=other)
    with pytest.raises(InputError, match="2 series"):
        LoadVolumed()({"image": str(tmp_path / "both")})
    assert LoadVolumed(series="77")({"image": str(tmp_path / "both")})["image"].shape[-1] == 3
    assert open_volume(tmp_path / "both", "77").image.shape[-1] == 3
