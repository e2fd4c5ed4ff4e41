# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What denoising returns: the image, and the truth about how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from monai.data import MetaTensor

from monai_diffdenoise.data.storage import allocate, memory_limit, runs
from monai_diffdenoise.data.volume import Volume

if TYPE_CHECKING:
    from monai_diffdenoise.report.canvas import Figure

__all__ = ["Result"]


@dataclass(frozen=True, eq=False)
class Result:
    """A denoised volume and the record of the run.

    Args:
        volume: the denoised volume, ready for ``write_volume``.
        noisy: the image as it was read, (C, *S).
        report: plan, settings, seed, versions, timings, scores and warnings; plain JSON types, nothing of the patient.
        share: of what was removed and put back by fusion, (C, *S), 0 to 1; None where it was not asked for.
        uncertainty: of method diffdenoise: how far the result of its conditional model changes with another draw of the
            noise, a standard deviation, (C, *S) in the input's units; None for other methods, or if not asked for.
        stages: of method diffdenoise, if asked for: name of each stage to what it made before fusion, (C, *S) in the
            input's units.
    """

    volume: Volume
    noisy: MetaTensor
    report: dict[str, Any] = field(default_factory=dict)
    share: torch.Tensor | None = None
    uncertainty: torch.Tensor | None = None
    stages: Mapping[str, torch.Tensor] = field(default_factory=dict)

    @property
    def image(self) -> MetaTensor:
        """The denoised image, (C, *S) float32 in the input's units, with its affine."""
        return self.volume.image

    @property
    def residual(self) -> torch.Tensor:
        """What was removed: noisy minus denoised, (C, *S) in the input's units; computed anew at each access."""
        noisy, denoised, axis = self.noisy.as_tensor(), self.image.as_tensor(), self.volume.slice_axis
        with memory_limit(self.report.get("settings", {}).get("memory")):
            removed = allocate(noisy.shape, axis)
        for index in runs(noisy, axis):
            removed[index] = noisy[index] - denoised[index]
        return removed

    @property
    def warnings(self) -> list[str]:
        """What the user should know, in sentences."""
        return list(self.report.get("warnings", []))

    def save_report(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the run as one HTML page that needs no network; see :func:`~monai_diffdenoise.report.write_report`.

        Args:
            path: a name that ends in .html.
            overwrite: whether an existing file may be replaced.

        Raises:
            InputError: matplotlib or Jinja2 is not installed, or the file must not be replaced.
        """
        from monai_diffdenoise.pipeline.command import command_of
        from monai_diffdenoise.report.write_report import write_report

        maps = {"share": self.share, "uncertainty": self.uncertainty}
        known = {name: values for name, values in maps.items() if values is not None}
        noisy = self.noisy.as_tensor()
        write_report(
            path,
            self.volume,
            noisy,
            self.report,
            maps=known,
            stages=self.stages,
            command=command_of(self.report),
            overwrite=overwrite,
        )

    def show(self) -> Figure:
        """Before, after and what was removed, as a figure that a notebook shows.

        Raises:
            InputError: matplotlib is not installed.
        """
        from monai_diffdenoise.report.planes_figure import planes_figure

        image, volume = self.image, self.volume
        return planes_figure(
            self.noisy.as_tensor(),
            image.as_tensor(),
            affine=image.affine,
            spacing=volume.spacing,
            slice_axis=volume.slice_axis,
        )
