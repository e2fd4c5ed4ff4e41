# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Results as runs give them, for phantoms in the manner of three modalities."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from monai_diffdenoise.analysis import measure_noise
from monai_diffdenoise.data import Volume, volume_from_array
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.pipeline.gates import with_gates
from monai_diffdenoise.pipeline.result import Result
from monai_diffdenoise.pipeline.settings import DenoiseSettings

__all__ = ["MODALITIES", "modality_result"]

MODALITIES = ("mr", "ct", "oct")


def modality_result(name: str) -> Result:
    """A good result without a run.

    Args:
        name: "mr" has three planes, maps and stages; "ct" thick slices and negative Hounsfield units; "oct" one image
            with speckle, and none of the rest.
    """
    if name == "mr":
        clean = make_phantom((96, 80, 40), seed=1)
        noisy, scale, spacing = add_noise(clean, "rician", 0.06, seed=1), (0.0, 900.0), (1.0, 1.0, 2.0)
    elif name == "ct":
        clean = make_phantom((128, 128, 8), seed=2)
        noisy, scale, spacing = add_noise(clean, "ct", 0.03, seed=2), (-1024.0, 1500.0), (0.7, 0.7, 5.0)
    else:
        clean = make_phantom((160, 96, 8), seed=3)[:, :, 4:5]
        noisy, scale, spacing = add_noise(clean, "gamma", 0.2, seed=3), (0.0, 255.0), (1.0, 1.0, 1.0)
    truth, noisy = (scale[0] + scale[1] * part[None] for part in (clean, noisy))
    if name == "oct":
        return _result(volume_from_array(noisy[..., 0]), truth[..., 0], full=False)
    affine = torch.diag(torch.tensor([*spacing, 1.0], dtype=torch.float64))
    return _result(volume_from_array(noisy, affine, 2), truth, full=name == "mr")


def _result(volume: Volume, truth: torch.Tensor, *, full: bool) -> Result:
    noisy = volume.image.as_tensor()
    measured = measure_noise(noisy, volume.slice_axis).to_json()
    denoised = truth + 0.15 * (noisy - truth)
    reasons = ["method diffdenoise: asked for", "pairs: the network does not see the pixel it estimates"]
    report: dict[str, Any] = {
        "plan": {"method": "diffdenoise" if full else "bsn", "pairing": "blind", "network": "stack"}
        | {"noise": measured, "sigma": measured["sigma"], "reasons": reasons},
        "settings": asdict(DenoiseSettings(preset="fast", seed=3)),
        "input": volume.summary(),
        "seed": 3,
        "device": "cpu",
        "scores": {"pair_error": 0.5, "validations": [0.9, 0.6, 0.52, 0.5], "best_validation": 4, "put_back": 0.25}
        | {"verdict": {"vote": "better", "reason": "it gains"}},
        "timings_s": {"analysis": 1.5, "training": 93.25, "denoising": 2.0},
        "versions": {"monai-diffdenoise": "1.2.3", "torch": "2.13.0"},
        "warnings": ["this is a phantom"] if full else [],
    }
    if not full:
        return with_gates(Result(volume.with_image(denoised), volume.image, report))
    smooth = torch.nn.functional.avg_pool3d(denoised, 3, 1, 1, count_include_pad=False)
    stages = {"blind-spot network": smooth, "diffusion model": 0.5 * (smooth + denoised), "student": denoised}
    share, spread = (smooth / smooth.amax()).clamp(0, 1), 0.1 * (noisy - truth).abs()
    return with_gates(Result(volume.with_image(denoised), volume.image, report, share, spread, stages), stages)
