# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Random noise for training: model and level drawn anew for every image."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import get_track_meta
from monai.transforms import MapTransform, Randomizable, RandomizableTransform
from monai.utils import convert_to_tensor

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise.add import check_model, noisy_image
from monai_diffdenoise.transforms.noise.kinds import noise_model
from monai_diffdenoise.transforms.noise.model import NoiseModel
from monai_diffdenoise.transforms.noise.seeds import derive_seed, image_seed

__all__ = ["RandNoise", "RandNoised"]


class RandNoise(RandomizableTransform):
    """Put noise on an image with a probability; model, level and noise are random. There is no inverse.

    Without a seed, randomness comes from MONAI's state: ``set_random_state``, which MONAI's ``DataLoader`` calls with
    another seed in every worker, so the noise depends on their number. A data set that sets the state for every item,
    as ``PairDataset`` does, is independent of it. With a seed, everything depends on the seed and the image alone, as
    for :class:`AddNoise`: an image gets the same noise in every epoch and every worker.

    The state moves on by the same number of steps at every call, whatever the image, the model and the outcome.

    Args:
        noise: a noise model or the name of a kind, see :func:`noise_model`; or several, one of which is drawn for each
            image.
        level: for names: lowest and highest level, drawn evenly between; or one number.
        prob: probability that noise is added.
        seed: instead of MONAI's random state.
        shared_channels: give all channels the same random numbers instead of independent ones.
        options: for names: further arguments of :func:`noise_model`.

    Raises:
        InputError: no noise, an unknown name, or a name without a level.
    """

    def __init__(
        self,
        noise: NoiseModel | str | Sequence[NoiseModel | str],
        level: float | Sequence[float] | None = None,
        prob: float = 1.0,
        seed: int | None = None,
        shared_channels: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(prob)
        if isinstance(noise, str) or not isinstance(noise, Sequence):
            noise = [noise]
        self.noise = tuple(noise)
        self.level = _limits(level)
        self.seed, self.shared_channels, self.options = seed, shared_channels, dict(options or {})
        if not self.noise:
            raise InputError("got no noise to draw from; expected at least one noise model or kind")
        for choice in self.noise:
            if isinstance(choice, str):
                for limit in self.limits():
                    noise_model(choice, limit, **self.options)
            else:
                check_model(choice)

    def limits(self) -> tuple[float, float]:
        """Lowest and highest level.

        Raises:
            InputError: there is none, and a kind by name needs it.
        """
        if self.level is None:
            raise InputError("got a kind of noise by name and no level; expected level=0.1 or level=(0.02, 0.2)")
        return self.level

    def randomize(self, data: Any = None) -> None:
        """Draw whether, which, how much, and the seed of the noise."""
        super().randomize(None)
        # Not randint, which draws again now and then: the state moves on by the same steps for any number of models.
        choice, share = self.noise[int(self.R.uniform() * len(self.noise))], self.R.uniform()
        self.draw_seed = derive_seed(*self.R.randint(2**32, size=2, dtype=np.uint32))
        if isinstance(choice, str):
            low, high = self.limits()
            choice = noise_model(choice, low + share * (high - low), **self.options)
        self.model: NoiseModel = choice

    def restart(self, img: torch.Tensor | np.ndarray) -> None:
        """With a seed of its own, set the random state by it and the image."""
        if self.seed is not None:
            self.set_random_state(seed=image_seed(self.seed, convert_to_tensor(img, track_meta=False)) % 2**32)

    def __call__(self, img: torch.Tensor | np.ndarray, randomize: bool = True) -> torch.Tensor:
        """Add noise, or not.

        Args:
            img: (C, *spatial).
            randomize: draw anew; otherwise, what was drawn last is used again.

        Returns:
            float32, with noise or without; see :func:`noisy_image`.
        """
        if randomize:
            self.restart(img)
            self.randomize()
        if not self._do_transform:
            plain: torch.Tensor = convert_to_tensor(img, dtype=torch.float32, track_meta=get_track_meta())
            return plain
        return noisy_image(img, self.model, self.draw_seed, self.shared_channels)


class RandNoised(MapTransform, Randomizable):
    """Dictionary version of :class:`RandNoise`.

    All keys get noise of the same model and level, or none; the noise itself is independent from key to key, as the two
    images of a noisy pair need it. (MONAI's ``RandGaussianNoised`` gives all keys the same noise.)

    Args:
        keys: of the images.
        noise: see :class:`RandNoise`, as are the others.
        level: lowest and highest level, or one number.
        prob: probability that noise is added.
        seed: instead of MONAI's random state; the image under the first key counts.
        shared_channels: give all channels of an image the same random numbers.
        options: further arguments of :func:`noise_model`.
        allow_missing_keys: do not raise where a key is missing.
    """

    def __init__(
        self,
        keys: KeysCollection,
        noise: NoiseModel | str | Sequence[NoiseModel | str],
        level: float | Sequence[float] | None = None,
        prob: float = 1.0,
        seed: int | None = None,
        shared_channels: bool = False,
        options: Mapping[str, Any] | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.rand_noise = RandNoise(noise, level, prob, seed, shared_channels, options)

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandNoised:
        """Set MONAI's random state.

        Args:
            seed: of a new state.
            state: a state to go on with, in place of a seed.
        """
        self.rand_noise.set_random_state(seed, state)
        return self

    def randomize(self, data: Any = None) -> None:
        """Draw whether, which, how much, and the seed of the noise."""
        self.rand_noise.randomize()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add noise to the images under the keys, or to none."""
        noisy = dict(data)
        keys = list(self.key_iterator(noisy))
        if not keys:
            return noisy
        self.rand_noise.restart(noisy[keys[0]])
        self.randomize()
        drawn = self.rand_noise.draw_seed
        for key in keys:
            self.rand_noise.draw_seed = derive_seed(drawn, key)
            noisy[key] = self.rand_noise(noisy[key], randomize=False)
        return noisy


def _limits(level: float | Sequence[float] | None) -> tuple[float, float] | None:
    if level is None:
        return None
    pair = (level, level) if isinstance(level, (int, float)) else tuple(level)
    if len(pair) != 2 or not 0.0 <= pair[0] <= pair[1]:
        raise InputError(f"got noise level {level}; expected a number of at least 0, or two: the lowest, the highest")
    return float(pair[0]), float(pair[1])
