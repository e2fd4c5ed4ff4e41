# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The score that needs no clean image: the error against the pair's noisy target."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from ignite.metrics import Metric
from ignite.metrics.metric import reinit__is_reduced, sync_all_reduce

__all__ = ["PairError"]


class PairError(Metric):
    r"""Weighted mean squared error of a prediction against the noisy target of a held-out pair.

    .. math:: E = \frac{\sum w (f(\mathrm{image}) - \mathrm{target})^2}{\sum w}

    The target's noise is independent of the prediction, so E is the true error plus the noise variance and the
    neighbors' difference in structure, both of which are the same for every f: the smaller E, the smaller the true
    error. It is infinite when no voxel has a weight. ``identity=True`` scores the image itself, without the context
    channels after it: the mark that a denoiser has to beat.

    Args:
        output_transform: picks ``(prediction, pair)`` from the engine's output.
        identity: score ``pair["image"]`` in place of the prediction.
        channels: of that image, each against the target; None: as many first ones as the target has. The image of a
            slice-blind pair holds neighbors alone.
        device: where the sums are kept.
    """

    def __init__(
        self,
        output_transform: Callable[[Any], Any] = lambda output: (output["pred"], output["label"]),
        identity: bool = False,
        device: str | torch.device = "cpu",
        channels: Sequence[int] | None = None,
    ) -> None:
        self.identity, self.channels = identity, channels
        super().__init__(output_transform=output_transform, device=device)

    @reinit__is_reduced
    def reset(self) -> None:
        self._error = torch.zeros((), dtype=torch.float64, device=self._device)
        self._weight = torch.zeros((), dtype=torch.float64, device=self._device)

    @reinit__is_reduced
    def update(self, output: tuple[torch.Tensor, dict[str, torch.Tensor]]) -> None:
        prediction, pair = output
        if self.identity:
            # neighboring slices come after the channels that are denoised
            chosen = self.channels or range(pair["target"].shape[1])
            prediction = pair["image"][:, list(chosen)]
        weight = pair["weight"]
        error = (prediction - pair["target"]).square() * weight
        # in float64 only where the sums are kept, since Apple's GPUs have none
        self._error += error.sum().to(self._device).double()
        self._weight += weight.expand_as(error).sum().to(self._device).double()

    @sync_all_reduce("_error", "_weight")
    def compute(self) -> float:
        if self._weight == 0:
            return math.inf
        return float(self._error / self._weight)
