# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Figures of the stage 2 benchmark: curves, no images."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

__all__ = ["figures"]

Row = dict[str, Any]

_CURVES = {
    "SRDS c, same": ("SRDS, paper's pair", "tab:red", "-"),
    "regression c + noise, same": ("regression from c + noise", "tab:orange", "-"),
    "SRDS (c, y), recorrupted": ("SRDS from (c, y), leak-free", "tab:blue", "-"),
    "regression (c, y), recorrupted": ("regression from (c, y), leak-free", "tab:green", "-"),
}
_CASES = {
    "toy gaussian 25": "Gaussian 25/255",
    "toy gaussian 6": "Gaussian 6/255",
    "toy correlated 25": "correlated 25",
}


def figures(rows: list[Row], folder: Path) -> None:
    """Write stage2_training.png and stage2_uncertainty.png."""
    import matplotlib

    matplotlib.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    _training(rows, folder / "stage2_training.png")
    _uncertainty(rows, folder / "stage2_uncertainty.png")


def _training(rows: list[Row], path: Path) -> None:
    from matplotlib import pyplot as plt

    cases = [case for case in _CASES if any(row["case"] == case and "curve" in row for row in rows)]
    figure, axes = plt.subplots(2, len(cases), figsize=(3.6 * len(cases), 5), sharex=True, squeeze=False)
    for column, case in enumerate(cases):
        here = [row for row in rows if row["case"] == case]
        first = [row["scores"]["seen"] for row in here if row["variant"] == "first network"]
        for way, style in (("", ":"), ("fused", "--")):
            level = statistics.mean(one[way]["psnr"] for one in first)
            label = "first network" + (", fused" if way else "")
            axes[0, column].axhline(level, color="black", linestyle=style, linewidth=1, label=label)
        for variant, (label, color, style) in _CURVES.items():
            for number, row in enumerate(row for row in here if row["variant"] == variant):
                steps = [point["step"] for point in row["curve"]]
                for axis, key in zip(axes[:, column], ("psnr", "gain"), strict=True):
                    values = [point[key] for point in row["curve"]]
                    axis.plot(steps, values, style, color=color, marker=".", label=None if number else label)
        axes[0, column].set_title(_CASES[case], fontsize=10)
        axes[1, column].set_xlabel("training steps")
        axes[1, column].axhline(0, color="black", linewidth=0.5)
    axes[0, 0].set_ylabel("PSNR, dB")
    axes[1, 0].set_ylabel("noise gain G")
    axes[0, 0].legend(fontsize=6)
    _save(figure, path)


def _uncertainty(rows: list[Row], path: Path) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.2))
    keys = {"calibration": "spread over 4 pairs", "calibration of recorruptions": "spread over 4 recorruptions"}
    for axis, (key, title) in zip(axes, keys.items(), strict=True):
        for row in rows:
            if (
                row["variant"] == "SRDS (c, y), recorrupted"
                and row["case"] in _CASES
                and key in row
                and not row["seed"]
            ):
                axis.plot(row[key]["spread"], row[key]["error"], marker=".", label=_CASES[row["case"]])
        end = max(axis.get_xlim()[1], axis.get_ylim()[1])
        axis.plot([0, end], [0, end], color="black", linewidth=0.5)
        axis.set(xlabel=title, xlim=(0, None), ylim=(0, None))
    axes[0].set_ylabel("root mean square error")
    axes[1].legend(fontsize=7)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=75)
