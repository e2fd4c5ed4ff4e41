# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""LG-BPN: a blind-patch network for noise that is correlated between neighboring pixels."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from monai.networks.layers.factories import Conv
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks.blind_patch import far_kernel, near_kernel
from monai_diffdenoise.networks.blocks.context import ContextFeatures
from monai_diffdenoise.networks.blocks.dilated_transformer import DilatedTransformer
from monai_diffdenoise.networks.blocks.masked_conv import Shape
from monai_diffdenoise.networks.blocks.patch_masked_conv import PatchMaskedConv
from monai_diffdenoise.networks.blocks.phase_branch import PhaseBranch

__all__ = ["LGBPN"]


class _DilatedResidual(nn.Module):
    """A convolution of size 3 (dilated on the image, since it runs on phases) and one of size 1, added to the input."""

    def __init__(self, spatial_dims: int, channels: int) -> None:
        super().__init__()
        conv = Conv[Conv.CONV, spatial_dims]
        self.body = nn.Sequential(conv(channels, channels, 3, padding=1), nn.ReLU(), conv(channels, channels, 1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features + self.body(features)


def _keep_the_scale(layer: nn.Module) -> None:
    """He's initialization of what a ReLU follows. With torch's own, the features of the last layers hardly vary."""
    if isinstance(layer, PatchMaskedConv):
        # from a variance of 1 / 3 over the number of taps to one of 2
        layer.weight.data.mul_(6**0.5)
    elif isinstance(layer, nn.Conv2d | nn.Conv3d) and layer.bias is not None:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    elif isinstance(layer, _DilatedResidual):
        # each module starts as the identity, so that their sum does not grow
        for parameter in layer.body[2].parameters():
            nn.init.zeros_(parameter)


class LGBPN(nn.Module):
    """Local and global blind-patch network (Wang et al. 2023): no output depends on the input over a patch around it.

    A local branch sees all pixels near the patch and passes them through dilated residual modules; a global branch sees
    every second pixel of a wide window and passes them through a dilated transformer. Both run on phases, see
    :class:`~monai_diffdenoise.networks.blocks.phase_branch.PhaseBranch`, so dilation is exact and costs nothing.

    For minutes on two CPU cores: ``channels=32, head_channels=16, local_blocks=3, global_blocks=0`` and a
    ``local_kernel`` as large as the (diamond) ``blind_spot``.

    The defaults are the paper's widths, except that by default the network is blind exactly, everywhere and at every
    size: the border is zeros instead of a mirror, phases never meet, and attention stays inside a phase.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels that are blinded.
        out_channels: of the output.
        channels: features of both branches; even, and a multiple of ``num_heads``.
        head_channels: features before the masked convolutions; the larger their kernels, the more these cost.
        context_channels: further input channels, which may be seen whole (neighboring slices, for instance).
        blind_spot: odd size of the patch in pixels, of all axes or of each: larger than the correlation of the noise.
        blind_shape: "diamond" or "square"; see :func:`~monai_diffdenoise.networks.blocks.spot_offsets`.
        local_blocks: residual modules of the local branch; 0 leaves the branch out.
        global_blocks: transformer blocks of the global branch; 0 leaves the branch out.
        num_heads: of the attention.
        expansion: hidden channels of the transformer's feed-forward over ``channels``.
        local_kernel: size of the local masked convolution; default: chosen for the patch.
        global_kernel: size of the global masked convolution, which uses every second pixel; default: chosen.
        local_period: of the local branch's phases, which is its dilation; default: the smallest that is blind.
        global_period: the same for the global branch.
        strict_blind_spot: False lets attention pool over the whole plane, as published: its statistics then depend, a
            little, on the blind pixels too.
        residual: add to a first guess instead of making the image from nothing. The guess is the mean of the context,
            or, without one, of the pixels that the local masked convolution sees; the last layer starts at zero. Only
            False is the paper's network.

    Shape:
        (B, in_channels + context_channels, *S) to (B, out_channels, *S), any S, in normalized units (about 0 to 1).

    Raises:
        InputError: for an argument outside the ranges above, or a period at which the patch would not be blind.
    """

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 1,
        out_channels: int = 1,
        channels: int = 128,
        head_channels: int = 24,
        context_channels: int = 0,
        blind_spot: int | Sequence[int] = 9,
        blind_shape: Shape = "diamond",
        local_blocks: int = 9,
        global_blocks: int = 6,
        num_heads: int = 2,
        expansion: float = 2.66,
        local_kernel: int | Sequence[int] | None = None,
        global_kernel: int | Sequence[int] | None = None,
        local_period: int | Sequence[int] | None = None,
        global_period: int | Sequence[int] | None = None,
        strict_blind_spot: bool = True,
        residual: bool = True,
    ) -> None:
        super().__init__()
        counts = (in_channels, out_channels, head_channels, context_channels + 1)
        if spatial_dims not in (2, 3) or min(counts) < 1 or channels < 2 or channels % 2:
            raise InputError(
                f"got spatial_dims={spatial_dims}, in_channels={in_channels}, out_channels={out_channels}, "
                f"channels={channels}, head_channels={head_channels} and context_channels={context_channels}; "
                "expected 2 or 3 dimensions, an even number of features, 0 or more channels of context, 1 of all else"
            )
        if min(local_blocks, global_blocks) < 0 or local_blocks + global_blocks == 0:
            raise InputError(
                f"got local_blocks={local_blocks} and global_blocks={global_blocks}; expected at least one block"
            )
        self.in_channels, self.context_channels = in_channels, context_channels
        self.strict_blind_spot, self.residual = strict_blind_spot, residual
        spot = (blind_spot,) * spatial_dims if isinstance(blind_spot, int) else tuple(blind_spot)
        conv = Conv[Conv.CONV, spatial_dims]

        def masked(kernel: int | Sequence[int], step: int) -> PatchMaskedConv:
            return PatchMaskedConv(spatial_dims, head_channels, channels, kernel, spot, blind_shape, step)

        self.branches = nn.ModuleDict()
        if local_blocks:
            layers: list[nn.Module] = [nn.ReLU()]
            for _ in range(2):
                layers += [conv(channels, channels, 1), nn.ReLU()]
            layers += [_DilatedResidual(spatial_dims, channels) for _ in range(local_blocks)]
            layers += [conv(channels, channels, 1), nn.ReLU()]
            near = masked(near_kernel(spot, blind_shape) if local_kernel is None else local_kernel, 1)
            self.branches["local_branch"] = PhaseBranch(near, nn.Sequential(*layers), local_period)
        if global_blocks:
            body = DilatedTransformer(spatial_dims, channels, global_blocks, num_heads, expansion)
            far = masked(far_kernel(spot) if global_kernel is None else global_kernel, 2)
            self.branches["global_branch"] = PhaseBranch(far, body, global_period, pooled=not strict_blind_spot)
        self.head = nn.Sequential(conv(in_channels, head_channels, 1), nn.ReLU())
        self.context = ContextFeatures(spatial_dims, context_channels, channels) if context_channels else None
        widths = [channels * (len(self.branches) + bool(context_channels)), channels, channels // 2, channels // 2]
        tail: list[nn.Module] = []
        for before, after in zip(widths, widths[1:], strict=False):
            tail += [conv(before, after, 1), nn.ReLU()]
        last = conv(widths[-1], out_channels, 1)
        self.tail = nn.Sequential(*tail, last)
        # inner layers first, since a residual module has the last word on its own
        for layer in [*self.head, *self.tail, *reversed(list(self.branches.modules()))]:
            _keep_the_scale(layer)
        if residual:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    @property
    def _first(self) -> PhaseBranch:
        branch = next(iter(self.branches.values()))
        assert isinstance(branch, PhaseBranch)
        return branch

    @property
    def blind(self) -> set[tuple[int, ...]]:
        """Offsets from a pixel to those that its output does not depend on."""
        return self._first.conv.blind

    @property
    def periods(self) -> dict[str, tuple[int, ...]]:
        """Distance, along each axis, of the pixels that each branch mixes after its masked convolution."""
        return {name: branch.period for name, branch in self.branches.items() if isinstance(branch, PhaseBranch)}

    def set_blind_spot(self, blind_spot: int | Sequence[int] | None) -> None:
        """Make the blind patch smaller from now on, without training; ``None`` goes back to that of the training.

        LG-BPN's way to keep detail: train with a patch that covers the correlation of the noise, so that it cannot be
        predicted, then look closer with the same weights. The new patch is blind exactly; the output then depends on
        pixels whose noise is correlated with that of its own.

        Args:
            blind_spot: odd sizes, none larger than in the constructor.

        Raises:
            InputError: a larger patch.
        """
        for branch in self.branches.values():
            assert isinstance(branch, PhaseBranch)
            branch.squeeze(blind_spot)

    @contextlib.contextmanager
    def with_blind_spot(self, blind_spot: int | Sequence[int]) -> Iterator[LGBPN]:
        """:meth:`set_blind_spot` for the length of a ``with`` block; after it, the patch is that of the training."""
        self.set_blind_spot(blind_spot)
        try:
            yield self
        finally:
            self.set_blind_spot(None)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        expected = self.in_channels + self.context_channels
        if image.shape[1] != expected:
            raise InputError(f"got {image.shape[1]} input channels; expected {expected}")
        layout = torch.channels_last if image.dim() == 4 else torch.channels_last_3d
        blinded, context = image[:, : self.in_channels], image[:, self.in_channels :]
        features = self.head(blinded.contiguous(memory_format=layout))
        found = [branch(features) for branch in self.branches.values()]
        if self.context is not None:
            found.append(self.context(context))
        output: torch.Tensor = self.tail(torch.cat(found, 1))
        if not self.residual:
            return output
        # one guess for all outputs unless each has its own input
        guess = context if self.context is not None else self._first.conv.mean(blinded)
        own = self.context is None and output.shape[1] == self.in_channels
        return output + (guess if own else guess.mean(1, keepdim=True))
