# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tables and plots from the rows of the quality benchmark, and from nothing else.

    python -m benchmarks tables --out RESULTS [--rows RESULTS/rows.jsonl ...] [--docs docs/benchmarks]

Writes table.md (every case), short.md (a row a method, for the README) and a figure for each family of cases to --out.
With --docs, writes quality.md and its figures there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.quality.plot import plot_family
from benchmarks.quality.table import entries, family, long_form, not_run, short_form, standing
from benchmarks.rows import read_rows

__all__ = ["main", "row_key", "write_docs", "write_report"]

_LEGEND = (
    "PSNR and SSIM with the range and mask of the case; gain: PSNR over that of the noisy image; bias in percent of "
    "the range; noise gain: share of the known noise that is left; edge error: of the gradient at edges; structure: "
    "correlation of what was removed with detail of the reference, above 0 where detail was weakened; lag 1: how far "
    "the correlation of neighboring voxels of what was removed is from that of the noise. CPU seconds on one thread "
    "with training, without imports; inference alone: what remains once something is trained. Labels say what a "
    "method was told; the clean image is used for the scores alone. A network without seconds of its own trained for "
    "the seconds of the command."
)


def row_key(row: dict[str, Any]) -> tuple[Any, ...]:
    """What makes a run the same run."""
    return row["case"], row["method"], row["seed"], row["seconds"]


def main(arguments: list[str] | None = None) -> int:
    """Write tables and plots; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks tables", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for tables and plots")
    parser.add_argument("--rows", type=Path, nargs="+", help="files of rows; default rows.jsonl in --out")
    parser.add_argument("--docs", type=Path, help="folder of the documents, for quality.md and its figures")
    options = parser.parse_args(arguments)
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for path in options.rows or [options.out / "rows.jsonl"]:
        rows |= {row_key(row): row for row in read_rows(path, row_key)}
    options.out.mkdir(parents=True, exist_ok=True)
    print(write_report(list(rows.values()), options.out))
    if options.docs is not None:
        options.docs.mkdir(parents=True, exist_ok=True)
        write_docs(list(rows.values()), options.docs)
    return 0


def write_report(rows: list[dict[str, Any]], out: Path) -> str:
    """Write table.md, short.md and the figures; returns the long table."""
    found = entries(rows)
    missing = not_run(rows)
    text = "\n".join(
        [*_about(rows), "", _LEGEND, "", long_form(found), *(["Not run:", "", missing] if missing else [])]
    )
    (out / "table.md").write_text(text)
    (out / "short.md").write_text(short_form(found, "B_"))
    _figures(rows, out)
    return text


def write_docs(rows: list[dict[str, Any]], docs: Path) -> None:
    """Write quality.md and the figures that it shows."""
    found = entries(rows)
    lines = [
        "# Quality beside other methods",
        "",
        "Made by these commands; do not edit.",
        "",
        *_commands(rows),
        "    python -m benchmarks tables --out OUT --docs docs/benchmarks",
        "",
        *_about(rows),
        "",
    ]
    lines += [_LEGEND, "", "## Where ours stand", "", standing(found)]
    titles = {"B_": "Clean volumes with known noise", "A_": "Real noise", "P_": "Phantoms"}
    for prefix, title in titles.items():
        if any(entry.case.startswith(prefix) for entry in found):
            lines += [f"## {title}", "", "Means over the cases.", "", short_form(found, prefix)]
            for path in _figures([row for row in rows if row["case"].startswith(prefix)], docs):
                lines += [f"![PSNR over the noisy image against CPU seconds, {path.stem}]({path.name})", ""]
    lines += ["## Every case", "", long_form(found)]
    missing = not_run(rows)
    lines += ["## Not run", "", missing] if missing else []
    (docs / "quality.md").write_text("\n".join(lines).rstrip() + "\n")


def _commands(rows: list[dict[str, Any]]) -> Iterable[str]:
    """What made the rows: a line for each time of training."""
    cases: dict[float, set[str]] = {}
    for row in rows:
        cases.setdefault(row["seconds"], set()).add(family(row["case"]))
    for seconds in sorted(cases):
        patterns = " ".join(f"'{name}_*'" for name in sorted(cases[seconds]))
        yield f"    python -m benchmarks quality --data DATA --out OUT --cases {patterns} --seconds {seconds:g}"


def _figures(rows: list[dict[str, Any]], out: Path) -> list[Path]:
    found, paths = entries(rows), []
    for name in sorted({family(entry.case) for entry in found}):
        paths.append(out / f"quality_{name}.svg")
        plot_family([entry for entry in found if family(entry.case) == name], name, paths[-1])
    return paths


def _about(rows: list[dict[str, Any]]) -> Iterable[str]:
    """Machine and versions, as far as the rows tell."""
    machines = {json.dumps(row["hardware"]) for row in rows if "hardware" in row}
    for text in sorted(machines):
        known = json.loads(text)
        threads = f"OMP_NUM_THREADS {known['threads']}"
        yield f"Machine: {known['processor']}, {known['cores']} cores, {threads}, Python {known['python']}."
    found: dict[str, set[str]] = {}
    for row in rows:
        for name, number in {"torch": row.get("torch"), **row.get("versions", {})}.items():
            if number:
                found.setdefault(name, set()).add(number)
    if found:
        yield "Versions: " + ", ".join(f"{name} {'/'.join(sorted(found[name]))}" for name in sorted(found)) + "."
