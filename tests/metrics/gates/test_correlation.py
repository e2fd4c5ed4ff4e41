# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from monai_diffdenoise.metrics.gates import NoiseLevel, correlation_gate
from tests.metrics.gates.conftest import SIGMA, Honest


def test_quiet_on_an_honest_result(honest: Honest) -> None:
    assert correlation_gate(honest.noisy, honest.denoised, honest.noise).value < 0.1


@pytest.mark.parametrize("axis", [1, 2])
def test_shading(honest: Honest, axis: int) -> None:
    wave = torch.sin(torch.linspace(0, 2 * math.pi, 96))
    faulty = honest.denoised + 0.7 * SIGMA * (wave[:, None] if axis == 1 else wave)
    found = correlation_gate(honest.noisy, faulty, honest.noise)
    assert found.verdict == "fail"
    doubtful = correlation_gate(honest.noisy, faulty, replace(honest.noise, certain=False))
    assert (doubtful.verdict, doubtful.value) == ("warn", found.value)


def test_correlated_noise_is_known_to_be_correlated(honest: Honest) -> None:
    if honest.noise.correlation is not None:
        assert correlation_gate(honest.noisy, honest.denoised, NoiseLevel(SIGMA)).verdict == "fail"


def test_nothing_removed() -> None:
    assert correlation_gate(torch.ones(2, 20, 20), torch.ones(2, 20, 20), NoiseLevel(1.0)).value == 0.0
