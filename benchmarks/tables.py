# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Rows of a benchmark as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["METHODS", "summary"]

Row = dict[str, Any]

METHODS = {"noisy": "noisy", "gauss": "best Gaussian (oracle)", "nlm": "non-local means (true sigma)", "ours": "ours"}
"""What is compared, and what the tables call it."""

_LEGEND = (
    "Bias in percent of the range; seconds without start and loading; peak is the resident memory of the process. "
    "No SSIM where the reference is as noisy as the image (DWI) or has another kernel (CT head phantom)."
)


def summary(rows: list[Row], machine: str) -> str:
    """Two tables: the scores, averaged over seeds, and the baselines against the PSNR that the data's list has."""
    groups: dict[tuple[str, str, str | None], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["case"], row["method"], row["preset"]), []).append(row)
    order = sorted({case for case, _, _ in groups})
    lines = [
        f"Machine: {machine}. {_LEGEND}",
        "",
        *_table(
            ["case", "method", "PSNR dB", "SSIM", "bias %", "noise gain", "edge error", "seconds", "peak MiB", "seeds"],
            (_scores(key, found) for case in order for key, found in groups.items() if key[0] == case),
        ),
    ]
    listed = [
        [row["case"], row["method"], f"{row['listed']:.2f}", f"{row['psnr_listed']:.2f}"]
        + [f"{row['psnr_listed'] - row['listed']:+.2f}"]
        for row in sorted(rows, key=lambda row: row["case"])
        if row.get("listed") is not None and row["psnr_listed"] is not None
    ]
    if listed:
        lines += ["", "Baselines against the list of the data (no fit of gain and offset):", ""]
        lines += _table(["case", "method", "listed dB", "here dB", "difference"], listed)
    return "\n".join(lines) + "\n"


def _scores(key: tuple[str, str, str | None], rows: list[Row]) -> list[str]:
    case, method, preset = key
    name = METHODS[method] + (f" ({preset})" if preset else "")
    bad = [row for row in rows if "psnr" not in row]
    if bad:
        return [case, name, "refused" if "refused" in bad[0] else "failed", *["-"] * 6, str(len(rows))]

    def mean(field: str, form: str, most: Callable[[list[float]], float] = lambda v: sum(v) / len(v)) -> str:
        values = [row[field] for row in rows if row.get(field) is not None]
        return format(most(values), form) if values else "-"

    if method == "gauss":
        name += " " + "/".join(f"{width:g}" for width in sorted({row["width"] for row in rows}))
    return [
        case,
        name,
        mean("psnr", ".2f"),
        mean("ssim", ".3f"),
        mean("bias_percent", "+.2f"),
        mean("noise_gain", ".2f"),
        mean("edge_error", ".3f"),
        mean("seconds", ".3g"),
        mean("peak_mb", ".0f", max),
        str(len(rows)),
    ]


def _table(head: list[str], body: Iterable[list[str]]) -> list[str]:
    return [_row(head), _row(["---"] * len(head)), *(_row(cells) for cells in body)]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
