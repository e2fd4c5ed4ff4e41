# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
r"""Noise2Void's pairs: hide some pixels of an image and ask for them, so that any network becomes a blind-spot one.

A network that is asked for a pixel it cannot see can only answer with what the others tell about it. Nothing here is
blind by construction: after training the network sees every pixel and has merely never learned to rely on the middle
one, so some noise may come through where a network that is blind by construction lets none pass.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from monai.transforms import MapTransform, Randomizable

from monai_diffdenoise.errors import InputError

__all__ = ["MaskPixelsd", "Replacement", "correlated_spot", "mask_offsets", "mask_pixels", "stratified_places"]

Replacement = Literal["uniform", "uniform-with-center", "normal", "median"]
Offsets = Collection[tuple[int, ...]]

_REPLACEMENTS = ("uniform", "uniform-with-center", "normal", "median")
# Of the radius: 4 pixels at a radius of 5.
_SPREAD = 0.8
# All of the 120 in the plane at a radius of 5; in 3D, where there are 1330, a random choice of them.
_CANDIDATES = 128


def stratified_places(size: Sequence[int], share: float, random: np.random.RandomState) -> torch.Tensor:
    """Random pixels, no two in the same cell of a grid.

    Every pixel is chosen with the same probability, also in the cells that the border cuts.

    Args:
        size: of the image, without channels.
        share: expected number of pixels chosen, in percent, above 0.
        random: moves on.

    Returns:
        int64 (N, number of axes).
    """
    side = max(int((100.0 / share) ** (1.0 / len(size)) + 1e-9), 1)
    corners = np.stack(np.meshgrid(*(np.arange(0, n, side) for n in size), indexing="ij"), axis=-1)
    corners = corners.reshape(-1, len(size))
    places = corners + random.randint(side, size=corners.shape)
    chosen = (places < np.array(size)).all(axis=1)
    # cells are whole pixels wide, so some of them stay empty to meet the share exactly
    chosen &= random.random_sample(len(places)) < share / 100.0 * side ** len(size)
    return torch.from_numpy(places[chosen])


def mask_offsets(spot: Offsets | Sequence[Any] | np.ndarray | torch.Tensor | None, dims: int) -> list[tuple[int, ...]]:
    """Offsets from a chosen pixel to those that are hidden with it, in order, the pixel itself included.

    Args:
        spot: a set of offsets such as :func:`~monai_diffdenoise.networks.blocks.spot_offsets` gives; or an array or
            nested list of 0 and 1, odd along each axis, whose middle is the pixel; None for the pixel alone.
        dims: number of spatial axes.

    Raises:
        InputError: a spot of another number of axes, or an array without a middle.
    """
    middle = (0,) * dims
    if spot is None:
        return [middle]
    if isinstance(spot, (set, frozenset)):
        offsets = {tuple(int(step) for step in offset) for offset in spot}
    else:
        array = np.asarray(spot)
        if any(n % 2 == 0 for n in array.shape):
            raise InputError(f"got a mask of shape {array.shape}; expected odd numbers, so that it has a middle")
        offsets = {tuple(int(i) - n // 2 for i, n in zip(at, array.shape, strict=True)) for at in np.argwhere(array)}
    if not offsets or any(len(offset) != dims for offset in offsets):
        raise InputError(f"got a mask that is empty or not of {dims} axes; expected offsets in {dims} dimensions")
    return sorted(offsets | {middle})


def correlated_spot(autocorrelation: torch.Tensor, limit: float = 0.1) -> set[tuple[int, ...]]:
    """The offsets at which noise is correlated: the shape of a structured mask.

    Args:
        autocorrelation: correlation at lags -r to r along each axis, 1 in the middle, as
            :class:`~monai_diffdenoise.analysis.NoiseSpectrum` holds it.
        limit: correlations of at least this size count, above 0.

    Raises:
        InputError: an even number of lags along an axis, or a limit that is not above 0.
    """
    array = autocorrelation.detach().abs().cpu().numpy()
    if any(n % 2 == 0 for n in array.shape) or not limit > 0:
        raise InputError(
            f"got an autocorrelation of shape {array.shape} and limit={limit}; expected odd numbers and a limit above 0"
        )
    return set(mask_offsets(array >= limit, array.ndim))


def mask_pixels(
    image: torch.Tensor,
    places: torch.Tensor,
    random: np.random.RandomState,
    replace: Replacement = "uniform",
    radius: int = 5,
    spot: Offsets | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Replace pixels, and those around them that the spot names, by others of their neighborhood.

    No replacement comes from a hidden pixel, so nothing in the result depends on any of them ("uniform-with-center"
    aside, where a pixel may stay what it was). A place around which nothing is left to take from stays as it is and is
    not chosen.

    Args:
        image: (C, *S); it is not changed. All channels of a pixel are replaced from the same place.
        places: (N, number of spatial axes), the pixels.
        random: moves on.
        replace: what stands in for a pixel, from the window of the radius without the spot: "uniform", any pixel of it;
            "uniform-with-center", that or the pixel itself; "normal", a pixel at a Gaussian distance with a standard
            deviation of 0.8 radius; "median", the median of the window (of an even number the lower one), as in N2V2,
            for networks that do not add to their input: one that does learns to leave all but medians as they are.
        radius: of the window, in pixels, at least 1. Of a window with more than 128 pixels, as many are drawn anew in
            each call to take from.
        spot: see :func:`mask_offsets`.

    Returns:
        the image with pixels replaced, and which were chosen: bool (1, *S).
    """
    size, dims = image.shape[1:], image.dim() - 1
    hidden = np.array(mask_offsets(spot, dims))
    around = np.stack(np.meshgrid(*[np.arange(-radius, radius + 1)] * dims, indexing="ij"), axis=-1).reshape(-1, dims)
    in_spot = (around[:, None] == hidden).all(axis=-1).any(axis=1)
    keep_center = replace == "uniform-with-center"
    around = around[~in_spot | (keep_center & (around == 0).all(axis=1))]
    if len(around) > _CANDIDATES:
        around = around[random.permutation(len(around))[:_CANDIDATES]]

    covered, inside = _shifted(places, hidden, size)
    is_covered = torch.zeros(size.numel(), dtype=torch.bool)
    is_covered[covered[inside]] = True
    source, valid = _shifted(places, around, size)
    is_own = torch.from_numpy((around == 0).all(axis=1))
    valid &= ~is_covered[source] | is_own
    able = valid.any(dim=1)
    places, covered, inside, source, valid = (t[able] for t in (places, covered, inside, source, valid))

    flat = image.reshape(image.shape[0], -1)
    if replace == "median":
        gathered = flat[:, source].float().masked_fill(~valid, torch.nan)
        value = gathered.nanmedian(dim=2).values.to(image.dtype)[:, :, None].expand(-1, -1, len(hidden))
    else:
        weight = torch.ones(len(around), dtype=torch.float64)
        if replace == "normal":
            weight = torch.from_numpy(np.exp(-0.5 * np.square(around / (_SPREAD * radius)).sum(axis=1)))
        summed = (weight * valid).cumsum(dim=1)
        # strictly below the sum, whatever the rounding
        drawn = torch.from_numpy(random.random_sample((len(places), len(hidden)))) * (1 - 1e-12)
        pick = torch.searchsorted(summed, drawn * summed[:, -1:], right=True)
        value = flat[:, source.gather(1, pick)]

    # where spots overlap, one of them decides: writing twice to a place has no defined order
    rank = torch.arange(len(places))[:, None].expand_as(covered)
    owner = torch.full((size.numel(),), -1).scatter_reduce(0, covered[inside], rank[inside], "amax")
    inside &= owner[covered] == rank
    masked = flat.clone()
    masked[:, covered[inside]] = value[:, inside]
    chosen = torch.zeros((1, *size), dtype=torch.bool)
    chosen[0].index_put_(places.unbind(1), torch.tensor(True))
    return masked.reshape(image.shape), chosen


def _shifted(places: torch.Tensor, offsets: np.ndarray, size: torch.Size) -> tuple[torch.Tensor, torch.Tensor]:
    """Flat index of every place at every offset (N, K), 0 where that is outside, and whether it is inside."""
    index = torch.zeros((len(places), len(offsets)), dtype=torch.int64)
    inside = torch.ones((len(places), len(offsets)), dtype=torch.bool)
    for axis, n in enumerate(size):
        along = places[:, axis, None] + torch.from_numpy(offsets[:, axis])[None]
        inside &= (along >= 0) & (along < n)
        index = index * n + along
    return index.masked_fill(~inside, 0), inside


class MaskPixelsd(MapTransform, Randomizable):
    """Turn a pair of an image with itself into Noise2Void's: some pixels are hidden, and only they are asked for.

    The pair comes from :class:`~monai_diffdenoise.transforms.BlindSpotPair`, with or without context, through
    :class:`~monai_diffdenoise.transforms.RandPaird`, 2D or 3D. Only as many first channels of ``image`` are masked as
    ``target`` has; the context after them stays whole. The new ``weight`` is the given one at the chosen pixels, 0
    elsewhere. Everything else in the dictionary is passed on. So few pixels count that a score needs more patches than
    with other pairs.

    Args:
        share: chosen pixels in percent, above 0, at most 50; see :func:`stratified_places`.
        replace: see :func:`mask_pixels`.
        radius: see :func:`mask_pixels`.
        spot: for noise that is correlated, the shape of what is hidden around each chosen pixel (structured masks); see
            :func:`mask_offsets` and :func:`correlated_spot`. The loss still counts at the chosen pixels alone.

    Raises:
        InputError: an argument outside these ranges, or a window that the spot fills.
    """

    def __init__(
        self,
        share: float = 1.5,
        replace: Replacement = "uniform",
        radius: int = 5,
        spot: Offsets | Sequence[Any] | np.ndarray | torch.Tensor | None = None,
    ) -> None:
        super().__init__(["image", "target", "weight"])
        if not 0 < share <= 50 or radius < 1 or replace not in _REPLACEMENTS:
            raise InputError(
                f"got share={share}, radius={radius}, replace={replace!r}; expected a share above 0, at most 50 "
                f"(percent), a radius from 1, one of {', '.join(_REPLACEMENTS)}"
            )
        self.share, self.replace, self.radius = share, replace, radius
        self.spot: set[tuple[int, ...]] | None = None
        if spot is not None:
            dims = len(next(iter(spot), ())) if isinstance(spot, (set, frozenset)) else np.asarray(spot).ndim
            self.spot = set(mask_offsets(spot, dims))
            window = len([offset for offset in self.spot if max(map(abs, offset)) <= radius])
            if window == (2 * radius + 1) ** dims:
                raise InputError(f"got a mask that fills the window of radius {radius}; expected a larger radius")

    def randomize(self, data: Sequence[int]) -> None:
        """Choose the pixels of an image of a size."""
        self._places = stratified_places(data, self.share, self.R)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        pair = dict(data)
        image, weight = pair["image"], pair["weight"]
        channels = pair["target"].shape[0]
        if channels > image.shape[0]:
            raise InputError(
                f"got an image of {image.shape[0]} channels for a target of {channels}; expected the target's own "
                "pixels first in the image, as BlindSpotPair puts them"
            )
        self.randomize(tuple(image.shape[1:]))
        hidden, chosen = mask_pixels(image[:channels], self._places, self.R, self.replace, self.radius, self.spot)
        pair["image"] = torch.cat([hidden, image[channels:]])
        pair["weight"] = weight * chosen
        return pair
