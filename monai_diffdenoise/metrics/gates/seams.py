# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Gate: is there a step along a straight line, where tiles meet?"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from monai_diffdenoise.metrics.gates.gate import Gate, NoiseLevel, gate

__all__ = ["seam_gate", "seam_profile"]

_THRESHOLD = 0.3
# A step is the difference of two bands of 4 pixels, a segment of a seam 16 pixels long.
_BAND, _SEGMENT = 4, 16
_AROUND = 24
# Tiles do not meet so near the border, where filters do other things than elsewhere.
_BORDER = 12
_CERTAIN = 8.0


def seam_profile(noisy: torch.Tensor, denoised: torch.Tensor, axis: int) -> tuple[torch.Tensor, int]:
    """Mean square of the steps of the residual across each line of an axis, in the middle one of its segments.

    Segments count on their own, since a seam may go up here and down there; anatomy that lies along the line is seldom
    as long as half of it.

    Args:
        noisy: slices (N, H, W).
        denoised: same shape.
        axis: 1 or 2; the lines lie across it.

    Returns:
        (lines,) in squared units of the image, entry k for the line between pixels k + 3 and k + 4; and the number of
        segments behind each.
    """
    removed = (noisy - denoised).movedim(axis, 1)
    wide = min(_SEGMENT, removed.shape[2])
    bands = F.avg_pool2d(removed[:, None], (_BAND, wide), (1, wide))[:, 0]
    steps = bands[:, _BAND:] - bands[:, :-_BAND]
    return steps.double().square().mean(dim=0).median(dim=1).values, steps.shape[0] * steps.shape[2]


def seam_gate(noisy: torch.Tensor, denoised: torch.Tensor, noise: NoiseLevel) -> Gate:
    """Whether the residual steps at a straight line through all slices, beyond what it does at other lines.

    Args:
        noisy: slices (N, H, W).
        denoised: same shape.
        noise: its level.
    """
    worst, text = 0.0, "no straight line stands out"
    for axis in (1, 2):
        if noisy.shape[axis] < 4 * _BORDER:
            continue
        profile, count = seam_profile(noisy, denoised, axis)
        profile = profile[_BORDER - _BAND : len(profile) - _BORDER + _BAND]
        if not float(profile.max()) > 0:
            continue
        around = F.pad(profile[None, None], (_AROUND, _AROUND), mode="replicate")[0, 0].unfold(0, 2 * _AROUND + 1, 1)
        usual = around.median(dim=1).values
        spread = 1.4826 * (around - usual[:, None]).abs().median(dim=1).values
        spread = torch.maximum(spread, usual * (2 / count) ** 0.5)
        beyond = profile - usual
        certain = beyond > _CERTAIN * spread.clamp_min(1e-30)
        steps = torch.where(certain, beyond, 0.0).clamp_min(0.0).sqrt() / max(noise.sigma, 1e-30)
        line = int(steps.argmax())
        if float(steps[line]) > worst:
            worst = float(steps[line])
            text = f"a step of {worst:.2f} sigma along the line at pixel {line + _BORDER} of axis {axis} of the slice"
    return gate("seams", worst, _THRESHOLD, text)
