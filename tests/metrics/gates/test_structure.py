# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.metrics.gates import NoiseLevel, edge_energy, structure_gate
from monai_diffdenoise.metrics.gates.gate import box
from tests.metrics.gates.conftest import Honest


def test_quiet_on_an_honest_result(honest: Honest) -> None:
    assert edge_energy(honest.noisy, honest.denoised) == pytest.approx(1.0, abs=0.1)
    assert structure_gate(honest.noisy, honest.denoised, honest.noise).verdict == "pass"


@pytest.mark.parametrize("side", [3, 5])
def test_smoothed_edges(honest: Honest, side: int) -> None:
    found = structure_gate(honest.noisy, box(honest.denoised, side), honest.noise)
    assert found.verdict == "fail"
    assert "times the energy at edges" in found.reason


def test_noise_that_grows_with_the_signal_is_no_structure() -> None:
    level = torch.linspace(1, 5, 96)[None, :, None].expand(8, 96, 96).clone()
    level[:, :, 48:] += 3
    noise = torch.randn(level.shape, generator=torch.Generator().manual_seed(0)) * 0.1 * level
    found = structure_gate(level + noise, level, NoiseLevel(0.5))
    assert found.verdict == "pass"


def test_nothing_removed(honest: Honest) -> None:
    assert structure_gate(honest.noisy, honest.noisy, honest.noise).verdict == "pass"
    assert edge_energy(honest.noisy, honest.noisy) is None
