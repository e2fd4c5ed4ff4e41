# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a benchmark may tell a network: the correlation of the noise, measured on the noisy image alone."""

from __future__ import annotations

from benchmarks.cases import Case
from monai_diffdenoise.analysis import measure_noise
from monai_diffdenoise.pipeline.noise_advice import NoiseAdvice, advise

__all__ = ["advice_for", "context_for"]


def advice_for(case: Case) -> NoiseAdvice:
    """What the measured noise asks of a denoiser."""
    image = case.volume.image.as_tensor()
    return advise(measure_noise(image[image.shape[0] // 2][None], case.volume.slice_axis))


def context_for(case: Case, most: int = 4) -> int:
    """Neighboring slices that a volume has to offer: ``most``, or 0 for fewer than five slices."""
    return most if case.volume.image.shape[1 + case.volume.slice_axis] >= 5 else 0
