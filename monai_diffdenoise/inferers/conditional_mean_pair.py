# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The training step of the conditional mean: symmetric sampling's optimum, learned as one regression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer

from monai_diffdenoise.inferers.conditional_mean import ask_mean
from monai_diffdenoise.inferers.diffusion_state import DiffusionState

__all__ = ["ConditionalMeanPairInferer"]


class ConditionalMeanPairInferer(Inferer):
    """Train the network of a conditional diffusion at its last time alone, with an empty state.

    Stands in for :class:`~monai_diffdenoise.inferers.DiffusionPairInferer`; the loss is
    :class:`~monai_diffdenoise.losses.DiffusionPairLoss`, and what was trained is asked by
    :class:`~monai_diffdenoise.inferers.ConditionalMeanInferer`.

    Args:
        state: what stands for target and condition.
    """

    def __init__(self, state: DiffusionState | None = None) -> None:
        self.state = state if state is not None else DiffusionState()

    def __call__(
        self,
        inputs: torch.Tensor,
        network: Callable[..., torch.Tensor],
        *args: Any,
        pair: dict[str, torch.Tensor],
        **kwargs: Any,
    ) -> dict[str, torch.Tensor]:
        """Ask about the pair.

        Args:
            inputs: the pair's image, which is the condition.
            network: called with (empty state and condition, side by side), at its last time. It gives the velocity.
            args: ignored; MONAI's engines may pass them.
            pair: of a training step.
            kwargs: ignored, like ``args``.

        Returns:
            dictionary with ``output``, what the network gave, ``expected``, what it should have given, and ``snr``,
            (B, 1, ...) of 0.
        """
        expected = -self.state.encode(pair["target"], inputs)
        output = ask_mean(inputs, network, self.state, expected.shape[1])
        return {"output": output, "expected": expected, "snr": torch.zeros_like(expected[:, :1])}

    def state_dict(self) -> dict[str, Any]:
        """Empty: nothing is drawn. A checkpoint keeps the inferer of either training by the same name."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to load."""
