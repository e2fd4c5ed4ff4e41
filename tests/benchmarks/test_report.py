# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.quality.methods import METHODS
from benchmarks.quality.plot import _points
from benchmarks.quality.report import main
from benchmarks.quality.table import _BARE, entries, family, gains, long_form, short_form, standing

CASES = ("B_clean_gaussian_0.05", "B_clean_gaussian_0.1", "A_ct")


def row(case: str, method: str, label: str, psnr: float | None, cpu: float = 1.0, **more: Any) -> dict[str, Any]:
    """A row as the first version wrote them."""
    scores = {"psnr": psnr, "ssim": 0.5, "bias_percent": -0.1, "noise_gain": 0.2, "edge_error": 0.3}
    about = {"case": case, "method": method, "seed": 0, "seconds": 60.0, "label": label, "torch": "2.13.0"}
    return {**about, "scores": {"": scores}, "wall": cpu, "cpu": cpu, "peak_mb": 100, **more}


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    found = []
    for number, case in enumerate(CASES):
        found += [
            row(case, "noisy", "noisy", 20.0, 0.0),
            row(case, "ours_bsn", "diffdenoise --method bsn", 30.0 + number, 60.0),
            row(case, "bm4d", "BM4D (true sigma, white)", 33.0, 40.0),
            row(case, "nlm", "NLM 2D", 25.0, 2.0),
        ]
    net = row(CASES[0], "net", "net", 27.0, 70.0, seed=1, training_cpu=60.0, inference_cpu=9.5)
    net["scores"]["fused"] = {"psnr": 28.0, "structure": 0.25, "lag1_excess": 0.125}
    net["hardware"] = {"processor": "A chip", "cores": 2, "threads": "1", "python": "3.11.0"}
    net["versions"] = {"torch": "2.13.0", "monai": "1.6.1"}
    other = json.loads(json.dumps(net)) | {"seed": 0}
    other["scores"][""]["psnr"] = 26.0
    refused = {"case": CASES[0], "method": "x", "seed": 0, "seconds": 60.0, "label": "X", "refused": "not | there"}
    failed = {"case": CASES[0], "method": "y", "seed": 0, "seconds": 60.0, "error": "boom"}
    return [*found, net, other, refused, failed]


def test_seeds_are_averaged_and_variants_stand_apart(rows: list[dict[str, Any]]) -> None:
    found = {(entry.case, entry.label): entry for entry in entries(rows)}
    assert found[CASES[0], "net"].values["psnr"] == 26.5
    assert found[CASES[0], "net"].seeds == 2
    assert found[CASES[0], "net, fused"].values["psnr"] == 28.0
    assert gains(entries(rows))[CASES[0], "net, fused"] == 8.0


def test_the_same_method_for_other_seconds_is_another(rows: list[dict[str, Any]]) -> None:
    again = row(CASES[0], "nlm", "NLM 2D", 26.0) | {"seconds": 20.0}
    labels = {entry.label for entry in entries([*rows, again]) if entry.case == CASES[0]}
    assert {"NLM 2D, 60 s", "NLM 2D, 20 s"} <= labels and "NLM 2D" not in labels


def test_long_form_lists_each_case_best_first_and_marks_what_old_rows_lack(rows: list[dict[str, Any]]) -> None:
    parts = long_form(entries(rows)).split("### ")[1:]
    assert [part.splitlines()[0] for part in parts] == sorted(CASES)
    lines = [line for line in parts[1].splitlines() if line.startswith("| ")][2:]
    names = [line.split(" | ")[0].strip("| ") for line in lines]
    assert names == ["BM4D (true sigma, white)", "diffdenoise --method bsn", "net, fused", "net", "NLM 2D", "noisy"]
    assert lines[0].endswith("| - | - | 40.0 | - | 100 | 1 |")
    assert "| +0.25 | 0.12 | 70.0 | 9.5 | 100 | 2 |" in lines[2]


def test_short_form_has_a_row_a_method_and_those_of_fewer_cases_last(rows: list[dict[str, Any]]) -> None:
    lines = short_form(entries(rows), "B_").splitlines()[2:]
    assert lines[0].startswith("| BM4D (true sigma, white) | +13.00 | +13.00 |")
    assert lines[1].startswith("| diffdenoise --method bsn | +10.50 | +10.00 |")
    assert [line.split(" | ")[-1] for line in lines] == ["2 of 2 |"] * 3 + ["1 of 2 |"] * 2
    assert not any("noisy" in line for line in lines)


def test_standing_separates_what_was_told(rows: list[dict[str, Any]]) -> None:
    lines = standing(entries(rows)).splitlines()[2:]
    assert lines[1] == (
        "| B_clean_gaussian_0.05 | bsn 30.00 | 28.00 (net, fused) | 33.00 (BM4D (true sigma, white)) | 20.00 |"
    )


def test_networks_that_the_benchmark_trains_are_nobody_elses() -> None:
    found = entries([row("A_ct", "puca", "PUCA 2D", 30.0), row("A_ct", "ours_bsn", "diffdenoise --method bsn", 29.0)])
    assert [entry.group for entry in found] == ["bare", "ours"]
    assert standing(found).splitlines()[2] == "| A_ct | bsn 29.00 | - | - | - |"


def test_bare_networks_are_methods() -> None:
    assert set(_BARE) <= set(METHODS)


def test_families() -> None:
    assert [family(case) for case in CASES] == ["B_clean", "B_clean", "A"]


def test_points_are_fused_where_there_is_fusion_and_of_all_cases_alone(rows: list[dict[str, Any]]) -> None:
    first = [entry for entry in entries(rows) if entry.case == CASES[0]]
    assert [point[0] for point in _points(first)][2] == "net, fused"
    both = [entry for entry in entries(rows) if entry.case.startswith("B_")]
    points = _points(both)
    assert [point[0] for point in points] == ["BM4D (true sigma, white)", "diffdenoise --method bsn", "NLM 2D"]
    assert [point[3] for point in points] == ["told", "ours", "blind"]
    assert points[1][1:3] == (60.0, 10.5)


def test_documents_and_figures_come_from_the_rows(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n{cut off")
    assert main(["--out", str(tmp_path), "--docs", str(tmp_path / "docs")]) == 0
    page = (tmp_path / "docs" / "quality.md").read_text()
    assert "Machine: A chip, 2 cores, OMP_NUM_THREADS 1, Python 3.11.0." in page
    assert "monai 1.6.1" in page and "--seconds 60" in page
    assert "| X | not / there | B_clean_gaussian_0.05 |" in page and "boom" in page
    shown = re.findall(r"\]\((.*?\.svg)\)", page)
    assert shown == ["quality_B_clean.svg", "quality_A.svg"]
    figure = (tmp_path / "docs" / shown[0]).read_text()
    assert "1  BM4D (true sigma, white)" in figure and "told what no user knows" in figure
    assert figure == (tmp_path / shown[0]).read_text()
    assert (tmp_path / "short.md").read_text().count("\n") == 7
