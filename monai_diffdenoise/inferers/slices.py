# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Denoise a volume slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers.blending import blended
from monai_diffdenoise.inferers.exact_tiles import ExactTiles, tile_spans
from monai_diffdenoise.transforms.pairing import NeighborSlicePair, Pairing
from monai_diffdenoise.transforms.scaling import AffineScaling, robust_scaling

__all__ = ["VolumeSliceInferer"]


class VolumeSliceInferer(Inferer):
    """Run a 2D denoiser over all slices of a volume, in the volume's own units.

    What is computed, tiled and stitched is the residual, network minus noisy slice, in normalised units; only at the
    end is it scaled back and added. So a network that returns its input changes no bit of the volume, whatever the
    tiling, and no precision is lost where nothing is changed.

    Args:
        pairing: tells the slicing axis and what the network sees for a slice; the one it was trained with.
        batch_size: slices (or tiles) a pass.
        tile: largest side of a tile in pixels; larger slices are cut into overlapping tiles.
        overlap: share of the tile that neighbors share, 0 to below 1; without ``halo``.
        amp: bfloat16 autocast on a GPU; ignored on a CPU.
        progress: called after each pass with (slices done, slices in all).
        halo: pixels around a pixel that the network's result may depend on, for networks of bounded reach
            (:func:`~monai_diffdenoise.inferers.receptive_reach`): tiles then give what whole slices give, see
            :class:`~monai_diffdenoise.inferers.ExactTiles`. None blends tiles by Gaussians.
        multiple: period of the network, used with ``halo``.
    """

    def __init__(
        self,
        pairing: Pairing | None = None,
        batch_size: int = 8,
        tile: int = 512,
        overlap: float = 0.25,
        amp: bool = True,
        progress: Callable[[int, int], None] | None = None,
        halo: int | None = None,
        multiple: int = 1,
    ) -> None:
        if batch_size < 1 or tile < 16 or not 0 <= overlap < 1:
            raise InputError(
                f"got batch_size={batch_size}, tile={tile}, overlap={overlap}; "
                "expected at least 1, at least 16, 0 to below 1"
            )
        self.pairing = pairing if pairing is not None else NeighborSlicePair()
        self.batch_size, self.tile, self.overlap, self.amp = batch_size, tile, overlap, amp
        self.progress, self.halo, self.multiple = progress, halo, multiple
        if halo is not None:
            tile_spans(tile + 1, tile, halo, multiple)

    def __call__(
        self,
        inputs: torch.Tensor,
        network: Callable[..., torch.Tensor],
        *args: Any,
        scalings: list[AffineScaling] | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Denoise a batch of volumes.

        Args:
            inputs: (B, C, X, Y, Z) in any units. The channels (time points) are denoised one by one; of a pairing with
                companions the first alone.
            network: 2D denoiser in normalised units.
            args: ignored; MONAI's engines may pass them.
            scalings: one for each channel, the same for the whole batch; measured on each channel when None.
            kwargs: ignored, like ``args``.

        Returns:
            the same shape, units, type and, for a MetaTensor, metadata, on the inputs' device.
        """
        residual = torch.stack([self.residual(volume, network, scalings) for volume in inputs])
        result = inputs[:, : residual.shape[1]] + residual.to(inputs.device, inputs.dtype)
        return result.copy_meta_from(inputs) if isinstance(result, MetaTensor) else result

    def residual(
        self,
        volume: torch.Tensor,
        network: Callable[..., torch.Tensor],
        scalings: list[AffineScaling] | None = None,
    ) -> torch.Tensor:
        """Denoised minus noisy for one volume (C, X, Y, Z), in its units.

        Args:
            volume: in any units.
            network: 2D denoiser in normalised units.
            scalings: one for each channel; measured on each channel when None.
        """
        plain = volume.as_subclass(torch.Tensor)
        dtype = plain.dtype if plain.is_floating_point() else torch.float32
        residual = torch.empty_like(plain[: self._count(plain)], dtype=dtype)
        for channel, index, change in self._parts(plain, network, scalings):
            self.pairing.stack(residual[channel])[index] = change
        return residual

    def denoise(
        self,
        volume: torch.Tensor,
        network: Callable[..., torch.Tensor],
        scalings: list[AffineScaling] | None = None,
        out: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Denoise one volume (C, X, Y, Z); beside it and the result, memory does not grow with the number of slices.

        Args:
            volume: in any units.
            network: 2D denoiser in normalised units.
            scalings: one for each channel; measured on each channel when None.
            out: where the result goes, of the volume's shape (one channel, if the others are companions); a new tensor
                when None.

        Returns:
            ``out``, in the volume's units.
        """
        plain = volume.as_subclass(torch.Tensor)
        result = torch.empty_like(plain[: self._count(plain)]) if out is None else out
        for channel, index, change in self._parts(plain, network, scalings):
            self.pairing.stack(result[channel])[index] = self.pairing.stack(plain[channel])[index] + change
        return result

    def _parts(
        self, volume: torch.Tensor, network: Callable[..., torch.Tensor], scalings: list[AffineScaling] | None
    ) -> Iterator[tuple[slice, slice, torch.Tensor]]:
        """Denoised minus noisy in parts: the channel, the slices, and (slices, 1, h, w) in the volume's units."""
        count = self._count(volume)
        scalings = scalings or [robust_scaling(channel) for channel in volume[:count]]
        if len(scalings) != count:
            raise InputError(f"got {len(scalings)} scalings; expected one for each of {count} channels")
        was_training = getattr(network, "training", False)
        if isinstance(network, torch.nn.Module):
            network.eval()
        depth = self.pairing.stack(volume).shape[0]
        try:
            for c, scaling in enumerate(scalings):
                channel = slice(c, c + 1)
                seen = volume if self.pairing.companions else volume[channel]
                for start in range(0, depth, self.batch_size):
                    index = slice(start, min(start + self.batch_size, depth))
                    change = scaling.invert_residual(self._change(seen, network, scaling, index))
                    yield channel, index, change.to(volume.device)
                    if self.progress is not None:
                        self.progress(c * depth + index.stop, count * depth)
        finally:
            if isinstance(network, torch.nn.Module):
                network.train(was_training)

    def _count(self, volume: torch.Tensor) -> int:
        """Channels that are denoised."""
        return 1 if self.pairing.companions else volume.shape[0]

    @torch.inference_mode()
    def _change(
        self, volume: torch.Tensor, network: Callable[..., torch.Tensor], scaling: AffineScaling, index: slice
    ) -> torch.Tensor:
        """What the network changes in some slices of a channel (1 + companions, *S): (slices, 1, h, w), normalised."""
        device = (
            next((p.device for p in network.parameters()), volume.device)
            if hasattr(network, "parameters")
            else volume.device
        )

        def window(stack: torch.Tensor) -> torch.Tensor:
            stack = stack.contiguous(memory_format=torch.channels_last)
            return network(stack[:, :-1]) - stack[:, -1:]

        seen = self.pairing.inputs(volume, index.start, index.stop)
        # the slices themselves ride along as the last channel, since a slice-blind network does not see them
        stack = scaling.apply(torch.cat([seen, self.pairing.stack(volume)[index][:, :1]], dim=1)).to(device)
        size = stack.shape[2:]
        roi = [min(self.tile, side) for side in size]
        tiled = any(side > part for side, part in zip(size, roi, strict=True))
        sliding: Callable[[torch.Tensor], Any] = window
        if tiled and self.halo is not None:
            sliding = ExactTiles(window, self.tile, self.halo, self.multiple, self.batch_size)
        elif tiled:
            sliding = blended(window, roi, self.batch_size, self.overlap)
        autocast = torch.autocast("cuda", torch.bfloat16) if self.amp and device.type == "cuda" else nullcontext()
        with autocast:
            return torch.as_tensor(sliding(stack)).to(stack.dtype)
