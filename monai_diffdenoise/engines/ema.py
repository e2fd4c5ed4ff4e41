# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Exponential moving average of the weights, usable from the first iteration on."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import nn

from monai_diffdenoise.errors import InputError

__all__ = ["WeightAverage"]


class WeightAverage:
    r"""Ignite handler that keeps an averaged copy of a network.

    After iteration k (from 1) with :math:`d_k = \min(d, \frac{1 + k}{10 + k})`:

    .. math:: \bar\theta_k = d_k \bar\theta_{k-1} + (1 - d_k) \theta_k

    The growing decay corrects the bias to the initial weights: with a constant 0.999 the average of a run of a
    thousand iterations would still be a third the untrained network.

    Args:
        network: the network being trained; of a DistributedDataParallel the module inside is averaged.
        decay: d, the decay in the long run, 0 to below 1.
    """

    def __init__(self, network: nn.Module, decay: float = 0.99) -> None:
        if not 0 <= decay < 1:
            raise InputError(f"got an averaging decay of {decay}; expected 0 to below 1")
        self.source = network.module if isinstance(network, nn.parallel.DistributedDataParallel) else network
        self.decay = decay
        self.updates = 0
        self.network = deepcopy(self.source).eval().requires_grad_(False)

    def attach(self, engine: Engine) -> None:
        """Update after every iteration of the trainer."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda _: self.update())

    @torch.no_grad()
    def update(self) -> None:
        """Move the average toward the present weights."""
        self.updates += 1
        keep = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(list(self.network.parameters()), list(self.source.parameters()), 1 - keep)
        for mine, theirs in zip(self.network.buffers(), self.source.buffers(), strict=True):
            mine.copy_(theirs)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold of this."""
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.network.load_state_dict(state["network"])
        self.updates = int(state["updates"])
