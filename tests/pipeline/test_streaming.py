# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Volumes in scratch files: the same bits as in memory, and memory that does not grow with the number of slices."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest
import torch

from benchmarks.memory import SMALL, phantom_file, watch
from monai_diffdenoise import denoise, write_volume
from monai_diffdenoise.analysis import sigma
from monai_diffdenoise.cli.main import main
from monai_diffdenoise.data import storage, volume_from_array
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import fusion
from monai_diffdenoise.pipeline import Result, zero_shot
from monai_diffdenoise.transforms import guide

TINY = {
    "method": "ns-n2n",
    "iterations": 4,
    "channels": 4,
    "levels": 2,
    "patch_size": 16,
    "batch_size": 2,
    "validate_every": 2,
}


@pytest.fixture(scope="module")
def noisy() -> torch.Tensor:
    clean = make_phantom((32, 28, 14), seed=0)
    return torch.stack([add_noise(clean, "gaussian", 0.1, seed=k) for k in (1, 2)])


@pytest.fixture
def one_slice_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (storage, "_RUN_VOXELS"),
        (sigma, "_PART_VOXELS"),
        (guide, "_PART_PIXELS"),
        (fusion, "_RUN_VOXELS"),
        (fusion, "_RUN_SLICES"),
    ):
        monkeypatch.setattr(module, name, 1)


def known(result: Result) -> dict[str, Any]:
    """The report without times and without the setting that must not matter."""
    report = {name: value for name, value in result.report.items() if name != "timings_s"}
    return {**report, "settings": {**report["settings"], "memory": None}}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"axis": 0},
        {"axis": 1, "distance": 2, "tile": 16},
        {"pairing": "slice-blind", "num_workers": 2},
        {"pairing": "repeat"},
        {"pairing": "repeat", "training_volumes": 3},
        {"fusion": False},
        {"method": "bsn", "axis": 1},
    ],
    ids=str,
)
def test_where_the_voxels_lie_and_how_many_are_worked_on_changes_no_bit(
    noisy: torch.Tensor, changes: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    image = torch.cat([noisy, noisy.flip(1)]) if changes.get("pairing") == "repeat" else noisy
    settings = {**TINY, **changes}
    at_once = denoise(image, memory=1000, **settings)
    request.getfixturevalue("one_slice_at_a_time")
    for memory in (1000, 0):
        result = denoise(image, memory=memory, **settings)
        assert torch.equal(result.image.as_tensor(), at_once.image.as_tensor())
        assert torch.equal(result.residual, at_once.residual)
        assert known(result) == known(at_once)
    assert torch.equal(at_once.residual, at_once.noisy.as_tensor() - at_once.image.as_tensor())


def test_nothing_of_the_volume_lies_in_memory_when_nothing_may(
    noisy: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    make = storage._scratch
    monkeypatch.setattr(storage, "_scratch", lambda size: asked.append(size) or make(size))
    result = denoise(noisy[:1], memory=0, **TINY)
    voxels = noisy[0].numel()
    # image; normalised for the measurement; result; normalised for the matching; weight
    assert asked == [4 * voxels] * 4 + [voxels]
    assert result.residual.shape == noisy[:1].shape
    assert asked[5:] == [4 * voxels]


def test_files_come_out_the_same(tmp_path: Path, make_series: Callable[..., Path], one_slice_at_a_time: None) -> None:
    values = 900 + 800 * add_noise(make_phantom((24, 32, 12), seed=0), "gaussian", 0.1, seed=1).numpy()

    def paint(ds: pydicom.Dataset, index: int) -> None:
        ds.PixelData = values[..., index].astype(np.uint16).tobytes()

    scan, series = tmp_path / "in.nii.gz", make_series(slices=12, shape=(24, 32), edit=paint)
    holes = values.astype(np.float32)
    holes[3:6, 4:9, 2:5], holes[20, 20, 11] = np.nan, np.inf
    write_volume(volume_from_array(holes[None]), scan)
    settings = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    for memory in ("0", "1000"):
        arguments = [*settings, "--memory", memory]
        files = [str(tmp_path / f"{name}{memory}.nii.gz") for name in ("out", "removed")]
        assert main(["denoise", str(scan), files[0], "--save-residual", files[1], *arguments]) == 0
        assert main(["denoise", str(series), str(tmp_path / f"series{memory}"), *arguments]) == 0
    for name in ("out", "removed"):
        assert (tmp_path / f"{name}0.nii.gz").read_bytes() == (tmp_path / f"{name}1000.nii.gz").read_bytes()
    pixels = [
        {path.name: pydicom.dcmread(path).PixelData for path in (tmp_path / f"series{memory}").iterdir()}
        for memory in ("0", "1000")
    ]
    assert len(pixels[0]) == 12 and pixels[0] == pixels[1]


def test_too_small_a_disk_is_told_at_once_in_one_line(
    tmp_path: Path, noisy: torch.Tensor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    voxels = noisy[0].numel()
    write_volume(volume_from_array(noisy[:1]), tmp_path / "in.nii")
    # the image itself still fits
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda folder: SimpleNamespace(free=5 * voxels))
    trained: list[int] = []
    monkeypatch.setattr(zero_shot.ZeroShot, "train", lambda self: trained.append(1))
    assert main(["denoise", str(tmp_path / "in.nii"), str(tmp_path / "out.nii"), "--memory", "0"]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(errors) == 1
    assert f"{9 * voxels} bytes" in errors[0] and "TMPDIR" in errors[0]
    assert not trained and {path.name for path in tmp_path.iterdir()} == {"in.nii"}
    with pytest.raises(InputError, match="TMPDIR"):
        denoise(noisy[:1], memory=0, **TINY)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
@pytest.mark.parametrize(
    # in float32 the volume takes 80 MB, more than the first may have; a training of the second has more by itself
    ("method", "limit"),
    [("ns-n2n", 76 << 20), ("bsn", None)],
)
def test_memory_does_not_grow_with_the_number_of_slices(tmp_path: Path, method: str, limit: int | None) -> None:
    few, many = (phantom_file(tmp_path / f"{n}.nii", (128, 128, n)) for n in (64, 1280))
    settings = [*SMALL, "--inference-batch=1", "--memory=0", f"--method={method}", "--augment-inference=False"]
    short = watch(["denoise", str(few), str(tmp_path / "few.nii"), *settings], exact=True)
    long = watch(["denoise", str(many), str(tmp_path / "many.nii"), *settings], limit=limit, exact=True)
    assert short.code == long.code == 0, long.errors
    extra = 4 * 128 * 128 * (1280 - 64)
    assert long.anonymous - short.anonymous < 0.1 * extra
    assert (tmp_path / "many.nii").stat().st_size == many.stat().st_size


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits itself")
def test_a_run_that_may_not_use_scratch_files_needs_more(tmp_path: Path) -> None:
    """The test above can fail: with everything in memory the same limit is too little."""
    many = phantom_file(tmp_path / "many.nii", (128, 128, 1024))
    settings = [*SMALL, "--inference-batch=1", "--memory=100000", "--method=ns-n2n"]
    run = watch(["denoise", str(many), str(tmp_path / "out.nii"), *settings], limit=60 << 20, exact=True)
    assert run.code == 1 and "memory" in run.errors.lower()
    assert not (tmp_path / "out.nii").exists()
