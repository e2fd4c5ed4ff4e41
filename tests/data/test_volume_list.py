# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_diffdenoise.data import open_volume, volume_datalist, volume_paths
from monai_diffdenoise.data.phantom import make_phantom
from monai_diffdenoise.errors import InputError

STORED = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


@pytest.fixture
def mixed(make_nifti: Callable[..., Path], make_series: Callable[..., Path], tmp_path: Path) -> Path:
    """A folder with everything that counts as a volume, and with things that do not."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name in ("mixed/b.nii", "mixed/a.NII.GZ", "mixed/.hidden.nii"):
        make_nifti(STORED, name)
    (folder / "d.v2").mkdir()
    make_series("mixed/d.v2/deeper").parent.joinpath("notes.txt").write_text("no volume")
    (folder / "empty").mkdir()
    (folder / "notes.txt").write_text("no volume")
    return folder


def names(paths: list[str]) -> list[str]:
    return [Path(path).name for path in paths]


def test_folder_lists_files_and_series(mixed: Path) -> None:
    assert names(volume_paths(mixed)) == ["a.NII.GZ", "b.nii", "d.v2"]
    for path in volume_paths(mixed):
        assert open_volume(path).image.dim() == 4


def test_headers_of_two_are_listed_once(make_nifti: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("a.mhd", "a.raw", "b.mha", "c.nhdr", "c.raw.gz", "d.nrrd", "e.hdr", "e.img", "other.hdr", "p.png"):
        (folder / name).write_bytes(b"ENVI")
    pair = nib.Nifti1Pair(STORED, np.eye(4))
    nib.save(pair, folder / "e.img")
    assert names(volume_paths(folder)) == ["a.mhd", "b.mha", "c.nhdr", "d.nrrd", "e.hdr"]
    outputs = [Path(item["output"]).name for item in volume_datalist(folder, tmp_path)]
    endings = (".mha", ".mha", ".nrrd", ".nrrd", ".nii.gz")
    assert outputs == [f"{stem}_denoised{ending}" for stem, ending in zip("abcde", endings, strict=True)]


def test_pictures_count_where_nothing_else_does(make_series: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("a.png", "b.TIF", "notes.txt"):
        (folder / name).write_bytes(b"any")
    assert names(volume_paths(folder)) == ["a.png", "b.TIF"]
    make_series("set/series")
    assert names(volume_paths(folder)) == ["series"]
    series = make_series("plain")
    (series / "preview.png").write_bytes(b"any")
    assert volume_paths(series) == [str(series)]


def test_two_inputs_do_not_share_a_result(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("a.mha", "a.mhd"):
        (folder / name).write_bytes(b"any")
    with pytest.raises(InputError, match="would both be .*a_denoised.mha"):
        volume_datalist(folder, tmp_path)


def test_folder_of_dicom_files_is_one_volume(make_series: Callable[..., Path]) -> None:
    folder = make_series()
    assert volume_paths(folder) == [str(folder)]
    file = sorted(folder.iterdir())[0]
    assert volume_paths(file) == [str(file)]


def test_phantom_is_noisy_and_always_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "phantom").mkdir()
    assert volume_paths("phantom") == ["phantom"], "the word wins over a folder of that name"
    first, second = open_volume("phantom").image, open_volume("phantom").image
    assert torch.equal(first, second)
    noise = first[0].as_tensor() - make_phantom()
    assert abs(float(noise.std()) - 0.1) < 0.002
    with pytest.raises(InputError, match="no volume was found"):
        volume_paths("./phantom")


@pytest.mark.parametrize("name", ["missing", "mixed/empty"])
def test_nothing_there_is_an_error(mixed: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="expected"):
        volume_paths(tmp_path / name)


def test_results_keep_the_ending_and_are_not_made_yet(mixed: Path, tmp_path: Path) -> None:
    items = volume_datalist(mixed, tmp_path / "out" / "deep")
    outputs = [item["output"].removeprefix(str(tmp_path / "out" / "deep")) for item in items]
    assert outputs == ["/a_denoised.NII.GZ", "/b_denoised.nii", "/d.v2_denoised/"]
    assert [item["image"] for item in items] == volume_paths(mixed)
    assert not (tmp_path / "out").exists()
    assert volume_datalist("phantom", tmp_path)[0]["output"] == str(tmp_path / "phantom_denoised.nii.gz")


def test_without_output_only_images(mixed: Path) -> None:
    assert all(item.keys() == {"image"} for item in volume_datalist(mixed))


@pytest.mark.parametrize("place", ["", "results", "results/deep"])
def test_results_among_the_inputs_are_refused(mixed: Path, place: str) -> None:
    with pytest.raises(InputError, match="results must not be taken for inputs"):
        volume_datalist(mixed, mixed / place)


def test_results_may_lie_beside_a_single_file(mixed: Path) -> None:
    assert volume_datalist(mixed / "b.nii", mixed)[0]["output"] == str(mixed / "b_denoised.nii")


def test_existing_result_is_refused_before_work_starts(mixed: Path, tmp_path: Path) -> None:
    (tmp_path / "b_denoised.nii").write_bytes(b"mine")
    with pytest.raises(InputError, match="exists already"):
        volume_datalist(mixed, tmp_path)
    assert len(volume_datalist(mixed, tmp_path, overwrite=True)) == 3
    assert (tmp_path / "b_denoised.nii").read_bytes() == b"mine"


@pytest.mark.parametrize("postfix", ["", "/x", "a/b"])
def test_bad_postfix_is_refused(mixed: Path, tmp_path: Path, postfix: str) -> None:
    with pytest.raises(InputError, match="postfix"):
        volume_datalist(mixed, tmp_path, postfix=postfix)
