# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Many simple denoisers, good and bad, to test scores on: each turns a volume (X, Y, Z) into another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.ndimage import convolve, gaussian_filter, median_filter
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

__all__ = ["blind_denoisers", "slice_denoisers", "volume_denoisers"]

Denoise = Callable[[np.ndarray], np.ndarray]


def slice_denoisers(sigma: float) -> dict[str, Denoise]:
    """Denoisers that see one slice (along the last axis) at a time, told a noise of ``sigma``."""
    found: dict[str, Denoise] = {"identity": lambda volume: volume}
    for width in (0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0):
        found[f"gauss {width}"] = partial(gaussian_filter, sigma=(width, width, 0.0))
    for size in (3, 5):
        found[f"median {size}"] = partial(median_filter, size=(size, size, 1))
    for share in (0.4, 0.6, 0.8, 1.0, 1.4):
        found[f"nlm {share}"] = partial(_nlm, h=share * sigma, sigma=sigma)
    for share in (0.3, 0.7, 1.2, 2.0):
        found[f"tv {share}"] = partial(_tv, weight=share * sigma)
    for share in (1.5, 2.5, 4.0):
        found[f"bilateral {share}"] = partial(_bilateral, strength=share * sigma)
    for name in ("gauss 0.7", "gauss 1.5", "nlm 0.8", "tv 1.2"):
        for alpha in (0.1, 0.25, 0.5):
            found[f"{name} fused {alpha}"] = partial(_fused, base=found[name], alpha=alpha)
    found["gauss 0.7, too dark"] = partial(_shifted, base=found["gauss 0.7"], shift=-0.3 * sigma)
    found["gauss 0.7, low contrast"] = partial(_flatter, base=found["gauss 0.7"])
    return found


def volume_denoisers() -> dict[str, Denoise]:
    """Denoisers that see the neighboring slices, too."""
    found: dict[str, Denoise] = {"mean of both neighbors": _neighbors, "mean of three slices": _three}
    for width in (0.5, 0.8, 1.2):
        found[f"gauss 3D {width}"] = partial(gaussian_filter, sigma=width)
    return found


def blind_denoisers() -> dict[str, Denoise]:
    """Denoisers that do not see the voxel that they estimate: Gaussian kernels without their middle."""
    found: dict[str, Denoise] = {}
    for hole in (0, 3):
        for width in (0.7, 1.0, 1.5, 2.0, 3.0):
            found[f"donut {width}, hole {2 * hole + 1}"] = partial(convolve, weights=_donut(width, hole), mode="mirror")
    return found


def _donut(width: float, hole: int) -> np.ndarray:
    offset = np.arange(-8, 9)
    kernel = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * width**2))
    kernel[8 - hole : 9 + hole, 8 - hole : 9 + hole] = 0.0
    return (kernel / kernel.sum())[:, :, None]


def _by_slice(volume: np.ndarray, work: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return np.stack([work(np.ascontiguousarray(volume[..., i])) for i in range(volume.shape[-1])], axis=-1)


def _nlm(volume: np.ndarray, h: float, sigma: float) -> np.ndarray:
    work = partial(denoise_nl_means, patch_size=5, patch_distance=5, h=h, sigma=sigma, fast_mode=True)
    return _by_slice(volume, work)


def _tv(volume: np.ndarray, weight: float) -> np.ndarray:
    return _by_slice(volume, partial(denoise_tv_chambolle, weight=weight, max_num_iter=60))


def _bilateral(volume: np.ndarray, strength: float) -> np.ndarray:
    padded = np.pad(volume, ((3, 3), (3, 3), (0, 0)), mode="reflect")
    height, width = volume.shape[:2]
    total, weights = np.zeros_like(volume), np.zeros_like(volume)
    for dy in range(-3, 4):
        for dx in range(-3, 4):
            moved = padded[3 + dy : 3 + dy + height, 3 + dx : 3 + dx + width]
            near = (dy * dy + dx * dx) / (2 * 1.5**2)
            weight = np.exp(-near - (moved - volume) ** 2 / (2 * strength**2))
            total += weight * moved
            weights += weight
    return total / weights


def _fused(volume: np.ndarray, base: Denoise, alpha: float) -> np.ndarray:
    return (1.0 - alpha) * base(volume) + alpha * volume


def _shifted(volume: np.ndarray, base: Denoise, shift: float) -> np.ndarray:
    return base(volume) + shift


def _flatter(volume: np.ndarray, base: Denoise) -> np.ndarray:
    return 0.9 * base(volume) + 0.1 * 0.5


def _neighbors(volume: np.ndarray) -> np.ndarray:
    return (np.roll(volume, 1, -1) + np.roll(volume, -1, -1)) / 2


def _three(volume: np.ndarray) -> np.ndarray:
    return (volume + np.roll(volume, 1, -1) + np.roll(volume, -1, -1)) / 3
