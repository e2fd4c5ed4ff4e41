# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""``diffdenoise denoise INPUT OUTPUT``."""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from monai_diffdenoise.data.read_options import ReadOptions
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.settings import DenoiseSettings

if TYPE_CHECKING:
    from monai_diffdenoise.pipeline.plan import Plan

__all__ = ["Denoise", "say", "write_json"]


def say(text: str) -> None:
    """Tell the person at the terminal; standard output stays free for results."""
    print(text, file=sys.stderr, flush=True)


def write_json(report: dict[str, Any], path: Path, overwrite: bool) -> None:
    """Write a report, complete or not at all."""
    from monai_diffdenoise.data import atomic_file

    with atomic_file(path, overwrite=overwrite) as stream:
        stream.write((json.dumps(report, indent=2) + "\n").encode())


@dataclass(frozen=True)
class Denoise:
    """Denoise a volume or series from itself alone; geometry, units, number type and tags are kept."""

    input: Annotated[
        tyro.conf.Positional[Path],
        tyro.conf.arg(metavar="INPUT", help="NIfTI file, DICOM file, or folder with one DICOM series."),
    ]
    output: Annotated[
        tyro.conf.Positional[str],
        tyro.conf.arg(
            metavar="OUTPUT", help=".nii or .nii.gz file; for a DICOM input also a folder, which gets a derived series."
        ),
    ]
    settings: tyro.conf.OmitArgPrefixes[DenoiseSettings] = field(default_factory=DenoiseSettings)
    reading: tyro.conf.OmitArgPrefixes[ReadOptions] = field(default_factory=ReadOptions)
    output_dtype: Annotated[str | None, tyro.conf.arg(help="Number type of a NIfTI output. None: the input's.")] = None
    json: Annotated[Path | None, tyro.conf.arg(help="Write plan, settings, scores, timings and warnings here.")] = None
    save_residual: Annotated[Path | None, tyro.conf.arg(help="Write what was removed here (.nii or .nii.gz).")] = None
    overwrite: Annotated[bool, tyro.conf.arg(help="Allow replacing existing outputs. The input is never replaced.")] = (
        False
    )
    resume: Annotated[bool, tyro.conf.arg(help="Go on where an interrupted run of the same command stopped.")] = False

    @property
    def work_dir(self) -> Path:
        """Hidden folder beside the output that holds the state of an unfinished run."""
        output = Path(self.output)
        return output.parent / f".{output.name}.diffdenoise"

    def check(self) -> None:
        """Refuse what cannot end well, before any work."""
        from monai_diffdenoise.data import check_output
        from monai_diffdenoise.data.formats import format_of_name, known_endings

        self.settings.check()
        if self.json is not None and self.json.suffix != ".json":
            raise InputError(f"got --json {self.json}; expected a name that ends in .json")
        extra = [path for path in (self.json, self.save_residual) if path is not None]
        if len({Path(self.output).absolute(), *(path.absolute() for path in extra)}) < 1 + len(extra):
            raise InputError("got the same name for two outputs; expected different names")
        check_output(self.output, [self.input], overwrite=self.overwrite)
        if self.save_residual is not None:
            if format_of_name(self.save_residual) is None:
                raise InputError(f"got --save-residual {self.save_residual}; expected a file ({known_endings()})")
            check_output(self.save_residual, [self.input], overwrite=self.overwrite)
        if self.json is not None:
            if self.json.exists() and not self.overwrite:
                raise InputError(f"output {self.json} exists already: choose another name or allow overwriting")
            if not self.json.absolute().parent.is_dir():
                raise InputError(f"got --json {self.json}, whose folder does not exist; make it first")

    def run(self) -> int:
        """Do it; returns the exit code."""
        from monai_diffdenoise.data.storage import memory_limit

        self.check()
        with memory_limit(self.settings.memory):
            return self._run()

    def _run(self) -> int:
        started = time.perf_counter()
        from monai_diffdenoise.data import check_conversion, read_volume, write_volume
        from monai_diffdenoise.engines import ProgressDisplay
        from monai_diffdenoise.pipeline.run import denoise_volume

        volume = read_volume(self.input, options=self.reading)
        check_conversion(volume, self.output, self.output_dtype)
        if not self.resume:
            shutil.rmtree(self.work_dir, ignore_errors=True)
        try:
            with ProgressDisplay() as display:
                result = denoise_volume(
                    volume,
                    self.settings,
                    work_dir=self.work_dir,
                    resume=self.resume,
                    progress=display,
                    announce=_announce,
                )
        except KeyboardInterrupt:
            if self.work_dir.is_dir():
                say("diffdenoise: stopped; the same command with --resume goes on from here")
            raise
        written = write_volume(
            result.volume,
            self.output,
            output_dtype=self.output_dtype,
            overwrite=self.overwrite,
            derivation=f"denoised from itself by {result.report['plan']['method']}",
        )
        report = result.report
        if written.clipped:
            report["warnings"].append(f"{written.clipped} voxels did not fit {written.dtype} and were clipped")
        if self.save_residual is not None:
            residual = volume.with_image(result.residual)
            write_volume(residual, self.save_residual, output_dtype="float32", overwrite=self.overwrite)
        report["timings_s"]["total"] = round(time.perf_counter() - started, 3)
        if self.json is not None:
            write_json(report, self.json, self.overwrite)
        shutil.rmtree(self.work_dir, ignore_errors=True)
        for warning in report["warnings"]:
            say(f"warning: {warning}")
        say(f"wrote {self.output} ({written.dtype}) in {report['timings_s']['total']:.0f} s")
        return 0


def _announce(plan: Plan) -> None:
    say(f"plan: {plan.summary}")
    for reason in plan.reasons:
        say(f"  {reason}")
