# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.metrics.gates import NoiseLevel, class_drifts, mean_drift_gate
from tests.metrics.gates.conftest import SIGMA, Honest


def test_quiet_on_an_honest_result(honest: Honest) -> None:
    assert mean_drift_gate(honest.noisy, honest.denoised, honest.noise).value < 0.1


@pytest.mark.parametrize("shift", [-0.3, 0.3])
def test_shift_of_all_values(honest: Honest, shift: float) -> None:
    found = mean_drift_gate(honest.noisy, honest.denoised + shift * SIGMA, honest.noise)
    assert found.verdict == "fail"
    assert found.value == pytest.approx(0.3, abs=0.1)
    assert f"moved by {'+' if shift > 0 else '-'}0.0" in found.reason


def test_shift_of_one_tissue_alone(honest: Honest) -> None:
    f = honest.denoised
    found = mean_drift_gate(honest.noisy, torch.where(f > 0.7, f - 0.5 * SIGMA, f), honest.noise)
    assert found.verdict == "fail"
    drifts = class_drifts(honest.noisy, torch.where(f > 0.7, f - 0.5 * SIGMA, f), honest.noise)
    assert drifts[-1].drift == min(part.drift for part in drifts)
    assert abs(drifts[0].drift) < 0.05 * SIGMA
    assert sum(part.share for part in drifts) == pytest.approx(1.0)


def test_dark_magnitudes_may_come_down() -> None:
    noisy = (torch.randn(2, 12, 64, 64, generator=torch.Generator().manual_seed(0))).square().sum(0).sqrt()
    noisy[:, :, 32:] += 10
    denoised = torch.zeros_like(noisy)
    denoised[:, :, 32:] = noisy[:, :, 32:].mean()
    assert mean_drift_gate(noisy, denoised, NoiseLevel(1.0, magnitude=True)).verdict == "pass"
    assert mean_drift_gate(noisy, denoised, NoiseLevel(1.0)).verdict == "fail"


def test_error_of_the_drift_covers_it() -> None:
    """Pure noise whose mean is 0: the drift is chance, and its error says so."""
    scores = []
    for seed in range(20):
        noisy = torch.randn(8, 64, 64, generator=torch.Generator().manual_seed(seed))
        part = class_drifts(noisy, torch.zeros_like(noisy), NoiseLevel(1.0), count=1)[0]
        scores.append(part.drift / part.error)
    assert 0.6 < torch.tensor(scores).std() < 1.5
