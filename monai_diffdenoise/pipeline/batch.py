# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Denoise every volume of a folder: one failure stops no other, what is done stays done, one page shows all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from monai_diffdenoise.data import ReadOptions, atomic_file, check_conversion, check_output, read_volume, write_volume
from monai_diffdenoise.data.formats import ending_of, format_of_name
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.run import denoise_volume
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.report.index_page import BatchRow, row_of, write_csv, write_index
from monai_diffdenoise.report.pictures import thumbnail
from monai_diffdenoise.report.write_report import check_report

__all__ = ["Job", "find_jobs", "run_batch"]

# Of an image in two files, the header stands for both.
_PARTS = (".img", ".img.gz", ".raw", ".raw.gz", ".zraw")


@dataclass(frozen=True)
class Job:
    """One input of a batch and the names of what is made from it.

    Args:
        source: file, or folder with a DICOM series.
        output: file or folder of the result.
        record: JSON file; it is there once all else is.
        page: HTML report.
    """

    source: Path
    output: Path
    record: Path
    page: Path


def find_jobs(folder: Path, out: Path) -> list[Job]:
    """Every volume of a folder: its image files, and each folder in it, which is to hold one DICOM series.

    Hidden entries and symbolic links are passed over. Results have the names of their inputs.

    Raises:
        InputError: no such folder, nothing in it, or two inputs whose results would have the same name.
    """
    if not folder.is_dir():
        raise InputError(f"got {folder}, which is no folder; expected a folder of volumes")
    jobs: dict[str, Job] = {}
    for source in sorted(folder.iterdir()):
        if source.name.startswith(".") or source.is_symlink() or source.resolve() == out.resolve():
            continue
        if source.is_dir():
            name, output = source.name, out / source.name
        else:
            kind = format_of_name(source)
            if source.name.lower().endswith(_PARTS) or (kind is None and source.suffix.lower() != ".dcm"):
                continue
            ending = ending_of(source) or source.suffix
            name = source.name[: -len(ending)]
            output = out / (name + ((kind.written_as if kind is not None else None) or ending))
        if name in jobs:
            raise InputError(
                f"{jobs[name].source} and {source} would have results of the same name: rename one, or use two folders"
            )
        jobs[name] = Job(source, output, out / f"{name}.json", out / f"{name}.report.html")
    if not jobs:
        raise InputError(f"{folder} holds no volume: expected image files, or folders with one DICOM series each")
    return list(jobs.values())


def run_batch(
    folder: str | Path,
    out: str | Path,
    settings: DenoiseSettings | None = None,
    *,
    reading: ReadOptions | None = None,
    output_dtype: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    announce: Callable[[str], None] | None = None,
) -> list[BatchRow]:
    """Denoise every volume of a folder; writes results, reports, records, ``index.html`` and ``results.csv``.

    A volume is done when its record is there, made from the same file with the same settings; it is not denoised again.

    Args:
        folder: see :func:`find_jobs`.
        out: made if it is not there. Nothing in it is replaced but results of earlier runs of the same inputs.
        settings: for all volumes.
        reading: how to read all of them.
        output_dtype: number type of the results; None for each input's.
        progress: called with (stage, done, total) of each volume.
        announce: called with a line a volume.

    Returns:
        one row an input, in the order of their names.

    Raises:
        InputError: wrong settings, no inputs, or a folder that cannot be written to. What is wrong with a single input
            stands in its row.
    """
    settings = settings if settings is not None else DenoiseSettings()
    settings.check()
    source, target = Path(folder), Path(out)
    check_report(target / "index.html")
    jobs = find_jobs(source, target)
    if source.resolve() in (target.resolve(), *target.resolve().parents):
        raise InputError(f"output {target} lies inside the input folder {source}: choose a place outside it")
    try:
        target.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"output {target} cannot be made ({error.strerror}): choose another place") from error
    say = announce if announce is not None else lambda line: None
    rows: list[BatchRow] = []
    for number, job in enumerate(jobs, 1):
        wanted = _identity(job, settings, reading, output_dtype)
        record = _record(job)
        if record is None or record.get("batch") != wanted or not job.output.exists():
            try:
                record = _denoise(job, settings, reading, output_dtype, wanted, progress, known=record is not None)
            except (InputError, OSError, MemoryError, RuntimeError) as error:
                text = " ".join(str(error).split()) if isinstance(error, InputError) else type(error).__name__
                rows.append(BatchRow(job.source.name, "failed", reason=text))
                say(f"{number} of {len(jobs)}: {job.source.name} failed: {text}")
                _write_pages(target, rows)
                continue
            say(f"{number} of {len(jobs)}: {job.source.name} is done")
        else:
            say(f"{number} of {len(jobs)}: {job.source.name} was done already")
        rows.append(row_of(job.source.name, record, job.page.name))
        _write_pages(target, rows)
    return rows


def _write_pages(target: Path, rows: Sequence[BatchRow]) -> None:
    write_index(target / "index.html", rows)
    write_csv(target / "results.csv", rows)


def _identity(
    job: Job, settings: DenoiseSettings, reading: ReadOptions | None, output_dtype: str | None
) -> dict[str, Any]:
    """What a result depends on, as the record keeps it."""
    files = [job.source] if job.source.is_file() else sorted(file for file in job.source.rglob("*") if file.is_file())
    stats = [file.stat() for file in files]
    return {
        "bytes": sum(stat.st_size for stat in stats),
        "changed": max((stat.st_mtime_ns for stat in stats), default=0),
        "settings": settings.to_json(without=("device", "num_workers", "memory")),
        "reading": json.dumps(asdict(reading if reading is not None else ReadOptions()), sort_keys=True),
        "output_dtype": output_dtype,
    }


def _record(job: Job) -> dict[str, Any] | None:
    try:
        found = json.loads(job.record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _denoise(
    job: Job,
    settings: DenoiseSettings,
    reading: ReadOptions | None,
    output_dtype: str | None,
    identity: dict[str, Any],
    progress: Callable[[str, int, int], None] | None,
    *,
    known: bool,
) -> dict[str, Any]:
    """Denoise one input; only what has a record of ours may be replaced."""
    check_output(job.output, [job.source], overwrite=known)
    volume = read_volume(job.source, options=reading)
    check_conversion(volume, job.output, output_dtype)
    state = job.output.parent / f".{job.output.name}.diffdenoise"
    result = denoise_volume(
        volume,
        settings,
        work_dir=state,
        resume=state.is_dir(),
        progress=progress,
        keep_share=settings.fusion,
        keep_uncertainty=settings.method == "diffdenoise",
        keep_stages=True,
    )
    derivation = f"denoised from itself by {result.report['plan']['method']}"
    written = write_volume(result.volume, job.output, output_dtype=output_dtype, overwrite=known, derivation=derivation)
    if written.clipped:
        result.report["warnings"].append(f"{written.clipped} voxels did not fit {written.dtype} and were clipped")
    result.save_report(job.page, overwrite=True)
    record = {**result.report, "thumbnail": thumbnail(result.volume), "batch": identity}
    with atomic_file(job.record, overwrite=True) as stream:
        stream.write((json.dumps(record, indent=2) + "\n").encode())
    shutil.rmtree(state, ignore_errors=True)
    return record
