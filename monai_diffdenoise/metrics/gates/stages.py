# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Gate: do the stages of a run show the same picture?"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from monai_diffdenoise.metrics.gates.gate import Gate, NoiseLevel, box, gate

__all__ = ["stages_gate"]

_THRESHOLD = 1.0
_SIDE = 4
_SHARE = 0.999


def stages_gate(stages: Mapping[str, torch.Tensor], noise: NoiseLevel) -> Gate:
    """How far two stages of a run lie apart, in standard deviations of the noise.

    Means over 4 x 4 pixels are compared, in which the little noise that either leaves is small; the value is exceeded
    at one place in a thousand.

    Args:
        stages: name to the slices (N, H, W) that this stage gave, in the order of the run.
        noise: its level.
    """
    names = list(stages)
    worst, text = 0.0, "there is one stage only"
    for one, two in zip(names[:-1], names[1:], strict=True):
        first, second = box(stages[one], _SIDE, _SIDE), box(stages[two], _SIDE, _SIDE)
        apart = ((first - second).abs() / noise.deviation((first + second) / 2)).flatten().sort().values
        value = float(apart[min(round(_SHARE * len(apart)), len(apart) - 1)])
        if value >= worst:
            worst = value
            text = f"{one} and {two} differ by {value:.2f} sigma or more at one place in a thousand"
    return gate("stages", worst, _THRESHOLD, text)
