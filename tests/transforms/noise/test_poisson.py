# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise of counted quanta."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise import PoissonGaussianNoise, PoissonNoise


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("quanta", [0.3, 4.0, 50.0])
def test_values_are_counts_times_the_gain_with_their_probabilities(quanta: float) -> None:
    counts = PoissonNoise(0.02).sample(torch.full((1, 50000), 0.02 * quanta), generator())[0].double() / 0.02
    whole = counts.round()
    assert float((counts - whole).abs().max()) < 1e-4
    found = np.bincount(whole.long().numpy())
    expected = stats.poisson(quanta).pmf(np.arange(len(found))) * 50000
    kept = expected > 10
    square = ((found - expected)[kept] ** 2 / expected[kept]).sum()
    assert stats.chi2(int(kept.sum())).sf(square) > 0.001


@pytest.mark.parametrize("gain", [1e-12, 1e-7, 3.0])
def test_any_gain_has_its_moments(gain: float) -> None:
    # 1e12 quanta: float32 could not count them, and still resolves their noise of 1e-6.
    clean = torch.ones(1, 100000)
    noisy = PoissonNoise(gain).sample(clean, generator()).double()
    assert float(noisy.mean()) == pytest.approx(1.0, abs=5 * math.sqrt(gain / 100000) + 1e-8)
    assert float(noisy.var()) == pytest.approx(gain, rel=0.03)


def test_signal_below_0_has_no_quanta_and_stays() -> None:
    clean = torch.tensor([[-0.5, 0.0, 0.5]])
    noise = PoissonNoise(0.01)
    assert noise.sample(clean, generator())[0, :2].tolist() == [-0.5, 0.0]
    assert noise.mean(clean).tolist() == clean.tolist()
    assert noise.variance(clean)[0].tolist() == pytest.approx([0.0, 0.0, 0.005])
    assert PoissonGaussianNoise(0.01, 0.2).variance(clean)[0].tolist() == pytest.approx([0.04, 0.04, 0.045])


def test_gaussian_part_is_there_without_signal() -> None:
    noisy = PoissonGaussianNoise(0.01, 0.2).sample(torch.zeros(1, 40000), generator())
    assert stats.kstest(noisy[0].numpy() / 0.2, "norm").pvalue > 0.001


def test_parts_are_independent_and_add_up(moment_z) -> None:
    for gain, sigma in ((0.1, 0.02), (0.001, 0.2), (0.0, 0.1), (0.1, 0.0)):
        assert max(map(abs, moment_z(PoissonGaussianNoise(gain, sigma), 0.7, seed=2))) < 4


@pytest.mark.parametrize("gain", [-1.0, math.nan, math.inf])
def test_gain_that_cannot_be_is_refused(gain: float) -> None:
    for make in (lambda: PoissonNoise(gain), lambda: PoissonGaussianNoise(gain, 0.1)):
        with pytest.raises(InputError, match="gain"):
            make()


def test_sigma_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="sigma -0.1"):
        PoissonGaussianNoise(0.1, -0.1)
