# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Rows of the stage 2 benchmark as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any

__all__ = ["tables"]

Row = dict[str, Any]

_LEGEND = """PSNR in dB (its standard deviation over seeds where there are several), SSIM, bias in percent of the range
and noise gain G of the crop that was trained on, and PSNR of another crop that was not. "fused": posterior fusion with
the noisy image, which every method is offered. "N recorruptions": the mean over N inputs recorrupted as in training.
One pair and 10 steps where nothing else is said; "1 draw" is one of its two. s: CPU seconds of the second training."""


def tables(rows: list[Row]) -> str:
    """All tables, one a case, and those of other levels and of the uncertainty."""
    parts = [_LEGEND]
    for case in dict.fromkeys(row["case"] for row in rows):
        here = [row for row in rows if row["case"] == case]
        lines = _scores(here)
        lines.sort(key=lambda cells: -float(cells[1].split()[0]))
        parts.append(_table(case, ["method", "PSNR", "SSIM", "bias", "G", "other crop", "s", "seeds"], lines))
    parts.append(_table("Other levels of noise", *_levels(rows)))
    parts.append(_table("Uncertainty", *_uncertainty(rows)))
    return "\n\n".join(parts) + "\n"


def _scores(rows: list[Row]) -> list[list[str]]:
    lines = []
    for variant in dict.fromkeys(row["variant"] for row in rows):
        found = [row for row in rows if row["variant"] == variant]
        for way in dict.fromkeys(way for row in found for way in row["scores"]["seen"]):
            seen = [row["scores"]["seen"][way] for row in found if way in row["scores"]["seen"]]
            other = [row["scores"]["other"][way] for row in found if way in row["scores"].get("other", {})]
            name = "noisy" if way == "noisy" else f"{variant}; {way}" if way else variant
            cells = [name, _mean(seen, "psnr", ".2f"), *(_mean(seen, key, form) for key, form in _FIELDS)]
            seconds = [row["seconds"] for row in found if "seconds" in row]
            cells += [
                _mean(other, "psnr", ".2f"),
                f"{statistics.mean(seconds):.0f}" if seconds else "-",
                f"{len(seen)}",
            ]
            lines.append(cells)
    return lines


_FIELDS = (("ssim", ".3f"), ("bias", "+.2f"), ("gain", ".3f"))


def _mean(scores: list[dict[str, float]], key: str, form: str) -> str:
    values = [score[key] for score in scores if key in score]
    if not values:
        return "-"
    spread = f" ± {statistics.stdev(values):.2f}" if key == "psnr" and len(values) > 1 else ""
    return format(statistics.mean(values), form) + spread


def _levels(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    lines = []
    for row in rows:
        for share, scores in row.get("levels", {}).items():
            cells = [row["case"], row["variant"], share]
            cells += [f"{scores[who]['psnr']:.2f}" for who in ("noisy", "first network", "")]
            lines.append([*cells, f"{scores['']['gain']:.3f}"])
    return ["case", "variant", "level / training's", "noisy", "first network", "second", "G of it"], lines


def _uncertainty(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    lines = []
    for row in rows:
        for key, name in (("calibration", "pairs"), ("calibration of recorruptions", "recorruptions")):
            found = row.get(key)
            # a regression that does not recorrupt has no spread
            if found and found["spread"][-1] > 0:
                cells = [row["case"], row["variant"], name, f"{found['pearson']:.2f}", f"{found['spearman']:.2f}"]
                for ends in ("spread", "error"):
                    cells.append(f"{found[ends][0]:.4f} to {found[ends][-1]:.4f}")
                lines.append(cells)
    head = ["case", "variant", "spread over", "Pearson", "Spearman", "spread, lowest to highest tenth", "their error"]
    return head, lines


def _table(title: str, head: list[str], lines: Iterable[list[str]]) -> str:
    body = [head, ["---"] * len(head), *lines]
    return "\n".join([f"## {title}", "", *(f"| {' | '.join(cells)} |" for cells in body)])
