# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Keep training alive through a bad batch, and end it clearly when all batches are bad."""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch import nn

__all__ = ["GradientGuard", "TrainingDivergedError"]


class TrainingDivergedError(RuntimeError):
    """Most of an epoch's gradients were not finite."""


class GradientGuard:
    """Clip gradients, and make the gradients of a non-finite loss zero so that the step cannot spoil the weights.

    Nothing is read back from the device in the loop; the count is looked at once an epoch.

    Args:
        network: the network being trained.
        max_norm: largest gradient norm.
    """

    def __init__(self, network: nn.Module, max_norm: float = 1.0) -> None:
        self.network, self.max_norm = network, max_norm
        self._bad: torch.Tensor | int = 0
        self._seen = 0
        self.skipped = 0
        """Iterations whose gradients were not finite, up to the end of the last epoch."""

    def attach(self, engine: Engine) -> None:
        """Act between the backward pass and the optimizer's step of a MONAI trainer."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self.unscale_and_clip)
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda _: self.check())

    def unscale_and_clip(self, engine: Any) -> None:
        """Clip the true gradients: under mixed precision MONAI's trainer leaves them multiplied by its scaler."""
        scaler = getattr(engine, "scaler", None)
        if scaler is not None:
            scaler.unscale_(engine.optimizer)
        self.clip()

    @torch.no_grad()
    def clip(self) -> None:
        """Scale gradients to ``max_norm``; zero them all when one is not finite."""
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        finite = torch.isfinite(norm)
        factor = torch.where(finite, (self.max_norm / (norm + 1e-6)).clamp(max=1.0), torch.zeros_like(norm))
        for gradient in gradients:
            gradient.nan_to_num_(0.0, 0.0, 0.0).mul_(factor)
        self._bad = self._bad + (~finite).long()
        self._seen += 1

    def check(self) -> None:
        """Add up the epoch.

        Raises:
            TrainingDivergedError: when more than half of its iterations were not finite.
        """
        bad, seen = int(self._bad), self._seen
        self._bad, self._seen = 0, 0
        self.skipped += bad
        if 2 * bad > seen:
            raise TrainingDivergedError(
                f"{bad} of {seen} iterations gave a loss that is not finite; a lower learning rate may help"
            )

    def state_dict(self) -> dict[str, int]:
        """What a checkpoint must hold of this."""
        return {"skipped": self.skipped}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.skipped = int(state["skipped"])
