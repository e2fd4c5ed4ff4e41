# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from monai_diffdenoise.cli.main import main
from monai_diffdenoise.data import volume_from_array, write_volume
from monai_diffdenoise.data.phantom import make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline import plan
from monai_diffdenoise.transforms.noise import noise_model


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clean = torch.as_tensor(make_phantom((96, 96, 20))).float()[None]
    noisy = noise_model("correlated", 0.1, axes=(0, 1)).sample(clean, torch.Generator().manual_seed(0))
    path = tmp_path_factory.mktemp("scan") / "scan.nii.gz"
    write_volume(volume_from_array(1000 * noisy, slice_axis=2), path)
    return path


def test_table_and_plan(scan, capsys):
    assert main(["analyze", str(scan)]) == 0
    shown = capsys.readouterr().out
    assert "differences of slices" in shown
    assert "correlated: lag 1 0.6" in shown
    assert "bsn, network stack, blind to its slice, with 4 neighbors along axis 2" in shown
    assert "lg-bpn" in shown and "pixel shuffle" in shown


def test_json_and_figure(scan, tmp_path):
    pytest.importorskip("matplotlib")
    found, drawn = tmp_path / "noise.json", tmp_path / "noise.png"
    command = ["analyze", str(scan), "--json", str(found), "--figure", str(drawn)]
    assert main(command) == 0
    report = json.loads(found.read_text())
    assert report["noise"]["sigma"] == pytest.approx(100, rel=0.1)
    assert report["advice"]["blind_spot_network"] == "lg-bpn"
    assert report["plan"]["pairing"] == "blind" and report["plan"]["context"] == 4 and report["refusal"] is None
    assert drawn.stat().st_size > 5000
    assert main(command) == 2
    assert main([*command, "--overwrite"]) == 0


def test_a_single_image_has_a_plan_of_its_own(tmp_path, capsys):
    path = tmp_path / "plane.nii"
    plane = 50 + torch.randn((1, 128, 128, 1), generator=torch.Generator().manual_seed(0))
    write_volume(volume_from_array(plane, slice_axis=2), path)
    assert main(["analyze", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "plan: diffdenoise" in shown and "slice by slice" in shown and "got 1 slice" in shown
    assert "flat places of single images" in shown


def test_what_cannot_be_denoised_is_still_measured(scan, capsys, monkeypatch):
    def refuse(*arguments):
        raise InputError("not this one")

    monkeypatch.setattr(plan, "make_plan", refuse)
    assert main(["analyze", str(scan)]) == 0
    shown = capsys.readouterr().out
    assert "plan: none; not this one" in shown and "differences of slices" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--json", "a.txt"], ".json"), (["--figure", "a.txt"], ".png"), (["--json", "none/a.json"], "does not exist")],
)
def test_outputs_are_checked_first(scan, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(["analyze", str(scan), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_constant_image_has_no_noise(tmp_path, capsys):
    path = tmp_path / "flat.nii"
    write_volume(volume_from_array(torch.ones((1, 64, 64, 8))), path)
    assert main(["analyze", str(path)]) == 2
    assert "no noise was found" in capsys.readouterr().err
