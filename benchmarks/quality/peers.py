# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Programs of others, told what they ask for."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from benchmarks.cases import Case
from benchmarks.quality.methods import MissingPeerError

__all__ = ["run_bm4d"]


def _spectrum(case: Case, shape: tuple[int, ...]) -> np.ndarray:
    """Power spectrum of the noise, from the very noise that was added: the most that could be known."""
    if case.noise is None:
        raise MissingPeerError("the spectrum of real noise is not known")
    axis = case.volume.slice_axis
    planes = np.moveaxis(case.noise[0].double().numpy(), axis, 0)
    # slices are independent of each other, so their periodograms are averaged; smoothed, since few of them are noisy
    power = gaussian_filter((np.abs(np.fft.fft2(planes - planes.mean())) ** 2).mean(0), 1.5, mode="wrap")
    # the squared values of the transform of the whole volume, which is what BM4D takes for a spectrum
    whole = np.repeat(power[None], planes.shape[0], axis=0) * planes.shape[0]
    return np.moveaxis(whole, 0, axis).reshape(shape)


def run_bm4d(case: Case, told: str, seed: int) -> torch.Tensor:
    """BM4D on each channel, all three axes together.

    Args:
        case: what to run it on.
        told: "white": the true sigma. "estimated": scikit-image's wavelet estimate. "spectrum": the true spectrum.
        seed: not used.
    """
    try:
        import bm4d
    except ImportError as error:
        raise MissingPeerError("bm4d is not installed (pip install bm4d)") from error
    from skimage.restoration import estimate_sigma

    if not hasattr(np, "trapz"):
        # bm4d 4.2.5 asks for the name that numpy 2.4 no longer has
        np.trapz = np.trapezoid  # noqa: NPY201
    noisy = case.volume.image.numpy().astype(np.float64)
    outputs = []
    for channel in noisy:
        low, scale = channel.min(), np.ptp(channel)
        image = (channel - low) / scale
        if told == "spectrum":
            noise = _spectrum(case, channel.shape) / scale**2
        elif told == "white":
            noise = case.sigma / scale
        else:
            noise = float(estimate_sigma(np.squeeze(image)))
        outputs.append(bm4d.bm4d(image, noise).reshape(channel.shape) * scale + low)
    return torch.from_numpy(np.stack(outputs))
