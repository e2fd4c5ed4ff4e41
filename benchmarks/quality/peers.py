# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What the programs of others have in common: one channel at a time, scaled to 0..1, told what their file says."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from benchmarks.cases import Case
from benchmarks.quality.methods import MissingPeerError

__all__ = [
    "by_slice",
    "denoise_channels",
    "estimated_sigma",
    "need_volume",
    "noise_spectrum",
    "require",
    "run_bm3d",
    "run_bm4d",
    "series",
    "spatial_channels",
]

Work = Callable[[np.ndarray, float, float], np.ndarray]


def require(module: str, distribution: str = "") -> Any:
    """Import a module of a peer.

    Raises:
        MissingPeerError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = distribution or module.partition(".")[0]
        raise MissingPeerError(f"{name} is not installed (pip install {name})") from error


def spatial_channels(case: Case) -> np.ndarray:
    """The noisy volume, float64 (C, X, Y, Z); a slice is a volume with one slice."""
    noisy = case.volume.image.numpy().astype(np.float64)
    return noisy if noisy.ndim == 4 else noisy[..., None]


def denoise_channels(case: Case, work: Work) -> torch.Tensor:
    """Run a peer on each channel.

    Args:
        case: its noisy volume and its sigma are used.
        work: gets a channel scaled to 0..1 (X, Y, Z), the case's sigma and the scale, in units of one channel: 1 of the
            scaled image is the scale; returns the denoised channel, of any floating type.

    Returns:
        (C, *S) in the case's units.
    """
    outputs = []
    for channel in spatial_channels(case):
        low, scale = channel.min(), np.ptp(channel)
        scaled = np.ascontiguousarray((channel - low) / scale)
        outputs.append(np.asarray(work(scaled, case.sigma / scale, float(scale)), dtype=np.float64) * scale + low)
    return torch.from_numpy(np.stack(outputs)).reshape(case.volume.image.shape)


def series(case: Case) -> np.ndarray:
    """The noisy volumes as (X, Y, Z, C).

    Raises:
        MissingPeerError: fewer than five of them.
    """
    channels = spatial_channels(case)
    if channels.shape[0] < 5:
        raise MissingPeerError(f"for series of volumes; the case has {channels.shape[0]}")
    return np.ascontiguousarray(np.moveaxis(channels, 0, -1))


def need_volume(case: Case) -> None:
    """For filters in three dimensions that do not run on one slice.

    Raises:
        MissingPeerError: the case has fewer than three slices.
    """
    slices = spatial_channels(case).shape[1 + case.volume.slice_axis]
    if slices < 3:
        raise MissingPeerError(f"for volumes; the case has {slices} slice{'s' if slices > 1 else ''}")


def by_slice(image: np.ndarray, axis: int, work: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A peer for images on every slice of a volume."""
    planes = np.moveaxis(image, axis, 0)
    return np.moveaxis(np.stack([work(np.ascontiguousarray(plane)) for plane in planes]), 0, axis)


def estimated_sigma(image: np.ndarray) -> float:
    """scikit-image's estimate from the finest wavelets."""
    return float(require("skimage.restoration", "scikit-image").estimate_sigma(np.squeeze(image)))


def noise_spectrum(case: Case) -> np.ndarray:
    """Squared values of the noise's transform, mean over the slices, from the very noise that was added: an oracle.

    Raises:
        MissingPeerError: the noise is real.
    """
    if case.noise is None:
        raise MissingPeerError("the spectrum of real noise is not known")
    planes = np.moveaxis(case.noise[0].double().numpy(), case.volume.slice_axis, 0)
    # slices are independent of each other, so their periodograms are averaged; smoothed, since few of them are noisy
    power: np.ndarray = (np.abs(np.fft.fft2(planes - planes.mean())) ** 2).mean(0)
    return gaussian_filter(power, 1.5, mode="wrap")


def run_bm4d(case: Case, told: str, seed: int) -> torch.Tensor:
    """BM4D on each channel, all three axes together.

    Args:
        case: what to run it on.
        told: "white": the true sigma. "estimated": scikit-image's wavelet estimate. "spectrum": the true spectrum.
        seed: not used.
    """
    bm4d = require("bm4d")
    _old_numpy_name()
    axis = case.volume.slice_axis

    def work(image: np.ndarray, sigma: float, scale: float) -> np.ndarray:
        if told == "spectrum":
            # BM4D takes the squared values of the transform of the whole volume
            slices = image.shape[axis]
            noise: Any = np.moveaxis(np.repeat(noise_spectrum(case)[None], slices, axis=0) * slices, 0, axis) / scale**2
        else:
            noise = sigma if told == "white" else estimated_sigma(image)
        found: np.ndarray = bm4d.bm4d(image, noise)
        return found.reshape(image.shape)

    return denoise_channels(case, work)


def run_bm3d(case: Case, told: str) -> torch.Tensor:
    """BM3D on each slice; ``told`` as for :func:`run_bm4d`."""
    bm3d = require("bm3d")
    _old_numpy_name()

    def work(image: np.ndarray, sigma: float, scale: float) -> np.ndarray:
        noise: Any = noise_spectrum(case) / scale**2 if told == "spectrum" else sigma
        if told == "estimated":
            noise = estimated_sigma(image)
        return by_slice(image, case.volume.slice_axis, lambda plane: bm3d.bm3d(plane, noise).reshape(plane.shape))

    return denoise_channels(case, work)


def _old_numpy_name() -> None:
    """bm3d 4.0.3 and bm4d 4.2.5 ask for a name that numpy 2.4 no longer has."""
    if not hasattr(np, "trapz"):
        np.trapz = np.trapezoid  # type: ignore[attr-defined]  # noqa: NPY201
