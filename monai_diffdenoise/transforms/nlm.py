# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Non-local means of 2D slices in plain torch: a loop over offsets, each computed once for both of its directions."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from monai_diffdenoise.errors import InputError

__all__ = ["as_slices", "mirror_pad", "non_local_means", "pixel_chunks"]

# Temporaries of one slice of 512 x 512 stay in a CPU's cache, which halves the time; a GPU wants more work at once.
_CHUNK_PIXELS = {"cpu": 2**18, "cuda": 2**24}


def as_slices(slices: torch.Tensor) -> torch.Tensor:
    """Slices as a plain floating-point (N, H, W) tensor.

    Args:
        slices: (N, H, W) or (N, 1, H, W), finite.

    Raises:
        InputError: another shape.
    """
    flat = slices.as_subclass(torch.Tensor).detach()
    if flat.dim() == 4 and flat.shape[1] == 1:
        flat = flat[:, 0]
    if flat.dim() != 3 or 0 in flat.shape:
        raise InputError(
            f"got slices of shape {tuple(slices.shape)}; expected (N, H, W) or (N, 1, H, W), none of them 0"
        )
    return flat if flat.dtype == torch.float64 else flat.float()


def mirror_pad(slices: torch.Tensor, before: int, after: int) -> torch.Tensor:
    """Pad the last two axes by reflection without repeating the edge, as often as it takes, so any size will do."""
    for axis in (-2, -1):
        size = slices.shape[axis]
        index = torch.arange(-before, size + after, device=slices.device)
        index = index.remainder(max(2 * size - 2, 1))
        index = torch.minimum(index, 2 * size - 2 - index) if size > 1 else torch.zeros_like(index)
        slices = slices.index_select(slices.dim() + axis, index)
    return slices


def pixel_chunks(slices: torch.Tensor) -> Iterator[slice]:
    """Runs of whole slices of a stack (N, H, W) that are computed together."""
    count = max(1, _CHUNK_PIXELS.get(slices.device.type, 2**20) // slices[0].numel())
    for start in range(0, slices.shape[0], count):
        yield slice(start, start + count)


def _window_sum(field: torch.Tensor, size: int) -> torch.Tensor:
    """Sum over every ``size`` x ``size`` window, by doubling: 5 = 4 + 1 takes three additions an axis, not four."""
    for axis in (-1, -2):
        length = field.shape[axis] - size + 1
        total: torch.Tensor | None = None
        width, start, rest = 1, 0, size
        while rest:
            if rest % 2:
                part = field.narrow(axis, start, length)
                total = part if total is None else total + part
                start += width
            rest //= 2
            if rest:
                reach = field.shape[axis] - width
                field = field.narrow(axis, 0, reach) + field.narrow(axis, width, reach)
                width *= 2
        assert total is not None
        field = total
    return field


def _denoise(padded: torch.Tensor, h: float, sigma: float, patch_size: int, patch_distance: int) -> torch.Tensor:
    """Denoise the part of ``padded`` that has all its neighbors."""
    low, high = (patch_size - 1) // 2, patch_size // 2
    origin = low + patch_distance
    height, width = (side - patch_size + 1 - 2 * patch_distance for side in padded.shape[1:])
    scaled = padded / (patch_size * h)
    # a tensor, since torch.sub(number, tensor, out=) does not exist
    noise = torch.tensor(2 * (sigma / h) ** 2, dtype=padded.dtype, device=padded.device)
    value = padded[:, origin : origin + height, origin : origin + width].clone()
    weight = torch.ones_like(value)
    for dy in range(-patch_distance, patch_distance + 1):
        for dx in range(patch_distance + 1):
            if dx == 0 and dy <= 0:
                continue
            # distances of all pixels p to p + (dy, dx) with one of the two inside the slice
            top, bottom, left = min(0, -dy), height + max(0, -dy), -dx
            y0, y1 = origin + top - low, origin + bottom + high
            x0, x1 = origin + left - low, origin + width + high
            change = scaled[:, y0:y1, x0:x1] - scaled[:, y0 + dy : y1 + dy, x0 + dx : x1 + dx]
            similar = _window_sum(change.square_(), patch_size)
            torch.sub(noise, similar, out=similar)
            similar.clamp_(max=0).exp_()
            for sign, row, column in ((1, -top, -left), (-1, -top - dy, -left - dx)):
                w = similar[:, row : row + height, column : column + width]
                y, x = origin + sign * dy, origin + sign * dx
                weight += w
                value.addcmul_(w, padded[:, y : y + height, x : x + width])
    return value.div_(weight)


@torch.no_grad()
def non_local_means(
    slices: torch.Tensor,
    h: float,
    sigma: float,
    patch_size: int = 5,
    patch_distance: int = 6,
    center: torch.Tensor | float | None = None,
) -> torch.Tensor:
    r"""Denoise each slice by the mean of its pixels, weighted by how alike the patches around them are.

    .. math:: w_{pq} = \exp\left(-\max\left(0, \frac{\overline{(P_p - P_q)^2} - 2 \sigma^2}{h^2}\right)\right)

    over all q within ``patch_distance`` along either axis of p; slices are mirrored at their edges (Buades, Coll and
    Morel, IPOL 2011). scikit-image's fast mode follows the same formula, but its patches are one pixel smaller than
    stated and it divides by the stated size: its ``patch_size=5, h=h`` is ``patch_size=4, h=1.25 * h`` here.

    Args:
        slices: (N, H, W) or (N, 1, H, W), finite, any units and any size.
        h: filter strength in the units of ``slices``, above 0; about ``sigma``.
        sigma: noise standard deviation in the units of ``slices``, subtracted from patch distances; 0 subtracts none.
        patch_size: side of the square patches in pixels; an even patch reaches one pixel further down and right.
        patch_distance: how far alike patches are looked for, in pixels.
        center: a value in the middle of theirs, for the precision of float32; their mean when None. Slices that are
            denoised in parts come out the same when it is.

    Returns:
        tensor of the shape of ``slices``, float32, or float64 for float64 input; no gradient.

    Raises:
        InputError: a shape or a number outside the ranges above.
    """
    flat = as_slices(slices)
    if not h > 0 or not sigma >= 0 or patch_size < 1 or patch_distance < 0:
        raise InputError(
            f"got h={h:g}, sigma={sigma:g}, patch_size={patch_size}, patch_distance={patch_distance}; expected h above "
            "0, sigma and patch_distance of at least 0, patch_size of at least 1"
        )
    low, high = (patch_size - 1) // 2 + patch_distance, patch_size // 2 + patch_distance
    # without the mean, float32 keeps small noise on a large offset
    mean = flat.mean() if center is None else center
    denoised = [
        _denoise(mirror_pad(flat[chunk] - mean, low, high), h, sigma, patch_size, patch_distance) + mean
        for chunk in pixel_chunks(flat)
    ]
    return torch.cat(denoised).reshape(slices.shape)
