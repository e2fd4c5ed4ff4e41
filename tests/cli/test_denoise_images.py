# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Single images through ``diffdenoise denoise``, in the formats they come in, and the maps that go with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch

from monai_diffdenoise import read_volume, write_volume
from monai_diffdenoise.cli.main import main
from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.metrics import psnr

QUICK = [
    "--iterations",
    "80",
    "--channels",
    "16",
    "--patch-size",
    "24",
    "--batch-size",
    "4",
    "--learning-rate",
    "1e-2",
    "--patience",
    "0",
]
TINY = ["--iterations", "4", "--channels", "4", "--levels", "2", "--patch-size", "16", "--validate-every", "2"]


def clean(shape: tuple[int, int] = (72, 64)) -> np.ndarray:
    x, y = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    return (1000 + 300 * np.sin(x / 12) * np.cos(y / 14)).astype(np.float32)


def noisy(shape: tuple[int, int] = (72, 64)) -> np.ndarray:
    return clean(shape) + 100 * np.random.default_rng(0).normal(size=shape).astype(np.float32)


def dicom(make_series: Callable[..., Path], slices: int = 1) -> Path:
    def paint(ds: pydicom.Dataset, index: int) -> None:
        values = noisy()
        if slices > 1:
            values = clean() + 100 * np.random.default_rng(index).normal(size=values.shape).astype(np.float32)
        ds.PixelData = values.T.round().astype(np.uint16).tobytes()

    return make_series(modality="MR", slices=slices, shape=(64, 72), edit=paint)


def check(source: Path, out: Path) -> None:
    before, after = read_volume(source), read_volume(out)
    assert after.image.shape == before.image.shape
    truth = torch.from_numpy(clean()).reshape(before.image.shape)
    scores = [psnr(volume.image.as_tensor(), truth, 600.0) for volume in (before, after)]
    assert scores[1] > scores[0] + 2


@pytest.mark.parametrize("ending", [".png", ".tiff", ".nii.gz", ".nrrd", ".mha"])
def test_an_image_comes_back_in_its_format(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if ending in (".png", ".tiff"):
        pytest.importorskip("PIL")
        pytest.importorskip("tifffile")
    source, out = tmp_path / f"in{ending}", tmp_path / f"out{ending}"
    write_volume(volume_from_array(noisy()[None]), source, output_dtype="uint16")
    assert main(["denoise", str(source), str(out), "--json", str(tmp_path / "r.json"), *QUICK]) == 0
    check(source, out)
    plan = json.loads((tmp_path / "r.json").read_text())["plan"]
    assert plan["method"] == "bsn" and plan["context"] == 0 and "1 slice" in plan["reasons"][0]
    assert "slice by slice" in capsys.readouterr().err


def test_a_single_dicom_image(make_series: Callable[..., Path], tmp_path: Path) -> None:
    (file,) = dicom(make_series).iterdir()
    out = tmp_path / "out.dcm"
    assert main(["denoise", str(file), str(out), *QUICK]) == 0
    check(file, out)
    assert list(pydicom.dcmread(out).ImageType)[0] == "DERIVED"


@pytest.mark.parametrize("kind", ["folder", ".dcm", ".nii.gz"])
def test_maps_of_a_series(kind: str, make_series: Callable[..., Path], tmp_path: Path) -> None:
    if kind != ".nii.gz":
        pytest.importorskip("highdicom")
    series = dicom(make_series, slices=6)
    names = [tmp_path / f"{name}{'' if kind == 'folder' else kind}" for name in ("removed", "share")]
    maps = ["--save-residual", str(names[0]), "--save-share", str(names[1])]
    assert main(["denoise", str(series), str(tmp_path / "out"), *maps, *TINY]) == 0
    if kind == ".nii.gz":
        share = read_volume(names[1]).image
        assert float(share.min()) >= 0 and float(share.max()) <= 1
        assert share.shape == read_volume(series).image.shape
        return
    for name, title in zip(names, ("Residual", "Fusion share"), strict=True):
        (file,) = list(name.iterdir()) if name.is_dir() else [name]
        ds = pydicom.dcmread(file)
        assert ds.Modality == "MR" or ds.SOPClassUID.name == "Parametric Map Storage"
        assert title in ds.SeriesDescription
        assert ds.NumberOfFrames == 6
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_share_says_what_was_put_back(tmp_path: Path) -> None:
    source = tmp_path / "in.nii"
    write_volume(volume_from_array(noisy()[None]), source)
    files = {name: tmp_path / f"{name}.nii" for name in ("out", "removed", "share")}
    maps = ["--save-residual", str(files["removed"]), "--save-share", str(files["share"])]
    assert main(["denoise", str(source), str(files["out"]), *maps, *QUICK]) == 0
    share = read_volume(files["share"]).image.as_tensor()
    assert share.shape == (1, 72, 64) and 0 <= float(share.min()) < float(share.max()) <= 1


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["in.nii", "out.nii", "--save-share", "maps"], "NIfTI"),
        (["in.nii", "out.nii", "--save-share", "share.png"], "float32"),
        (["in.nii", "out.nii", "--save-share", "share.nii", "--no-fusion"], "fusion"),
        (["in.nii", "out.nii", "--save-share", "share.nii", "--save-residual", "share.nii"], "same"),
        (["in.nii", "out.nii", "--save-share", "in.nii"], "input"),
    ],
)
def test_maps_that_cannot_be_are_refused_before_any_work(
    arguments: list[str],
    match: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_volume(volume_from_array(noisy()[None]), Path("in.nii"))
    try:
        code = main(["denoise", *arguments, *TINY])
    except SystemExit as exit:
        code = exit.code  # type: ignore[assignment]
    assert code == 2
    assert match in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["in.nii"]
