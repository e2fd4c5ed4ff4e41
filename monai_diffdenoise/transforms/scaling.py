# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Reversible affine scaling to about 0 to 1, from robust percentiles; it never clips."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor, get_track_meta
from monai.transforms import InvertibleTransform, MapTransform
from monai.utils import convert_to_tensor

from monai_diffdenoise.errors import InputError

__all__ = ["AffineScaling", "RobustScale", "RobustScaled", "robust_scaling"]

Array = TypeVar("Array", torch.Tensor, np.ndarray)

_SAMPLE = 2**20
# Up to so many voxels the sample is taken from all of them, beyond that from this many slices.
_FEW = 2**22
_SLICES = 64
# A single value that fills this share of the voxels is background (padding, masked air), not signal.
_BACKGROUND_SHARE = 0.05


@dataclass(frozen=True)
class AffineScaling:
    """The map v -> (v - offset) / scale and its inverse.

    Args:
        offset: what becomes 0, in input units.
        scale: what becomes a step of 1, in input units; finite and above 0.

    Raises:
        InputError: an offset or scale outside these ranges.
    """

    offset: float
    scale: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.offset) and math.isfinite(self.scale) and self.scale > 0):
            raise InputError(f"got offset={self.offset!r} and scale={self.scale!r}; expected finite, scale above 0")

    def apply(self, image: Array) -> Array:
        """To normalised units, any shape."""
        return (image - self.offset) / self.scale

    def invert(self, image: Array) -> Array:
        """Back to input units, any shape."""
        return image * self.scale + self.offset

    def invert_residual(self, residual: Array) -> Array:
        """A difference of images back to input units: the offset cancels."""
        return residual * self.scale


def _without_background(sample: torch.Tensor) -> torch.Tensor:
    """Drop the lowest value where a large share of voxels has exactly it: padding, or masked air."""
    foreground = sample[sample > sample.min()]
    return foreground if 0 < len(foreground) < (1 - _BACKGROUND_SHARE) * len(sample) else sample


def robust_scaling(image: torch.Tensor | np.ndarray, *, lower: float = 0.5, upper: float = 99.5) -> AffineScaling:
    """Scaling that brings most of the foreground to 0 to 1.

    The percentiles come from finite values only and, for large images, from an evenly spread sample of about a million,
    of 64 slices where there are more than four million.
    A lowest value that fills more than 5 % of the image is left out as background, so that an object in a large masked
    frame sets the scale. An image with fewer distinct voxels than the percentiles see is scaled by its extremes, a
    constant one by 1.

    Args:
        image: any shape, any units; at least one finite value.
        lower: percentile that becomes 0, from 0 to 100.
        upper: percentile that becomes 1, above ``lower``, up to 100.

    Raises:
        InputError: no finite value, or percentiles out of order.
    """
    if not 0 <= lower < upper <= 100:
        raise InputError(f"got percentiles lower={lower} and upper={upper}; expected 0 <= lower < upper <= 100")
    values = torch.as_tensor(image).as_subclass(torch.Tensor).detach()
    dtype = values.dtype if values.is_floating_point() else torch.float64
    sample = _sample(values)
    if not len(sample):
        raise InputError(
            f"got an image of {values.numel()} values, none of them finite; expected at least one: check it"
        )
    sample = _without_background(sample.double()).sort().values
    low, high = (float(sample[round(q / 100 * (len(sample) - 1))]) for q in (lower, upper))
    resolution = 4 * float(torch.finfo(dtype).eps)
    if high - low <= resolution * max(abs(low), abs(high)):
        low, high = _extremes(values)
    # below the smallest normal float32, (v - offset) / scale is not finite or not exact
    constant = high - low <= max(resolution * max(abs(low), abs(high)), float(torch.finfo(torch.float32).tiny))
    return AffineScaling(low, 1.0 if constant else high - low)


def _pieces(image: torch.Tensor, most: int | None = None) -> list[torch.Tensor]:
    """Evenly spread parts of an image, each close together in memory, as views; all of it when ``most`` is None."""
    if image.dim() < 2:
        return [image]
    slowest = max(range(image.dim()), key=lambda axis: (image.stride(axis), -axis))
    count = image.shape[slowest]
    wanted = torch.linspace(0, count - 1, count if most is None else min(most, count)).round().long()
    return [image.select(slowest, index) for index in wanted.tolist()]


def _sample(image: torch.Tensor) -> torch.Tensor:
    """Finite values that stand for all; all of them where they are few."""
    found: list[torch.Tensor] = []
    # a large image may lie in a file: where some slices tell enough, the others are not read
    for most, all_of_them in ((_SLICES, False), (None, False), (None, True)):
        pieces = _pieces(image, most) if image.numel() > _FEW else [image]
        # an odd step shares no factor with the usual sides, which are powers of two
        step = 1 if all_of_them else (sum(piece.numel() for piece in pieces) // _SAMPLE) | 1
        # picked before they are checked, since a mask takes several times the memory of what it is applied to
        found = [part[torch.isfinite(part)] for part in (piece.reshape(-1)[::step] for piece in pieces)]
        if any(len(part) for part in found):
            break
    return torch.cat(found)


def _extremes(image: torch.Tensor) -> tuple[float, float]:
    """Smallest and largest finite value."""
    finite = (piece[torch.isfinite(piece)] for piece in _pieces(image))
    ends = [(float(part.min()), float(part.max())) for part in finite if len(part)]
    return min(low for low, _ in ends), max(high for _, high in ends)


class RobustScale(InvertibleTransform):
    """Scale an image by :func:`robust_scaling`; the numbers are kept in ``meta["scaling"]`` and for the inverse.

    Args:
        lower: percentile that becomes 0.
        upper: percentile that becomes 1.
    """

    def __init__(self, lower: float = 0.5, upper: float = 99.5) -> None:
        self.lower, self.upper = lower, upper

    def __call__(self, img: torch.Tensor | np.ndarray) -> torch.Tensor:
        """Scale an image of any shape with one scaling; float32, or float64 for float64 input."""
        tensor: torch.Tensor = convert_to_tensor(img, track_meta=get_track_meta())
        scaling = robust_scaling(tensor, lower=self.lower, upper=self.upper)
        scaled = scaling.apply(tensor if tensor.dtype == torch.float64 else tensor.float())
        numbers = {"offset": scaling.offset, "scale": scaling.scale}
        if isinstance(scaled, MetaTensor):
            scaled.meta["scaling"] = numbers
            self.push_transform(scaled, extra_info=dict(numbers))
        return scaled

    def inverse(self, data: torch.Tensor) -> torch.Tensor:
        """Back to the units of the image that was scaled last.

        Args:
            data: a MetaTensor that this transform has returned, with other values or not.
        """
        numbers = self.pop_transform(data)["extra_info"]
        restored = AffineScaling(numbers["offset"], numbers["scale"]).invert(data)
        restored.meta.pop("scaling", None)  # type: ignore[attr-defined]
        return restored


class RobustScaled(MapTransform, InvertibleTransform):
    """Dictionary version of :class:`RobustScale`; each key has its own scaling.

    Args:
        keys: of the images.
        lower: percentile that becomes 0.
        upper: percentile that becomes 1.
        allow_missing_keys: do not raise where a key is missing.
    """

    def __init__(
        self, keys: KeysCollection, lower: float = 0.5, upper: float = 99.5, allow_missing_keys: bool = False
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        self.scale = RobustScale(lower, upper)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Scale the images under the keys."""
        scaled = dict(data)
        for key in self.key_iterator(scaled):
            scaled[key] = self.scale(scaled[key])
        return scaled

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Bring the images under the keys back to their units."""
        restored = dict(data)
        for key in self.key_iterator(restored):
            restored[key] = self.scale.inverse(restored[key])
        return restored
