# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What is kept from training, so that the score is told on noise that no network has seen as a target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from monai_diffdenoise.errors import InputError

__all__ = ["Holdout", "held_out", "held_out_strips", "hold_out"]

_STRIP = 8


def held_out(count: int, every: int = 10) -> list[int]:
    """Which of some slices or strips are kept from training: every ``every``-th one.

    None of fewer than that, where one would be too large a part, nor when ``every`` is 0.

    Args:
        count: slices or strips.
        every: one of so many is kept; 0 keeps none.

    Raises:
        InputError: ``every`` is negative or 1.
    """
    if every < 0 or every == 1:
        raise InputError(
            f"got every={every}; expected 0 (hold none out) or at least 2, so that some are left to train on"
        )
    if every == 0 or count < every:
        return []
    return list(range(every // 2, count, every))


def held_out_strips(size: Sequence[int], every: int = 10) -> tuple[int, list[tuple[int, int]]]:
    """Strips across a slice that are kept from training where there are too few slices.

    Args:
        size: rows and columns of the slice.
        every: one of so many strips; they are at most 8 pixels wide.

    Returns:
        the axis along which they follow each other, the longer one, and first and last + 1 of each; none when the
        slice is smaller than ``every``.
    """
    axis = int(np.argmax(size))
    width = min(_STRIP, size[axis] // every) if every else 0
    if width == 0:
        return axis, []
    return axis, [(k * width, (k + 1) * width) for k in held_out(size[axis] // width, every)]


@dataclass(frozen=True, eq=False)
class Holdout:
    """How the pairs of a volume are divided.

    Args:
        train: numbers of the pairs to train on.
        validation: numbers of the pairs to validate on.
        axis: of the slice, along which strips follow each other.
        strips: where, in all slices, targets count for validation alone; empty when whole slices are kept.
        inside: (1, h, w) boolean, the strips; None when there are none.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    axis: int = 0
    strips: tuple[tuple[int, int], ...] = ()
    inside: torch.Tensor | None = None


def hold_out(targets: np.ndarray, size: Sequence[int], every: int = 10) -> Holdout:
    """Divide the pairs of a volume so that no voxel is a target both in training and in validation.

    Whole slices are kept from training, and with them all pairs in which they may be a target. With too few slices for
    that, or when it would cost more than half of the pairs, all pairs are in both parts, and strips across every slice
    are kept. Where the slices are too small as well, validation is done on what was trained on.

    Args:
        targets: (number of pairs, k) slices that may be the target of each pair, see
            :meth:`~monai_diffdenoise.transforms.Pairing.targets`.
        size: rows and columns of a slice.
        every: one slice or strip of so many; 0 keeps none.

    Returns:
        indices of both parts, and the strips where slices could not be divided.
    """
    everything = tuple(range(len(targets)))
    slices = np.unique(targets[:, -1])
    kept = slices[held_out(len(slices), every)]
    train = np.flatnonzero(~np.isin(targets, kept).any(axis=1))
    if len(kept) and 2 * len(train) >= len(targets):
        return Holdout(tuple(train.tolist()), tuple(np.flatnonzero(np.isin(targets[:, -1], kept)).tolist()))
    axis, strips = held_out_strips(size, every)
    if not strips:
        return Holdout(everything, everything)
    inside = torch.zeros((1, *size), dtype=torch.bool)
    for start, stop in strips:
        inside.narrow(axis + 1, start, stop - start).fill_(True)
    return Holdout(everything, everything, axis, tuple(strips), inside)
