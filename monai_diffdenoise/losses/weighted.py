# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Losses that count only what the pair's weight trusts."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from monai_diffdenoise.errors import InputError

__all__ = ["WeightedLoss", "weighted_mean"]


def weighted_mean(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean of ``values`` (B, C, *S) under ``weight`` (B, 1, *S); zero where nothing is trusted.

    Divided by the sum of the weights, not by the number of pixels: otherwise the effective learning rate would depend
    on how much of the image is matched. No gradient goes through the weight.
    """
    weight = weight.detach()
    total = weight.expand_as(values).sum()
    return (weight * values).sum() / total.clamp_min(torch.finfo(total.dtype).tiny)


class WeightedLoss(nn.Module):
    r"""Weighted reconstruction loss of a noisy pair.

    .. math:: L = \frac{\sum w\, |f - t|^p}{\sum w}

    Args:
        p: 2 for the squared error, whose minimiser is the conditional mean (the right one for zero-mean noise);
            1 for the absolute error, whose minimiser is the median.

    Shape:
        ``prediction`` (B, C, *S); ``pair["target"]`` (B, C, *S); ``pair["weight"]`` (B, 1, *S). Returns a scalar.
    """

    def __init__(self, p: int = 2) -> None:
        super().__init__()
        if p not in (1, 2):
            raise InputError(f"got p={p}; expected 1 (absolute error) or 2 (squared error)")
        self.p = p

    def error(self, difference: torch.Tensor) -> torch.Tensor:
        """Absolute value of the difference to the power p, element by element."""
        return difference.square() if self.p == 2 else difference.abs()

    def forward(self, prediction: torch.Tensor, pair: dict[str, Any]) -> torch.Tensor:
        return weighted_mean(self.error(prediction - pair["target"]), pair["weight"])
