# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Measure the noise of an image, a volume or a series: level, law, correlation, symmetry, and how sure all this is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from monai_diffdenoise.analysis.flat_blocks import find_flat_blocks
from monai_diffdenoise.analysis.intensities import Intensities, measure_intensities
from monai_diffdenoise.analysis.noise_family import NoiseCurve, NoiseFamily
from monai_diffdenoise.analysis.noise_shape import LevelVariation, level_variation, noise_skewness
from monai_diffdenoise.analysis.noise_spectrum import NoiseSpectrum
from monai_diffdenoise.analysis.noise_views import NoiseView, choose_view, foreground_sigma, noise_views
from monai_diffdenoise.analysis.sigma import slice_stack
from monai_diffdenoise.analysis.sigma_estimators import sigma_background, sigma_laplacian, sigma_patch_pca
from monai_diffdenoise.analysis.slice_correlation import SliceCorrelation
from monai_diffdenoise.analysis.white_after_all import weaker, white_after_all, white_like
from monai_diffdenoise.errors import InputError

__all__ = ["NoiseMeasurement", "measure_noise"]

_CLEAN = 1.8
# Of 256 x 256 x 128: measured as a whole in seconds.
_VOXELS = 1 << 23


@dataclass(frozen=True, eq=False)
class NoiseMeasurement:
    """What is known about the noise; all values in input units.

    Args:
        basis: what the noise was seen in: "slices" (differences of next ones), "repeats" (differences of time points)
            or "image" (flat places of single images).
        sigma: noise standard deviation, root mean square over the foreground.
        family: how it depends on the signal.
        curve: the measured dependence.
        spectrum: how it is correlated within slices.
        across: how it is correlated from slice to slice.
        skewness: of the noise, and its standard error; None where it cannot be seen.
        variation: of the level from place to place; None where it cannot be seen.
        intensities: clipping and quantization.
        estimates: sigma by every estimator that could be used.
    """

    basis: str
    sigma: float
    family: NoiseFamily
    curve: NoiseCurve
    spectrum: NoiseSpectrum
    across: SliceCorrelation
    skewness: tuple[float, float] | None
    variation: LevelVariation | None
    intensities: Intensities
    estimates: dict[str, float]

    @property
    def certain(self) -> bool:
        """Whether enough places without anatomy were found; otherwise sigma is an upper bound."""
        return self.family.certain

    @property
    def disagreement(self) -> float:
        """Largest over smallest of the estimates."""
        values = [value for value in self.estimates.values() if value > 0]
        return max(values) / min(values) if values else 1.0

    def sigma_at(self, brightness: torch.Tensor | np.ndarray | float) -> np.ndarray:
        """Noise standard deviation at a mean brightness, float64."""
        return np.sqrt(self.family.variance(brightness))

    def to_json(self) -> dict[str, Any]:
        """Plain types; what cannot be known is None."""
        s = self.spectrum
        return {
            "basis": self.basis,
            "sigma": self.sigma,
            "certain": self.certain,
            "estimates": {name: _plain(value) for name, value in self.estimates.items()},
            "disagreement": self.disagreement,
            "family": self.family.to_json(),
            "curve": {
                name: [float(value) for value in getattr(self.curve, name)]
                for name in ("mean", "variance", "structure")
            },
            "in_plane": {
                "white": s.white,
                "lag_1": [s.lag(1, 0), s.lag(0, 1)],
                "lag_2": [s.lag(2, 0), s.lag(0, 2)],
                "lengths": list(s.lengths),
                "band_limit": list(s.band_limit),
                "autocorrelation": [[round(v, 4) for v in row] for row in s.autocorrelation.tolist()],
                "error": _plain(s.error),
            },
            "across_slices": {
                "distance_1": _plain(self.across.at[0]),
                "distance_2": _plain(self.across.at[1]),
                "drift": _plain(self.across.drift),
                "error": _plain(self.across.error),
            },
            "skewness": None if self.skewness is None else [_plain(v) for v in self.skewness],
            "level_variation": None
            if self.variation is None
            else vars(self.variation) | {"varies": self.variation.varies},
            "intensities": vars(self.intensities),
        }


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def measure_noise(
    image: torch.Tensor, slice_axis: int = -1, *, repeats: bool = True, voxels: int = _VOXELS
) -> NoiseMeasurement:
    """Measure the noise of an image.

    Args:
        image: (C, X, Y) or (C, X, Y, Z), finite; C counts time points. The middle one is measured.
        slice_axis: spatial axis (0 to 2) along which the slices are stacked.
        repeats: whether C counts moments of one picture, so that their differences may be used.
        voxels: about how many of a large volume are looked at, in four slabs of next slices; some 24 slices at least.

    Returns:
        level, law, correlation, and whether they are certain.

    Raises:
        InputError: another number of axes, or an image without noise in it or too small to measure (under 32 pixels
            wide and without neighboring slices).
    """
    plain = image.as_subclass(torch.Tensor).detach()
    if plain.dim() not in (3, 4) or 0 in plain.shape:
        raise InputError(f"got an image of shape {tuple(plain.shape)}; expected (C, X, Y) or (C, X, Y, Z)")
    typical = plain[plain.shape[0] // 2]
    stack = _slabs(slice_stack(typical, slice_axis), voxels)
    scale = float(stack.abs().max())
    if not scale > 0:
        raise InputError("got an image that is 0 everywhere; there is no noise to measure")
    stack = stack / scale  # squares of very large or small units would leave float32
    views = noise_views(stack, plain, slice_axis, scale, repeats)
    if not views:
        raise InputError(
            f"got an image of {' x '.join(map(str, typical.shape))} voxels in which no noise was found: too small "
            "(under 32 pixels wide) or constant where it is flat"
        )
    basis = choose_view(views, stack)
    view = views[basis]
    clean, curve = view.clean(), view.curve
    quiet, levels = view.blocks.select(clean), view.levels()[clean]
    estimates = {name: foreground_sigma(other.family, stack) * scale for name, other in views.items()}
    estimates |= _classical(stack, scale, view.family.name)
    sigma = foreground_sigma(view.family, stack) * scale
    level = white_after_all(view.spectrum, sigma, estimates) if basis == "image" else None
    if level is not None:
        view = replace(view, family=weaker(view.family, level / sigma), spectrum=white_like(view.spectrum))
        sigma = level
    return NoiseMeasurement(
        basis=basis,
        sigma=sigma,
        family=_in_units(view.family, scale),
        curve=NoiseCurve(
            curve.mean * scale,
            curve.variance * scale**2,
            curve.count,
            curve.structure,
            curve.pixels,
            curve.lowest * scale,
            curve.threshold * scale,
        ),
        spectrum=view.spectrum,
        across=view.across,
        skewness=_skewness(stack, view) if basis == "slices" else None,
        variation=level_variation(quiet, levels, _shape(stack)),
        intensities=_scaled_intensities(measure_intensities(stack), scale),
        estimates={name: value for name, value in estimates.items() if math.isfinite(value)},
    )


def _shape(stack: torch.Tensor) -> tuple[int, int, int]:
    return stack.shape[0], stack.shape[1], stack.shape[2]


def _skewness(stack: torch.Tensor, view: NoiseView) -> tuple[float, float] | None:
    """Seen in runs of three slices; the finest detail of the noise would be more Gaussian than the noise."""
    blocks = find_flat_blocks(stack, 0)
    if blocks is None:
        return None
    quiet = blocks.select((blocks.structure < _CLEAN)[blocks.group])
    levels = torch.from_numpy(np.sqrt(view.family.variance(quiet.mean.numpy())))
    return noise_skewness(quiet, levels) if len(levels) else None


def _slabs(stack: torch.Tensor, voxels: int) -> torch.Tensor:
    """All slices of a volume, or four slabs of next ones of a large one; where slabs meet, slices are no neighbors."""
    wanted = max(voxels // stack[0].numel(), 24)
    if stack.shape[0] <= wanted:
        return stack
    thick = wanted // 4
    starts = [round(k * (stack.shape[0] - thick) / 3) for k in range(4)]
    return torch.cat([stack[start : start + thick] for start in starts])


def _scaled_intensities(found: Intensities, scale: float) -> Intensities:
    return replace(found, lowest=found.lowest * scale, highest=found.highest * scale, step=found.step * scale)


def _in_units(family: NoiseFamily, scale: float) -> NoiseFamily:
    power = {"sigma": scale, "gain": scale, "offset": scale}
    parameters = {name: value * power.get(name, 1.0) for name, value in family.parameters.items()}
    return NoiseFamily(family.name, parameters, family.misfit, family.alternatives, family.certain)


def _classical(stack: torch.Tensor, scale: float, family: str) -> dict[str, float]:
    estimators: dict[str, Callable[..., float]] = {"laplacian": sigma_laplacian, "patch_pca": sigma_patch_pca}
    if family in ("rician", "noncentral-chi"):
        estimators["background"] = sigma_background
    return {name: estimate(stack, 0) * scale for name, estimate in estimators.items()}
