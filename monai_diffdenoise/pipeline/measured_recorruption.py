# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""How a volume is split in two with independent noise, by the noise that was measured in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from monai_diffdenoise.analysis import NoiseSpectrum
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise.spectra import PowerSpectrum
from monai_diffdenoise.transforms.recorrupt import GaussianRecorruption, Recorruption, make_recorruption

__all__ = ["measured_recorruption"]

# Larger than any correlation that is measured, smaller than most images; odd, so that the kernel has a middle.
_SPECTRUM = 65


def measured_recorruption(
    noise: Mapping[str, Any] | None, sigma: float, tau: float | None = None, axis: int = 2, stabilized: bool = False
) -> Recorruption:
    """The recorruption of a volume.

    It is told the noise as measured: too much and too little of it cost alike (docs/conditional_diffusion.md).

    Args:
        noise: see :meth:`~monai_diffdenoise.analysis.NoiseMeasurement.to_json`, in the units of the volume; None where
            it could not be measured.
        sigma: standard deviation of the noise, in the same units.
        tau: see :func:`~monai_diffdenoise.transforms.recorrupt.make_recorruption`.
        axis: of the slices.
        stabilized: the volume has noise of one strength, whatever ``noise`` says of its family.

    Returns:
        for magnitudes and for correlated speckle, which cannot be split pixel by pixel, that of Gaussian noise.

    Raises:
        InputError: no noise was measured.
    """
    if noise is None or not sigma > 0:
        raise InputError("got a volume whose noise could not be measured; recorrupted targets need it: choose bsn")
    name, parameters = noise["family"]["name"], noise["family"]["parameters"]
    white = bool(noise["in_plane"]["white"])
    if stabilized or not (name == "poisson-gaussian" or (name == "gamma" and white)):
        name, parameters = "gaussian", {"sigma": sigma}
    if white:
        return make_recorruption(name, parameters, tau=tau)
    spectrum = NoiseSpectrum(torch.tensor(noise["in_plane"]["autocorrelation"]), 0.0, 0.0)
    power = spectrum.power(_SPECTRUM, _SPECTRUM)
    made = make_recorruption(name, parameters, power, tau)
    assert isinstance(made, GaussianRecorruption), "no other is correlated"
    return replace(made, texture=PowerSpectrum(power, tuple(k for k in range(3) if k != axis)))
