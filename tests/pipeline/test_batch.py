# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The folder's way through a batch; what denoises a volume is a stand-in."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from monai_diffdenoise.cli.main import main
from monai_diffdenoise.data import Volume, read_volume
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline import batch
from monai_diffdenoise.pipeline.batch import find_jobs, run_batch
from monai_diffdenoise.pipeline.result import Result
from monai_diffdenoise.pipeline.settings import DenoiseSettings

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Sources that were denoised."""
    seen: list[Path] = []

    def denoise(volume: Volume, settings: DenoiseSettings, **how: Any) -> Result:
        assert volume.source.path is not None
        seen.append(volume.source.path)
        if float(volume.image.max()) == 7:
            raise InputError("got a volume of sevens;\nexpected another")
        how["work_dir"].mkdir(exist_ok=True)
        report = {
            "plan": {"method": "bsn", "noise": None, "sigma": 2.0, "reasons": []},
            "settings": asdict(settings),
            "input": volume.summary(),
            "scores": {"put_back": 0.5},
            "timings_s": {"training": 1.0},
            "versions": {},
            "warnings": [],
            "gates": [{"name": "mean drift", "value": 0.3, "threshold": 0.25, "verdict": "fail", "reason": "it moved"}],
        }
        return Result(volume.with_image(volume.image.as_tensor() * 0.5), volume.image, report)

    monkeypatch.setattr(batch, "denoise_volume", denoise)
    return seen


@pytest.fixture
def folder(make_nifti: Callable[..., Path], make_series: Callable[..., Path], tmp_path: Path) -> Path:
    source = tmp_path / "in"
    source.mkdir()
    values = np.random.default_rng(0).integers(10, 200, (40, 36, 6)).astype(np.int16)
    make_nifti(values).rename(source / "b one & two.nii.gz")
    make_nifti(np.full((40, 36, 6), 7, np.int16)).rename(source / "a.nii")

    def name(ds: Dataset, index: int) -> None:
        ds.PatientName, ds.PatientID, ds.AccessionNumber = "Planted^Name", "PLANTED-ID", "PLANTED-ACC"

    make_series("in/series", shape=(40, 40), edit=name)
    (source / "notes.txt").write_text("not a volume")
    (source / ".hidden.nii").write_text("neither")
    return source


def test_one_failure_stops_no_other(folder: Path, calls: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    out = folder.parent / "out"
    assert main(["batch", str(folder), str(out)]) == 1
    names = {path.name for path in out.iterdir()}
    assert names == {
        "b one & two.nii.gz", "b one & two.json", "b one & two.report.html", "series", "series.json",
        "series.report.html", "index.html", "results.csv",
    }  # fmt: skip
    halved = read_volume(out / "b one & two.nii.gz").image
    assert np.allclose(halved, np.rint(read_volume(folder / "b one & two.nii.gz").image * 0.5), atol=0.51)
    rows = list(csv.DictReader((out / "results.csv").open()))
    assert [(row["name"], row["status"], row["verdict"]) for row in rows] == [
        ("a.nii", "failed", ""), ("b one & two.nii.gz", "done", "fail"), ("series", "done", "fail"),
    ]  # fmt: skip
    assert "sevens" in rows[0]["reason"]
    assert (rows[1]["drift"], rows[1]["put_back"], rows[1]["size"]) == ("0.3", "0.5", "40 x 36 x 6")
    page = (out / "index.html").read_text()
    assert 'href="b%20one%20%26%20two.report.html"' in page
    assert page.count("data:image/png;base64,") == 2
    assert "http:" not in page
    assert "2 of 3 volumes are done" in capsys.readouterr().err


def test_nothing_of_the_patient_is_in_what_is_made(folder: Path, calls: list[Path]) -> None:
    out = folder.parent / "out"
    run_batch(folder, out)
    files = [path for path in out.iterdir() if path.is_file() and path.suffix in (".html", ".json", ".csv")]
    assert len(files) == 6
    for path in files:
        text = path.read_text()
        for secret in ("Planted", "PLANTED", "file000", "1.2.826.0.1.3680043.8.498.1"):
            assert secret not in text, path


def test_done_ones_are_kept_changed_ones_are_not(folder: Path, calls: list[Path]) -> None:
    out = folder.parent / "out"
    run_batch(folder, out)
    assert len(calls) == 3
    before = (out / "b one & two.nii.gz").stat().st_mtime_ns
    lines: list[str] = []
    rows = run_batch(folder, out, announce=lines.append)
    assert [path.name for path in calls[3:]] == ["a.nii"]
    assert (out / "b one & two.nii.gz").stat().st_mtime_ns == before
    assert [row.status for row in rows] == ["failed", "done", "done"]
    assert sum("done already" in line for line in lines) == 2
    run_batch(folder, out, DenoiseSettings(seed=1))
    assert len(calls) == 7
    (out / "series.json").write_text("{ cut off")
    rows = run_batch(folder, out, DenoiseSettings(seed=1))
    # no record says that the folder is ours, so it is not replaced
    assert rows[2].status == "failed"
    assert "exists" in rows[2].reason or "not empty" in rows[2].reason or "holds" in rows[2].reason


def test_exit_codes(folder: Path, calls: list[Path]) -> None:
    (folder / "a.nii").unlink()
    out = str(folder.parent / "out")
    assert main(["batch", str(folder), out]) == 0
    assert main(["batch", str(folder), out, "--strict"]) == 3
    assert main(["batch", str(folder), str(folder / "series")]) == 2
    assert main(["batch", str(folder), out, "--axis", "9"]) == 2


def test_mistakes(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        find_jobs(tmp_path / "missing", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no volume"):
        find_jobs(tmp_path / "empty", tmp_path / "out")
    (folder / "series.nii").write_bytes(b"")
    with pytest.raises(InputError, match="same name"):
        find_jobs(folder, tmp_path / "out")


def test_formula_in_a_name_is_text(tmp_path: Path) -> None:
    from monai_diffdenoise.report.index_page import BatchRow, write_csv

    write_csv(tmp_path / "r.csv", [BatchRow("=cmd()", "failed", reason="-1")])
    row = next(csv.DictReader((tmp_path / "r.csv").open()))
    assert (row["name"], row["reason"]) == ("'=cmd()", "'-1")
