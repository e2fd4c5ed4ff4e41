# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Time and memory of ``diffdenoise denoise --model`` against slices, threads, batch and tile.

    python -m benchmarks scale --out RESULTS [--slices 64 128 256] [--size 512] [--threads 1] [--batch 8] [--tile 512]

One JSON line per combination is appended to RESULTS/rows.jsonl; a rerun does what is missing. Each run is a process of
its own, watched as in ``benchmarks.memory`` (Linux). Input is a noisy phantom of 16-bit integers, output likewise, both
uncompressed and removed afterwards. Without ``--model`` a student is trained for a few steps: it denoises badly, and
takes the time and memory of one that is trained to the end.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.memory import phantom_file, watch
from benchmarks.rows import append_row, machine, read_rows
from monai_diffdenoise.pipeline import DenoiseSettings
from monai_diffdenoise.pipeline.fit import fit

__all__ = ["main", "quick_model"]

_AXES = ("slices", "size", "threads", "batch", "tile", "memory")
_FEW = 20


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing, print and write the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for rows.jsonl, table.md and the model")
    parser.add_argument("--slices", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--size", type=int, nargs="+", default=[512], help="pixels along a side of a slice")
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument(
        "--batch", type=int, nargs="+", default=[8], help="most slices or tiles a pass; a CPU takes fewer large ones"
    )
    parser.add_argument("--tile", type=int, nargs="+", default=[512], help="largest side of a tile")
    parser.add_argument("--memory", type=int, nargs="+", default=[0], help="megabytes that volumes may take in memory")
    parser.add_argument("--model", type=Path, help="work folder of a fit; without it one is made in a minute")
    parser.add_argument("--student", default="small", choices=("small", "medium", "large"), help="size of that one")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    model = options.model or quick_model(options.out / options.student, options.student)
    name = options.student if options.model is None else str(options.model)
    path, failed = options.out / "rows.jsonl", 0
    for values in itertools.product(*(getattr(options, axis) for axis in _AXES)):
        job = {"model": name, **dict(zip(_AXES, values, strict=True))}
        if _key(job) in {_key(row) for row in read_rows(path, _key) if "error" not in row}:
            continue
        row = job | _run(job, model, options.out)
        append_row(path, row)
        failed += "error" in row
        print(row, file=sys.stderr, flush=True)
    text = f"{machine()}\n\n{_table(read_rows(path, _key))}"
    (options.out / "table.md").write_text(text)
    print(text)
    return 1 if failed else 0


def quick_model(folder: Path, size: str) -> Path:
    """A student that was trained for a few steps, in this folder."""
    if not (folder / "work" / "model").is_dir():
        (folder / "data").mkdir(parents=True, exist_ok=True)
        phantom_file(folder / "data" / "phantom.nii", (64, 64, 12))
        few: dict[str, Any] = {f"{stage}iterations": _FEW for stage in ("", "diffusion_", "student_")}
        few |= {"channels": 4, "diffusion_channels": 8, "axes": "one", "augment_inference": False, "device": "cpu"}
        settings = DenoiseSettings(preset="fast", patch_size=32, student_size=size, **few)  # type: ignore[arg-type]
        fit(folder / "data", folder / "work", settings, resume=True)
    return folder / "work"


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["model"], *(row[axis] for axis in _AXES)


def _run(job: dict[str, Any], model: Path, folder: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        scan = phantom_file(Path(place, "in.nii"), (job["size"], job["size"], job["slices"]))
        command = ["denoise", str(scan), str(Path(place, "out.nii")), "--model", str(model), "--device=cpu"]
        command += [f"--inference-batch={job['batch']}", f"--tile={job['tile']}", f"--memory={job['memory']}"]
        found = watch([*command, "--json", str(Path(place, "out.json"))], threads=job["threads"])
    if found.code:
        return {"error": (found.errors.strip().splitlines() or [f"exit code {found.code}"])[-1]}
    numbers = {"base_mib": found.base, "anonymous_mib": found.anonymous, "resident_mib": found.resident}
    times = {"seconds": round(found.seconds, 1), "cpu_seconds": round(found.cpu_seconds, 1)}
    return times | {name: value >> 20 for name, value in numbers.items()}


def _table(rows: list[dict[str, Any]]) -> str:
    """Markdown; memory in MiB, time from the end of the imports."""
    memory = ["anonymous MiB", "of that imports", "resident MiB"]
    head = ["model", *_AXES, "volume MiB", "seconds", "CPU s / slice", *memory]
    lines = []
    for row in (row for row in rows if "error" not in row):
        volume = 4 * row["size"] ** 2 * row["slices"] >> 20
        each = f"{row['cpu_seconds'] / row['slices']:.2f}"
        held = [row["anonymous_mib"], row["base_mib"], row["resident_mib"]]
        lines.append([row["model"], *(row[axis] for axis in _AXES), volume, row["seconds"], each, *held])
    return "".join(f"| {' | '.join(map(str, cells))} |\n" for cells in (head, ["---"] * len(head), *lines))


if __name__ == "__main__":
    sys.exit(main())
