# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The recipes of docs/datasets run, on small files of exactly the layout that they are for."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from monai_diffdenoise.data import read_volume
from monai_diffdenoise.data.phantom import make_phantom
from tests.data.hdf5_builders import write_fastmri, write_m4raw

ROOT = Path(__file__).resolve().parents[1]
TINY = [
    *("--iterations", "4", "--diffusion-iterations", "4", "--student-iterations", "4", "--recorruptions", "1"),
    *("--channels", "4", "--student-channels", "4", "--diffusion-channels", "8", "--axes", "one"),
    *("--patch-size", "16", "--validate-every", "2"),
]

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="the recipes are for a POSIX shell")]


def recipe(name: str, data: Path, out: Path, *settings: str) -> str:
    """Run a recipe as a process; returns what it printed."""
    tools = out.parent / "tools"
    tools.mkdir()
    for tool, module in (("diffdenoise", "-m monai_diffdenoise"), ("python", "")):
        (tools / tool).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        (tools / tool).chmod(stat.S_IRWXU)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    command = ["bash", str(ROOT / "docs" / "datasets" / f"{name}.sh"), str(data), str(out), *settings]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def phantom(slices: int, side: int = 24) -> np.ndarray:
    """(slices, rows, columns), 0 to about 1."""
    return make_phantom((side, side, slices), seed=0).numpy().transpose(2, 1, 0).astype(np.float64)


def test_fastmri(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    rng = np.random.default_rng(0)
    noisy = phantom(8) + 0.1 * rng.normal(size=(8, 24, 24))
    write_fastmri(data / "file1000.h5", noisy)
    recipe("fastmri", data, out, *TINY)
    before, after = read_volume(data / "file1000.h5"), read_volume(out / "file1000.nii.gz")
    assert after.image.shape == before.image.shape
    assert after.spacing == before.spacing
    assert not np.allclose(after.image, before.image)


def test_m4raw(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    write_m4raw(data, phantom(8), 0.1, repetitions=2)
    told = recipe("m4raw", data, out, *TINY)
    assert told.count("before and after") == 2
    for number in (1, 2):
        before = json.loads((out / "scores" / f"2022_T10{number}.noisy.json").read_text())
        after = json.loads((out / "scores" / f"2022_T10{number}.json").read_text())
        # so little training may leave a volume as it was, never much worse
        assert 10 < before["psnr"] < after["psnr"] + 0.5
    reference = read_volume(out / "references" / "2022_T101.nii.gz").image
    np.testing.assert_allclose(reference, read_volume(data / "2022_T102.h5").image, rtol=1e-6)


def test_covid_xray(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    rng = np.random.default_rng(0)
    for number in (1, 2):
        picture = 60 + 120 * phantom(3, 64)[1] + 8 * rng.normal(size=(64, 64))
        gray = np.clip(picture, 0, 255).astype(np.uint8)
        # the data set holds gray pictures and gray ones stored as color
        image.fromarray(gray if number == 1 else np.stack([gray] * 3, -1)).save(data / f"COVID-{number}.png")
    recipe("covid_xray", data, out, "--iterations", "20", "--channels", "4", "--patch-size", "32")
    for number in (1, 2):
        result = read_volume(out / f"COVID-{number}.png")
        assert result.image.shape == (1, 64, 64)
        assert result.source.native.dtype == np.uint8
        assert json.loads((out / f"COVID-{number}.json").read_text())["plan"]["method"] == "bsn"
