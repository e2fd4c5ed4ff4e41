# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Rows of the quality benchmark as Markdown."""

from __future__ import annotations

from typing import Any

__all__ = ["markdown"]

_HEAD = ["case", "method", "PSNR dB", "SSIM", "bias %", "noise gain", "edge error", "CPU s", "peak MiB", "seeds"]
_LEGEND = (
    "PSNR and SSIM with the range and mask of the case; bias in percent of the range; noise gain: share of the known "
    "noise that is left; CPU seconds with training; one thread."
)


def markdown(rows: list[dict[str, Any]], machine: str) -> str:
    """One table, averaged over seeds, best PSNR of each case first."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        for variant, scores in row.get("scores", {}).items():
            label = f"{row['label']}, {variant}" if variant else row["label"]
            groups.setdefault((row["case"], label, str(row["seconds"])), []).append({**row, **scores})
    body = []
    for (case, label, _), found in groups.items():
        psnr = _mean(found, "psnr")
        cells = [case, label] + [_text(found, *field) for field in _FIELDS] + [str(len(found))]
        body.append((case, -(psnr if psnr is not None else 0.0), cells))
    lines = [f"Machine: {machine}. {_LEGEND}", "", _row(_HEAD), _row(["---"] * len(_HEAD))]
    lines += [_row(cells) for _, _, cells in sorted(body)]
    refused = [[row["case"], row["label"], row["refused"]] for row in rows if "refused" in row]
    if refused:
        lines += ["", "Not run:", "", _row(["case", "method", "why"]), _row(["---"] * 3), *map(_row, refused)]
    return "\n".join(lines) + "\n"


_FIELDS = (
    ("psnr", ".2f"),
    ("ssim", ".3f"),
    ("bias_percent", "+.2f"),
    ("noise_gain", ".2f"),
    ("edge_error", ".3f"),
    ("cpu", ".0f"),
    ("peak_mb", ".0f"),
)


def _mean(rows: list[dict[str, Any]], field: str) -> float | None:
    values = [row[field] for row in rows if row.get(field) is not None]
    return sum(values) / len(values) if values else None


def _text(rows: list[dict[str, Any]], field: str, form: str) -> str:
    value = _mean(rows, field)
    return "-" if value is None else format(value, form)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
