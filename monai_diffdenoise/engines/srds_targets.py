# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Pseudo-clean targets by symmetric sampling, and how far each voxel of them is trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers.srds_volume import SRDSVolumeInferer
from monai_diffdenoise.transforms.scaling import AffineScaling

__all__ = ["SRDSTargets", "spread_confidence"]


def spread_confidence(spread: torch.Tensor) -> torch.Tensor:
    """From the spread of the draws (C, *S) to a weight (1, *S): 1 where all agree, 1/2 where they do as usual.

    s0^2 / (s0^2 + spread^2), with s0 the median spread of the volume: where draws disagree more than they do elsewhere,
    the model made something up.
    """
    squares = spread.square().mean(dim=0, keepdim=True)
    usual = squares.median()
    return torch.where(squares > 0, usual / (usual + squares).clamp_min(torch.finfo(squares.dtype).tiny), 1.0)


class SRDSTargets:
    """What :func:`~monai_diffdenoise.engines.generate_targets` calls for each volume.

    Args:
        network: the conditional diffusion model.
        inferer: samples from it, as it was trained.
        weigh: by :func:`spread_confidence`; False trusts all voxels alike. The spread of a model that was trained on
            recorrupted targets is the noise of these, and says nothing about the error of the mean.
    """

    def __init__(self, network: Callable[..., torch.Tensor], inferer: SRDSVolumeInferer, weigh: bool = False) -> None:
        self.network, self.inferer, self.weigh = network, inferer, weigh

    def __call__(self, volume: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """Target (C, X, Y, Z) in the units of ``image``, and weight (1, X, Y, Z).

        Args:
            volume: ``image``, ``condition`` and, where they are not normalised, ``scaling``.

        Raises:
            InputError: no condition.
        """
        if "condition" not in volume:
            raise InputError("got a volume without a condition; expected what the first network made of it")
        scalings = [volume.get("scaling", AffineScaling(0.0, 1.0))] * len(volume["image"])
        mean, spread = self.inferer.denoise(volume["image"], volume["condition"], self.network, scalings)
        return mean, spread_confidence(spread) if self.weigh else torch.ones_like(spread[:1])
