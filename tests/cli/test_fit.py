# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.cli.fit."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_diffdenoise.cli.main import main
from monai_diffdenoise.data.phantom import add_noise, make_phantom

TINY = [
    *("--iterations", "4", "--diffusion-iterations", "4", "--student-iterations", "4", "--recorruptions", "1"),
    *("--channels", "4", "--student-channels", "4", "--diffusion-channels", "8", "--axes", "one"),
    *("--patch-size", "16", "--validate-every", "2"),
]


def test_a_folder_is_fitted_and_its_model_denoises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, work = tmp_path / "data", tmp_path / "work"
    data.mkdir()
    noisy = 100 * add_noise(make_phantom((24, 24, 8), seed=0), "gaussian", 0.1, seed=1).numpy()
    nib.save(nib.Nifti1Image(noisy, np.eye(4)), data / "a.nii.gz")
    assert main(["fit", str(data), str(work), *TINY]) == 0
    told = capsys.readouterr().err
    assert "it will take about" in told
    assert f"wrote {work / 'model'}" in told
    assert main(["fit", str(data), str(work), *TINY]) == 2
    assert "--resume" in capsys.readouterr().err
    out = tmp_path / "out.nii.gz"
    assert main(["denoise", str(data / "a.nii.gz"), str(out), "--model", str(work)]) == 0
    assert nib.load(out).shape == (24, 24, 8)
    assert main(["denoise", str(data / "a.nii.gz"), str(tmp_path / "o.nii.gz"), "--model", str(data)]) == 2
    assert "model.json" in capsys.readouterr().err


def test_one_network_is_fitted_if_its_method_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, work = tmp_path / "data", tmp_path / "work"
    data.mkdir()
    noisy = 100 * add_noise(make_phantom((24, 24, 8), seed=0), "gaussian", 0.1, seed=1).numpy()
    nib.save(nib.Nifti1Image(noisy, np.eye(4)), data / "a.nii.gz")
    command = ["fit", str(data), str(work), "--method", "ns-n2n", *TINY]
    assert main(command) == 0
    told = capsys.readouterr().err
    assert "plan: 1 volumes, ns-n2n" in told and "volume 1: ns-n2n + fusion" in told
    assert main([*command, "--resume"]) == 0
    assert main(["denoise", str(data / "a.nii.gz"), str(tmp_path / "out.nii.gz"), "--model", str(work)]) == 0
    assert "trained already by ns-n2n" in capsys.readouterr().err
