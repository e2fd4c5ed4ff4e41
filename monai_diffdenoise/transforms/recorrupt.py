# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
r"""Two images with independent noise from one: recorrupted-to-recorrupted pairs, for noise whose law is known.

Where y is the noisy image, x the clean one and :math:`p = 1 / (1 + \tau^2)`:

| noise of y | image | target |
|---|---|---|
| Gaussian, covariance S | :math:`y + \tau z` | :math:`y - z / \tau`, z Gaussian with covariance S |
| Poisson, y = gain k | gain b / p | gain (k - b) / (1 - p), b from Binomial(k, p) |
| Gamma, L looks | y b / p | y (1 - b) / (1 - p), b from Beta(p L, (1 - p) L) |

All three have the mean x, the noise variance of the image is :math:`1 + \tau^2` times that of y, that of the target
:math:`1 + 1 / \tau^2` times, and the two are independent; so the mean of the target given the image is x. Only for
Gaussian noise that depends on the signal they are merely uncorrelated: see :class:`GaussianRecorruption`.

A small :math:`\tau` keeps what the network sees in training close to y, which it sees afterwards, and pays with a noisy
target: the error of a target costs no bias, only longer training.

The Gaussian pair is that of Pang et al. (CVPR 2021), the others are those of Monroy et al. (generalized R2R, 2024).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.transforms import MapTransform, Randomizable

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise.spectra import PowerSpectrum
from monai_diffdenoise.transforms.noise.texture import Texture, White

__all__ = [
    "GammaRecorruption",
    "GaussianRecorruption",
    "PoissonRecorruption",
    "Recorruptd",
    "Recorruption",
    "make_recorruption",
]


@dataclass(frozen=True, kw_only=True)
class Recorruption(ABC):
    """How a noisy image is split in two.

    Args:
        tau: above 0; the noise variance is 1 + tau^2 times that of the noisy image in the first, 1 + 1 / tau^2 times in
            the second.
    """

    tau: float = 0.5

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tau) and self.tau > 0):
            raise InputError(f"got tau={self.tau}; expected a number above 0, such as 0.5")

    @property
    def share(self) -> float:
        """Of the information that goes to the first image, 0 to 1."""
        return 1 / (1 + self.tau**2)

    @abstractmethod
    def split(self, noisy: torch.Tensor, random: np.random.RandomState) -> tuple[torch.Tensor, torch.Tensor]:
        """What the network sees, and what it is compared with.

        Args:
            noisy: (C, *S) in the units of the noise's parameters; it is not changed.
            random: moves on.

        Returns:
            two new tensors of its shape and type.
        """


@dataclass(frozen=True, kw_only=True)
class GaussianRecorruption(Recorruption):
    r"""Gaussian noise of one level, white or correlated; or of a level that depends on the signal.

    With a gain, the noise variance at a clean value x is :math:`g\,(x - o) + \sigma^2` (Poisson-Gaussian), and z is
    drawn with that of the noisy value. The law being affine, image and target are uncorrelated all the same, up to
    values that fall below the offset o. They are not independent: with image noise a and target noise b,
    :math:`E[a^2 b] = g\,((\tau^2 - 1)\,g\,(x - o) + (\tau^2 - 2)\,\sigma^2)`, so the target's mean given the image is
    off, least of all for :math:`\tau` from 1 (Poisson) to 1.4 (Gaussian): at 20 quanta by 0.1 noise standard deviations
    (root mean square) with 0.5, by 0.01 with 1. Stabilizing the variance first is the alternative.

    Args:
        sigma: standard deviation of the part that does not depend on the signal, at least 0.
        texture: how the noise is correlated; :class:`~monai_diffdenoise.transforms.noise.PowerSpectrum` takes a
            measured spectrum.
        gain: signal of one quantum, at least 0.
        offset: value without quanta.
    """

    sigma: float
    texture: Texture = White()
    gain: float = 0.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        numbers = (self.sigma, self.gain)
        if not all(math.isfinite(number) and number >= 0 for number in (*numbers, abs(self.offset))) or not any(
            numbers
        ):
            raise InputError(
                f"got sigma={self.sigma}, gain={self.gain}, offset={self.offset}; expected sigma and gain of at least "
                "0, not both 0, and a finite offset"
            )

    def split(self, noisy: torch.Tensor, random: np.random.RandomState) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(int(random.randint(2**32, dtype=np.uint32)))
        z = self.texture.draw(tuple(noisy.shape), generator).to(noisy)
        if self.gain:
            z *= (self.gain * (noisy - self.offset).clamp(min=0) + self.sigma**2).sqrt()
        else:
            z *= self.sigma
        return noisy + self.tau * z, noisy - z / self.tau


@dataclass(frozen=True, kw_only=True)
class PoissonRecorruption(Recorruption):
    """White Poisson noise: every quantum goes to one image or the other.

    What a value has beyond a whole number of quanta stays in both images, as do values below the offset. Where the
    values are no exact counts, the noise that this remainder leaves in common has a variance of about gain^2 / 12.

    Args:
        gain: signal of one quantum, above 0.
        offset: value without quanta.
    """

    gain: float
    offset: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.gain) and self.gain > 0 and math.isfinite(self.offset)):
            raise InputError(f"got gain={self.gain}, offset={self.offset}; expected a gain above 0, a finite offset")

    def split(self, noisy: torch.Tensor, random: np.random.RandomState) -> tuple[torch.Tensor, torch.Tensor]:
        values = noisy.detach().cpu().double()
        count = ((values - self.offset) / self.gain).round().clamp(min=0)
        first = torch.from_numpy(random.binomial(count.numpy().astype(np.int64), self.share))
        rest = values - self.gain * count
        image = rest + self.gain * first / self.share
        return image.to(noisy), (rest + self.gain * (count - first) / (1 - self.share)).to(noisy)


@dataclass(frozen=True, kw_only=True)
class GammaRecorruption(Recorruption):
    """White Gamma noise (speckle): every value is divided in two parts, the share of the first a Beta variable.

    Args:
        looks: shape of the Gamma distribution, above 0: the noise variance at a clean value x is x^2 / looks.
    """

    looks: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.looks) and self.looks > 0):
            raise InputError(f"got looks={self.looks}; expected a number above 0")

    def split(self, noisy: torch.Tensor, random: np.random.RandomState) -> tuple[torch.Tensor, torch.Tensor]:
        p = self.share
        drawn = random.beta(p * self.looks, (1 - p) * self.looks, tuple(noisy.shape))
        part = torch.from_numpy(np.asarray(drawn)).to(noisy)
        return noisy * part / p, noisy * (1 - part) / (1 - p)


def make_recorruption(
    family: str, parameters: Mapping[str, float], power: torch.Tensor | None = None, tau: float | None = None
) -> Recorruption:
    """The recorruption for noise that was measured.

    Args:
        family: "gaussian", "poisson-gaussian" or "gamma", as in :class:`~monai_diffdenoise.analysis.NoiseFamily`.
        parameters: of that family: sigma; gain, offset and sigma; looks.
        power: noise power spectrum in the plane, see
            :class:`~monai_diffdenoise.transforms.noise.PowerSpectrum`; None for white noise.
        tau: see :class:`Recorruption`; None for 0.5, or for 1 where image and target are not quite independent, see
            :class:`GaussianRecorruption`.

    Raises:
        InputError: a family for which none is known, or correlated noise of a family that can only be split pixel by
            pixel; the sentence says what to do.
    """
    p = dict(parameters)
    if family in ("rician", "noncentral-chi"):
        raise InputError(
            f"got {family} noise, which has no mean of 0 and cannot be split: stabilize it first, then recorrupt "
            "gaussian noise with sigma 1; where the signal is over 4 times the noise everywhere, it is gaussian"
        )
    if family not in ("gaussian", "poisson-gaussian", "gamma"):
        raise InputError(f"got noise family {family!r}; expected gaussian, poisson-gaussian or gamma")
    if power is not None and family == "gamma":
        raise InputError(
            "got correlated gamma noise, which cannot be split: stabilize it first, then recorrupt gaussian noise"
        )
    exact = 0.5 if tau is None else tau
    try:
        if family == "gamma":
            return GammaRecorruption(tau=exact, looks=p["looks"])
        texture = White() if power is None else PowerSpectrum(power)
        if family == "gaussian":
            return GaussianRecorruption(tau=exact, sigma=p["sigma"], texture=texture)
        offset = p.get("offset", 0.0)
        if power is None and p["sigma"] == 0:
            return PoissonRecorruption(tau=exact, gain=p["gain"], offset=offset)
        nearly = 1.0 if tau is None else tau
        return GaussianRecorruption(tau=nearly, sigma=p["sigma"], texture=texture, gain=p["gain"], offset=offset)
    except KeyError as missing:
        raise InputError(f"got no {missing.args[0]} for {family} noise; expected it among the parameters") from missing


class Recorruptd(MapTransform, Randomizable):
    """Turn a pair of an image with itself into a recorrupted one.

    ``target`` is split; the first half takes its place at the first channels of ``image``, the second becomes the new
    ``target``. Context channels after the first ones, ``weight`` and everything else in the dictionary are passed on.

    Args:
        recorruption: how.
    """

    def __init__(self, recorruption: Recorruption) -> None:
        super().__init__(["image", "target"])
        if not isinstance(recorruption, Recorruption):
            raise InputError(f"got a recorruption of type {type(recorruption).__name__}; expected a Recorruption")
        self.recorruption = recorruption

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        pair = dict(data)
        image, target = self.recorruption.split(pair["target"], self.R)
        pair["image"] = torch.cat([image, pair["image"][target.shape[0] :]])
        pair["target"] = target
        return pair
