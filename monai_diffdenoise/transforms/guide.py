# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Which voxels of neighboring slices show the same thing: a strong low-pass guide, and the weight made from it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from monai.utils import convert_to_dst_type

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.block_noise import block_noise_std, foreground_threshold, spread_slices
from monai_diffdenoise.transforms.nlm import as_slices, mirror_pad, non_local_means, pixel_chunks

__all__ = [
    "MatchedRegionWeight",
    "MatchedRegionWeightd",
    "default_tau",
    "guide_noise",
    "guide_slices",
    "matched_region_weight",
    "median_filter",
]

# The noise of the guides of a large volume is measured on so many voxels of its pairs.
_VOXELS = 1_000_000
# Pixels that are weighed at a time.
_PART_PIXELS = 1 << 19


def _drop_extremes(planes: list[torch.Tensor]) -> list[torch.Tensor]:
    """Remove the smallest and the largest value at each pixel."""
    last = len(planes) - 1

    def order(low: int, high: int) -> None:
        a, b = planes[low], planes[high]
        planes[low], planes[high] = torch.minimum(a, b), torch.maximum(a, b)

    for i in range(len(planes) // 2):
        order(i, last - i)
    for i in range(1, (len(planes) + 1) // 2):
        order(0, i)
    for i in range(len(planes) // 2, last):
        order(i, last)
    return planes[1:-1]


@torch.no_grad()
def median_filter(slices: torch.Tensor, size: int = 5) -> torch.Tensor:
    """Median over a square window of each slice, mirrored at its edges.

    By selection: with more than half of the values at hand, neither the smallest nor the largest can be the median, so
    both give way to one that has not been looked at. Only minima and maxima of whole images, no sorting.

    Args:
        slices: (N, H, W) or (N, 1, H, W), finite.
        size: odd side of the window.

    Returns:
        tensor of the shape of ``slices``.

    Raises:
        InputError: another shape, or an even size.
    """
    flat = as_slices(slices)
    if size < 1 or size % 2 == 0:
        raise InputError(f"got a median window of {size}; expected an odd number of at least 1")
    height, width = flat.shape[1:]
    done = []
    for chunk in pixel_chunks(flat):
        padded = mirror_pad(flat[chunk], size // 2, size // 2)
        waiting = [padded[:, y : y + height, x : x + width] for y in range(size) for x in range(size)]
        planes = [waiting.pop() for _ in range(min(size * size // 2 + 2, size * size))]
        while len(planes) > 1:
            planes = _drop_extremes(planes)
            if waiting:
                planes.append(waiting.pop())
        done.append(planes[0])
    return torch.cat(done).reshape(slices.shape)


def guide_slices(slices: torch.Tensor, sigma: float, center: torch.Tensor | float | None = None) -> torch.Tensor:
    """The guide of NS-N2N: the 5x5 median of non-local means with h = sigma.

    Args:
        slices: (N, H, W) or (N, 1, H, W), finite.
        sigma: noise standard deviation in the units of ``slices``; at 0 the slices are their own guide.
        center: see :func:`~monai_diffdenoise.transforms.non_local_means`.

    Returns:
        tensor of the shape of ``slices``, no gradient.
    """
    if not sigma > 0:
        return slices.detach().clone()
    return median_filter(non_local_means(slices, h=sigma, sigma=sigma, center=center), 5)


def guide_noise(guides: torch.Tensor, distance: int = 1, threshold: float | None = None) -> float:
    """How much the guides of neighboring slices still differ at typical places, as a standard deviation.

    What is left of the noise, and the change of the anatomy where it changes everywhere.

    Args:
        guides: (N, H, W), guides of slices in order.
        distance: slices from one to its partner.
        threshold: of the foreground; measured when None.

    Returns:
        standard deviation of one guide in the units of ``guides``; 0 for fewer than ``distance + 1`` slices.
    """
    first, second = guides[: max(len(guides) - distance, 0)], guides[distance:]
    if not len(first):
        return 0.0
    threshold = foreground_threshold(guides) if threshold is None else threshold
    return block_noise_std((second - first) / 2**0.5, (first + second) / 2, threshold)


def default_tau(sigma: float, noise: float) -> float:
    """Threshold on the guides' difference: half of sigma, more where the guide itself is noisy, up to 1.25 sigma.

    Half of sigma is the published choice (0.015 at a noise of about 0.03 in AAPM's CT), and it holds for white noise,
    of which the guide keeps 0.1 to 0.3. Of noise that is correlated in the plane it keeps 0.35 to 0.5, and a threshold
    near the guide's own noise prefers pixels where both slices hold like noise, which a network then learns to keep:
    on the ICBM152 template the noise of kept pairs correlates by 0.08 to 0.11 at half of sigma, and by 0.05 or less at
    2.5 times the guide's noise, which keeps 92 % of the pixels that show the same anatomy whatever their noise. The cap
    is for slices that differ everywhere, since the guide's noise is measured between slices.

    Args:
        sigma: noise standard deviation of the slices.
        noise: of :func:`guide_noise`, in the same units.
    """
    return min(max(0.5 * sigma, 2.5 * noise), 1.25 * sigma)


@torch.no_grad()
def matched_region_weight(guide_a: torch.Tensor, guide_b: torch.Tensor, tau: float) -> torch.Tensor:
    r"""The matched-region matrix :math:`W = 1[\,|g_a - g_b| \le \tau\,]`.

    Args:
        guide_a: guide of a slice, any shape.
        guide_b: guide of its partner, the same shape.
        tau: threshold in the units of the guides.

    Returns:
        0 or 1, in the type of the guides; no gradient.
    """
    return ((guide_a - guide_b).abs() <= tau).to(guide_a.dtype)


class MatchedRegionWeight(Transform):
    """Weight of the pairs (i, i + distance) of a volume's slices, by NS-N2N's matched regions (arXiv 2411.10831).

    Args:
        axis: spatial axis (0 to 2, or negative) along which the slices are stacked.
        distance: slices from one to its partner, 1 or more.
        sigma: noise standard deviation in the units of the volume; from the slices' differences when None.
        tau: threshold on the guides' difference in the units of the volume; :func:`default_tau` when None.

    Raises:
        InputError: a number outside these ranges.
    """

    def __init__(self, axis: int = -1, distance: int = 1, sigma: float | None = None, tau: float | None = None) -> None:
        if not -3 <= axis <= 2 or distance < 1:
            raise InputError(
                f"got axis={axis} and distance={distance}; expected an axis from -3 to 2, a distance from 1"
            )
        for name, value in (("sigma", sigma), ("tau", tau)):
            if value is not None and not value >= 0:
                raise InputError(f"got {name}={value:g}; expected 0 or more, in the units of the image")
        self.axis, self.distance, self.sigma, self.tau = axis, distance, sigma, tau

    def __call__(
        self,
        img: torch.Tensor,
        out: torch.Tensor | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> torch.Tensor:
        """Weigh a volume.

        Args:
            img: (C, X, Y, Z), finite.
            out: where the weight goes, of the same shape, any number type; a new tensor when None. Beside it, memory
                does not grow with the number of slices.
            progress: called with (slices done, slices in all).

        Returns:
            (C, X, Y, Z) of 0 and 1: place i along ``axis`` belongs to the pair (i, i + distance), so the last
            ``distance`` slices are 0.

        Raises:
            InputError: another number of axes.
        """
        if img.dim() != 4:
            raise InputError(f"got a volume of shape {tuple(img.shape)}; expected (C, X, Y, Z)")
        plain = img.as_subclass(torch.Tensor)
        weight = torch.empty_like(plain, dtype=torch.float32) if out is None else out
        depth = img.shape[self.axis % 3 + 1]
        for number, (channel, matched) in enumerate(zip(plain, weight, strict=True)):
            for done in self._weigh(channel.movedim(self.axis % 3, 0), matched.movedim(self.axis % 3, 0)):
                if progress is not None:
                    progress(number * depth + done, img.shape[0] * depth)
        return weight if out is not None else convert_to_dst_type(weight, img, dtype=torch.float32)[0]

    def _weigh(self, slices: torch.Tensor, weight: torch.Tensor) -> Iterator[int]:
        """Fill in the weight of slices (N, H, W), from the first to the last; yields how many are done."""
        count = slices.shape[0]
        pairs = max(count - self.distance, 0)
        if pairs:
            guides, tau = self._guides(slices, pairs)
            step = max(1, _PART_PIXELS // slices[0].numel())
            for start in range(0, pairs, step):
                stop = min(start + step, pairs)
                first, second = guides(range(start, stop)), guides(range(start + self.distance, stop + self.distance))
                weight[start:stop] = matched_region_weight(first, second, tau)
                guides.forget(stop)
                yield stop
        weight[pairs:] = 0
        yield count

    def _guides(self, slices: torch.Tensor, pairs: int) -> tuple[_Guides, float]:
        """The guides of a volume's slices, and the threshold on their difference."""
        threshold = foreground_threshold(slices)
        chosen = spread_slices(slices[:pairs], _VOXELS, 2)
        sigma = self.sigma
        if sigma is None:
            first, second = (as_slices(slices[[i + d for i in chosen]]) for d in (0, self.distance))
            sigma = block_noise_std((second - first) / 2**0.5, first, threshold)
        guides = _Guides(slices, sigma)
        if self.tau is not None:
            return guides, self.tau
        first, second = guides(chosen), guides([index + self.distance for index in chosen])
        return guides, default_tau(sigma, guide_noise(torch.cat([first, second]), len(chosen), threshold))


class _Guides:
    """Guides of slices (N, H, W), made when they are asked for, and kept until they are forgotten."""

    def __init__(self, slices: torch.Tensor, sigma: float) -> None:
        self.slices, self.sigma, self.made = slices, sigma, dict[int, torch.Tensor]()
        spread = spread_slices(slices, _VOXELS, 2)
        self.center = as_slices(slices[spread]).mean()

    def __call__(self, indices: Sequence[int]) -> torch.Tensor:
        """Guides of some slices, (n, H, W)."""
        missing = [index for index in indices if index not in self.made]
        if missing:
            new = guide_slices(as_slices(self.slices[missing]), self.sigma, self.center)
            # copies, since a view would keep all of them
            self.made.update((index, guide.clone()) for index, guide in zip(missing, new, strict=True))
        return torch.stack([self.made[index] for index in indices])

    def forget(self, stop: int) -> None:
        """Drop the guides of the slices before ``stop``."""
        self.made = {index: guide for index, guide in self.made.items() if index >= stop}


class MatchedRegionWeightd(MapTransform):
    """Dictionary version of :class:`MatchedRegionWeight`.

    Args:
        keys: of the volume; one key.
        weight_key: where the weight goes.
        axis: see :class:`MatchedRegionWeight`.
        distance: see :class:`MatchedRegionWeight`.
        sigma: see :class:`MatchedRegionWeight`.
        tau: see :class:`MatchedRegionWeight`.
        allow_missing_keys: do not raise where a key is missing.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        weight_key: str = "weight",
        axis: int = -1,
        distance: int = 1,
        sigma: float | None = None,
        tau: float | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(self.keys) != 1:
            raise InputError(f"got {len(self.keys)} keys; expected one, whose weight goes to {weight_key!r}")
        self.weight_key = weight_key
        self.weigh = MatchedRegionWeight(axis, distance, sigma, tau)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the weight of the volume under the key."""
        weighed = dict(data)
        for key in self.key_iterator(weighed):
            weighed[self.weight_key] = self.weigh(weighed[key])
        return weighed
