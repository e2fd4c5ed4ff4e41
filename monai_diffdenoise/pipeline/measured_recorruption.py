# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""How a volume is split in two with independent noise, by the noise that was measured in it."""

from __future__ import annotations

import torch

from monai_diffdenoise.analysis import NoiseSpectrum
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.zero_shot import ZeroShot
from monai_diffdenoise.transforms.noise.spectra import PowerSpectrum
from monai_diffdenoise.transforms.noise.texture import Texture, White
from monai_diffdenoise.transforms.recorrupt import GaussianRecorruption, Recorruption, make_recorruption

__all__ = ["measured_recorruption"]

# Larger than any correlation that is measured; smaller than most images.
_SPECTRUM = 64


def measured_recorruption(job: ZeroShot, channel: int, tau: float) -> Recorruption:
    """The recorruption of a channel of ``job.work``, in its units.

    Args:
        job: a volume with its plan.
        channel: time point.
        tau: see :class:`~monai_diffdenoise.transforms.recorrupt.Recorruption`.

    Raises:
        InputError: no noise was measured.
    """
    sigma = job.noise.sigma(channel) * job.scalings[channel].scale
    noise = job.plan.noise
    if noise is None or not sigma > 0:
        raise InputError("got a volume whose noise could not be measured; recorrupted targets need it: choose bsn")
    white = bool(noise["in_plane"]["white"])
    family = noise["family"]
    if job.stabilizer is None and family["name"] == "gamma" and white:
        return make_recorruption("gamma", family["parameters"], tau=tau)
    texture = White() if white else _texture(noise["in_plane"]["autocorrelation"], job.plan.axis)
    if job.stabilizer is None and family["name"] == "poisson-gaussian":
        p = family["parameters"]
        return GaussianRecorruption(
            tau=tau, sigma=p["sigma"], gain=p["gain"], offset=p.get("offset", 0.0), texture=texture
        )
    # stabilized, or magnitudes far from their floor, or speckle that cannot be split pixel by pixel
    return GaussianRecorruption(tau=tau, sigma=sigma, texture=texture)


def _texture(autocorrelation: list[list[float]], axis: int) -> Texture:
    spectrum = NoiseSpectrum(torch.tensor(autocorrelation), 0.0, 0.0)
    plane = tuple(k for k in range(3) if k != axis)
    return PowerSpectrum(spectrum.power(_SPECTRUM, _SPECTRUM), plane)
