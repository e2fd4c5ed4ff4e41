# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a first network makes of whole volumes, once, so that a conditional model can be trained on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch

from monai_diffdenoise.data.storage import allocate
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers.slices import VolumeSliceInferer
from monai_diffdenoise.transforms.scaling import AffineScaling

__all__ = ["Splits", "condition_volumes"]


class Splits(Protocol):
    """Splits a noisy image in two with independent noise, as a recorruption does."""

    def split(self, noisy: torch.Tensor, random: np.random.RandomState) -> tuple[torch.Tensor, torch.Tensor]:
        """What the first network sees, and the target."""


def condition_volumes(
    volumes: Sequence[Mapping[str, Any]],
    network: Callable[..., torch.Tensor],
    inferer: VolumeSliceInferer,
    recorruption: Splits | None = None,
    draws: int = 1,
    seed: int = 0,
    slice_axis: int = -1,
) -> list[dict[str, Any]]:
    """Add to each volume what the first network makes of it.

    Whole volumes, since a network sees its surroundings, and a patch has none at its border.

    Args:
        volumes: dictionaries with ``image`` (C, X, Y, Z), normalised or with the ``scaling`` that normalises it; what
            else they hold is passed on.
        network: the first network, usually blind-spot.
        inferer: runs it over a volume.
        recorruption: split each volume in two first: ``image`` becomes the part that is denoised, and ``targets`` the
            other. Its numbers are in the units of the volumes.
        draws: how many times each volume is split; the more, the less a model can learn one split by heart.
        seed: of the splits.
        slice_axis: axis along which slices lie one behind the other in memory.

    Returns:
        dictionaries with ``condition`` and, with a recorruption, ``targets``, both of the shape and in the units of
        ``image``; ``draws`` of them for each volume.

    Raises:
        InputError: several draws without a recorruption, or none.
    """
    if draws < 1 or (draws > 1 and recorruption is None):
        raise InputError(f"got draws={draws}; expected 1, or more with a recorruption, whose draws differ")
    made = []
    for number, volume in enumerate(volumes):
        scaling = volume.get("scaling", AffineScaling(0.0, 1.0))
        for draw in range(draws):
            ready, image = dict(volume), volume["image"]
            if recorruption is not None:
                random = np.random.RandomState(np.random.SeedSequence([seed, number, draw]).generate_state(4))
                image, ready["targets"] = recorruption.split(image, random)
                ready["image"] = image
            condition = allocate(tuple(image.shape), slice_axis, image.dtype)
            ready["condition"] = inferer.denoise(image, network, [scaling] * image.shape[0], condition)
            made.append(ready)
    return made
