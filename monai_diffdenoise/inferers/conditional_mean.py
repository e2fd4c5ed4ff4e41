# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The mean that symmetric sampling draws towards, asked for at once: the regression of the target on the condition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers.blending import blended
from monai_diffdenoise.inferers.diffusion_state import DiffusionState

__all__ = ["ConditionalMeanInferer", "ask_mean"]


def ask_mean(
    condition: torch.Tensor, network: Callable[..., torch.Tensor], state: DiffusionState, channels: int
) -> torch.Tensor:
    """The velocity (B, channels, *S) at the last time for an empty state: minus the state's mean given the condition.

    Args:
        condition: (B, C', *S).
        network: of a conditional diffusion.
        state: what stands for target and condition.
        channels: of the target.
    """
    empty = torch.zeros_like(condition[:, :1]).repeat_interleave(channels, 1)
    return network(torch.cat([empty, state.show(condition)], dim=1))


class ConditionalMeanInferer(Inferer):
    """Ask the network of a conditional diffusion at the last time alone and with an empty state.

    What a diffusion model with velocity prediction learns of its last time, where the state is nothing but noise, is
    the mean of the target given the condition, and that is also what the average of symmetric pairs tends to. So this
    is symmetric sampling in one evaluation, by a network that had to learn nothing else:
    :class:`~monai_diffdenoise.inferers.ConditionalMeanPairInferer` trains it. It stands in for
    :class:`~monai_diffdenoise.inferers.SRDSInferer`, alone or in a ``SRDSVolumeInferer``.

    Args:
        state: what stands for target and condition; as in training.
        batch_size: images (or tiles) a pass.
        tile: largest side of a tile in pixels; larger images are cut into overlapping tiles, blended by Gaussians.
        overlap: share of the tile that neighbors share, 0 to below 1.
        amp: bfloat16 autocast on a GPU when sampling; ignored on a CPU.

    Raises:
        InputError: for an argument outside the ranges above.
    """

    def __init__(
        self,
        state: DiffusionState | None = None,
        batch_size: int = 8,
        tile: int = 512,
        overlap: float = 0.25,
        amp: bool = True,
    ) -> None:
        if batch_size < 1 or tile < 16 or not 0 <= overlap < 1:
            raise InputError(
                f"got batch_size={batch_size}, tile={tile}, overlap={overlap}; "
                "expected at least 1, at least 16, 0 to below 1"
            )
        self.state = state if state is not None else DiffusionState()
        self.batch_size, self.tile, self.overlap, self.amp = batch_size, tile, overlap, amp

    def __call__(
        self,
        inputs: torch.Tensor,
        network: Callable[..., torch.Tensor],
        *args: Any,
        condition: torch.Tensor | None = None,
        places: Sequence[int] | None = None,
        return_stats: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Ask for the mean.

        Args:
            inputs: noisy images (B, C, *S), or, without ``condition``, the condition of one channel of image.
            network: called with (empty state and condition, side by side), at its last time. It gives the velocity.
            args: ignored; MONAI's engines may pass them.
            condition: (B, C', *S), its first C channels an estimate of the image.
            places: ignored; nothing is drawn.
            return_stats: also return the spread, which is 0.
            kwargs: ignored, like ``args``.

        Returns:
            the mean (B, C, *S), float32; with ``return_stats`` a tuple of it and of zeros.

        Raises:
            InputError: shapes that do not fit.
        """
        if condition is None:
            condition, inputs = inputs, inputs[:, :1]
        known = condition.as_subclass(torch.Tensor).float()
        if inputs.shape[2:] != known.shape[2:] or len(inputs) != len(known):
            raise InputError(
                f"got images {tuple(inputs.shape)} and a condition {tuple(known.shape)}; expected the same size and "
                "number"
            )
        mean: torch.Tensor = self._mean(known, network, inputs.shape[1])
        if isinstance(inputs, MetaTensor):
            mean = MetaTensor(mean).copy_meta_from(inputs)
        return (mean, torch.zeros_like(mean)) if return_stats else mean

    @torch.no_grad()
    def _mean(self, condition: torch.Tensor, network: Callable[..., torch.Tensor], channels: int) -> torch.Tensor:
        was_training = getattr(network, "training", False)
        amp = self.amp and condition.device.type == "cuda"
        roi = [min(self.tile, side) for side in condition.shape[2:]]

        def ask(part: torch.Tensor) -> torch.Tensor:
            with torch.autocast("cuda", torch.bfloat16) if amp else nullcontext():
                return ask_mean(part, network, self.state, channels).float()

        run = blended(ask, roi, self.batch_size, self.overlap) if roi != list(condition.shape[2:]) else ask
        if isinstance(network, torch.nn.Module):
            network.eval()
        try:
            velocity = torch.cat([torch.as_tensor(run(part)) for part in condition.split(self.batch_size)])
        finally:
            if isinstance(network, torch.nn.Module):
                network.train(was_training)
        return self.state.decode(-velocity, condition)
