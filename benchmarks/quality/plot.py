# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Quality against time: a figure for each family of cases."""

from __future__ import annotations

from pathlib import Path

from benchmarks.quality.table import Entry, gains

__all__ = ["plot_family"]

# Okabe and Ito's colors and a shape of its own for each group: told apart without color, too.
_GROUPS = {
    "ours": ("diffdenoise, all defaults, told nothing", "#D55E00", "*"),
    "bare": ("bare networks of the package, told nothing", "#009E73", "s"),
    "blind": ("others, told nothing", "#0072B2", "o"),
    "told": ("others, told what no user knows", "#000000", "^"),
}


def plot_family(found: list[Entry], name: str, path: Path) -> None:
    """Mean gain in PSNR over the noisy image against mean CPU seconds, training included; numbers name the methods.

    Args:
        found: entries of the family's cases. Of outputs with and without fusion, the fused one is shown; methods that
            were not run on every case are left out, for their means are others.
        name: of the family.
        path: an SVG file.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "quality", "svg.fonttype": "none"})
    points = _points(found)
    cases = len({entry.case for entry in found})
    figure, axes = plt.subplots(figsize=(10, max(4.5, 0.21 * len(points) + 0.5)), layout="constrained")
    for group, (label, color, marker) in _GROUPS.items():
        here = [(cpu, gain) for _, cpu, gain, of in points if of == group]
        if here:
            seconds, over = zip(*here, strict=True)
            axes.scatter(seconds, over, c=color, marker=marker, s=60, label=label, zorder=3)
    for number, (_, cpu, gain, _) in enumerate(points, 1):
        axes.annotate(str(number), (cpu, gain), textcoords="offset points", xytext=(5, 4), fontsize=8)
    axes.axhline(0.0, color="0.6", linewidth=1)
    axes.set(xscale="log", xlabel="CPU seconds, one thread, training included", ylabel="PSNR over the noisy image, dB")
    axes.set_title(f"{name}: mean of {cases} case{'s' if cases > 1 else ''}")
    axes.grid(alpha=0.3)
    axes.legend(loc="best", fontsize=8)
    names = "\n".join(f"{number:>2}  {label}" for number, (label, *_) in enumerate(points, 1))
    axes.text(1.02, 1.0, names, transform=axes.transAxes, va="top", fontsize=8, family="monospace")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _points(found: list[Entry]) -> list[tuple[str, float, float, str]]:
    """Label, CPU seconds, gain and group of each method, largest gain first."""
    gain = gains(found)
    fused = {(entry.case, entry.method) for entry in found if entry.variant == "fused"}
    groups: dict[str, list[Entry]] = {}
    for entry in found:
        plain = entry.variant == "" and (entry.case, entry.method) in fused
        if (entry.case, entry.label) in gain and not plain and entry.method != "noisy":
            groups.setdefault(entry.label, []).append(entry)
    cases = {entry.case for entry in found}
    points = []
    for label, same in groups.items():
        if {entry.case for entry in same} == cases:
            seconds = sum(entry.values["cpu"] for entry in same) / len(same)
            mean = sum(gain[entry.case, label] for entry in same) / len(same)
            # an axis of logarithms has no 0
            points.append((label, max(seconds, 0.01), mean, same[0].group))
    return sorted(points, key=lambda point: -point[2])
