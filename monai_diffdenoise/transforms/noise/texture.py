# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""How Gaussian noise of strength 1 is correlated from voxel to voxel, and the simplest case: not at all."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from monai_diffdenoise.errors import InputError

__all__ = ["Correlated", "Texture", "White", "expected_autocorrelation", "lag_dims", "plane_axes"]


class Correlated(Protocol):
    """What :func:`expected_autocorrelation` asks: a texture or a noise model."""

    def autocorrelation(self, lag: Sequence[int], shape: Sequence[int] | None = None) -> float:
        """Correlation at a lag."""
        ...


class Texture(ABC):
    """A stationary Gaussian field with mean 0 and standard deviation 1 at every voxel, the border included."""

    @abstractmethod
    def draw(self, shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
        """Draw a field.

        Args:
            shape: (C, *spatial); channels are independent.
            generator: of the CPU.

        Returns:
            float32 tensor on the CPU.
        """

    @abstractmethod
    def autocorrelation(self, lag: Sequence[int], shape: Sequence[int] | None = None) -> float:
        """Correlation of two voxels of one channel.

        Args:
            lag: distance in voxels along each spatial axis; axes that are not named count as 0.
            shape: spatial shape of the field, where that matters; without it, that of a large one.
        """


@dataclass(frozen=True)
class White(Texture):
    """No correlation."""

    def draw(self, shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
        return torch.randn(tuple(shape), generator=generator)

    def autocorrelation(self, lag: Sequence[int], shape: Sequence[int] | None = None) -> float:
        return float(not any(lag))


def expected_autocorrelation(
    source: Correlated, lags: Iterable[Sequence[int]], shape: Sequence[int] | None = None
) -> torch.Tensor:
    """The true autocorrelation at many lags, to compare a measured one with.

    Args:
        source: a texture such as ``Kernel(kernel)`` or ``PowerSpectrum(power)``, or a noise model.
        lags: each a distance in voxels along each spatial axis.
        shape: spatial shape of the image, see :meth:`Texture.autocorrelation`.

    Returns:
        float64 (number of lags,), -1 to 1.
    """
    return torch.tensor([source.autocorrelation(lag, shape) for lag in lags], dtype=torch.float64)


def plane_axes(axes: Sequence[int] | None, dims: int, count: int | None = None) -> tuple[int, ...]:
    """Which spatial axes a texture or profile acts along, counted from 0.

    Args:
        axes: as the user gave them, negative ones from the end; ``None`` for the plane of slices that lie along the
            last axis, as in NIfTI and MONAI: the first two axes, or the only one.
        dims: number of spatial axes.
        count: how many axes it must be; without axes, the first so many.

    Raises:
        InputError: an axis that is not there, or twice, or another number of them.
    """
    found = tuple(range(min(dims, 2 if count is None else count))) if axes is None else tuple(axes)
    whole = tuple(operator.index(axis) + dims * (axis < 0) for axis in found)
    if len(set(whole)) < len(whole) or not all(0 <= axis < dims for axis in whole):
        raise InputError(f"got axes {found} for an image with {dims} spatial axes; expected some of them, each once")
    if count is not None and len(whole) != count:
        raise InputError(f"got noise along {count} axes for an image where it finds {len(whole)}; expected {count}")
    return whole


def lag_dims(lag: Sequence[int], shape: Sequence[int] | None, axes: Sequence[int] | None, count: int) -> int:
    """Number of spatial axes that an autocorrelation is asked for.

    Args:
        lag: as it was given; a short one is filled up with 0.
        shape: spatial shape of the image, if that was given.
        axes: of the texture, if they were given.
        count: how many axes the texture has.
    """
    if shape is not None:
        return len(shape)
    return max(len(lag), count, *(axis + 1 for axis in axes or ()))
