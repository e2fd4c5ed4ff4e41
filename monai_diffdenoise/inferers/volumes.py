# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Denoise a volume with a network of three dimensions, tile by tile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers.blending import blended, gaussian_ramp
from monai_diffdenoise.inferers.exact_tiles import inner_part, tile_spans, tiles_of
from monai_diffdenoise.transforms.scaling import AffineScaling, robust_scaling

__all__ = ["VolumeInferer"]

Network = Callable[..., torch.Tensor]
Part = tuple[tuple[slice, ...], torch.Tensor]


class VolumeInferer(Inferer):
    """Run a 3D denoiser over a volume in its own units; the counterpart of ``VolumeSliceInferer``.

    As there, what is stitched is the residual in normalised units: a network that returns its input changes no bit.
    Beside the volume and the result, memory holds one tile (with ``halo``) or one slab of tiles.

    Args:
        tile: largest sides of a tile in voxels, halo included, of all axes or of each.
        overlap: share of the tile that neighbors share, 0 to below 1; without ``halo``.
        halo: voxels around a voxel that the network's result may depend on, for networks of bounded reach
            (:func:`~monai_diffdenoise.inferers.receptive_reach`): tiles then give what the whole volume gives. None
            blends tiles by Gaussians.
        multiple: period of the network, used with ``halo``.
        batch_size: tiles a pass, when blended.
        axis: spatial axis along which slabs follow each other, when blended: the one of the slices.
        amp: bfloat16 autocast on a GPU; ignored on a CPU.
        progress: called after each tile or slab with (done, in all).

    Raises:
        InputError: numbers out of range, or a tile not larger than its halos.
    """

    def __init__(
        self,
        tile: int | Sequence[int] = 96,
        overlap: float = 0.25,
        halo: int | None = None,
        multiple: int = 1,
        batch_size: int = 1,
        axis: int = -1,
        amp: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.tile = (tile,) * 3 if isinstance(tile, int) else tuple(tile)
        if batch_size < 1 or len(self.tile) != 3 or min(self.tile) < 1 or not 0 <= overlap < 1 or not -3 <= axis <= 2:
            raise InputError(
                f"got batch_size={batch_size}, tile={tile}, overlap={overlap}, axis={axis}; expected at least 1, one "
                "side or three from 1, 0 to below 1, -3 to 2"
            )
        if halo is not None:
            for side in self.tile:
                tile_spans(side + 1, side, halo, multiple)
        self.overlap, self.halo, self.multiple, self.batch_size = overlap, halo, multiple, batch_size
        self.axis, self.amp, self.progress = axis % 3, amp, progress

    def __call__(
        self,
        inputs: torch.Tensor,
        network: Network,
        *args: Any,
        scalings: list[AffineScaling] | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Denoise a batch of volumes.

        Args:
            inputs: (B, C, X, Y, Z) in any units. The channels (time points) are denoised one by one.
            network: 3D denoiser in normalised units, (B, 1, X, Y, Z) to the same.
            args: ignored; MONAI's engines may pass them.
            scalings: one for each channel, the same for the whole batch; measured on each channel when None.
            kwargs: ignored, like ``args``.

        Returns:
            the same shape, units, type and, for a MetaTensor, metadata, on the inputs' device.
        """
        result = torch.stack([self.denoise(volume, network, scalings) for volume in inputs.as_subclass(torch.Tensor)])
        return MetaTensor(result).copy_meta_from(inputs) if isinstance(inputs, MetaTensor) else result

    def denoise(
        self,
        volume: torch.Tensor,
        network: Network,
        scalings: list[AffineScaling] | None = None,
        out: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Denoise one volume (C, X, Y, Z).

        Args:
            volume: in any units.
            network: 3D denoiser in normalised units.
            scalings: one for each channel; measured on each channel when None.
            out: where the result goes, of the volume's shape and another tensor; a new one when None.

        Returns:
            ``out``, in the volume's units.

        Raises:
            InputError: another number of axes or scalings.
        """
        plain = volume.as_subclass(torch.Tensor)
        if plain.dim() != 4:
            raise InputError(f"got a volume of shape {tuple(plain.shape)}; expected (C, X, Y, Z)")
        scalings = scalings or [robust_scaling(channel) for channel in plain]
        if len(scalings) != plain.shape[0]:
            raise InputError(f"got {len(scalings)} scalings; expected one for each of {plain.shape[0]} channels")
        result = torch.empty_like(plain) if out is None else out
        was_training = getattr(network, "training", False)
        if isinstance(network, torch.nn.Module):
            network.eval()
        parts = self._blended if self.halo is None else self._exact
        try:
            for number, (channel, scaling, target) in enumerate(zip(plain, scalings, result, strict=True)):
                for place, change in parts(channel, self._normalised_change(network, scaling), (number, len(plain))):
                    target[place] = channel[place] + scaling.invert_residual(change).to(channel.device, channel.dtype)
        finally:
            if isinstance(network, torch.nn.Module):
                network.train(was_training)
        return result

    def _normalised_change(self, network: Network, scaling: AffineScaling) -> Network:
        """From (B, 1, *S) in input units to what the network changes, normalised."""
        parameters = network.parameters() if isinstance(network, torch.nn.Module) else iter(())
        device = next((p.device for p in parameters), None)

        @torch.no_grad()
        def change(part: torch.Tensor) -> torch.Tensor:
            seen = scaling.apply(part).to(device if device is not None else part.device)
            autocast = torch.autocast("cuda", torch.bfloat16) if self.amp and seen.is_cuda else nullcontext()
            with autocast:
                return (network(seen) - seen).to(seen.dtype)

        return change

    def _report(self, done: int, count: int, channel: tuple[int, int]) -> None:
        if self.progress is not None:
            self.progress(channel[0] * count + done, channel[1] * count)

    def _exact(self, volume: torch.Tensor, change: Network, channel: tuple[int, int]) -> Iterator[Part]:
        """Places of a volume (X, Y, Z) and what is changed there, from tiles with their surroundings."""
        tiles = tiles_of(volume.shape, self.tile, self.halo or 0, self.multiple)
        for done, (seen, wanted) in enumerate(tiles, 1):
            yield wanted, change(volume[seen][None, None])[0, 0][inner_part(seen, wanted)]
            self._report(done, len(tiles), channel)

    def _blended(self, volume: torch.Tensor, change: Network, channel: tuple[int, int]) -> Iterator[Part]:
        """The same from overlapping tiles, slab by slab.

        The weight of a tile is a product over the axes, and so is the sum of the weights at a voxel: blending within
        slabs, then slabs with each other, is blending all tiles at once.
        """
        roi = [min(part, side) for part, side in zip(self.tile, volume.shape, strict=True)]
        thick, depth = roi[self.axis], volume.shape[self.axis]
        step = max(int(thick * (1 - self.overlap)), 1)
        starts = [*range(0, depth - thick, step), depth - thick]
        window = blended(change, roi, self.batch_size, self.overlap, [k != self.axis for k in range(3)])
        ramp = gaussian_ramp(thick).reshape([-1 if k == self.axis else 1 for k in range(3)])
        waiting = weights = torch.zeros(())
        for index, start in enumerate(starts):
            slab = torch.as_tensor(window(volume.narrow(self.axis, start, thick)[None, None]))[0, 0]
            slab, weight = slab * ramp.to(slab), ramp.to(slab).clone()
            if waiting.dim():
                slab.narrow(self.axis, 0, waiting.shape[self.axis]).add_(waiting)
                weight.narrow(self.axis, 0, waiting.shape[self.axis]).add_(weights)
            ready = (starts[index + 1] if index + 1 < len(starts) else depth) - start
            place = tuple(slice(start, start + ready) if k == self.axis else slice(None) for k in range(3))
            yield place, slab.narrow(self.axis, 0, ready) / weight.narrow(self.axis, 0, ready)
            waiting = slab.narrow(self.axis, ready, thick - ready)
            weights = weight.narrow(self.axis, ready, thick - ready)
            self._report(index + 1, len(starts), channel)
