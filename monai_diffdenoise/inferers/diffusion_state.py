# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What is diffused: an affine function of the image, the same in training and in sampling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from monai_diffdenoise.errors import InputError

__all__ = ["DiffusionState"]


@dataclass(frozen=True)
class DiffusionState:
    """From an image to the numbers that are diffused, and back.

    With ``residual`` these are (image - condition) / scale. If ``scale`` is the standard deviation of what the
    condition leaves open, they are about as strong as the diffusion's own noise at all times, and a velocity of 0,
    which an untrained network gives, is already the right one for white noise around the condition: the average of a
    symmetric pair is then the condition itself, from the first step of training on. Without, they are
    (image - offset) / scale, as published.

    The network sees the condition in the same units (:meth:`show`): what is as strong as noise there must not drown in
    the noise of the state.

    Args:
        residual: take the condition off.
        scale: in normalised units, above 0.
        offset: in normalised units; with ``residual`` only of the condition that is shown.

    Raises:
        InputError: a scale that is not above 0, or numbers that are not finite.
    """

    residual: bool = True
    scale: float = 0.1
    offset: float = 0.5

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0 and math.isfinite(self.offset)):
            raise InputError(
                f"got scale={self.scale} and offset={self.offset}; expected a scale above 0, such as the standard "
                "deviation of noisy image minus condition, and a finite offset"
            )

    def _base(self, condition: torch.Tensor, channels: int) -> torch.Tensor | float:
        return condition[:, :channels] if self.residual else self.offset

    def encode(self, image: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """The state of an image (B, C, *S); the first C channels of the condition (B, >= C, *S) are its estimate."""
        return (image - self._base(condition, image.shape[1])) / self.scale

    def show(self, condition: torch.Tensor) -> torch.Tensor:
        """What the network sees of a condition (B, C', *S): the first channel, the estimate, less the offset.

        With ``residual`` further channels are shown by what they differ from the first.
        """
        first, rest = condition[:, :1], condition[:, 1:]
        return torch.cat([first - self.offset, rest - (first if self.residual else self.offset)], dim=1) / self.scale

    def decode(self, state: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """The image (B, C, *S) of a state.

        Args:
            state: (B, C, *S).
            condition: as in :meth:`encode`.
        """
        return self._base(condition, state.shape[1]) + self.scale * state
