# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What all gates share: the verdict, what the noise is expected to be, and means over windows of slices."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError

__all__ = ["Gate", "NoiseLevel", "as_slices", "box", "gate", "worst_verdict"]

Verdict = Literal["pass", "warn", "fail"]

# A value above this share of its threshold is worth a look.
_WARN = 0.5
_LEAST = 0.25


@dataclass(frozen=True)
class Gate:
    """One question about a denoised image, and its answer.

    Args:
        name: which one.
        value: what was measured; 0 is perfect.
        threshold: the value from which on it fails.
        verdict: "pass", "warn" (above half the threshold) or "fail".
        reason: what the value says, in a sentence.
    """

    name: str
    value: float
    threshold: float
    verdict: Verdict
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Values that JSON can hold."""
        return asdict(self)


def gate(name: str, value: float, threshold: float, reason: str, *, certain: bool = True, warn: float = _WARN) -> Gate:
    """Put a gate together; its verdict follows from value and threshold.

    Args:
        name: which gate.
        value: what was measured.
        threshold: from which on it fails.
        reason: in a sentence.
        certain: whether what it was compared with is known well; else it warns and does not fail.
        warn: share of the threshold from which on it warns.
    """
    value = float(value) if math.isfinite(value) else 0.0
    verdict: Verdict = "fail" if value >= threshold else "warn" if value >= warn * threshold else "pass"
    if verdict == "fail" and not certain:
        verdict, reason = "warn", f"{reason}; the noise could not be measured well, so this may be its own"
    return Gate(name, value, threshold, verdict, reason)


def worst_verdict(gates: tuple[Gate, ...]) -> Verdict:
    """The verdict over all gates: the worst of theirs."""
    verdicts: tuple[Verdict, ...] = ("fail", "warn", "pass")
    return next((one for one in verdicts if any(found.verdict == one for found in gates)), "pass")


@dataclass(frozen=True, eq=False)
class NoiseLevel:
    """What the noise of an image is expected to be.

    Args:
        sigma: standard deviation, in units of the image.
        at: from brightness to the standard deviation there; None where it is the same everywhere.
        correlation: (2 r + 1, 2 r + 1) correlation within slices at lags up to r, 1 in the middle; None for white.
        magnitude: whether values are magnitudes, whose dark places a denoiser may take down to their true 0.
        certain: whether level and correlation were measured where there is no anatomy.
    """

    sigma: float
    at: Callable[[torch.Tensor], torch.Tensor] | None = None
    correlation: torch.Tensor | None = None
    magnitude: bool = False
    certain: bool = True

    def deviation(self, brightness: torch.Tensor) -> torch.Tensor:
        """Standard deviation at each brightness, of its shape; above 0."""
        if self.at is None:
            return torch.full_like(brightness, self.sigma)
        # a law may say that there is hardly any noise in the dark, where nothing was measured
        return self.at(brightness).to(brightness).clamp_min(_LEAST * self.sigma)

    def lag(self, down: int, right: int) -> float:
        """Correlation at a lag in pixels; 0 beyond what was measured.

        Args:
            down: along the first axis of the slice, of either sign.
            right: along the second axis, likewise.
        """
        if self.correlation is None:
            return 0.0
        reach = self.correlation.shape[0] // 2
        return float(self.correlation[reach + down, reach + right]) if max(down, right) <= reach else 0.0

    @property
    def spread(self) -> float:
        """Variance of a mean over many pixels, over what it is for white noise."""
        return 1.0 if self.correlation is None else max(float(self.correlation.sum()), 1.0)


def as_slices(image: torch.Tensor, axis: int = -1) -> torch.Tensor:
    """(C, X, Y) or (C, X, Y, Z) to slices (N, H, W), float32.

    Args:
        image: with 2 or 3 spatial axes.
        axis: spatial axis of the slices.

    Raises:
        InputError: another number of axes.
    """
    plain = image.detach().as_subclass(torch.Tensor).float()
    if plain.dim() not in (3, 4):
        raise InputError(f"got an image of shape {tuple(plain.shape)}; expected (C, X, Y) or (C, X, Y, Z)")
    return plain if plain.dim() == 3 else plain.movedim(1 + axis % 3, 1).flatten(0, 1)


def box(slices: torch.Tensor, side: int, stride: int = 1) -> torch.Tensor:
    """Mean over squares of pixels, (N, H, W): around each one for a stride of 1, else without a border."""
    tall, wide = (min(side, length) for length in slices.shape[1:])
    if stride == 1:
        padding = (tall // 2, wide // 2)
        return F.avg_pool2d(slices[:, None], (tall, wide), 1, padding, count_include_pad=False)[
            :, 0, : slices.shape[1], : slices.shape[2]
        ]
    return F.avg_pool2d(slices[:, None], (tall, wide), stride)[:, 0]
