# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Scores of the stage 2 benchmark, and the fusion that every method is offered."""

from __future__ import annotations

import torch

from benchmarks.stage2.cases import Case, scored
from monai_diffdenoise.inferers import fuse_volume_bands, posterior_fusion
from monai_diffdenoise.metrics import bias, noise_gain, psnr, ssim
from monai_diffdenoise.transforms import AffineScaling

__all__ = ["calibration", "fuse", "score"]


def score(
    case: Case, crop: str, result: torch.Tensor, noisy: torch.Tensor | None = None, digits: int = 4
) -> dict[str, float]:
    """PSNR in dB, SSIM, bias in percent of the range and noise gain of scored slices, where the clean one is over 0.15.

    Args:
        case: knows the clean crop.
        crop: which.
        result: (1, X, Y, D) in working units.
        noisy: what it was made from, in the case's units; the case's own when None.
        digits: kept.
    """
    clean, output = scored(case.clean[crop]), case.back(result)
    noise = scored(case.noisy[crop] if noisy is None else noisy) - clean
    mask = clean > 0.15
    found = {
        "psnr": psnr(output, clean, 1.0, mask),
        "ssim": ssim(output, clean, 1.0, mask),
        "bias": 100 * bias(output, clean, 1.0, mask),
        "gain": noise_gain(output, clean, noise, mask),
    }
    return {name: round(value, digits) for name, value in found.items()}


def fuse(case: Case, noisy: torch.Tensor, denoised: torch.Tensor) -> torch.Tensor:
    """Posterior fusion slice by slice (1, X, Y, D), with the noise that everyone is told; in bands if correlated."""
    fused = []
    for y, c in zip(noisy[0].split(1, -1), denoised[0].split(1, -1), strict=True):
        if case.kind == "correlated":
            lags = range(-4, 5)
            table = torch.tensor([[case.model.autocorrelation((a, b)) for b in lags] for a in lags])
            fused.append(
                fuse_volume_bands(y, c, None, case.sigma, AffineScaling(0.0, 1.0), margin=1.1, autocorrelation=table)[0]
            )
        else:
            fused.append(posterior_fusion(y, c, case.variance(c), window=7, margin=1.1)[0])
    return torch.cat(fused, -1)[None]


def calibration(
    case: Case, crop: str, result: torch.Tensor, spread: torch.Tensor, bins: int = 10
) -> dict[str, float | list[float]]:
    """How well the spread (1, X, Y, D) tells the error: correlation of their sizes, and both in bins of the spread.

    Returns:
        Pearson's and Spearman's correlation of spread and absolute error over pixels, and, in bins of equally many
        pixels, the mean spread and the root mean square error, in working units.
    """
    clean = scored(case.clean[crop])
    mask = clean > 0.15
    error, told = (result - case.work(clean))[mask].abs().double(), spread[mask].double()
    order = told.argsort()
    ranks = [values.argsort().argsort().double() for values in (told, error)]
    parts = [part for part in order.chunk(bins) if len(part)]
    return {
        "pearson": _correlation(told, error),
        "spearman": _correlation(*ranks),
        "spread": [round(float(told[part].mean()), 5) for part in parts],
        "error": [round(float(error[part].square().mean().sqrt()), 5) for part in parts],
    }


def _correlation(first: torch.Tensor, second: torch.Tensor) -> float:
    return round(float(torch.corrcoef(torch.stack([first, second]))[0, 1]), 4)
