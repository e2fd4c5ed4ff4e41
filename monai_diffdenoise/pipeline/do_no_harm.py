# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Ask the scores that need no clean image whether a result may be returned."""

from __future__ import annotations

import math

import torch
from torch import nn

from monai_diffdenoise.analysis import NoiseSpectrum
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.noise_draw import slice_noise_probe
from monai_diffdenoise.metrics.verdict import Verdict, improves
from monai_diffdenoise.pipeline.noise_gain import middle_part
from monai_diffdenoise.pipeline.zero_shot import Denoiser, ZeroShot
from monai_diffdenoise.transforms.block_noise import foreground_threshold

__all__ = ["harm", "judge"]

# What is left to gain then is less than a quarter of a decibel, and what is left to lose is not.
_ALMOST_ALL = 0.95

_FEWEST = 1000
# How far sigma may be off: docs/noise_measurement.md.
_CERTAIN, _UNCERTAIN = 0.1, 0.4


def judge(job: ZeroShot, how: nn.Module | Denoiser, fuse: bool | None = None) -> Verdict | None:
    """Judge what a denoiser and fusion do to some slices in the middle of a run's middle time point.

    Args:
        job: the run, with its settings.
        how: see :meth:`~monai_diffdenoise.pipeline.zero_shot.ZeroShot.denoise`.
        fuse: whether fusion follows; None as the settings say.

    Returns:
        None where nothing can be said: no noise was measured, or the part is too small.
    """
    channel = job.image.shape[0] // 2
    sigma = job.noise.sigma(channel)
    if not sigma > 0:
        return None
    part = middle_part(job)
    noisy = job.scalings[channel].apply(job.work[channel : channel + 1][part]).contiguous()
    denoise = job.on_part(how, channel, part, fuse)
    denoised = denoise(noisy)
    axis, distance = job.plan.axis, job.plan.distance
    tripled = job.noise.matched and noisy.shape[axis + 1] > 2 * distance
    plan = job.plan
    certain = plan.noise is not None and bool(plan.noise["certain"])
    try:
        return improves(
            noisy,
            denoised,
            sigma=sigma,
            sigma_error=_CERTAIN if certain else _UNCERTAIN,
            denoise=denoise,
            probe_noise=_probe(job, noisy, tripled),
            axis=axis if tripled else None,
            distance=distance,
            mask=_foreground(denoised, axis),
        )
    except InputError:
        return None


def harm(job: ZeroShot, verdict: Verdict | None, put_back: float | None = None) -> str:
    """Why the result must not be returned; empty when it may.

    Args:
        job: after its training, if there was one.
        verdict: of :func:`judge`.
        put_back: mean share of what was removed that fusion put back; None without fusion.
    """
    after, before = job.scores.get("pair_error", 0.0), job.scores.get("input_error", math.inf)
    # fusion brings back what a blind-spot network did not see, and its pairs know nothing of that
    alone = job.plan.pairing != "blind" or put_back is None
    if alone and not after < before:
        return (
            f"the error against held-out noisy targets is {after:.3g} after denoising and {before:.3g} before, in "
            "units of the squared range"
        )
    noise = job.plan.noise
    unsure = noise is not None and not noise["certain"] and (verdict is None or verdict.vote == "undecided")
    if unsure and put_back is not None and put_back > _ALMOST_ALL:
        return (
            "the level of the noise could not be told from anatomy, nearly all that was removed was put back, and no "
            "score shows a gain"
        )
    if verdict is None or verdict.vote != "worse":
        return ""
    # the share of structure speaks wrongly of short trainings that see neighbors (83 % where the error fell to a
    # thirteenth), so alone against a gain that was found it does not count
    gains = any(part.vote == "better" for part in verdict.evidence if part.name in ("sure", "slices"))
    return "" if gains else verdict.reason


def _probe(job: ZeroShot, noisy: torch.Tensor, tripled: bool) -> torch.Tensor | None:
    """Noise that is correlated as that of the image; None for white."""
    plane = None if job.plan.noise is None else job.plan.noise["in_plane"]
    if plane is None or plane["white"]:
        return None
    if tripled:
        return slice_noise_probe(noisy, job.plan.axis, job.plan.distance)
    spectrum = NoiseSpectrum(torch.tensor(plane["autocorrelation"]), plane["error"] or 0.0, 0.0)
    stack = noisy.movedim(job.plan.axis + 1, 1)
    white = torch.randn(stack.shape, generator=torch.Generator().manual_seed(0))
    gain = spectrum.power(stack.shape[2], stack.shape[3]).sqrt().float()
    return torch.fft.ifft2(torch.fft.fft2(white) * gain).real.movedim(1, job.plan.axis + 1)


def _foreground(denoised: torch.Tensor, axis: int) -> torch.Tensor | None:
    """Where the object is: masked air has no noise, and that of magnitudes is weaker than the measured one."""
    inside = denoised > foreground_threshold(denoised[0].movedim(axis, 0))
    return inside if int(inside.sum()) >= _FEWEST else None
