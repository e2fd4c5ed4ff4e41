# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""``diffdenoise fit DATA_DIR WORK_DIR``."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from monai_diffdenoise.pipeline.settings import DenoiseSettings

__all__ = ["Fit"]


@dataclass(frozen=True)
class Fit:
    """Train on a folder of noisy volumes, for `denoise --model WORK_DIR`: bsn, ns-n2n, or (default) diffdenoise."""

    data_dir: Annotated[
        tyro.conf.Positional[Path],
        tyro.conf.arg(
            metavar="DATA_DIR",
            help="Folder of image files, or of folders with one DICOM series each; or the word phantom.",
        ),
    ]
    work_dir: Annotated[
        tyro.conf.Positional[Path],
        tyro.conf.arg(
            metavar="WORK_DIR", help="Gets settings.json, summary.json, the model, and the state of the stages."
        ),
    ]
    settings: tyro.conf.OmitArgPrefixes[DenoiseSettings] = field(default_factory=DenoiseSettings)
    resume: Annotated[
        bool,
        tyro.conf.arg(
            help="Go on in a WORK_DIR that was begun, with the same settings; what depends on changed ones runs anew."
        ),
    ] = False

    def run(self) -> int:
        """Do it; returns the exit code."""
        from monai_diffdenoise.engines import ProgressDisplay
        from monai_diffdenoise.pipeline.fit import fit

        def say(text: str) -> None:
            print(text, file=sys.stderr, flush=True)

        try:
            with ProgressDisplay() as display:
                summary = fit(
                    self.data_dir, self.work_dir, self.settings, resume=self.resume, progress=display, say=say
                )
        except KeyboardInterrupt:
            say("diffdenoise: stopped; the same command with --resume goes on from here")
            raise
        for warning in summary["warnings"]:
            say(f"warning: {warning}")
        for found in summary["compared"]:
            say(f"volume {found['volume']}: {found['why']}")
        say(f"wrote {self.work_dir / 'model'} in {sum(summary['seconds'].values()):.0f} s")
        return 0
