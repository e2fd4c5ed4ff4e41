# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.cli.demo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import nibabel as nib
import pytest

from monai_diffdenoise.cli.demo import NoiseKind
from monai_diffdenoise.cli.main import main
from monai_diffdenoise.data.phantom import NOISE_KINDS
from monai_diffdenoise.pipeline import presets


def test_demo_writes_what_it_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = {"iterations": 40, "channels": 4}
    for method, values in presets.PRESETS.items():
        monkeypatch.setitem(presets.PRESETS[method], "fast", {**values["fast"], **short})
    for _ in range(2):  # its own files are replaced
        assert main(["demo", "--out", str(tmp_path / "demo")]) == 0
    folder = tmp_path / "demo"
    assert {p.name for p in folder.iterdir()} == {"clean.nii.gz", "noisy.nii.gz", "denoised.nii.gz", "report.json"}
    report = json.loads((folder / "report.json").read_text())
    assert report["after"]["psnr"] > report["before"]["psnr"] + 0.5
    assert nib.load(folder / "denoised.nii.gz").shape == nib.load(folder / "noisy.nii.gz").shape
    assert "PSNR" in capsys.readouterr().out


def test_demo_refuses_a_file_for_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["demo", "--out", str(tmp_path / "file")]) == 2
    assert (tmp_path / "file").read_text() == "mine"
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("sigma", ["0", "-1", "2", "nan"])
def test_demo_refuses_impossible_noise(tmp_path: Path, sigma: str) -> None:
    assert main(["demo", "--out", str(tmp_path / "demo"), "--sigma", sigma]) == 2
    assert not (tmp_path / "demo").exists()


def test_every_kind_of_noise_of_the_phantom_can_be_chosen() -> None:
    assert get_args(NoiseKind) == NOISE_KINDS


def test_a_folder_that_cannot_be_made_is_a_mistake_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["demo", "--out", str(tmp_path / "file" / "demo")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
