# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A run's record in words and tables: nothing of it names a file or a patient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["gate_values", "headline", "plan_lines", "record_values", "verdict_values"]

_VERDICTS = ("fail", "warn", "pass")


def verdict_values(report: Mapping[str, Any]) -> dict[str, Any]:
    """The worst verdict and what it means, and the plan in one line."""
    gates = report.get("gates") or []
    verdict = next((one for one in _VERDICTS if any(gate["verdict"] == one for gate in gates)), "pass")
    named = [gate["name"] for gate in gates if gate["verdict"] == verdict]
    text = {
        "pass": f"All {len(gates)} checks pass.",
        "warn": f"No check fails; look at: {', '.join(named)}.",
        "fail": f"Do not use this result before you know why: {', '.join(named)}.",
    }[verdict]
    if not gates:
        verdict, text = "warn", "The level of the noise is not known, so nothing could be checked."
    plan = report["plan"]
    return {"verdict": verdict, "verdict_text": text, "summary": _method(plan)}


def _method(plan: Mapping[str, Any]) -> str:
    pairs = {
        "neighbor": "learned from pairs of neighboring slices",
        "slice-blind": "learned to predict a slice from its neighbors",
        "repeat": "learned from repeats of the image",
        "blind": "learned with a network that does not see the pixel it estimates",
    }
    how = pairs.get(str(plan.get("pairing")), "")
    return f"One noisy image, denoised without a clean example by {plan['method']}{f', {how}' if how else ''}."


def headline(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The few numbers that stand at the top."""
    found = [("voxels", " x ".join(map(str, report["input"]["shape"][1:])))]
    if report["input"]["shape"][0] > 1:
        found.append(("time points", str(report["input"]["shape"][0])))
    sigma = report["plan"].get("sigma")
    if sigma is not None:
        found.append(("noise, input units", f"{sigma:.4g}"))
    put_back = report.get("scores", {}).get("put_back")
    if isinstance(put_back, float):
        found.append(("put back by fusion", f"{put_back:.0%}"))
    total = report.get("timings_s", {})
    if total:
        seconds = total.get("total", sum(total.values()))
        found.append(("time", f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"))
    return found


def gate_values(report: Mapping[str, Any]) -> list[dict[str, str]]:
    """Rows of the table of checks."""
    return [
        {
            "title": str(gate["name"]).capitalize(),
            "verdict": gate["verdict"],
            "value": f"{gate['value']:.2g}",
            "threshold": f"{gate['threshold']:.3g}",
            "reason": _sentence(gate["reason"]),
        }
        for gate in report.get("gates") or []
    ]


def plan_lines(report: Mapping[str, Any]) -> list[str]:
    """The plan's reasons."""
    return [_sentence(line) for line in report["plan"].get("reasons", ())]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def record_values(report: Mapping[str, Any], command: str) -> dict[str, Any]:
    """Tables of the record."""
    given = report["input"]
    inout = [
        ("Format", given["format"]),
        ("Size", " x ".join(map(str, given["shape"][1:]))),
        ("Time points or components", given["shape"][0]),
        ("Spacing", " x ".join(f"{size:.4g}" for size in given["spacing"]) + " mm"),
        ("Slices along axis", given["slice_axis"]),
        ("Number type", given["stored_dtype"]),
        ("Voxels without a value", given["nonfinite"]),
        ("Out", "the same size, geometry, units and number type, unless another type was asked for"),
        ("Device", report.get("device", "")),
        ("Seed", report.get("seed", "")),
    ]
    versions = report.get("versions", {})
    return {
        "inout": inout,
        "timings": [(name, f"{seconds:.1f}") for name, seconds in report.get("timings_s", {}).items()],
        "versions": list(versions.items()),
        "version": versions.get("monai-diffdenoise", ""),
        "settings": [(name.replace("_", "-"), _plain(value)) for name, value in report.get("settings", {}).items()],
        "scores": _scores(report.get("scores", {})),
        "command": command,
    }


def _plain(value: Any) -> str:
    if value is None:
        return "by the plan"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _scores(scores: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [
        (name.replace("_", " "), _plain(value))
        for name, value in scores.items()
        if isinstance(value, (int, float, str)) and not isinstance(value, bool)
    ]
    verdict = scores.get("verdict")
    if isinstance(verdict, Mapping):
        rows.append(("closer to the truth", f"{verdict['vote']}: {verdict['reason']}"))
    return rows
