# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Both stages as one inferer of MONAI's: the first network makes the condition, the diffusion model is sampled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from torch import nn

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import ConditionalMeanInferer, SRDSVolumeInferer, VolumeSliceInferer
from monai_diffdenoise.transforms.scaling import robust_scaling

__all__ = ["ConditionedSampling"]


class ConditionedSampling(Inferer):
    """Denoise volumes (B, C, X, Y, Z) in any units.

    Args:
        first_network: makes the condition, on its device.
        first_inferer: runs it over a volume.
        inferer: samples the model that it is called with.
        spread: return twice the channels: the mean, and after it the spread of the draws.

    Raises:
        InputError: a spread where nothing is drawn.
    """

    def __init__(
        self,
        first_network: nn.Module,
        first_inferer: VolumeSliceInferer,
        inferer: SRDSVolumeInferer,
        spread: bool = False,
    ) -> None:
        if spread and isinstance(inferer.sampler, ConditionalMeanInferer):
            raise InputError(
                "got spread with sampler mean, which draws nothing; expected sampler srds, in training, too"
            )
        self.first_network, self.first_inferer = first_network, first_inferer
        self.inferer, self.spread = inferer, spread

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Denoise a batch; the result has the metadata of ``inputs``."""
        results = []
        for volume in inputs.as_subclass(torch.Tensor):
            scalings = [robust_scaling(channel) for channel in volume]
            condition = self.first_inferer.denoise(volume, self.first_network, scalings)
            found = self.inferer.denoise(volume, condition, network, scalings, out=condition)
            results.append(torch.cat(found) if self.spread else found[0])
        result = torch.stack(results)
        return MetaTensor(result).copy_meta_from(inputs) if isinstance(inputs, MetaTensor) else result
