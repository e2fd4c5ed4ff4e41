# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The methods that are compared, and the scores of what they return."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from skimage.restoration import denoise_nl_means

from benchmarks.cases import Case
from monai_diffdenoise.metrics import edge_error, noise_gain, reference_scores

__all__ = ["best_width", "run_method", "score"]

_WIDTHS = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0)


def best_width(case: Case) -> float:
    """Standard deviation in pixels of the Gaussian that comes closest to the reference: an oracle."""
    return max(_WIDTHS, key=lambda width: score(case, _gauss(case, width))["psnr"])


def run_method(
    method: str, case: Case, preset: str, seed: int, width: float
) -> tuple[torch.Tensor, float, dict[str, Any]]:
    """Run a method on a case.

    Args:
        method: "noisy": the input. "gauss": Gaussian in the plane. "nlm": scikit-image's non-local means in the plane,
            told the true sigma, with the settings that the list of the data was made with. "ours": blind.
        case: what to run it on.
        preset: of ours.
        seed: of ours.
        width: of the Gaussian.

    Returns:
        the output (C, *S); the seconds that it took; what to keep about the run.
    """
    if method == "ours":
        # Here and not at the top: the other methods run without it.
        from monai_diffdenoise import denoise

        start = time.perf_counter()
        result = denoise(case.volume, preset=preset, seed=seed, device="auto", progress=False)
        seconds = time.perf_counter() - start
        return result.image.as_tensor(), seconds, {"report": result.report}
    start = time.perf_counter()
    if method == "gauss":
        output = _gauss(case, width)
    else:
        output = _nlm(case) if method == "nlm" else case.volume.image.as_tensor()
    return output, time.perf_counter() - start, {"width": width} if method == "gauss" else {}


def _gauss(case: Case, width: float) -> torch.Tensor:
    noisy = case.volume.image.numpy().astype(np.float64)
    widths = [0.0 if axis in (0, 1 + case.volume.slice_axis) else width for axis in range(noisy.ndim)]
    return torch.from_numpy(gaussian_filter(noisy, widths))


def _nlm(case: Case) -> torch.Tensor:
    noisy = case.volume.image.numpy().astype(np.float64)
    planes = np.moveaxis(noisy, 1 + case.volume.slice_axis, 1)
    output = np.empty_like(planes)
    for index in np.ndindex(planes.shape[:2]):
        output[index] = denoise_nl_means(
            np.ascontiguousarray(planes[index]),
            patch_size=5,
            patch_distance=7,
            h=0.8 * case.sigma,
            sigma=case.sigma,
            fast_mode=True,
        )
    return torch.from_numpy(np.moveaxis(output, 1, 1 + case.volume.slice_axis))


def score(case: Case, output: torch.Tensor) -> dict[str, Any]:
    """Score an output (C, *S) as the case says.

    Returns:
        psnr (after the fit of gain and offset where the case asks for it), psnr_listed (without the fit, as the list of
        the data has it), ssim, bias, bias_percent, rmse; edge_error; noise_gain where the noise is known.
    """
    image = case.pick(output).double()
    axis = case.volume.slice_axis
    plain = reference_scores(image, case.reference, case.data_range, case.mask, axis)
    fitted = plain
    if case.fit_gain:
        inside = case.mask.expand(image.shape)
        gain, offset = np.polyfit(image[inside].numpy(), case.reference[inside].double().numpy(), 1)
        fitted = reference_scores(gain * image + offset, case.reference, case.data_range, case.mask, axis)
    row = {
        "psnr": _psnr(fitted.rmse, case),
        "psnr_listed": _psnr(plain.rmse, case),
        "ssim": fitted.ssim if case.ssim else None,
        "bias": plain.bias,
        "bias_percent": plain.bias_percent,
        "rmse": plain.rmse,
        "data_range": case.data_range,
        "mask_voxels": plain.mask_voxels,
    }
    if case.noise is not None:
        row["noise_gain"] = noise_gain(image, case.reference, case.noise, case.mask)
        row["edge_error"] = edge_error(image, case.reference, case.data_range, case.mask)
    return row


def _psnr(rmse: float, case: Case) -> float:
    squared = rmse**2 - case.repeat_sigma**2
    return 10.0 * math.log10(case.data_range**2 / squared) if squared > 0.0 else math.inf
