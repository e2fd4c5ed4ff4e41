# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Symmetric sampling of a volume, slice by slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers.conditional_mean import ConditionalMeanInferer
from monai_diffdenoise.inferers.srds import SRDSInferer
from monai_diffdenoise.transforms.conditioned_pair import ConditionedPair
from monai_diffdenoise.transforms.scaling import AffineScaling, robust_scaling

__all__ = ["SRDSVolumeInferer"]


class SRDSVolumeInferer(Inferer):
    """Run :class:`~monai_diffdenoise.inferers.SRDSInferer` over all slices of a volume, in the volume's own units.

    A slice's noise belongs to its number, so that neither the size of a pass nor the number of slices changes it.

    Args:
        sampler: how a slice is sampled, and how many at a time; or
            :class:`~monai_diffdenoise.inferers.ConditionalMeanInferer`, which asks for the mean at once.
        pairing: tells the slicing axis and what the model sees of a slice; the one it was trained with.
        progress: called after each pass with (slices done, slices in all).
    """

    def __init__(
        self,
        sampler: SRDSInferer | ConditionalMeanInferer,
        pairing: ConditionedPair | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.sampler, self.progress = sampler, progress
        self.pairing = pairing if pairing is not None else ConditionedPair()

    def __call__(
        self,
        inputs: torch.Tensor,
        network: Callable[..., torch.Tensor],
        *args: Any,
        condition: torch.Tensor | None = None,
        scalings: list[AffineScaling] | None = None,
        return_stats: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Denoise a batch of volumes.

        Args:
            inputs: (B, C, X, Y, Z) in any units. The channels (time points) are denoised one by one.
            network: 2D model in normalised units.
            args: ignored; MONAI's engines may pass them.
            condition: what the first network made of ``inputs``, of their shape and in their units.
            scalings: one for each channel, the same for the whole batch; measured on each channel when None.
            return_stats: also return the spread of the draws.
            kwargs: ignored, like ``args``.

        Returns:
            the same shape, units, type and, for a MetaTensor, metadata; with ``return_stats`` a tuple of it and of the
            spread.

        Raises:
            InputError: a condition that is missing or of another shape.
        """
        if condition is None or condition.shape != inputs.shape:
            shape = "none" if condition is None else tuple(condition.shape)
            raise InputError(f"got a condition of shape {shape}; expected that of the volumes, {tuple(inputs.shape)}")
        results = [self.denoise(*both, network, scalings) for both in zip(inputs, condition, strict=True)]
        mean, spread = (torch.stack(parts) for parts in zip(*results, strict=True))
        if isinstance(inputs, MetaTensor):
            mean, spread = (MetaTensor(part).copy_meta_from(inputs) for part in (mean, spread))
        return (mean, spread) if return_stats else mean

    def denoise(
        self,
        volume: torch.Tensor,
        condition: torch.Tensor,
        network: Callable[..., torch.Tensor],
        scalings: list[AffineScaling] | None = None,
        out: torch.Tensor | None = None,
        spread: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Denoise one volume; beside arguments and results, memory does not grow with the number of slices.

        Args:
            volume: (C, X, Y, Z) in any units.
            condition: of the same shape and units.
            network: 2D model in normalised units.
            scalings: one for each channel; measured on each channel when None.
            out: where the mean goes, of the volume's shape; a new tensor when None. It may be ``condition``.
            spread: where the standard deviation of the draws goes; a new tensor when None.

        Returns:
            ``out`` and ``spread``, in the volume's units.

        Raises:
            InputError: another number of scalings than channels.
        """
        plain, known = volume.as_subclass(torch.Tensor), condition.as_subclass(torch.Tensor)
        scalings = scalings or [robust_scaling(channel) for channel in plain]
        if len(scalings) != len(plain):
            raise InputError(f"got {len(scalings)} scalings; expected one for each of {len(plain)} channels")
        out = torch.empty_like(plain) if out is None else out
        spread = torch.empty_like(plain) if spread is None else spread
        device = (
            next((p.device for p in network.parameters()), plain.device) if hasattr(network, "parameters") else None
        )
        depth, step = self.pairing.stack(plain).shape[0], self.sampler.batch_size
        for number, scaling in enumerate(scalings):
            channel = slice(number, number + 1)
            for start in range(0, depth, step):
                stop = min(start + step, depth)
                noisy = self.pairing.stack(plain[channel])[start:stop]
                shown = scaling.apply(self.pairing.inputs(plain[channel], start, stop, known[channel])).to(device)
                mean, deviation = self.sampler(
                    scaling.apply(noisy).to(device),
                    network,
                    condition=shown,
                    places=range(number * depth + start, number * depth + stop),
                    return_stats=True,
                )
                # as what is taken off the condition: no digits of the volume are lost where little is changed
                change = scaling.invert_residual((mean - shown[:, :1]).to(plain.device))
                self.pairing.stack(out[channel])[start:stop] = self.pairing.stack(known[channel])[start:stop] + change
                self.pairing.stack(spread[channel])[start:stop] = scaling.invert_residual(deviation.to(plain.device))
                if self.progress is not None:
                    self.progress(number * depth + stop, len(plain) * depth)
        return out, spread
