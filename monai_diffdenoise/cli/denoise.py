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
    from monai_diffdenoise.data import Volume
    from monai_diffdenoise.pipeline.model_folder import Model
    from monai_diffdenoise.pipeline.plan import Plan
    from monai_diffdenoise.pipeline.result import Result

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
        tyro.conf.arg(
            metavar="INPUT",
            help="Image file (NIfTI, MetaImage, NRRD, PNG, TIFF), DICOM file, or folder with one DICOM series.",
        ),
    ]
    output: Annotated[
        tyro.conf.Positional[str],
        tyro.conf.arg(
            metavar="OUTPUT",
            help="File whose ending names the format (.nii.gz, .nii, .mha, .nrrd; .png and .tiff for planes); for a "
            "DICOM input also a folder, which gets a derived series, or .dcm for a single file.",
        ),
    ]
    settings: tyro.conf.OmitArgPrefixes[DenoiseSettings] = field(default_factory=DenoiseSettings)
    reading: tyro.conf.OmitArgPrefixes[ReadOptions] = field(default_factory=ReadOptions)
    output_dtype: Annotated[
        str | None, tyro.conf.arg(help="Number type of an output file, such as float32. None: the input's.")
    ] = None
    json: Annotated[Path | None, tyro.conf.arg(help="Write plan, settings, scores, timings and warnings here.")] = None
    save_residual: Annotated[
        str | None,
        tyro.conf.arg(
            help="Write what was removed here: an image file; for a DICOM input also a folder or a .dcm file, which "
            "gets Parametric Maps."
        ),
    ] = None
    save_share: Annotated[
        str | None,
        tyro.conf.arg(
            help="Write the share of what was removed that fusion put back here, 0 to 1; names as for --save-residual."
        ),
    ] = None
    report: Annotated[
        Path | None,
        tyro.conf.arg(help="Write a page with pictures, checks, noise, plan and settings here (.html; no network)."),
    ] = None
    strict: Annotated[
        bool, tyro.conf.arg(help="Exit code 3 when a check of the result fails; outputs are written all the same.")
    ] = False
    save_uncertainty: Annotated[
        str | None,
        tyro.conf.arg(
            help="Write how far the result of --method diffdenoise changes with another draw of the noise here, as a "
            "standard deviation; names as for --save-residual."
        ),
    ] = None
    model: Annotated[
        Path | None,
        tyro.conf.arg(help="Use what `diffdenoise fit` trained, in this folder, in place of training anew."),
    ] = None
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

        self.settings.check()
        if self.json is not None and self.json.suffix != ".json":
            raise InputError(f"got --json {self.json}; expected a name that ends in .json")
        if self.save_share is not None and not self.settings.fusion:
            raise InputError("got --save-share without fusion, which makes that map: drop one of them")
        if self.save_uncertainty is not None and (self.settings.method != "diffdenoise" or self.model is not None):
            raise InputError("got --save-uncertainty, which only --method diffdenoise has: add that, or drop it")
        maps = self._maps()
        pages = [path for path in (self.json, self.report) if path is not None]
        names = [Path(self.output), *map(Path, maps), *pages]
        if len({name.absolute() for name in names}) < len(names):
            raise InputError("got the same name for two outputs; expected different names")
        for path in (self.output, *maps):
            check_output(path, [self.input], overwrite=self.overwrite)
        if self.report is not None:
            from monai_diffdenoise.report.write_report import check_report

            check_report(self.report)
        for page, flag in ((self.json, "--json"), (self.report, "--report")):
            if page is None:
                continue
            if page.exists() and not self.overwrite:
                raise InputError(f"output {page} exists already: choose another name or allow overwriting")
            if not page.absolute().parent.is_dir():
                raise InputError(f"got {flag} {page}, whose folder does not exist; make it first")

    def _maps(self) -> list[str]:
        return [path for path in (self.save_residual, self.save_share, self.save_uncertainty) if path is not None]

    def run(self) -> int:
        """Do it; returns the exit code."""
        from monai_diffdenoise.data.storage import memory_limit

        self.check()
        with memory_limit(self.settings.memory):
            return self._run()

    def _run(self) -> int:
        started = time.perf_counter()
        from monai_diffdenoise.data import check_conversion, read_volume
        from monai_diffdenoise.pipeline.gates import gates_line
        from monai_diffdenoise.pipeline.maps import check_map

        model = self._model()
        volume = read_volume(self.input, options=self.reading)
        check_conversion(volume, self.output, self.output_dtype)
        for path in self._maps():
            check_map(volume, path)
        if not self.resume:
            shutil.rmtree(self.work_dir, ignore_errors=True)
        result = self._denoise(volume, model)
        dtype = self._write(volume, result)
        report = result.report
        report["timings_s"]["total"] = round(time.perf_counter() - started, 3)
        if self.json is not None:
            write_json(report, self.json, self.overwrite)
        if self.report is not None:
            result.save_report(self.report, overwrite=self.overwrite)
        shutil.rmtree(self.work_dir, ignore_errors=True)
        if "choice" in report["scores"]:
            say(f"returned {report['scores']['choice']['why']}")
        for warning in report["warnings"]:
            say(f"warning: {warning}")
        say(gates_line(report["gates"]))
        say(f"wrote {self.output} ({dtype}) in {report['timings_s']['total']:.0f} s")
        return 3 if self.strict and any(gate["verdict"] == "fail" for gate in report["gates"]) else 0

    def _model(self) -> Model | None:
        if self.model is None:
            return None
        from monai_diffdenoise.pipeline.model_folder import load_model

        return load_model(self.model)

    def _denoise(self, volume: Volume, model: Model | None) -> Result:
        from monai_diffdenoise.engines import ProgressDisplay
        from monai_diffdenoise.pipeline.run import denoise_volume

        try:
            with ProgressDisplay() as display:
                return denoise_volume(
                    volume,
                    self.settings,
                    work_dir=self.work_dir,
                    resume=self.resume,
                    progress=display,
                    announce=_announce,
                    keep_share=self.save_share is not None or (self.report is not None and self.settings.fusion),
                    keep_uncertainty=self.save_uncertainty is not None or self.report is not None,
                    keep_stages=self.report is not None,
                    model=model,
                )
        except KeyboardInterrupt:
            if self.work_dir.is_dir():
                say("diffdenoise: stopped; the same command with --resume goes on from here")
            raise
        except OSError as error:
            if error.filename is None or self.work_dir.name not in str(error.filename):
                raise
            raise InputError(
                f"the state of the run could not be kept beside the output ({error.strerror}): choose another place"
            ) from error

    def _write(self, volume: Volume, result: Result) -> str:
        """Write image and maps; returns the number type of the image."""
        from monai_diffdenoise.data import write_volume
        from monai_diffdenoise.pipeline.maps import write_map

        source = "from itself" if self.model is None else "with a model of such images"
        how: dict[str, Any] = {
            "overwrite": self.overwrite,
            "derivation": f"denoised {source} by {result.report['plan']['method']}",
        }
        written = write_volume(result.volume, self.output, output_dtype=self.output_dtype, **how)
        if written.clipped:
            result.report["warnings"].append(f"{written.clipped} voxels did not fit {written.dtype} and were clipped")
        if self.save_residual is not None:
            write_map(volume, result.residual, self.save_residual, "residual", **how)
        if self.save_share is not None and result.share is not None:
            write_map(volume, result.share, self.save_share, "share", **how)
        if self.save_uncertainty is not None and result.uncertainty is not None:
            write_map(volume, result.uncertainty, self.save_uncertainty, "uncertainty", **how)
        return written.dtype


def _announce(plan: Plan) -> None:
    say(f"plan: {plan.summary}")
    for reason in plan.reasons:
        say(f"  {reason}")
