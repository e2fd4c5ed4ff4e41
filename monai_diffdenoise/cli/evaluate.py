# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""``diffdenoise evaluate``: score an image against a reference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from monai_diffdenoise.cli.denoise import write_json
from monai_diffdenoise.errors import InputError

if TYPE_CHECKING:
    from monai_diffdenoise.metrics import ReferenceScores

__all__ = ["Evaluate"]


@dataclass(frozen=True)
class Evaluate:
    """Score an image against a reference: PSNR, SSIM, bias.

    Both must lie on one grid and be in the same units. SSIM is computed slice by slice.
    """

    image: Annotated[
        tyro.conf.Positional[Path],
        tyro.conf.arg(metavar="IMAGE", help="Image to score: NIfTI file, DICOM file, or folder with one DICOM series."),
    ]
    reference: Annotated[
        tyro.conf.Positional[Path],
        tyro.conf.arg(metavar="REFERENCE", help="Clean reference of the same shape and position."),
    ]
    mask: Annotated[
        Path | None, tyro.conf.arg(help="Image of the same grid; voxels above 0 are compared. None: all.")
    ] = None
    data_range: Annotated[
        float | None,
        tyro.conf.arg(
            help="Full range for PSNR and SSIM, in the image's units. None: the reference's percentiles 0.1 to 99.9."
        ),
    ] = None
    json: Annotated[Path | None, tyro.conf.arg(help="Write the scores here, too.")] = None
    overwrite: Annotated[bool, tyro.conf.arg(help="Allow replacing an existing JSON file.")] = False

    def run(self) -> int:
        """Print the scores; return the exit code.

        Raises:
            InputError: see :func:`monai_diffdenoise.pipeline.evaluate.evaluate_files`, or the JSON file must not be
                written.
        """
        if self.json is not None:
            self._check_json(self.json)
        # Here and not at the top, so that --help needs neither torch nor monai.
        from monai_diffdenoise.pipeline.evaluate import evaluate_files

        scores = evaluate_files(self.image, self.reference, self.mask, self.data_range)
        if self.json is not None:
            write_json(scores.as_dict(), self.json, self.overwrite)
        _show(scores, self.data_range is not None, self.mask is not None)
        return 0

    def _check_json(self, path: Path) -> None:
        # The ending protects the images: a reference named after --json by mistake is refused, not replaced.
        if path.suffix != ".json":
            raise InputError(f"got --json {path}; expected a name that ends in .json")
        if path.exists() and not (self.overwrite and path.is_file()):
            raise InputError(f"output {path} exists already: choose another name or add --overwrite")
        if not path.absolute().parent.is_dir():
            raise InputError(f"got --json {path}, whose folder does not exist; make it first")
        folders = [entry.resolve() for entry in (self.image, self.reference, self.mask) if entry is not None]
        if any(folder in path.resolve().parents for folder in folders):
            raise InputError(f"output {path} lies inside an input folder, which is never changed: choose another place")


def _show(scores: ReferenceScores, stated_range: bool, masked: bool) -> None:
    """Print a table of two columns on standard output."""
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column()
    identical = bool(scores.as_dict()["identical"])
    table.add_row("PSNR", "inf" if identical else f"{scores.psnr:.2f}", "identical" if identical else "dB")
    if scores.ssim is None:
        table.add_row("SSIM", "-", "no window of 11 x 11 voxels fits")
    else:
        table.add_row("SSIM", f"{scores.ssim:.4f}", "")
    table.add_row("bias", f"{scores.bias:.5g}", f"{scores.bias_percent:.3f} % of the range")
    table.add_row("RMSE", f"{scores.rmse:.5g}", "")
    table.add_row("range", f"{scores.data_range:.5g}", "stated" if stated_range else "percentiles of the reference")
    table.add_row("voxels", str(scores.mask_voxels), "in the mask" if masked else "all with a value")
    Console().print(table)
