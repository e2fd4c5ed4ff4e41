# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Gate: do the stages of a run show the same picture?"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from monai_diffdenoise.metrics.gates.gate import Gate, NoiseLevel, box, gate

__all__ = ["stages_gate"]

_THRESHOLD = 1.5
_SIDE = 4
_SHARE = 0.999


def stages_gate(
    stages: Mapping[str, torch.Tensor],
    noise: NoiseLevel,
    put_back: torch.Tensor | None = None,
    noisy: torch.Tensor | None = None,
) -> Gate:
    """How far two stages of a run lie apart, in standard deviations of the noise.

    Means over 4 x 4 pixels are compared, in which the little noise that either leaves is small; the value is exceeded
    at one place in a thousand. Where a stage goes from the one before it towards the noisy image, it brings back what
    that one lost (a blind-spot network under a wide blind spot loses much), and as far as it does that it is not apart.

    Args:
        stages: name to the slices (N, H, W) that this stage gave, in the order of the run.
        noise: its level.
        put_back: (N, H, W) share of what was removed that fusion put back, 0 to 1: where all of it was, no stage has a
            say in the result. None where nothing was.
        noisy: (N, H, W) the same slices of the input; None counts every difference.
    """
    names = list(stages)
    worst, text = 0.0, "there is one stage only"
    for one, two in zip(names[:-1], names[1:], strict=True):
        left = 1.0 if put_back is None else 1 - put_back
        bright = box((stages[one] + stages[two]) / 2, _SIDE, _SIDE)
        step = box(left * (stages[two] - stages[one]), _SIDE, _SIDE)
        if noisy is not None:
            way = box(left * (noisy - stages[one]), _SIDE, _SIDE)
            step = torch.where(step * way > 0, (step.abs() - way.abs()).clamp_min(0), step)
        apart = (step.abs() / noise.deviation(bright)).flatten().sort().values
        value = float(apart[min(round(_SHARE * len(apart)), len(apart) - 1)])
        if value >= worst:
            worst = value
            text = f"{one} and {two} differ by {value:.2f} sigma or more at one place in a thousand"
    return gate("stages", worst, _THRESHOLD, text)
