# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Variance stabilization as invertible MONAI transforms."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor, get_track_meta
from monai.transforms import InvertibleTransform, MapTransform
from monai.utils import convert_to_tensor

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.stabilize.anscombe import AnscombeStabilizer
from monai_diffdenoise.transforms.stabilize.base import Stabilizer
from monai_diffdenoise.transforms.stabilize.log_gamma import LogGammaStabilizer
from monai_diffdenoise.transforms.stabilize.rician import RicianStabilizer

__all__ = ["Stabilize", "Stabilized", "make_stabilizer"]

_KINDS: dict[str, type[Stabilizer]] = {
    kind.kind: kind for kind in (AnscombeStabilizer, LogGammaStabilizer, RicianStabilizer)
}


def make_stabilizer(parameters: Mapping[str, Any]) -> Stabilizer:
    """The stabilizer that :meth:`Stabilizer.to_dict` has described.

    Args:
        parameters: ``kind`` ("anscombe", "log-gamma" or "rician") and the arguments of that class.

    Raises:
        InputError: an unknown kind, unknown or missing arguments, or values out of range.
    """
    arguments = dict(parameters)
    kind = arguments.pop("kind", None)
    if kind not in _KINDS:
        raise InputError(f"got kind={kind!r}; expected one of {', '.join(_KINDS)}")
    try:
        return _KINDS[kind](**arguments)
    except TypeError as error:
        names = ", ".join(field.name for field in fields(_KINDS[kind]))
        raise InputError(f"got {', '.join(arguments) or 'nothing'} for {kind}; expected some of: {names}") from error


class Stabilize(InvertibleTransform):
    """Stabilize the noise of an image; the parameters are kept in ``meta["stabilizer"]`` and for the inverse.

    It stands before any scaling, in the units in which the noise was measured. Its inverse is the unbiased one, for
    an image that was denoised in between.

    Args:
        stabilizer: what to apply, or its parameters as :func:`make_stabilizer` takes them.
        remaining: share of the noise's variance that the image will hold when it is inverted, 0 to 1: 0 for a denoised
            image, 1 for one to come back unchanged.
    """

    def __init__(self, stabilizer: Stabilizer | Mapping[str, Any], remaining: float = 0.0) -> None:
        self.stabilizer = stabilizer if isinstance(stabilizer, Stabilizer) else make_stabilizer(stabilizer)
        if not 0 <= remaining <= 1:
            raise InputError(f"got remaining={remaining!r}; expected 0 (denoised) to 1 (untouched)")
        self.remaining = remaining

    def __call__(self, img: torch.Tensor | np.ndarray) -> torch.Tensor:
        """Stabilize an image of any shape; float32, or float64 for float64 input."""
        tensor: torch.Tensor = convert_to_tensor(img, track_meta=get_track_meta())
        stabilized = self.stabilizer.forward(tensor)
        if isinstance(stabilized, MetaTensor):
            parameters = self.stabilizer.to_dict()
            stabilized.meta["stabilizer"] = parameters
            self.push_transform(stabilized, extra_info=dict(parameters))
        return stabilized

    def inverse(self, data: torch.Tensor) -> torch.Tensor:
        """Back to the units of the image that was stabilized last.

        Args:
            data: a MetaTensor that this transform has returned, with other values or not.
        """
        stabilizer = make_stabilizer(self.pop_transform(data)["extra_info"])
        restored = stabilizer.inverse(data, self.remaining)
        restored.meta.pop("stabilizer", None)  # type: ignore[attr-defined]
        return restored


class Stabilized(MapTransform, InvertibleTransform):
    """Dictionary version of :class:`Stabilize`; all keys have the same noise.

    Args:
        keys: of the images.
        stabilizer: what to apply, or its parameters as :func:`make_stabilizer` takes them.
        remaining: share of the noise's variance that the images will hold when they are inverted, 0 to 1.
        allow_missing_keys: do not raise where a key is missing.
    """

    def __init__(
        self,
        keys: KeysCollection,
        stabilizer: Stabilizer | Mapping[str, Any],
        remaining: float = 0.0,
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        self.stabilize = Stabilize(stabilizer, remaining)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Stabilize the images under the keys."""
        stabilized = dict(data)
        for key in self.key_iterator(stabilized):
            stabilized[key] = self.stabilize(stabilized[key])
        return stabilized

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Bring the images under the keys back to their units."""
        restored = dict(data)
        for key in self.key_iterator(restored):
            restored[key] = self.stabilize.inverse(restored[key])
        return restored
