# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""``diffdenoise batch IN_DIR OUT_DIR``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from monai_diffdenoise.cli.denoise import say
from monai_diffdenoise.data.read_options import ReadOptions
from monai_diffdenoise.pipeline.settings import DenoiseSettings

__all__ = ["Batch"]


@dataclass(frozen=True)
class Batch:
    """Denoise every volume of a folder, each from itself alone, with one page and one table of all results.

    An input that fails does not stop the others. Run the same command again after an interruption: what is done is
    kept, what failed or changed is tried again.
    """

    input: Annotated[
        tyro.conf.Positional[Path],
        tyro.conf.arg(metavar="IN_DIR", help="Folder of image files, and of folders with one DICOM series each."),
    ]
    output: Annotated[
        tyro.conf.Positional[Path],
        tyro.conf.arg(
            metavar="OUT_DIR",
            help="Folder for results, named after the inputs, a report and a record of each, index.html, results.csv.",
        ),
    ]
    settings: tyro.conf.OmitArgPrefixes[DenoiseSettings] = field(default_factory=DenoiseSettings)
    reading: tyro.conf.OmitArgPrefixes[ReadOptions] = field(default_factory=ReadOptions)
    output_dtype: Annotated[
        str | None, tyro.conf.arg(help="Number type of output files, such as float32. None: each input's.")
    ] = None
    strict: Annotated[bool, tyro.conf.arg(help="Exit code 3 when a check of a result fails.")] = False

    def run(self) -> int:
        """Do it; returns 1 when an input failed, 3 when a check failed and ``strict`` is set, else 0."""
        from monai_diffdenoise.engines import ProgressDisplay
        from monai_diffdenoise.pipeline.batch import run_batch

        with ProgressDisplay() as display:
            rows = run_batch(
                self.input,
                self.output,
                self.settings,
                reading=self.reading,
                output_dtype=self.output_dtype,
                progress=display,
                announce=say,
            )
        failed = sum(row.status == "failed" for row in rows)
        say(f"{len(rows) - failed} of {len(rows)} volumes are done; see {self.output / 'index.html'}")
        if failed:
            return 1
        return 3 if self.strict and any(row.verdict == "fail" for row in rows) else 0
