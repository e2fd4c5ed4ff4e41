# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Rows of the quality benchmark as Markdown: every case, one row a method, and where ours stand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["Entry", "entries", "family", "gains", "long_form", "markdown_table", "not_run", "short_form", "standing"]

Row = dict[str, Any]

_LONG = {
    "PSNR dB": ("psnr", ".2f"),
    "SSIM": ("ssim", ".3f"),
    "bias %": ("bias_percent", "+.2f"),
    "noise gain": ("noise_gain", ".2f"),
    "edge error": ("edge_error", ".3f"),
    "structure": ("structure", "+.2f"),
    "lag 1": ("lag1_excess", ".2f"),
    "CPU s": ("cpu", ".1f"),
    "inference s": ("inference_cpu", ".1f"),
    "peak MiB": ("peak_mb", ".0f"),
}


_BARE = ("blind_stack", "lgbpn", "n2v", "n2v_structured", "puca", "puca_context")
"""Networks of the package or of MONAI, trained by the benchmark itself: neither the product nor another's."""


@dataclass(frozen=True)
class Entry:
    """Mean over the seeds of one method, one variant of its output, on one case.

    Args:
        case: its name.
        method: file of the method.
        variant: of the output, "" or such as "fused".
        label: of both, with the seconds of training where a method was run for several.
        values: by field of a row; what no row has is missing.
        seeds: how many.
    """

    case: str
    method: str
    variant: str
    label: str
    values: dict[str, float]
    seeds: int

    @property
    def group(self) -> str:
        """One of "ours", "bare", "told" (what no user knows) and "blind"."""
        if self.label.startswith("diffdenoise"):
            return "ours"
        if self.method in _BARE:
            return "bare"
        return "told" if "true " in self.label or "told" in self.label else "blind"


def entries(rows: Iterable[Row]) -> list[Entry]:
    """Means over seeds, in the order of the rows."""
    groups: dict[tuple[str, str, str, float], list[Row]] = {}
    for row in rows:
        for variant, scores in row.get("scores", {}).items():
            groups.setdefault((row["case"], row["method"], variant, row["seconds"]), []).append({**row, **scores})
    seconds: dict[tuple[str, str], set[float]] = {}
    for case, method, _, budget in groups:
        seconds.setdefault((case, method), set()).add(budget)
    found = []
    for (case, method, variant, budget), same in groups.items():
        label = same[0]["label"] + (f", {variant}" if variant else "")
        if len(seconds[case, method]) > 1:
            label += f", {budget:g} s"
        values = {}
        for field in {field for field, _ in _LONG.values()}:
            known = [row[field] for row in same if row.get(field) is not None]
            if known:
                values[field] = sum(known) / len(known)
        found.append(Entry(case, method, variant, label, values, len(same)))
    return found


def family(case: str) -> str:
    """Cases that belong in one figure: all of class A; one clean volume with all its kinds of noise."""
    return "A" if case.startswith("A_") else case.rsplit("_", 2)[0]


def gains(found: list[Entry]) -> dict[tuple[str, str], float]:
    """PSNR over that of the noisy image, by case and label."""
    noisy = {entry.case: entry.values["psnr"] for entry in found if entry.method == "noisy" and "psnr" in entry.values}
    return {
        (entry.case, entry.label): entry.values["psnr"] - noisy[entry.case]
        for entry in found
        if entry.case in noisy and "psnr" in entry.values
    }


def long_form(found: list[Entry]) -> str:
    """A table a case, best PSNR first."""
    parts = []
    for case in sorted({entry.case for entry in found}):
        here = sorted((e for e in found if e.case == case), key=lambda e: -e.values.get("psnr", 0.0))
        body = [[entry.label, *(_text(entry, *field) for field in _LONG.values()), str(entry.seeds)] for entry in here]
        parts += [f"### {case}", "", *markdown_table(["method", *_LONG, "seeds"], body), ""]
    return "\n".join(parts)


def short_form(found: list[Entry], prefix: str) -> str:
    """One row a method: means over the cases whose names begin so, largest gain first."""
    gain = gains(found)
    groups: dict[str, list[Entry]] = {}
    for entry in found:
        if entry.case.startswith(prefix) and (entry.case, entry.label) in gain and entry.method != "noisy":
            groups.setdefault(entry.label, []).append(entry)
    every = {entry.case for same in groups.values() for entry in same}
    body = []
    for label, same in groups.items():
        over = [gain[entry.case, label] for entry in same]
        cells = [label, f"{_mean(over):+.2f}", f"{min(over):+.2f}"]
        for field, form in (("ssim", ".3f"), ("cpu", ".0f"), ("inference_cpu", ".1f"), ("peak_mb", ".0f")):
            known = [entry.values[field] for entry in same if field in entry.values]
            cells.append(format(_mean(known), form) if known else "-")
        # a mean over fewer cases is another mean
        body.append((len(same) < len(every), -_mean(over), [*cells, f"{len(same)} of {len(every)}"]))
    head = ["method", "gain dB", "least gain dB", "SSIM", "CPU s", "inference s", "peak MiB", "cases"]
    return "\n".join(markdown_table(head, [cells for *_, cells in sorted(body)])) + "\n"


def standing(found: list[Entry]) -> str:
    """Case by case: ours beside the best of the others, told nothing and told what no user knows."""
    body = []
    for case in sorted({entry.case for entry in found}):
        here = [entry for entry in found if entry.case == case and "psnr" in entry.values]
        ours = [entry for entry in here if entry.group == "ours"]
        if not ours:
            continue
        cells = [case, ", ".join(f"{entry.label.split()[-1]} {entry.values['psnr']:.2f}" for entry in ours)]
        for group in ("blind", "told"):
            others = [entry for entry in here if entry.group == group and entry.method != "noisy"]
            best = max(others, key=lambda entry: entry.values["psnr"], default=None)
            cells.append("-" if best is None else f"{best.values['psnr']:.2f} ({best.label})")
        cells.append(next((f"{entry.values['psnr']:.2f}" for entry in here if entry.method == "noisy"), "-"))
        body.append(cells)
    head = ["case", "diffdenoise, by method", "best other, told nothing", "best other, told the truth", "noisy"]
    return "\n".join(markdown_table(head, body)) + "\n"


def not_run(rows: Iterable[Row]) -> str:
    """Refusals and failures: by method and reason, the cases."""
    why: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        reason = row.get("refused") or row.get("error")
        if reason:
            label: str = row.get("label") or row["method"]
            why.setdefault((label, str(reason)), []).append(row["case"])
    body = [[label, reason, ", ".join(dict.fromkeys(cases))] for (label, reason), cases in why.items()]
    return "\n".join(markdown_table(["method", "why", "cases"], body)) + "\n" if body else ""


def markdown_table(head: list[str], body: Iterable[list[str]]) -> list[str]:
    """Lines of a table."""
    return [_line(head), _line(["---"] * len(head)), *map(_line, body)]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _text(entry: Entry, field: str, form: str) -> str:
    return format(entry.values[field], form) if field in entry.values else "-"
