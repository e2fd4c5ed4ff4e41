# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The noise of each time point of a run: its strength, and where neighboring slices can be compared."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from monai_diffdenoise.analysis import best_sigma, measure_noise
from monai_diffdenoise.data.storage import allocate
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.normalised import normalised
from monai_diffdenoise.pipeline.plan import Plan
from monai_diffdenoise.pipeline.run_sigma import run_sigma
from monai_diffdenoise.transforms.guide import MatchedRegionWeight
from monai_diffdenoise.transforms.scaling import AffineScaling

__all__ = ["ChannelNoise"]

_VOXELS = 1 << 19


class ChannelNoise:
    """Strength and matching by channel, measured when they are first asked for.

    Args:
        image: what is denoised, (C, X, Y, Z).
        plan: which slices are compared, and what was measured of the input.
        scalings: of each channel, to normalised units.
        slice_axis: axis along which the image's slices lie one behind the other in memory.
        tau: see :class:`~monai_diffdenoise.transforms.MatchedRegionWeight`.
        progress: called with ("matching", done, total).
    """

    def __init__(
        self,
        image: torch.Tensor,
        plan: Plan,
        scalings: list[AffineScaling],
        slice_axis: int,
        tau: float | None,
        progress: Callable[[str, int, int], None],
    ) -> None:
        self.image, self.plan, self.scalings, self.slice_axis = image, plan, scalings, slice_axis
        self.tau, self.progress = tau, progress
        self.weights: dict[int, torch.Tensor] = {}
        self.sigmas: dict[int, float] = {}

    @property
    def matched(self) -> bool:
        """Whether neighboring slices can tell how strong the noise is from place to place."""
        return self.plan.pairing != "repeat" and self.plan.matched

    @property
    def local(self) -> bool:
        """Whether they are asked to; else its level follows the signal by the measured law."""
        return self.matched and self.plan.local_noise

    @property
    def brightest(self) -> float:
        """Up to where its law was measured, in input units: on the middle time point; of a single image, on all."""
        middle = self.scalings[len(self.scalings) // 2]
        return float(middle.invert(torch.ones(()))) if len(self.scalings) > 1 else math.inf

    def normalised(self, channel: int) -> torch.Tensor:
        """A normalised copy of a channel (1, *S); let go of it soon."""
        return normalised(self.image[channel : channel + 1], self.scalings[channel], self.slice_axis)

    def sigma(self, channel: int) -> float:
        """Noise standard deviation of a channel in normalised units."""
        if channel not in self.sigmas:
            self.sigmas[channel] = self._sigma(channel)
        return self.sigmas[channel]

    def _sigma(self, channel: int) -> float:
        alone = self.image.shape[0] == 1
        if alone and self.plan.stabilizer is None and self.plan.sigma is not None:
            return self.plan.sigma / self.scalings[channel].scale
        volume = self.normalised(channel)
        shared = 0.0 if self.plan.measurement is None else self.plan.measurement.noise_correlation or 0.0
        simple = best_sigma(volume[0], self.plan.axis, self.plan.distance, shared)
        try:
            noise = measure_noise(volume, self.plan.axis, repeats=False, voxels=_VOXELS)
        except InputError:
            return simple  # too small, or too even
        found = run_sigma(noise, simple)
        typical = self.image.shape[0] // 2
        if noise.certain or channel == typical:
            return found
        # strong contrast, as of a volume without diffusion weighting, passes for noise; too low is the safe side
        return min(found, self.sigma(typical) * self.scalings[typical].scale / self.scalings[channel].scale)

    def weight(self, channel: int, part: tuple[int, int] = (0, 1)) -> torch.Tensor:
        """Matched-region weight of a channel, (1, *S), boolean: the step ``part[0]`` of ``part[1]`` of the matching."""
        if channel not in self.weights:
            match = MatchedRegionWeight(self.plan.axis, self.plan.distance, sigma=self.sigma(channel), tau=self.tau)
            volume = self.normalised(channel)
            weight = allocate(volume.shape, self.slice_axis, torch.bool)
            step, steps = part
            match(volume, weight, lambda done, total: self.progress("matching", step * total + done, steps * total))
            self.weights[channel] = weight
        return self.weights[channel]
