# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.analysis.flat_blocks import find_flat_blocks
from monai_diffdenoise.analysis.noise_spectrum import NoiseSpectrum, measure_spectrum
from monai_diffdenoise.transforms.noise import noise_model

SHAPE = (128, 128, 24)


def measured(kind: str, anatomy: torch.Tensor | float = 0.0, **how: object) -> NoiseSpectrum:
    axes = (0, 1) if kind in ("correlated", "ct", "zero-filled") else None
    model = noise_model(kind, 1.0, axes=axes, **how)  # type: ignore[arg-type]
    noisy = model.sample(torch.zeros(1, *SHAPE) + anatomy, torch.Generator().manual_seed(3))[0]
    blocks = find_flat_blocks(noisy, side=16, share=0.3)
    assert blocks is not None
    return measure_spectrum(blocks, torch.ones(len(blocks.mean)))


@pytest.mark.parametrize(
    ("kind", "how"),
    [("gaussian", {}), ("correlated", {"width": 0.8}), ("correlated", {"width": 1.2}), ("ct", {}), ("zero-filled", {})],
)
def test_lags_are_those_of_the_model(kind, how):
    axes = None if kind == "gaussian" else (0, 1)
    model = noise_model(kind, 1.0, axes=axes, **how)
    found = measured(kind, **how)
    for lag in ((1, 0), (0, 1), (1, 1), (2, 0), (0, 2)):
        assert found.lag(*lag) == pytest.approx(model.autocorrelation((*lag, 0)), abs=0.05)
    assert found.lag(0, 0) == 1
    assert found.white == (kind == "gaussian")


def test_anatomy_does_not_leak_in():
    slope = torch.linspace(0, 40, 128)[:, None, None] + torch.linspace(0, 8, 24)[None, None, :]
    steps = (torch.arange(128)[None, :, None] // 40) * 30.0
    plain, with_anatomy = measured("ct"), measured("ct", slope + steps)
    assert (plain.autocorrelation - with_anatomy.autocorrelation).abs().max() < 0.06


def test_lengths():
    assert measured("gaussian").lengths == (1, 1)
    longer = measured("correlated", width=1.5).lengths
    assert min(longer) >= 4


def test_power_is_that_of_the_noise():
    model = noise_model("correlated", 1.0, axes=(0, 1), width=0.8)
    noise = model.sample(torch.zeros(1, 64, 64, 400), torch.Generator().manual_seed(1))[0]
    periodogram = torch.fft.fft2(noise, dim=(0, 1)).abs().square().mean(2) / 64**2
    power = measured("correlated", width=0.8).power(64, 64)
    assert power.mean() == pytest.approx(1.0)
    assert power.shape == (64, 64)
    low = torch.fft.fftfreq(64).abs() < 0.1
    assert power[low][:, low].mean() == pytest.approx(float(periodogram[low][:, low].mean()), rel=0.1)
    high = torch.fft.fftfreq(64).abs() > 0.4
    assert power[high][:, high].mean() < 0.03


def test_band_limit_of_zero_filling():
    limits = measured("zero-filled", factors=(2.0, 1.0)).band_limit
    assert limits[0] == pytest.approx(0.25, abs=0.08)
    assert limits[1] == pytest.approx(0.5, abs=0.02)


def test_constant_blocks_have_no_correlation():
    blocks = find_flat_blocks(torch.randn(32, 32, 8, generator=torch.Generator().manual_seed(0)))
    assert blocks is not None
    empty = type(blocks)(blocks.field * 0, blocks.mean, blocks.place, blocks.group, blocks.structure, blocks.share)
    spectrum = measure_spectrum(empty, torch.ones(len(blocks.mean)))
    assert spectrum.white and spectrum.autocorrelation.sum() == 1
