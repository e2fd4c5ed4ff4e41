# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.cli.export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monai_diffdenoise.cli.main import main


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    seen: dict[str, Any] = {"parity": {"largest_difference": 3.2e-7, "shapes": [[1, 3, 64, 64], [2, 3, 9, 31]]}}

    def instead(folder: Path, path: Path, **arguments: Any) -> dict[str, Any]:
        seen.update(arguments, folder=folder)
        path.write_bytes(b"1" * 200_000)
        return {"format": "onnx", "parity": seen["parity"]}

    monkeypatch.setattr("monai_diffdenoise.pipeline.export.export_model", instead)
    return seen


def test_the_command_says_what_it_checked(
    asked: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "work", str(tmp_path / "a.onnx"), "--opset", "20", "--overwrite"]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "(onnx, 0.2 MB); differs from the network by at most 3e-07 at 1x3x64x64, 2x3x9x31" in told.err
    assert (asked["folder"], asked["opset"], asked["overwrite"], asked["format"]) == (Path("work"), 20, True, None)


def test_the_command_says_that_it_did_not_check(
    asked: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked["parity"] = None
    assert main(["export", "work", str(tmp_path / "a.onnx")]) == 0
    assert "not checked, since onnxruntime is not installed" in capsys.readouterr().err


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path), str(tmp_path / "a.engine")]) == 2
    assert main(["export", str(tmp_path / "none"), str(tmp_path / "a.pt2")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "ends in .onnx or .pt2" in lines[0]
    assert "where no model.json is" in lines[1]
    assert list(tmp_path.iterdir()) == []
