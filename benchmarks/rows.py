# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Rows of a benchmark on the disk, one JSON line each, and what a process took."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["append_row", "hardware", "machine", "peak_mb", "read_rows", "reset_peak", "run_worker", "versions"]

Row = dict[str, Any]


def read_rows(path: Path, key: Callable[[Row], tuple[Any, ...]]) -> list[Row]:
    """All whole lines; a line that was cut off by a kill is done again. The last result of a run counts."""
    rows: dict[tuple[Any, ...], Row] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        rows[key(row)] = row
    return list(rows.values())


def append_row(path: Path, row: Row) -> None:
    """Add a line, on a line of its own even behind one that was cut off."""
    with open(path, "ab+") as stream:
        if stream.tell():
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                stream.write(b"\n")
        stream.write(json.dumps(row).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def run_worker(arguments: list[str], timeout: float, **environment: str) -> Row:
    """The row that another Python prints as its last line, or its error.

    Args:
        arguments: behind ``python``.
        timeout: seconds that it may take.
        environment: variables that differ from those here.
    """
    command, variables = [sys.executable, *arguments], {**os.environ, **environment}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, env=variables)
    except subprocess.TimeoutExpired:
        return {"error": f"took more than {timeout:g} s"}
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        return {"error": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}
    row: Row = json.loads(lines[-1])
    return row


def reset_peak() -> None:
    """Let the kernel forget the peak of loading the case; where it cannot, the peak includes that."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> int:
    """Peak resident memory of this process in MiB."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        found = None
    if found:
        return int(found[1]) // 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1024 * 1024 if platform.system() == "Darwin" else 1024)


def machine() -> str:
    """What it ran on, in a line."""
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, OMP_NUM_THREADS {threads}, Python {platform.python_version()}"
    )


def hardware() -> Row:
    """What it runs on: model and cores of the processor, threads that the numeric libraries may use, Python."""
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return {
        "processor": found[1].strip() if found else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "python": platform.python_version(),
    }


def versions(distributions: Iterable[str] = ()) -> dict[str, str]:
    """Of torch, MONAI and further distributions."""
    return {name: version(name) for name in ("torch", "monai", *distributions)}
