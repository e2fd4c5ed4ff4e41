# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Which of the estimates of the noise a run works with."""

from __future__ import annotations

from monai_diffdenoise.analysis import NoiseMeasurement

__all__ = ["run_sigma"]


def run_sigma(measured: NoiseMeasurement, simple: float | None) -> float:
    """The noise standard deviation, in the units of both.

    Structure raises an estimate and never lowers it, so of several upper bounds the lowest is closest. Too low is the
    harmless side: fusion then gives more back.

    Args:
        measured: by :func:`~monai_diffdenoise.analysis.measure_noise`.
        simple: the estimate of :func:`~monai_diffdenoise.analysis.measure_slices`; None where there is none.
    """
    if measured.certain:
        return measured.sigma
    # The other estimates are for white noise and far too low for any other.
    views = (measured.estimates.get(name, 0.0) for name in ("slices", "repeats", "image"))
    return min(value for value in (measured.sigma, simple or 0.0, *views) if value > 0)
