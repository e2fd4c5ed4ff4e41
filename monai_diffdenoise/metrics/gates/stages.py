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


def stages_gate(stages: Mapping[str, torch.Tensor], noise: NoiseLevel, put_back: torch.Tensor | None = None) -> Gate:
    """How far two stages of a run lie apart, in standard deviations of the noise.

    Means over 4 x 4 pixels are compared, in which the little noise that either leaves is small; the value is exceeded
    at one place in a thousand.

    Args:
        stages: name to the slices (N, H, W) that this stage gave, in the order of the run.
        noise: its level.
        put_back: (N, H, W) share of what was removed that fusion put back, 0 to 1: where all of it was, no stage has a
            say in the result. None where nothing was.
    """
    names = list(stages)
    worst, text = 0.0, "there is one stage only"
    for one, two in zip(names[:-1], names[1:], strict=True):
        kept = stages[one] - stages[two] if put_back is None else (1 - put_back) * (stages[one] - stages[two])
        bright = box((stages[one] + stages[two]) / 2, _SIDE, _SIDE)
        apart = (box(kept, _SIDE, _SIDE).abs() / noise.deviation(bright)).flatten().sort().values
        value = float(apart[min(round(_SHARE * len(apart)), len(apart) - 1)])
        if value >= worst:
            worst = value
            text = f"{one} and {two} differ by {value:.2f} sigma or more at one place in a thousand"
    return gate("stages", worst, _THRESHOLD, text)
