# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""``diffdenoise denoise --report --strict``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from monai_diffdenoise import denoise
from monai_diffdenoise.cli.main import main
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.metrics.gates import Gate
from monai_diffdenoise.pipeline import gates

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

TINY = ["--method", "ns-n2n", "--iterations", "4", "--channels", "4", "--levels", "2", "--patch-size", "16"]


@pytest.fixture
def series(make_series: Callable[..., Path]) -> Path:
    noisy = add_noise(make_phantom((48, 48, 10), seed=0), "gaussian", 0.1, seed=1).numpy()

    def edit(ds: Dataset, index: int) -> None:
        ds.PatientName, ds.PatientID, ds.AccessionNumber = "Planted^Name", "PLANTED-ID", "PLANTED-ACC"
        ds.PixelData = np.ascontiguousarray(1000 + 1000 * noisy[..., index].T).astype(np.uint16).tobytes()

    return make_series(shape=(48, 48), slices=10, edit=edit)


def test_report_of_a_series_holds_nothing_of_the_patient(
    series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, record = tmp_path / "r.html", tmp_path / "r.json"
    out = tmp_path / "out.nii.gz"
    assert main(["denoise", str(series), str(out), "--report", str(page), "--json", str(record), *TINY]) == 0
    text = page.read_text(encoding="utf-8")
    said = capsys.readouterr().err
    for secret in ("Planted", "PLANTED", "file00", "1.2.826.0.1.3680043.8.498.1", "Doe", str(tmp_path), series.name):
        assert secret not in text
    assert "Put back" in text
    assert "diffdenoise denoise INPUT OUTPUT --method ns-n2n" in text
    found = json.loads(record.read_text())["gates"]
    assert len(found) == 6
    assert sum(line.startswith("gates: ") for line in said.splitlines()) == 1
    for gate in found:
        assert gate["verdict"] == "pass" or f"{gate['verdict']}: {gate['name']}" in said


@pytest.mark.parametrize(("verdict", "code"), [("fail", 3), ("warn", 0)])
def test_strict(series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verdict: str, code: int) -> None:
    planted = Gate("seams", 9.0, 1.0, verdict, "planted")  # type: ignore[arg-type]
    monkeypatch.setattr(gates, "run_gates", lambda *args, **how: (planted,))
    out = tmp_path / "out.nii.gz"
    assert main(["denoise", str(series), str(out), "--strict", *TINY]) == code
    assert out.exists()
    assert main(["denoise", str(series), str(out), "--overwrite", *TINY]) == 0


@pytest.mark.parametrize(
    ("name", "match"), [("r.txt", ".html"), ("taken.html", "exists"), ("nowhere/r.html", "nowhere")]
)
def test_mistakes(series: Path, tmp_path: Path, name: str, match: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken.html").write_text("mine")
    assert main(["denoise", str(series), str(tmp_path / "out.nii.gz"), "--report", str(tmp_path / name), *TINY]) == 2
    assert match in capsys.readouterr().err
    assert (tmp_path / "taken.html").read_text() == "mine"


def test_result_shows_itself_and_saves_its_report(tmp_path: Path) -> None:
    noisy = add_noise(make_phantom((48, 48, 10), seed=0), "gaussian", 0.1, seed=1)
    result = denoise(noisy, method="ns-n2n", iterations=4, channels=4, levels=2, patch_size=16)
    figure = result.show()
    assert len(figure.axes) % 3 == 0
    assert hasattr(figure, "savefig")
    result.save_report(tmp_path / "r.html")
    assert (tmp_path / "r.html").stat().st_size < 5e6
    assert [gate["name"] for gate in result.report["gates"]][0] == "mean drift"
