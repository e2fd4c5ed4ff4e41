# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""MONAI's diffusion network with state and condition side by side, for images of any size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets import DiffusionModelUNet
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks.phases import crop_to, pad_to_multiple

__all__ = ["ConditionalDiffusion"]


class ConditionalDiffusion(nn.Module):
    """A thin wrapper: one tensor in, one tensor out, with or without times.

    The last convolution starts at zero. The defaults are small, for a CPU; a GPU bears channels (64, 128, 256), two
    residual blocks and attention at the coarsest level.

    Args:
        spatial_dims: 2 or 3.
        in_channels: of the state.
        condition_channels: of the condition, such as the output of a blind-spot network and, after it, what else is
            known.
        out_channels: of the output.
        channels: features of the levels, multiples of ``norm_num_groups``.
        num_res_blocks: residual blocks a level.
        attention_levels: which levels have self-attention; None: no level.
        middle_attention: self-attention between the ways down and up, as MONAI has it. It costs the square of the
            number of pixels there, and what it does depends on the size of the image.
        norm_num_groups: groups of the group normalization.
        num_head_channels: features of an attention head.
        num_train_timesteps: T, the length of the schedule.

    Shape:
        (B, in_channels + condition_channels, *S) for any S, the state first, and ``timesteps`` (B,), to
        (B, out_channels, *S). Without ``timesteps`` the last time T - 1 is taken: one evaluation there already
        estimates the mean.

    Raises:
        InputError: for an argument outside the ranges above.
    """

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 1,
        condition_channels: int = 1,
        out_channels: int = 1,
        channels: Sequence[int] = (16, 32, 32),
        num_res_blocks: int = 1,
        attention_levels: Sequence[bool] | None = None,
        middle_attention: bool = False,
        norm_num_groups: int = 8,
        num_head_channels: int = 8,
        num_train_timesteps: int = 1000,
    ) -> None:
        super().__init__()
        counts = (in_channels, condition_channels, out_channels, num_res_blocks, norm_num_groups, num_train_timesteps)
        if spatial_dims not in (2, 3) or min(counts) < 1:
            raise InputError(
                f"got spatial_dims={spatial_dims}, in_channels={in_channels}, condition_channels={condition_channels}, "
                f"out_channels={out_channels}, num_res_blocks={num_res_blocks}; expected 2 or 3, and at least 1"
            )
        if not channels or any(count < 1 or count % norm_num_groups for count in channels):
            raise InputError(f"got channels={tuple(channels)}; expected multiples of norm_num_groups={norm_num_groups}")
        attention = list(attention_levels) if attention_levels is not None else [False] * len(channels)
        if len(attention) != len(channels):
            raise InputError(f"got {len(attention)} attention levels; expected one for each of {len(channels)} levels")
        self.in_channels, self.condition_channels = in_channels, condition_channels
        self.divisor, self.last = 2 ** (len(channels) - 1), num_train_timesteps - 1
        self.body = DiffusionModelUNet(
            spatial_dims=spatial_dims,
            in_channels=in_channels + condition_channels,
            out_channels=out_channels,
            num_res_blocks=num_res_blocks,
            channels=list(channels),
            attention_levels=attention,
            norm_num_groups=norm_num_groups,
            num_head_channels=num_head_channels,
        )
        if not middle_attention:
            self.body.middle_block.attention = nn.Identity()

    def forward(self, x: torch.Tensor, timesteps: torch.Tensor | None = None) -> torch.Tensor:
        if timesteps is None:
            timesteps = torch.full((x.shape[0],), self.last, dtype=torch.long, device=x.device)
        return crop_to(self.body(pad_to_multiple(x, self.divisor, mode="replicate"), timesteps), x)
