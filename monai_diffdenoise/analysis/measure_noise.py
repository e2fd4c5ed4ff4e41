# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Measure the noise of an image, a volume or a series: level, law, correlation, symmetry, and how sure all this is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from monai_diffdenoise.analysis.flat_blocks import FlatBlocks, find_flat_blocks
from monai_diffdenoise.analysis.intensities import Intensities, measure_intensities
from monai_diffdenoise.analysis.noise_family import NoiseCurve, NoiseFamily, fit_family
from monai_diffdenoise.analysis.noise_shape import LevelVariation, level_variation, noise_skewness
from monai_diffdenoise.analysis.noise_spectrum import NoiseSpectrum, measure_spectrum
from monai_diffdenoise.analysis.sigma import slice_stack
from monai_diffdenoise.analysis.sigma_estimators import sigma_background, sigma_laplacian, sigma_patch_pca
from monai_diffdenoise.analysis.single_image import measure_single_image
from monai_diffdenoise.analysis.slice_correlation import SliceCorrelation, measure_slice_correlation
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.block_noise import block_mean, foreground_threshold

__all__ = ["NoiseMeasurement", "measure_noise"]

_CORRELATED = 0.1
_FAR_MORE = 1.3
_UNKNOWN = SliceCorrelation((math.nan, math.nan), math.nan, math.nan)


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


def measure_noise(image: torch.Tensor, slice_axis: int = -1, *, repeats: bool = True) -> NoiseMeasurement:
    """Measure the noise of an image.

    Args:
        image: (C, X, Y) or (C, X, Y, Z), finite; C counts time points. The middle one is measured.
        slice_axis: spatial axis (0 to 2) along which the slices are stacked.
        repeats: whether C counts moments of one picture, so that their differences may be used.

    Raises:
        InputError: another number of axes, or an image without noise in it or too small to measure (under 32 pixels
            wide and without neighboring slices).
    """
    plain = image.as_subclass(torch.Tensor).detach().float()
    if plain.dim() not in (3, 4) or 0 in plain.shape:
        raise InputError(f"got an image of shape {tuple(plain.shape)}; expected (C, X, Y) or (C, X, Y, Z)")
    typical = plain[plain.shape[0] // 2]
    stack = slice_stack(typical, slice_axis)
    scale = float(stack.abs().max())
    if not scale > 0:
        raise InputError("got an image that is 0 everywhere; there is no noise to measure")
    stack = stack / scale  # squares of very large or small units would leave float32
    found = _candidates(stack, plain, slice_axis, scale, repeats)
    if not found:
        raise InputError(
            f"got an image of {' x '.join(map(str, typical.shape))} voxels in which no noise was found: it is too small "
            "(under 32 pixels wide) or constant where it is flat"
        )
    basis = _choose(found, stack)
    blocks, family, spectrum, across, curve = found[basis]
    sigma = _foreground_sigma(family, stack)
    level = _level(family, blocks)
    clean = torch.from_numpy(curve.trusted()[0])[blocks.group]
    quiet = _keep(blocks, clean)
    estimates = {name: _foreground_sigma(part[1], stack) * scale for name, part in found.items()} | _classical(
        stack, scale, family.name
    )
    return NoiseMeasurement(
        basis=basis,
        sigma=sigma * scale,
        family=_in_units(family, scale),
        curve=NoiseCurve(
            curve.mean * scale,
            curve.variance * scale**2,
            curve.count,
            curve.structure,
            curve.pixels,
            curve.lowest * scale,
            curve.threshold * scale,
        ),
        spectrum=spectrum,
        across=across,
        skewness=noise_skewness(quiet, level[clean]) if basis == "slices" and stack.shape[0] > 2 else None,
        variation=level_variation(quiet, level[clean], _shape(stack)),
        intensities=measure_intensities(typical),
        estimates={name: value for name, value in estimates.items() if math.isfinite(value)},
    )


_Part = tuple[FlatBlocks, NoiseFamily, NoiseSpectrum, SliceCorrelation, NoiseCurve]


def _choose(found: dict[str, _Part], stack: torch.Tensor) -> str:
    """Differences are the better witness; unnoticed structure is the only thing that makes them see far too much."""
    levels = {name: _foreground_sigma(part[1], stack) for name, part in found.items()}
    differences = [name for name in found if name != "image"]
    if not differences:
        return "image"
    certain = [name for name in differences if found[name][1].certain] or differences
    best = min(certain, key=lambda name: levels[name])
    if "image" in found and found["image"][1].certain and levels[best] > _FAR_MORE * levels["image"]:
        return "image"
    return best


def _candidates(
    stack: torch.Tensor, image: torch.Tensor, slice_axis: int, scale: float, repeats: bool
) -> dict[str, _Part]:
    """Every way to see the noise that this image allows."""
    found: dict[str, _Part] = {}
    lowest, threshold = float(stack.min()), foreground_threshold(stack)
    across = measure_slice_correlation(stack, 0)
    sliced = _from_differences(stack, lowest, threshold, across) if stack.shape[0] > 1 else None
    if sliced is not None:
        found["slices"] = sliced
    if repeats and image.shape[0] > 1:
        middle = slice_stack(image[0], slice_axis).shape[0] // 2
        series = torch.stack([slice_stack(part, slice_axis)[middle] for part in image]) / scale
        timed = _from_differences(series, lowest, threshold, _UNKNOWN)
        if timed is not None:
            found["repeats"] = (*timed[:3], across, timed[4])
    single = measure_single_image(stack, 0)
    if single is not None:
        blocks, spectrum = single
        curve = _curve(blocks, lowest, threshold)
        found["image"] = blocks, fit_family(curve), spectrum, across, curve
    return found


def _from_differences(stack: torch.Tensor, lowest: float, threshold: float, across: SliceCorrelation) -> _Part | None:
    """Noise from the differences of slices (or time points)."""
    near, next_but_one = (0.0 if math.isnan(r) or abs(r) < _CORRELATED else r for r in across.at)
    distance = 1 if not near else (2 if not next_but_one else 3)
    order = 2
    while stack.shape[0] <= order * distance and distance > 1:
        distance -= 1
    if stack.shape[0] <= order * distance:
        order = 1
    correlation = {1: near, 2: next_but_one}.get(distance, 0.0)
    # The variance of a run's field under correlation from slice to slice, as far as it is known.
    kept = 1 - correlation if order == 1 else 1 - 4 / 3 * correlation + (next_but_one / 3 if distance == 1 else 0)
    blocks = find_flat_blocks(stack, 0, distance, order)
    if blocks is None:
        return None
    blocks = _scaled(blocks, max(kept, 0.1))
    curve = _curve(blocks, lowest, threshold)
    family = fit_family(curve)
    large = find_flat_blocks(stack, 0, distance, order, side=16, share=0.1) or blocks
    clean = (large.structure < 1.8)[large.group]
    large = _keep(large, clean) if int(clean.sum()) >= 8 else large
    spectrum = measure_spectrum(large, _level(family, large))
    if spectrum.white and stack.shape[0] > 3 * distance and distance == 1 and not near:
        # White noise shows in the finest detail, where texture shows least.
        finer = find_flat_blocks(stack, 0, 1, 3, fine=True)
        if finer is not None:
            finer_curve = _curve(finer, lowest, threshold)
            finer_family = fit_family(finer_curve)
            return (blocks if order == 2 else finer), finer_family, spectrum, across, _curve(blocks, lowest, threshold)
    return blocks, family, spectrum, across, curve


def _curve(blocks: FlatBlocks, lowest: float, threshold: float) -> NoiseCurve:
    return NoiseCurve(
        mean=blocks.group_means(blocks.mean.double()).numpy(),
        variance=blocks.group_means(blocks.energy.double()).numpy(),
        count=blocks.counts.numpy(),
        structure=blocks.structure.double().numpy(),
        lowest=lowest,
        threshold=threshold,
    )


def _keep(blocks: FlatBlocks, which: torch.Tensor) -> FlatBlocks:
    return FlatBlocks(
        blocks.field[which],
        blocks.mean[which],
        blocks.place[which],
        blocks.group[which],
        blocks.structure,
        blocks.share,
    )


def _scaled(blocks: FlatBlocks, variance: float) -> FlatBlocks:
    """Blocks whose field is divided so that its variance is that of one slice."""
    return FlatBlocks(
        blocks.field / math.sqrt(variance),
        blocks.mean,
        blocks.place,
        blocks.group,
        blocks.structure * variance,
        blocks.share,
    )


def _level(family: NoiseFamily, blocks: FlatBlocks) -> torch.Tensor:
    return torch.from_numpy(np.sqrt(family.variance(blocks.mean.numpy())))


def _shape(stack: torch.Tensor) -> tuple[int, int, int]:
    return stack.shape[0], stack.shape[1], stack.shape[2]


def _foreground_sigma(family: NoiseFamily, stack: torch.Tensor) -> float:
    means = block_mean(stack)
    bright = means[means > foreground_threshold(stack)]
    return math.sqrt(float(family.variance((bright if bright.numel() else means).double().numpy()).mean()))


def _in_units(family: NoiseFamily, scale: float) -> NoiseFamily:
    power = {"sigma": scale, "gain": scale, "offset": scale}
    parameters = {name: value * power.get(name, 1.0) for name, value in family.parameters.items()}
    return NoiseFamily(family.name, parameters, family.misfit, family.alternatives, family.certain)


def _classical(stack: torch.Tensor, scale: float, family: str) -> dict[str, float]:
    estimators: dict[str, Callable[..., float]] = {"laplacian": sigma_laplacian, "patch_pca": sigma_patch_pca}
    if family in ("rician", "noncentral-chi"):
        estimators["background"] = sigma_background
    return {name: estimate(stack, 0) * scale for name, estimate in estimators.items()}
