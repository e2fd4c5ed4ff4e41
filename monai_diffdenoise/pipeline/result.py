# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What denoising returns: the image, and the truth about how it came about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from monai.data import MetaTensor

from monai_diffdenoise.data.storage import allocate, memory_limit, runs
from monai_diffdenoise.data.volume import Volume

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
    """

    volume: Volume
    noisy: MetaTensor
    report: dict[str, Any] = field(default_factory=dict)
    share: torch.Tensor | None = None
    uncertainty: torch.Tensor | None = None

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
