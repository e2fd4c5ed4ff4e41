# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""From a batch of pairs to what MONAI's trainer hands to inferer and loss."""

from __future__ import annotations

from typing import Any

import torch
from monai.engines import PrepareBatch

__all__ = ["PreparePair"]


class PreparePair(PrepareBatch):
    """Move a noisy pair to the device: the image is the input, the whole pair is label and keyword of the inferer.

    Args:
        channels_last: lay images out with channels last, which convolutions on CPUs and GPUs are faster on.
    """

    def __init__(self, channels_last: bool = True) -> None:
        self.channels_last = channels_last

    def __call__(
        self,
        batchdata: dict[str, torch.Tensor],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], tuple, dict[str, Any]]:
        pair = {
            name: batchdata[name].to(device=device, non_blocking=non_blocking, **kwargs)
            for name in ("image", "target", "weight")
        }
        if self.channels_last and pair["image"].dim() == 4:
            pair = {name: value.contiguous(memory_format=torch.channels_last) for name, value in pair.items()}
        return pair["image"], pair, (), {"pair": pair}
