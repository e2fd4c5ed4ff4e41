# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""How many slices go through a network at a time when a volume is denoised."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

__all__ = ["slices_a_pass"]

# 512 x 512. Each slice of that size takes some 190 MiB of features in a small student; on a CPU more of them a pass
# save no time.
_PIXELS = 1 << 18


def slices_a_pass(asked: int, sides: Sequence[int], tile: int, device: torch.device) -> int:
    """As many as asked for on a GPU, on a CPU fewer of large ones.

    Args:
        asked: at most; the setting ``inference_batch``.
        sides: of a slice, in pixels.
        tile: largest side of what the network sees.
        device: of the network.

    Returns:
        1 to ``asked``.
    """
    if device.type != "cpu":
        return asked
    return max(1, min(asked, _PIXELS // math.prod(min(side, tile) for side in sides)))
