# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""``diffdenoise evaluate`` from its arguments to its output."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tyro

from monai_diffdenoise.cli.evaluate import Evaluate
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.evaluate import evaluate_files


@pytest.fixture
def pair(make_nifti: Callable[..., Path]) -> tuple[Path, Path]:
    rng = np.random.default_rng(0)
    reference = rng.integers(0, 1000, (16, 16, 4)).astype(np.int16)
    return make_nifti(reference + np.int16(3), "image.nii.gz"), make_nifti(reference, "reference.nii.gz")


def _run(*arguments: object) -> int:
    return tyro.cli(Evaluate, args=[str(argument) for argument in arguments]).run()


def test_table_and_json_hold_the_scores(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.json"
    assert _run(*pair, "--data-range", 300, "--json", out) == 0
    assert json.loads(out.read_text()) == evaluate_files(*pair, data_range=300.0).as_dict()
    printed = capsys.readouterr()
    rows = {line.split()[0]: line.split()[1:] for line in printed.out.splitlines()}
    assert rows["PSNR"] == ["40.00", "dB"]
    assert rows["bias"] == ["3", "1.000", "%", "of", "the", "range"]
    assert rows["range"] == ["300", "stated"]
    assert rows["voxels"][0] == "1024"
    assert printed.err == ""


def test_mask_is_used(pair: tuple[Path, Path], make_nifti: Callable[..., Path], tmp_path: Path) -> None:
    mask = np.zeros((16, 16, 4), dtype=np.uint8)
    mask[6:10, 6:10] = 1
    _run(*pair, "--mask", make_nifti(mask, "mask.nii.gz"), "--json", tmp_path / "s.json")
    assert json.loads((tmp_path / "s.json").read_text())["mask_voxels"] == 64


def test_identical_and_tiny_images_print_words(
    make_nifti: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_nifti(np.arange(20, dtype=np.int16).reshape(5, 4, 1), "tiny.nii")
    assert _run(path, path) == 0
    printed = capsys.readouterr().out
    assert "identical" in printed
    assert "no window of 11 x 11" in printed


@pytest.mark.parametrize("name", ["reference.nii.gz", "scores.txt", "missing/scores.json", "there.json"])
def test_json_names_that_must_not_be_written(pair: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    (tmp_path / "there.json").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError):
        _run(*pair, "--json", tmp_path / name)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_json_may_replace_when_told(pair: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "there.json").write_text("mine")
    _run(*pair, "--json", tmp_path / "there.json", "--overwrite")
    assert "psnr" in json.loads((tmp_path / "there.json").read_text())


def test_json_inside_an_input_folder_is_refused(make_series: Callable[..., Path]) -> None:
    series = make_series(shape=(12, 12))
    with pytest.raises(InputError, match="inside an input folder"):
        _run(series, series, "--json", series / "scores.json")
    assert not (series / "scores.json").exists()


def test_mistake_leaves_no_json(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        _run(pair[0], tmp_path / "nothing.nii", "--json", tmp_path / "scores.json")
    assert not (tmp_path / "scores.json").exists()


def test_help_needs_no_torch() -> None:
    code = (
        "import sys\nimport tyro\nfrom monai_diffdenoise.cli.evaluate import Evaluate\n"
        "try:\n    tyro.cli(Evaluate, args=['--help'])\nexcept SystemExit:\n    pass\n"
        "assert 'torch' not in sys.modules and 'monai' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "IMAGE" in done.stdout
    assert "--data-range" in done.stdout
