# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Pairings by name, for all methods."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.blind_pairing import BlindSpotPair
from monai_diffdenoise.transforms.masking import MaskPixelsd, Replacement
from monai_diffdenoise.transforms.pairing import NeighborSlicePair, Pairing, RepeatPair, SliceBlindPair
from monai_diffdenoise.transforms.recorrupt import Recorruptd, Recorruption

__all__ = ["PAIRINGS", "make_pairing"]

PAIRINGS = ("same", "masked", "neighbor", "slice-blind", "repeat", "recorrupted")
"""What :func:`make_pairing` knows."""

_OF_ONE_IMAGE = ("same", "masked", "recorrupted")


def make_pairing(
    name: str,
    axis: int = -1,
    distance: int = 1,
    *,
    context: int = 0,
    share: float = 1.5,
    replace: Replacement = "uniform",
    radius: int = 5,
    spot: Collection[tuple[int, ...]] | Sequence[Any] | np.ndarray | torch.Tensor | None = None,
    recorruption: Recorruption | None = None,
) -> tuple[Pairing, Transform | None]:
    """How the pairs of a method are made.

    - ``same``: slice i with context, and slice i; for networks that are blind by construction.
    - ``masked``: slice i with pixels replaced, with context, and slice i at these pixels; any network (Noise2Void).
    - ``neighbor``: slice i, and slice i + distance; NS-N2N.
    - ``slice-blind``: slices i - 2, i - 1, i + 1, i + 2, and slice i; noise that is correlated in the plane alone.
    - ``repeat``: time t, and time t'; series of one image.
    - ``recorrupted``: slice i + noise, with context, and slice i - other noise; any network, where the noise is known.

    Args:
        name: one of :data:`PAIRINGS`.
        axis: spatial axis along which the slices are stacked.
        distance: slices from one to its partner, or to the next of the context.
        context: "same", "masked", "recorrupted": neighboring slices as further channels: 0, 2 or 4.
        share: "masked": see :class:`~monai_diffdenoise.transforms.MaskPixelsd`.
        replace: "masked": likewise.
        radius: "masked": likewise.
        spot: "masked": likewise; None hides the pixel alone.
        recorruption: "recorrupted": how, see :func:`~monai_diffdenoise.transforms.make_recorruption`.

    Returns:
        the pairing, and what is done to each of its pairs afterwards, None for nothing: the arguments ``pairing`` and
        ``after`` of :class:`~monai_diffdenoise.transforms.RandPaird` and
        :class:`~monai_diffdenoise.engines.PairTraining`.

    Raises:
        InputError: an unknown name, a context where there is none, no recorruption where it is needed, or an argument
            that the pairing refuses.
    """
    of_one_image = partial(BlindSpotPair, axis, distance, context)
    makers: dict[str, Callable[[], Pairing]] = {
        "neighbor": partial(NeighborSlicePair, axis, distance),
        "slice-blind": partial(SliceBlindPair, axis, distance),
        "repeat": partial(RepeatPair, axis, distance),
        **{kind: of_one_image for kind in _OF_ONE_IMAGE},
    }
    if name not in makers:
        raise InputError(f"got pairing {name!r}; expected one of {', '.join(PAIRINGS)}")
    if context and name not in _OF_ONE_IMAGE:
        raise InputError(f"got context={context} for pairing {name}; only {', '.join(_OF_ONE_IMAGE)} have one")
    pairing = makers[name]()
    if name == "masked":
        return pairing, MaskPixelsd(share, replace, radius, spot)
    if name == "recorrupted":
        if recorruption is None:
            raise InputError(
                "got no recorruption for pairing recorrupted; expected one, such as make_recorruption of the measured "
                "noise"
            )
        return pairing, Recorruptd(recorruption)
    return pairing, None
