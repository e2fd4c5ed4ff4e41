# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Stein's estimate for an engine: choose checkpoints by the error that cannot be measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from ignite.metrics import Metric
from ignite.metrics.metric import reinit__is_reduced, sync_all_reduce

from monai_diffdenoise.errors import InputError

__all__ = ["SureError"]


class SureError(Metric):
    r"""Mean squared error of a network's predictions for Gaussian noise, by Stein's estimate.

    .. math:: \overline{(f - y)^2} - \sigma^2 + 2 \sigma^2 g, \qquad
        g = \frac{\sum \langle p, f(y + h p) - f(y) \rangle}{h \sum \langle p, p \rangle}

    Each update runs the network once more. It is infinite before the first update. The network must be in evaluation
    mode and give the same result for the same input. A network that was trained on these very images knows more of
    their noise than its derivative shows: the estimate is then too small, see the documentation.

    Args:
        denoise: y (B, C, *spatial) to f(y), the same that made the predictions.
        sigma: standard deviation of the noise, in units of y.
        h: strength of the probe as a share of the noise.
        gain: compute the noise gain g in place of the error.
        draw: noise of standard deviation 1, correlated as in y, from its shape and a generator; None draws white noise.
        seed: of the probes; every evaluation draws the same, so that epochs can be compared.
        output_transform: picks ``(prediction, noisy)`` from the engine's output.
        device: where the sums are kept.

    Raises:
        InputError: a sigma or h that is not above 0.
    """

    def __init__(
        self,
        denoise: Callable[[torch.Tensor], torch.Tensor],
        sigma: float,
        h: float = 0.1,
        gain: bool = False,
        draw: Callable[[torch.Size, torch.Generator], torch.Tensor] | None = None,
        seed: int = 0,
        output_transform: Callable[[Any], Any] = lambda output: (output["pred"], output["image"]),
        device: str | torch.device = "cpu",
    ) -> None:
        if not (sigma > 0 and h > 0 and math.isfinite(sigma) and math.isfinite(h)):
            raise InputError(f"got sigma={sigma} and h={h}; expected numbers above 0")
        self.denoise, self.sigma, self.h, self.gain, self.seed = denoise, sigma, h, gain, seed
        self.draw = draw if draw is not None else lambda shape, generator: torch.randn(shape, generator=generator)
        super().__init__(output_transform=output_transform, device=device)

    @reinit__is_reduced
    def reset(self) -> None:
        self._generator = torch.Generator().manual_seed(self.seed)
        self._removed = torch.zeros((), dtype=torch.float64, device=self._device)
        self._product = torch.zeros((), dtype=torch.float64, device=self._device)
        self._energy = torch.zeros((), dtype=torch.float64, device=self._device)
        self._count = torch.zeros((), dtype=torch.float64, device=self._device)

    @reinit__is_reduced
    def update(self, output: tuple[torch.Tensor, torch.Tensor]) -> None:
        prediction, noisy = output
        # drawn on the CPU, so that the score does not depend on where the network runs
        probe = (self.sigma * self.draw(noisy.shape, self._generator)).to(noisy.device, noisy.dtype)
        with torch.no_grad():
            change = (self.denoise(noisy + self.h * probe) - prediction) / self.h
        self._removed += (prediction - noisy).square().sum().to(self._device).double()
        self._product += (probe * change).sum().to(self._device).double()
        self._energy += probe.square().sum().to(self._device).double()
        self._count += noisy.numel()

    @sync_all_reduce("_removed", "_product", "_energy", "_count")
    def compute(self) -> float:
        if self._count == 0:
            return math.inf
        gain = float(self._product / self._energy)
        if self.gain:
            return gain
        return float(self._removed / self._count) + self.sigma**2 * (2.0 * gain - 1.0)
