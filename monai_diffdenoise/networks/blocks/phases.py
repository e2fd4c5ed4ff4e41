# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The phases of an image: every s-th pixel, as a batch of smaller images.

What runs on phases cannot mix two pixels unless they lie a multiple of s apart. So a convolution there is a dilated one
on the image, several times faster on a CPU; and any network there (with pooling, normalization, attention) leaves the
other phases unseen, which is what keeps a blind spot blind.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError

__all__ = ["batch_to_space", "crop_to", "pad_to_multiple", "space_to_batch"]


def _periods(image: torch.Tensor, period: int | Sequence[int]) -> tuple[int, ...]:
    axes = image.dim() - 2
    periods = (period,) * axes if isinstance(period, int) else tuple(period)
    if axes not in (2, 3) or len(periods) != axes or min(periods) < 1:
        raise InputError(
            f"got periods {periods} for an image of shape {tuple(image.shape)}; "
            "expected (B, C, *S) with 2 or 3 axes and a period from 1 for each of them"
        )
    return periods


def pad_to_multiple(image: torch.Tensor, multiple: int | list[int], mode: str = "constant") -> torch.Tensor:
    """More pixels behind the end of each axis, up to the next multiple.

    Args:
        image: (B, C, *S).
        multiple: of each axis, or one for all.
        mode: "constant": zeros, for blind-spot networks, since another border brings a pixel back at a place where they
            do not expect it. "replicate": the last pixel; unlike a mirrored border it needs no more than one.

    Returns:
        (B, C, *S').
    """
    steps = [multiple] * (image.dim() - 2) if isinstance(multiple, int) else multiple
    missing: list[int] = []
    # without a branch on the size and in the words of TorchScript, so that exported and scripted copies take any size
    for axis in range(image.dim() - 1, 1, -1):
        side = image.shape[axis]
        step = steps[axis - 2]
        missing += [0, step * ((side + step - 1) // step) - side]
    return F.pad(image, missing, mode)


def crop_to(padded: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Undo :func:`pad_to_multiple`: cut (B, C, *S') behind the end of each axis to the sides of ``image``.

    Args:
        padded: what was padded, or made of it.
        image: of the size to come back to.
    """
    missing: list[int] = []
    for axis in range(image.dim() - 1, 1, -1):
        missing += [0, image.shape[axis] - padded.shape[axis]]
    # a view would ask exported copies for strides that depend on the size
    return F.pad(padded, missing)


def space_to_batch(image: torch.Tensor, period: int | Sequence[int]) -> torch.Tensor:
    """Split an image into its phases: pixel s a + p of phase p becomes pixel a.

    Args:
        image: (B, C, *S), sides that are multiples of the period.
        period: s of each axis, or one for all.

    Returns:
        ``(B * prod(s), C, *(S / s))``; the phases of one image lie one behind the other, the last axis fastest.

    Raises:
        InputError: another number of axes, or a side that is no multiple.
    """
    periods = _periods(image, period)
    if all(s == 1 for s in periods):
        return image
    batch, channels, *size = image.shape
    if any(side % s for side, s in zip(size, periods, strict=True)):
        raise InputError(f"got sides {tuple(size)} for periods {periods}; expected multiples: pad the image before")
    split: list[int] = [batch, channels]
    for side, s in zip(size, periods, strict=True):
        split += [side // s, s]
    axes = len(periods)
    order = [0, *(3 + 2 * k for k in range(axes)), 1, *(2 + 2 * k for k in range(axes))]
    phases = image.reshape(split).permute(order)
    return phases.reshape(-1, channels, *(side // s for side, s in zip(size, periods, strict=True)))


def batch_to_space(phases: torch.Tensor, period: int | Sequence[int]) -> torch.Tensor:
    """The inverse of :func:`space_to_batch`.

    Args:
        phases: ``(B * prod(s), C, *(S / s))``.
        period: s of each axis, or one for all.

    Returns:
        (B, C, *S).

    Raises:
        InputError: another number of axes, or a batch that is no multiple of the number of phases.
    """
    periods = _periods(phases, period)
    if all(s == 1 for s in periods):
        return phases
    count, channels, *size = phases.shape
    number = 1
    for s in periods:
        number *= s
    if count % number:
        raise InputError(f"got a batch of {count} phases; expected a multiple of {number} for periods {periods}")
    axes = len(periods)
    order = [0, 1 + axes]
    for k in range(axes):
        order += [2 + axes + k, 1 + k]
    image = phases.reshape(count // number, *periods, channels, *size).permute(order)
    return image.reshape(count // number, channels, *(side * s for side, s in zip(size, periods, strict=True)))
