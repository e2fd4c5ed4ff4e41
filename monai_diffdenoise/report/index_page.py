# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""All results of a batch: a page with a sortable table, and a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from monai_diffdenoise.data.atomic import atomic_file
from monai_diffdenoise.report.page import render

__all__ = ["BatchRow", "row_of", "write_csv", "write_index"]


@dataclass(frozen=True)
class BatchRow:
    """One input of a batch.

    Args:
        name: of the user's file or folder.
        status: "done" or "failed".
        verdict: the worst of its checks: "pass", "warn" or "fail"; empty when it failed.
        reason: why it failed, or which checks do not pass.
        method: what denoised it.
        size: voxels, such as "256 x 256 x 64".
        sigma: noise in input units; None if it is not known.
        drift: worst drift of a mean, in standard deviations of the noise.
        put_back: share that fusion put back.
        seconds: what it took.
        page: name of its report, beside the index.
        thumbnail: a picture inside its own address.
    """

    name: str
    status: str
    verdict: str = ""
    reason: str = ""
    method: str = ""
    size: str = ""
    sigma: float | None = None
    drift: float | None = None
    put_back: float | None = None
    seconds: float | None = None
    page: str = ""
    thumbnail: str = ""


def row_of(name: str, record: Mapping[str, Any], page: str) -> BatchRow:
    """The row of a volume that is done.

    Args:
        name: of the user's file or folder.
        record: what its run recorded, with a "thumbnail".
        page: name of its report.
    """
    gates = record.get("gates") or []
    verdict = next((one for one in ("fail", "warn") if any(gate["verdict"] == one for gate in gates)), "pass")
    drifts = [gate["value"] for gate in gates if gate["name"] == "mean drift"]
    put_back = record.get("scores", {}).get("put_back")
    return BatchRow(
        name,
        "done",
        verdict if gates else "warn",
        ", ".join(gate["name"] for gate in gates if gate["verdict"] != "pass") if gates else "nothing could be checked",
        record["plan"]["method"],
        " x ".join(map(str, record["input"]["shape"][1:])),
        record["plan"].get("sigma"),
        drifts[0] if drifts else None,
        put_back if isinstance(put_back, float) else None,
        sum(value for key, value in record.get("timings_s", {}).items() if key != "total"),
        page,
        str(record.get("thumbnail", "")),
    )


def write_index(path: Path, rows: Sequence[BatchRow]) -> None:
    """Write the page, complete or not at all; an earlier one is replaced.

    Raises:
        InputError: Jinja2 is not installed.
    """
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in ("pass", "warn", "fail")}
    values = {
        "rows": [{**asdict(row), "page": quote(row.page)} for row in rows],
        "counts": counts,
        "failed": sum(row.status == "failed" for row in rows),
    }
    with atomic_file(path, overwrite=True) as stream:
        stream.write(render("index.html", values, script="sort.js").encode())


def write_csv(path: Path, rows: Sequence[BatchRow]) -> None:
    """Write the same numbers as a table; an earlier one is replaced."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    names = [name for name in BatchRow.__dataclass_fields__ if name != "thumbnail"]
    table.writerow(names)
    for row in rows:
        values = asdict(row)
        table.writerow(["" if values[name] is None else _cell(values[name]) for name in names])
    with atomic_file(path, overwrite=True) as stream:
        stream.write(text.getvalue().encode())


def _cell(value: Any) -> Any:
    """A value that a spreadsheet does not take for a formula: file names may begin with anything."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
