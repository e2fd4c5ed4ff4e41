# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""How blind a network is made, by what was measured."""

from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.analysis import measure_slices
from monai_diffdenoise.pipeline import DenoiseSettings
from monai_diffdenoise.pipeline.blind_plan import plan_blind_spot
from monai_diffdenoise.pipeline.noise_advice import NoiseAdvice
from monai_diffdenoise.pipeline.slice_pairs import SlicePairs

CPU = DenoiseSettings(device="cpu")


def advice(side: int, correlation: float) -> NoiseAdvice:
    reasons = {"blind_spot_network": "lg-bpn: measured", "stride": "no stride"}
    return NoiseAdvice("lg-bpn" if side > 1 else "puca", (side, side), 1, None, True, reasons, correlation)


def pairs(close: bool) -> SlicePairs:
    generator = torch.Generator().manual_seed(0)
    anatomy = torch.linspace(0, 1, 48)[:, None, None].expand(48, 48, 9)
    volume = anatomy + 0.05 * torch.randn(48, 48, 9, generator=generator)
    return SlicePairs(2, 1, close, "", "", measure_slices(volume, 2, 1) if close else None)


@pytest.mark.parametrize(
    ("side", "correlation", "close", "spot"),
    [
        (1, 0.02, True, (1, 1)),
        (5, 0.12, True, (1, 1)),
        (5, 0.5, True, None),
        (5, 0.12, False, (5, 5)),
        (5, 0.5, False, (5, 5)),
    ],
)
def test_the_blind_spot_follows_the_correlation(side: int, correlation: float, close: bool, spot: object) -> None:
    plan = plan_blind_spot(CPU, pairs(close), advice(side, correlation))
    assert plan.blind_spot == spot
    assert plan.context == (4 if close else 0)
    assert plan.warnings == ()
    assert all(plan.reasons)


@pytest.mark.parametrize(("correlation", "count"), [(0.12, 0), (0.5, 1)])
def test_a_spot_that_is_too_small_is_warned_of(correlation: float, count: int) -> None:
    plan = plan_blind_spot(DenoiseSettings(device="cpu", blind_spot=1), pairs(True), advice(7, correlation))
    assert plan.blind_spot == (1, 1) and len(plan.warnings) == count
