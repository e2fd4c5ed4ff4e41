# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Rows of the diffusion toy as Markdown."""

from __future__ import annotations

from typing import Any

__all__ = ["table"]


def table(rows: list[dict[str, Any]]) -> str:
    """One line a method: PSNR in dB and noise gain on both crops."""
    lines = [
        "| sigma | method | steps | s | PSNR seen | gain seen | PSNR other | gain other |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: -row["sigma"]):
        scores = [f"{row['seen']:.2f}", f"{row['seen_gain']:.3f}", f"{row['other']:.2f}", f"{row['other_gain']:.3f}"]
        cells = [f"{row['sigma']}/255", row["method"], str(row.get("step", "")), str(row.get("seconds", "")), *scores]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
