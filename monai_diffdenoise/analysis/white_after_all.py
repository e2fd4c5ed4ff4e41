# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Texture that a single image passes off as correlated noise, and what the noise is then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from monai_diffdenoise.analysis.noise_family import NoiseFamily
from monai_diffdenoise.analysis.noise_spectrum import NoiseSpectrum

__all__ = ["weaker", "white_after_all", "white_like"]

# Over 64 slices with known noise, laplacian over patch PCA was 0.88 to 1.05 where it was white, and laplacian over the
# level that was found above 0.58; where it was correlated, either the first was outside or the second under 0.45.
_LEAST, _MOST, _SHARE = 0.93, 1.08, 0.55


def white_after_all(spectrum: NoiseSpectrum, sigma: float, estimates: Mapping[str, float]) -> float | None:
    """The standard deviation of noise that is white though fine texture makes it look correlated.

    The mean of the finest detail (``laplacian``) and the weakest components of patches (``patch_pca``) show a different
    share of the noise wherever it is correlated, and the same where it is white. Where both see the same level, and it
    is not far below what was found, that is the noise, and the rest is texture.

    Args:
        spectrum: as it was measured in a single image.
        sigma: of the noise with that spectrum.
        estimates: by other estimators, which take the noise for white, in the units of ``sigma``.

    Returns:
        None where the noise was found white already, or is correlated.
    """
    fine, parts = estimates.get("laplacian", 0.0), estimates.get("patch_pca", 0.0)
    if spectrum.white or not (fine > 0 and parts > 0 and sigma > 0):
        return None
    level = min(fine, parts, sigma)
    return level if _LEAST <= fine / parts <= _MOST and level >= _SHARE * sigma else None


def white_like(spectrum: NoiseSpectrum) -> NoiseSpectrum:
    """A white spectrum of the same size and error."""
    white = torch.zeros_like(spectrum.autocorrelation)
    white[spectrum.reach, spectrum.reach] = 1.0
    return NoiseSpectrum(white, spectrum.error, spectrum.pedestal)


def weaker(family: NoiseFamily, share: float) -> NoiseFamily:
    """The same law with ``share`` of its standard deviation (of that of strong signals, for magnitudes)."""
    powers = {"sigma": share, "gain": share**2, "looks": 1 / share**2}
    parameters = {name: value * powers.get(name, 1.0) for name, value in family.parameters.items()}
    return replace(family, parameters=parameters)
