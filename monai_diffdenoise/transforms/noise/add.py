# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Put the noise of a model on an image: array and dictionary transform, fixed by their seed."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor, get_track_meta
from monai.transforms import MapTransform, Transform
from monai.utils import convert_to_dst_type, convert_to_tensor

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise.model import NoiseModel
from monai_diffdenoise.transforms.noise.seeds import derive_seed, image_seed

__all__ = ["AddNoise", "AddNoised", "noisy_image"]


def noisy_image(
    img: torch.Tensor | np.ndarray, noise: NoiseModel, seed: int, shared_channels: bool = False
) -> torch.Tensor:
    """What the transforms have in common.

    Args:
        img: (C, *spatial), any real type; it is not changed.
        noise: what to draw from.
        seed: of this very draw, 0 to 2^62 - 1.
        shared_channels: give all channels the same random numbers.

    Returns:
        float32 (C, *spatial); a MetaTensor keeps its meta data and the record of earlier transforms, and names the
        noise and the seed under ``meta["noise"]``.
    """
    tensor: torch.Tensor = convert_to_tensor(img, track_meta=get_track_meta())
    plain = tensor.as_subclass(torch.Tensor)
    # Channel by channel with the same seed, so that any model can share: one channel is drawn as one of many is.
    parts = plain.split(1) if shared_channels and plain.ndim > 1 else (plain,)
    noisy = torch.cat([noise.sample(part, torch.Generator().manual_seed(seed)) for part in parts])
    result: torch.Tensor = convert_to_dst_type(noisy, tensor, dtype=torch.float32)[0]
    if isinstance(result, MetaTensor):
        result.meta["noise"] = {"model": repr(noise), "seed": seed}
    return result


class AddNoise(Transform):
    """Put noise on an image; there is no inverse.

    The noise depends on the seed and on the image itself, every bit of it, and on nothing else: not on the worker, the
    order or the device. So a data set gets one fixed noisy copy of each image, other noise on each; a second noisy copy
    of the same image needs another seed. For new noise at every call there is :class:`RandNoise`.

    Args:
        noise: what to draw from, such as ``GaussianNoise(0.1)`` or ``noise_model("poisson", 0.1)``.
        seed: for another realization.
        shared_channels: give all channels the same random numbers instead of independent ones.
    """

    def __init__(self, noise: NoiseModel, seed: int = 0, shared_channels: bool = False) -> None:
        check_model(noise)
        self.noise, self.seed, self.shared_channels = noise, seed, shared_channels

    def __call__(self, img: torch.Tensor | np.ndarray) -> torch.Tensor:
        """Add noise to (C, *spatial); returns float32, see :func:`noisy_image`."""
        seed = image_seed(self.seed, convert_to_tensor(img, track_meta=False))
        return noisy_image(img, self.noise, seed, self.shared_channels)


class AddNoised(MapTransform):
    """Dictionary version of :class:`AddNoise`.

    The noise depends on the key, too: two keys with the same image, such as those of a noisy pair, get independent
    noise.

    Args:
        keys: of the images.
        noise: what to draw from.
        seed: for another realization.
        shared_channels: give all channels of an image the same random numbers.
        allow_missing_keys: do not raise where a key is missing.
    """

    def __init__(
        self,
        keys: KeysCollection,
        noise: NoiseModel,
        seed: int = 0,
        shared_channels: bool = False,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        check_model(noise)
        self.noise, self.seed, self.shared_channels = noise, seed, shared_channels

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add noise to the images under the keys."""
        noisy = dict(data)
        for key in self.key_iterator(noisy):
            seed = image_seed(derive_seed(self.seed, key), convert_to_tensor(noisy[key], track_meta=False))
            noisy[key] = noisy_image(noisy[key], self.noise, seed, self.shared_channels)
        return noisy


def check_model(noise: object) -> None:
    """Refuse what is no noise model.

    Raises:
        InputError: it is not.
    """
    if not isinstance(noise, NoiseModel):
        raise InputError(
            f"got {type(noise).__name__} as noise; expected a noise model, such as GaussianNoise(0.1) or "
            "noise_model('gaussian', 0.1)"
        )
