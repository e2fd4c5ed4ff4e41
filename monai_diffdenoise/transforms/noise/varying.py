# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise levels that change over the image: a given map, or a profile that rises toward the center."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise.texture import plane_axes

__all__ = ["EdgeToCenter", "Level", "LevelMap", "LevelProfile", "check_level", "level_values"]


class LevelProfile(ABC):
    """A standard deviation for every voxel."""

    @abstractmethod
    def values(self, shape: Sequence[int]) -> torch.Tensor:
        """Levels of an image of the given shape.

        Args:
            shape: (C, *spatial).

        Returns:
            float64 of a shape that expands to ``shape``, at least 0.
        """


Level = float | LevelProfile
"""A standard deviation: one number, or a profile."""


@dataclass(frozen=True, eq=False)
class LevelMap(LevelProfile):
    """Levels as a map, such as one that was measured or a g-factor map times a number.

    Args:
        sigma: (C, *spatial) or (1, *spatial), finite and at least 0, in the units of the image.

    Raises:
        InputError: a map that cannot be, or that does not fit the image.
    """

    sigma: torch.Tensor = field(repr=False)

    def __post_init__(self) -> None:
        sigma = torch.as_tensor(self.sigma).detach().as_subclass(torch.Tensor).to("cpu", torch.float64)
        if not (bool(torch.isfinite(sigma).all()) and bool((sigma >= 0).all())):
            raise InputError("got a noise level map with values below 0 or not finite; expected at least 0 everywhere")
        object.__setattr__(self, "sigma", sigma)

    def values(self, shape: Sequence[int]) -> torch.Tensor:
        if self.sigma.shape not in (tuple(shape), (1, *shape[1:])):
            raise InputError(
                f"got a noise level map of shape {tuple(self.sigma.shape)} for an image of shape {tuple(shape)}; "
                "expected the same shape, or one channel"
            )
        return self.sigma


@dataclass(frozen=True)
class EdgeToCenter(LevelProfile):
    """Weak at the edge and strong in the center, as after parallel imaging.

    The level is proportional to 1 + (ratio - 1) r, where r falls linearly from 1 in the center of the image to 0 on the
    ellipse through the middles of its sides, and stays 0 in the corners.

    Args:
        sigma: root mean square of the levels over the image, so that noise of one ``sigma`` costs the same mean squared
            error whatever the profile; at least 0.
        ratio: level in the center by that at the edge, above 0; below 1 the edge is stronger.
        axes: spatial axes that it changes along, counted from 0; ``None`` for the first two.

    Raises:
        InputError: a sigma, ratio or axes that cannot be.
    """

    sigma: float
    ratio: float = 3.0
    axes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_level(self.sigma)
        if not (math.isfinite(self.ratio) and self.ratio > 0.0):
            raise InputError(f"got a noise ratio of center to edge of {self.ratio}; expected a number above 0")

    def values(self, shape: Sequence[int]) -> torch.Tensor:
        dims = len(shape) - 1
        square = torch.zeros((1,) * len(shape), dtype=torch.float64)
        for axis in plane_axes(self.axes, dims):
            half = max((shape[axis + 1] - 1) / 2.0, 0.5)
            along = (torch.arange(shape[axis + 1], dtype=torch.float64) - (shape[axis + 1] - 1) / 2.0) / half
            square = square + along.square().view([-1 if a == axis + 1 else 1 for a in range(len(shape))])
        profile = 1.0 + (self.ratio - 1.0) * (1.0 - square.sqrt()).clamp(min=0.0)
        return profile * (self.sigma / profile.square().mean().sqrt())


def check_level(sigma: Level, name: str = "sigma") -> None:
    """Refuse what is no standard deviation.

    Raises:
        InputError: a number below 0, or not finite.
    """
    if not isinstance(sigma, LevelProfile) and not (math.isfinite(sigma) and sigma >= 0.0):
        raise InputError(f"got noise with {name} {sigma}; expected a number of at least 0")


def level_values(sigma: Level, shape: Sequence[int]) -> torch.Tensor:
    """Levels as a float64 tensor that expands to ``shape``, (C, *spatial)."""
    return sigma.values(shape) if isinstance(sigma, LevelProfile) else torch.tensor(float(sigma), dtype=torch.float64)
