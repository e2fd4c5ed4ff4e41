# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The score of a blind-spot network in an engine: its error against the noisy image itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from ignite.metrics import Metric
from ignite.metrics.metric import reinit__is_reduced, sync_all_reduce

__all__ = ["BlindSpotError"]


class BlindSpotError(Metric):
    r"""Mean squared error of a blind-spot network, :math:`\overline{(y - c)^2} - \sigma^2`.

    It is infinite before the first update. For a network that sees the voxel it estimates it means nothing.

    Args:
        sigma: standard deviation of the noise, in units of y; 0 leaves its variance in.
        output_transform: picks ``(prediction, noisy)`` from the engine's output.
        device: where the sums are kept.
    """

    def __init__(
        self,
        sigma: float = 0.0,
        output_transform: Callable[[Any], Any] = lambda output: (output["pred"], output["image"]),
        device: str | torch.device = "cpu",
    ) -> None:
        self.sigma = sigma
        super().__init__(output_transform=output_transform, device=device)

    @reinit__is_reduced
    def reset(self) -> None:
        self._error = torch.zeros((), dtype=torch.float64, device=self._device)
        self._count = torch.zeros((), dtype=torch.float64, device=self._device)

    @reinit__is_reduced
    def update(self, output: tuple[torch.Tensor, torch.Tensor]) -> None:
        prediction, noisy = output
        self._error += (prediction - noisy).square().sum().to(self._device).double()
        self._count += noisy.numel()

    @sync_all_reduce("_error", "_count")
    def compute(self) -> float:
        if self._count == 0:
            return math.inf
        return float(self._error / self._count) - self.sigma**2
