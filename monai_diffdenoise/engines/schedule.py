# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Learning rate over a run."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from monai_diffdenoise.errors import InputError

__all__ = ["warmup_cosine"]


def warmup_cosine(optimizer: Optimizer, iterations: int, warmup: int = 50) -> LambdaLR:
    """Linear rise over ``warmup`` iterations, then half a cosine down to zero at ``iterations``.

    Short runs gain most from the decay: the last, small steps average the gradient noise away.

    Args:
        optimizer: whose learning rate is the peak.
        iterations: length of the run; the schedule is stepped once an iteration.
        warmup: iterations of the rise, cut to a tenth of a short run.

    Raises:
        InputError: no iteration, or a negative warmup.
    """
    if iterations < 1 or warmup < 0:
        raise InputError(f"got iterations={iterations} and warmup={warmup}; expected at least 1 and at least 0")
    rise = max(min(warmup, iterations // 10), 1)
    return LambdaLR(
        optimizer,
        lambda step: min((step + 1) / rise, 1.0) * 0.5 * (1 + math.cos(math.pi * min(step / iterations, 1.0))),
    )
