# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a method removed: is there structure in it, is it as correlated as the noise?"""

from __future__ import annotations

import math

import torch

from benchmarks.cases import Case
from monai_diffdenoise.metrics import structure_correlation
from monai_diffdenoise.metrics.residual import autocorrelation

__all__ = ["residual_scores"]


def residual_scores(case: Case, output: torch.Tensor) -> dict[str, float | None]:
    """Scores of noisy minus output where the case looks.

    Returns:
        structure: local correlation of the residual with the detail of the reference, above 0 where detail was
            weakened. lag1_excess: largest difference over the axes of the autocorrelation at a distance of one voxel,
            of the residual and of the noise. None where nothing was removed; lag1_excess where the noise is not known,
            too.
    """
    noisy, denoised = case.pick(case.volume.image.as_tensor()).float(), case.pick(output).float()
    mask, residual = case.mask.expand(denoised.shape), noisy - denoised
    if not bool((residual[mask] != 0).any()):
        return {"structure": None, "lag1_excess": None}
    # the reference has the detail without the noise that a denoiser may have left
    reference = case.reference.float()
    structure = structure_correlation(reference + residual, reference, mask=mask).value
    excess = None
    if case.noise is not None:
        found = zip(autocorrelation(residual, (1,), mask), autocorrelation(case.noise, (1,), mask), strict=True)
        gaps = [abs(here[0] - there[0]) for here, there in found if here[0] is not None and there[0] is not None]
        excess = max(gaps, default=None)
    return {"structure": structure if math.isfinite(structure) else None, "lag1_excess": excess}
