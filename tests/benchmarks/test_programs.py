# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from benchmarks import ablation, floor, speed
from benchmarks.__main__ import main
from benchmarks.quality import cost
from benchmarks.quality.cases import phantom_case
from benchmarks.quality.residual import residual_scores
from benchmarks.rows import hardware, versions


def test_an_unknown_program_is_a_mistake(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "speling"])
    assert main() == 2
    assert "quality" in capsys.readouterr().err


def test_speed_says_how_many_times_ours_the_others_take() -> None:
    common = {"name": "PUCA", "task": "inference", "threads": 1}
    rows = [
        {**common, "who": "published", "cpu": 3.0, "wall": 4.0, "peak_mb": 12.4},
        {**common, "who": "ours", "cpu": 1.5, "wall": 1.0, "peak_mb": None},
    ]
    lines = speed.table(rows).splitlines()[2:]
    assert lines[0] == "| PUCA | inference | 1 | published | 3.000 | 4.000 | 12 | 2.00, 4.00 |"
    assert lines[1].endswith("| 1.000 | - | - |")


def test_speed_without_published_code_times_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--out", str(tmp_path), "--methods", "NAFNet", "--channels", "4", "--patch", "16", "--repeats", "1"]
    assert speed.main(arguments) == 0
    first = capsys.readouterr().out
    assert first.count("| NAFNet |") == 2
    # everything is there already
    assert speed.main(arguments) == 0
    assert capsys.readouterr().out == first


def test_ablation_asks_for_the_data_of_its_image(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        ablation.main(["--out", str(tmp_path), "--image", "ICBM152"])


def test_ablation_runs_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = []

    def run(job: dict[str, object], data: Path | None) -> dict[str, float]:
        jobs.append(job)
        fields = ("before", "psnr", "bias", "noise_gain", "pair_error", "cpu")
        return {field: float(place) for place, field in enumerate(fields)}

    monkeypatch.setattr(ablation, "_run", run)
    for _ in range(2):
        assert ablation.main(["--out", str(tmp_path), "--methods", "default", "published*"]) == 0
        assert capsys.readouterr().out.count("| phantom |") == 9
    assert len(jobs) == 9


def test_stages_add_up() -> None:
    before = cost.COST.stages.get("test", 0.0)
    for _ in range(2):
        with cost.stage("test"):
            sum(range(10**5))
    assert cost.COST.stages.pop("test") > before


def test_hardware_and_versions_are_told() -> None:
    assert hardware()["cores"] >= 1
    assert versions(["numpy"]).keys() == {"torch", "monai", "numpy"}


def test_structure_in_what_was_removed_is_seen() -> None:
    case = phantom_case(None, 0, kind="gaussian", strength=0.1, shape=(32, 32, 8))
    perfect = residual_scores(case, case.reference)
    assert perfect["structure"] is not None and abs(perfect["structure"]) < 0.05
    assert perfect["lag1_excess"] == pytest.approx(0.0, abs=1e-6)
    flat = residual_scores(case, 0.5 * case.reference)
    assert flat["structure"] is not None and flat["structure"] > 0.5
    assert flat["lag1_excess"] is not None and flat["lag1_excess"] > 0.3
    assert residual_scores(case, case.volume.image.as_tensor()) == {"structure": None, "lag1_excess": None}


def test_floor_counts_what_is_read_and_written() -> None:
    image = torch.ones(4, 5)
    with floor.MovedBytes() as moved:
        double = image * 2
        double.view(20).add_(1)
    # read and written; read and written in place, the view for nothing
    assert moved.total == 2 * 80 + 2 * 80


def test_floor_shares_are_of_the_whole() -> None:
    shares = floor.kinds_of({"aten::mkldnn_convolution": 6.0, "aten::addmm": 3.0, "aten::mul": 1.0})
    assert shares["convolution"] == 0.6
    assert shares["matrix product"] == 0.3
    assert sum(shares.values()) == pytest.approx(1.0)


@pytest.mark.usefixtures("one_thread")
def test_floor_prints_a_row_a_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert floor.main(["--networks", "stack", "--size", "32", "--patch", "16", "--repeats", "1"]) == 0
    assert capsys.readouterr().out.count("| stack |") == 4
