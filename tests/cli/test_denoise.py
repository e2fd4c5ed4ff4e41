# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.cli.denoise."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_diffdenoise.cli.main import main
from monai_diffdenoise.data.phantom import add_noise, make_phantom

TINY = [
    "--method",
    "ns-n2n",
    "--iterations",
    "4",
    "--channels",
    "4",
    "--levels",
    "2",
    "--patch-size",
    "16",
    "--validate-every",
    "2",
]


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    noisy = add_noise(make_phantom((32, 32, 10), seed=0), "gaussian", 0.1, seed=1).numpy()
    image = nib.Nifti1Image((1000 * noisy).astype(np.int16), np.diag([2.0, 2.0, 3.0, 1.0]))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def _left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_denoise_keeps_the_file_as_it_was_but_for_the_noise(scan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = scan.read_bytes()
    folder = scan.parent
    arguments = [str(scan), str(folder / "out.nii.gz"), "--json", str(folder / "r.json")]
    code = main(["denoise", *arguments, "--save-residual", str(folder / "res.nii.gz"), *TINY])
    assert code == 0
    assert scan.read_bytes() == before
    assert _left(folder) == {"scan.nii.gz", "out.nii.gz", "r.json", "res.nii.gz"}
    source, written = nib.load(scan), nib.load(folder / "out.nii.gz")
    assert np.array_equal(source.affine, written.affine)
    assert source.header.get_xyzt_units() == written.header.get_xyzt_units()
    assert written.get_data_dtype() == np.int16
    residual = nib.load(folder / "res.nii.gz").get_fdata()
    assert np.abs(source.get_fdata() - written.get_fdata() - residual).max() <= 0.5 + 1e-3
    report = json.loads((folder / "r.json").read_text())
    assert report["plan"]["method"] == "ns-n2n"
    assert "plan: ns-n2n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["missing.nii.gz", "out.nii.gz"], "missing"),
        (["scan.nii.gz", "scan.nii.gz"], "input"),
        (["scan.nii.gz", "out.jpg"], "jpg"),
        (["scan.nii.gz", "out.png"], "one plane"),
        (["scan.nii.gz", "taken.nii.gz"], "exists"),
        (["scan.nii.gz", "nowhere/out.nii.gz"], "nowhere"),
        (["scan.nii.gz", "out.nii.gz", "--json", "taken.json"], "exists"),
        (["scan.nii.gz", "out.nii.gz", "--json", "r.txt"], "json"),
        (["scan.nii.gz", "out.nii.gz", "--save-residual", "out.nii.gz"], "same"),
        (["scan.nii.gz", "out.nii.gz", "--save-residual", "res.dcm"], "nii"),
        (["scan.nii.gz", "out.nii.gz", "--axis", "5"], "axis"),
        (["scan.nii.gz", "out.nii.gz", "--device", "cuda:99"], "device"),
        (["scan.nii.gz", "out.nii.gz", "--output-dtype", "int7"], "int7"),
        (["flat.nii.gz", "out.nii.gz"], "slice"),
        (["text.nii.gz", "out.nii.gz"], "text"),
    ],
)
def test_mistakes_end_with_two_one_line_and_no_output(
    scan: Path, arguments: list[str], match: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(scan.parent)
    Path("taken.nii.gz").write_bytes(b"mine")
    Path("taken.json").write_text("mine")
    Path("text.nii.gz").write_text("no image")
    nib.save(nib.Nifti1Image(np.random.default_rng(0).normal(size=(16, 16, 1)), np.eye(4)), "flat.nii.gz")
    before = {path: path.read_bytes() for path in Path().iterdir()}
    try:
        code = main(["denoise", *arguments, *TINY])
    except SystemExit as exit:
        code = exit.code  # type: ignore[assignment]
    assert code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    errors = [line for line in lines if line.startswith("diffdenoise: error:")]
    assert len(errors) == 1
    assert match in errors[0]
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_overwrite_has_to_be_said(scan: Path) -> None:
    out = scan.parent / "out.nii.gz"
    out.write_bytes(b"mine")
    assert main(["denoise", str(scan), str(out), *TINY]) == 2
    assert out.read_bytes() == b"mine"
    assert main(["denoise", str(scan), str(out), "--overwrite", *TINY]) == 0
    assert nib.load(out).shape == (32, 32, 10)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_resumed_equals_uninterrupted(scan: Path, how: signal.Signals) -> None:
    folder = scan.parent
    options = [
        "--method",
        "ns-n2n",
        "--iterations",
        "400",
        "--channels",
        "4",
        "--levels",
        "2",
        "--patch-size",
        "16",
        "--validate-every",
        "10",
    ]
    command = [sys.executable, "-m", "monai_diffdenoise", "denoise", str(scan)]
    subprocess.run([*command, str(folder / "whole.nii.gz"), *options], check=True, capture_output=True)
    process = subprocess.Popen(
        [*command, str(folder / "cut.nii.gz"), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    state = folder / ".cut.nii.gz.diffdenoise"
    deadline = time.monotonic() + 120
    while not list(state.glob("state_*.pt")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    os.kill(process.pid, how)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0, "the run ended before it could be killed"
    assert not (folder / "cut.nii.gz").exists()
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "--resume" in errors
    subprocess.run([*command, str(folder / "cut.nii.gz"), *options, "--resume"], check=True, capture_output=True)
    whole, cut = (nib.load(folder / f"{name}.nii.gz") for name in ("whole", "cut"))
    assert np.array_equal(np.asarray(whole.dataobj), np.asarray(cut.dataobj))
    assert not state.exists()


def test_all_stages_write_how_far_the_noise_moves_the_result(scan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = scan.parent
    stages = ["--method", "diffdenoise", "--student-channels", "4", "--diffusion-channels", "8", "--axes", "one"]
    counts = ["--iterations", "4", "--diffusion-iterations", "4", "--student-iterations", "4", "--recorruptions", "1"]
    sizes = ["--channels", "4", "--patch-size", "16", "--validate-every", "2"]
    maps = ["--save-uncertainty", str(folder / "u.nii.gz"), "--json", str(folder / "r.json")]
    assert main(["denoise", str(scan), str(folder / "out.nii.gz"), *maps, *stages, *counts, *sizes]) == 0
    assert _left(folder) == {"scan.nii.gz", "out.nii.gz", "u.nii.gz", "r.json"}
    uncertainty = nib.load(folder / "u.nii.gz")
    assert uncertainty.shape == (32, 32, 10)
    assert uncertainty.get_data_dtype() == np.float32
    # noise has a standard deviation of about 100
    assert 0 < np.median(uncertainty.get_fdata()) < 100
    why = json.loads((folder / "r.json").read_text())["scores"]["choice"]["why"]
    assert f"returned {why}" in capsys.readouterr().err
    assert main(["denoise", str(scan), str(folder / "o.nii.gz"), "--save-uncertainty", str(folder / "v.nii.gz")]) == 2
    assert "diffdenoise" in capsys.readouterr().err
