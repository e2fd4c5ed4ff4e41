# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise that is drawn like another."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.noise_draw import noise_like, slice_noise_probe
from monai_diffdenoise.metrics.residual import autocorrelation


@pytest.mark.parametrize("kind", ["gaussian", "correlated"])
def test_drawn_noise_is_correlated_like_the_sample_and_is_another(kind: str) -> None:
    sample = 5.0 * add_noise(torch.zeros(2, 6, 64, 48), kind, 1.0, seed=1, slice_axis=1)
    drawn = noise_like(sample, torch.Generator().manual_seed(2))
    assert drawn.shape == sample.shape
    assert float(drawn.std()) == pytest.approx(1.0, abs=0.04)
    for own, other in zip(autocorrelation(drawn), autocorrelation(sample), strict=True):
        assert own == pytest.approx(other, abs=0.05)
    assert abs(float(np.corrcoef(drawn.flatten(), sample.flatten())[0, 1])) < 0.03


@pytest.mark.parametrize("axis", [0, 2])
@pytest.mark.parametrize(("kind", "sigma"), [("correlated", 0.1), ("gaussian", 0.1), ("gaussian", 0.02)])
def test_slices_of_a_volume_give_the_noise_without_its_anatomy(kind: str, sigma: float, axis: int) -> None:
    clean = make_phantom((64, 64, 12)).movedim(2, axis)[None]
    noisy = add_noise(clean, kind, sigma, seed=3, slice_axis=1 + axis)
    probe = slice_noise_probe(noisy, axis)
    assert probe.shape == noisy.shape
    assert float(probe.std()) == pytest.approx(1.0, abs=0.03)
    truth = autocorrelation(noisy - clean, (1, 2))
    for own, other in zip(autocorrelation(probe, (1, 2)), truth, strict=True):
        assert own == pytest.approx(other, abs=0.07)


@pytest.mark.parametrize("count", [2, 3])
def test_few_and_narrow_slices(count: int) -> None:
    noisy = add_noise(torch.zeros(1, 40, 9, count), "correlated", 0.1, seed=1)
    probe = slice_noise_probe(noisy, 2)
    assert probe.shape == noisy.shape
    assert (autocorrelation(probe)[0][0] or 0.0) > 0.4
    assert slice_noise_probe(torch.rand(1, 1, 1, 4), 2).shape == (1, 1, 1, 4)


def test_mask_chooses_where_the_noise_is_looked_at() -> None:
    noisy = add_noise(torch.zeros(1, 64, 64, 6), "gaussian", 0.1, seed=4)
    noisy[:, :32] = add_noise(torch.zeros(1, 32, 64, 6), "correlated", 0.01, seed=5)
    mask = torch.zeros(1, 64, 64, 6)
    mask[:, 32:] = 1.0
    assert (autocorrelation(slice_noise_probe(noisy, 2))[0][0] or 0.0) > 0.5
    assert abs(autocorrelation(slice_noise_probe(noisy, 2, mask=mask))[0][0] or 0.0) < 0.05


def test_masked_background_and_nan_do_not_count() -> None:
    noisy = add_noise(torch.zeros(1, 64, 64, 14), "correlated", 0.1, seed=6)
    noisy[:, :20] = 0.0
    noisy[:, 60, 60, 3] = float("nan")
    assert autocorrelation(slice_noise_probe(noisy, 2))[0][0] == pytest.approx(0.68, abs=0.05)


def test_sample_must_be_noise() -> None:
    with pytest.raises(InputError, match="without noise"):
        noise_like(torch.zeros(1, 2, 4, 4))
    with pytest.raises(InputError, match="channels, slices"):
        noise_like(torch.zeros(2, 4, 4))
    with pytest.raises(InputError, match="pair"):
        slice_noise_probe(torch.rand(1, 4, 4, 1))
    with pytest.raises(InputError, match="expected noise"):
        slice_noise_probe(torch.ones(1, 4, 4, 5))
