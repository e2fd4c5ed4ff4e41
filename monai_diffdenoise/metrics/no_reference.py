# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""All scores that need no clean image, in one call."""

from __future__ import annotations

from typing import Any

import torch

from monai_diffdenoise.metrics.arrays import Array
from monai_diffdenoise.metrics.blind_spot import blind_spot_mse
from monai_diffdenoise.metrics.drift import mean_drift
from monai_diffdenoise.metrics.noise_draw import slice_noise_probe
from monai_diffdenoise.metrics.probe import Denoiser, ProbeResponse, probe_response
from monai_diffdenoise.metrics.residual import residual_autocorrelation, structure_correlation, structure_loss
from monai_diffdenoise.metrics.slice_error import slice_gain, slice_mse
from monai_diffdenoise.metrics.sure import sure_from_response
from monai_diffdenoise.metrics.verdict import improves

__all__ = ["no_reference_scores"]


def no_reference_scores(
    noisy: Array,
    denoised: Array,
    *,
    sigma: float | torch.Tensor,
    sigma_error: float = 0.1,
    axis: int | None = None,
    distance: int = 1,
    weight: Array | None = None,
    denoise: Denoiser | None = None,
    probe_noise: Array | None = None,
    blind: Array | None = None,
    mask: Array | None = None,
    significance: float = 0.01,
    generator: torch.Generator | None = None,
) -> dict[str, Any]:
    """Score a denoised image without a clean one.

    Args:
        noisy: y, (C, *spatial).
        denoised: f(y), same shape.
        sigma: standard deviation of the noise, in units of y, a number or a map.
        sigma_error: how far sigma may be off, as a share of it; for the verdict.
        axis: spatial axis along which slices with independent noise are stacked; None where there are none. Without
            ``denoise`` each slice must have been denoised from itself alone.
        distance: slices from one to its partner.
        weight: matched-region weight of the pairs (i, i + distance), see ``MatchedRegionWeight``; None is 1.
        denoise: f; with it, it is run once more on y with more noise, for Stein's estimate.
        probe_noise: noise correlated as in y, of any strength. None: drawn with the correlation of the differences
            of slices where there is an axis with slices enough, else white.
        blind: an estimate of y that has not seen the voxel it estimates, to be scored, too.
        mask: where to look, such as the foreground.
        significance: of the verdict, one-sided.
        generator: draws the probe; None takes one with seed 0.

    Returns:
        plain JSON types; None where a score cannot be had. ``sigma`` (root mean square), ``sure``, ``slice_mse``,
        ``slice_gain``, ``blind_spot_mse``, ``structure_loss``, ``structure_correlation``, ``autocorrelation``,
        ``mean_drift``, ``verdict``: see the functions of these names.

    Raises:
        InputError: shapes differ, the mask is empty, values in it are not finite, or a number is out of its range.
    """
    count = noisy.shape[1 + axis % (noisy.ndim - 1)] if axis is not None else 0
    paired = axis is not None and count > distance
    tripled = axis is not None and count > 2 * distance
    response: ProbeResponse | None = None
    if denoise is not None:
        if probe_noise is None and axis is not None and paired:
            probe_noise = slice_noise_probe(noisy, axis, distance, mask=mask, generator=generator)
        response = probe_response(
            noisy, denoise, sigma, denoised=denoised, probe_noise=probe_noise, generator=generator
        )
    scores: dict[str, Any] = {
        "sigma": float(torch.as_tensor(sigma, dtype=torch.float64).square().mean().sqrt()),
        "sure": None,
        "slice_mse": None,
        "slice_gain": None,
        "blind_spot_mse": None,
        "structure_loss": None,
    }
    if response is not None:
        scores["sure"] = sure_from_response(noisy, denoised, response, sigma, mask=mask).as_dict()
    if axis is not None and paired:
        pairs: dict[str, Any] = {"axis": axis, "distance": distance, "mask": mask, "response": response}
        scores["slice_mse"] = slice_mse(noisy, denoised, scores["sigma"], weight=weight, **pairs).as_dict()
        scores["structure_loss"] = structure_loss(noisy, denoised, **pairs).as_dict()
        if tripled:
            scores["slice_gain"] = slice_gain(noisy, denoised, **pairs).as_dict()
    if blind is not None:
        scores["blind_spot_mse"] = blind_spot_mse(noisy, blind, sigma, mask=mask).as_dict()
    scores["structure_correlation"] = structure_correlation(noisy, denoised, axis, mask=mask).as_dict()
    noise = None if response is None else response.left_out
    scores["autocorrelation"] = residual_autocorrelation(noisy, denoised, noise=noise, mask=mask).as_dict()
    scores["mean_drift"] = mean_drift(noisy, denoised, mask=mask).as_dict()
    scores["verdict"] = improves(
        noisy,
        denoised,
        sigma=sigma,
        sigma_error=sigma_error,
        response=response,
        axis=axis if tripled else None,
        distance=distance,
        mask=mask,
        significance=significance,
    ).as_dict()
    return scores
