# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a noise model is: it draws a noisy image, and it knows the moments of what it draws."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise.texture import Texture, White

__all__ = ["NoiseModel"]


class NoiseModel(ABC):
    """A distribution p(noisy | clean), given by a few numbers.

    Images are channel-first, (C, *spatial) with any number of spatial axes; the noise of different channels is
    independent. All random numbers are drawn on the CPU and the noisy image is made there, then moved to the device of
    the clean one: a seed gives the same noise whatever the device.
    """

    texture: Texture = White()
    """How the noise of different voxels is correlated; white unless a model says otherwise."""

    def sample(self, clean: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Draw a noisy image.

        Args:
            clean: (C, *spatial), any real type; it is not changed, and gradients do not pass.
            generator: of the CPU; it moves on.

        Returns:
            float32 tensor of the same shape, on the device of ``clean``. What is not finite in ``clean`` is not finite
            in it.

        Raises:
            InputError: no spatial axis, a complex image, or a generator of another device.
        """
        if clean.ndim < 2 or clean.is_complex():
            raise InputError(
                f"got an image of shape {tuple(clean.shape)} and type {clean.dtype}; expected real numbers, channel "
                "first (C, *spatial): add a channel axis with image[None]"
            )
        if generator.device.type != "cpu":
            raise InputError(f"got a generator on {generator.device}; expected torch.Generator() of the CPU")
        values = clean.detach().as_subclass(torch.Tensor).to("cpu", torch.float32)
        return self._draw(values, generator).to(clean.device)

    def mean(self, clean: torch.Tensor) -> torch.Tensor:
        """Expected value of the noisy image at every voxel, float32, in the units of ``clean``, on its device."""
        return self._mean(_double(clean)).expand(clean.shape).float().to(clean.device)

    def variance(self, clean: torch.Tensor) -> torch.Tensor:
        """Variance of the noisy image at every voxel, float32, in squared units of ``clean``, on its device."""
        return self._variance(_double(clean)).expand(clean.shape).float().to(clean.device)

    def autocorrelation(self, lag: Sequence[int], shape: Sequence[int] | None = None) -> float:
        """Correlation of the noise at two voxels of one channel; that of different channels is 0.

        Args:
            lag: distance in voxels along each spatial axis; axes that are not named count as 0.
            shape: spatial shape of the image, for the textures whose correlation depends on it a little; without it,
                that of a large image.
        """
        return self.texture.autocorrelation(lag, shape)

    @abstractmethod
    def _draw(self, clean: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Noisy image of a float32 one on the CPU, which must not be changed."""

    @abstractmethod
    def _mean(self, clean: torch.Tensor) -> torch.Tensor:
        """Float64 on the CPU, of a shape that expands to that of ``clean``."""

    @abstractmethod
    def _variance(self, clean: torch.Tensor) -> torch.Tensor:
        """Float64 on the CPU, of a shape that expands to that of ``clean``."""


def _double(clean: torch.Tensor) -> torch.Tensor:
    return clean.detach().as_subclass(torch.Tensor).to("cpu", torch.float64)
