# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Gamma speckle."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise import GammaNoise


@pytest.mark.parametrize("looks", [0.5, 1.0, 6.25, 625.0])
def test_noise_is_gamma_times_the_signal(looks: float, moment_z) -> None:
    clean = torch.linspace(0.1, 2.0, 40000)[None]
    noisy = GammaNoise(looks).sample(clean, torch.Generator().manual_seed(0))
    factor = (noisy / clean)[0].double().numpy()
    assert stats.kstest(factor, stats.gamma(looks, scale=1 / looks).cdf).pvalue > 0.001
    assert max(map(abs, moment_z(GammaNoise(looks), 0.7))) < 4


def test_noise_follows_the_sign_of_the_signal() -> None:
    clean = torch.tensor([[-2.0, 0.0, 2.0]])
    noisy = GammaNoise(4.0).sample(clean, torch.Generator().manual_seed(0))
    assert noisy.sign().tolist() == clean.sign().tolist()
    assert GammaNoise(4.0).variance(clean).tolist() == [[1.0, 0.0, 1.0]]


def test_numbers_are_frozen() -> None:
    """The sampler of numpy's RandomState never changes, so neither does this."""
    noisy = GammaNoise(2.0).sample(torch.ones(1, 3), torch.Generator().manual_seed(0))
    assert noisy[0].tolist() == pytest.approx([0.9927405, 1.3998758, 0.5751661], rel=1e-6)


@pytest.mark.parametrize("looks", [0.0, -1.0, math.nan])
def test_looks_that_cannot_be_are_refused(looks: float) -> None:
    with pytest.raises(InputError, match="looks"):
        GammaNoise(looks)
