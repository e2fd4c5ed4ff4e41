# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A branch of a blind-spot network: a masked convolution, then anything that runs on phases."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks.blind_patch import blind_period
from monai_diffdenoise.networks.blocks.patch_masked_conv import PatchMaskedConv
from monai_diffdenoise.networks.blocks.phases import batch_to_space, crop_to, pad_to_multiple, space_to_batch

__all__ = ["PhaseBranch"]

# Values that a body gets at a time on a CPU: few enough that what it makes of them stays in the cache of a core. A
# training step of the paper's network then took 4.10 s instead of 4.32 s in one call, with 1844 instead of 1938 MB.
_AT_ONCE = 2**18


class PhaseBranch(nn.Module):
    """Blind over a patch by construction: the body never mixes two pixels unless they lie whole periods apart.

    Args:
        conv: the masked convolution.
        body: what runs on the phases, (B, C, *S) to (B, C', *S): any network that does not mix the batch.
        period: of the phases, of all axes or of each; default: the smallest that leaves the patch blind, starting from
            the kernel's own size less one for a dense kernel and from its half for one with a step.
        pooled: the body is called with a second argument, the number of phases of one image, which are neighbors in
            the batch. A body that uses it to mix them is no longer exactly blind.

    Shape:
        (B, C, *S) to (B, C', *S), any S.

    Raises:
        InputError: a period at which a blind pixel is seen.
    """

    def __init__(
        self,
        conv: PatchMaskedConv,
        body: nn.Module,
        period: int | Sequence[int] | None = None,
        pooled: bool = False,
    ) -> None:
        super().__init__()
        axes = len(conv.kernel_size)
        if period is None:
            halves = [size // 2 for size in conv.kernel_size]
            # a dense kernel has a tap for every pixel that is not blind, if the period is no larger than its own size
            least = [2 * half if conv.step == 1 else half + 1 for half in halves]
            period = blind_period(conv.taps, conv.blind, least, conv.step)
        self.period = (period,) * axes if isinstance(period, int) else tuple(period)
        if len(self.period) != axes or min(self.period) < 1 or not conv.is_blind(self.period):
            raise InputError(
                f"got period {self.period} for kernel {conv.kernel_size}; expected one for each axis at which no blind "
                "pixel is seen again: leave it out to have it chosen"
            )
        self.conv, self.body, self.pooled = conv, body, pooled

    def squeeze(self, spot: int | Sequence[int] | None) -> None:
        """See :meth:`PatchMaskedConv.squeeze`; the period stays."""
        self.conv.squeeze(spot)
        if not self.conv.is_blind(self.period):
            self.conv.squeeze(None)
            raise InputError(f"got blind spot {spot}, which period {self.period} does not keep blind; try another")

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        phases = space_to_batch(pad_to_multiple(self.conv(features), self.period), self.period)
        layout = torch.channels_last if features.dim() == 4 else torch.channels_last_3d
        return crop_to(batch_to_space(self._run(phases.contiguous(memory_format=layout)), self.period), features)

    def _run(self, phases: torch.Tensor) -> torch.Tensor:
        count = math.prod(self.period)
        more = (count,) if self.pooled else ()
        if torch.compiler.is_compiling() or phases.device.type != "cpu":
            output: torch.Tensor = self.body(phases, *more)
            return output
        together = max(1, _AT_ONCE // phases[0].numel())
        if self.pooled:
            together = max(1, together // count) * count
        return torch.cat([self.body(part, *more) for part in phases.split(together)])
