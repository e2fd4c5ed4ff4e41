# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise by name: moments against their closed forms, one level for all."""

from __future__ import annotations

import math

import pytest
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise import NOISE_KINDS, GaussianNoise, PoissonGaussianNoise, noise_model
from monai_diffdenoise.transforms.noise.seeds import derive_seed


@pytest.mark.parametrize("kind", NOISE_KINDS)
@pytest.mark.parametrize(
    "level", [0.05, 0.2, pytest.param(0.02, marks=pytest.mark.slow), pytest.param(0.1, marks=pytest.mark.slow)]
)
def test_moments_are_those_stated(kind: str, level: float, moment_z) -> None:
    for signal in (0.0, 0.25, 0.5, 1.0):
        mean, variance = moment_z(noise_model(kind, level), signal, derive_seed(kind, level, signal))
        assert abs(mean) < 4 and abs(variance) < 4, signal


@pytest.mark.parametrize("kind", NOISE_KINDS)
@pytest.mark.parametrize(("level", "mid"), [(0.02, 0.5), (0.2, 0.5), (30.0, 400.0)])
def test_level_is_the_standard_deviation_at_mid_signal(kind: str, level: float, mid: float) -> None:
    variance = noise_model(kind, level, mid=mid).variance(torch.full((1, 20, 21, 2), mid))
    assert float(variance.double().mean().sqrt()) == pytest.approx(level, rel=1e-6)


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_level_0_is_no_noise(kind: str) -> None:
    clean = torch.rand((1, 6, 5), generator=torch.Generator().manual_seed(0))
    noise = noise_model(kind, 0.0)
    assert torch.equal(noise.sample(clean, torch.Generator()), clean)
    assert not bool(noise.variance(clean).any())
    assert torch.equal(noise.mean(clean), clean)


def test_noise_of_poisson_gaussian_is_half_and_half() -> None:
    noise = noise_model("poisson-gaussian", 0.1)
    assert isinstance(noise, PoissonGaussianNoise)
    assert noise.variance(torch.tensor([[0.0, 0.5]])).tolist()[0] == pytest.approx([0.005, 0.01])


def test_options_reach_the_model() -> None:
    lags = (1, 0, 0)
    assert noise_model("correlated", 0.1, width=2.0).autocorrelation(lags) == pytest.approx(math.exp(-1 / 16), abs=1e-3)
    assert noise_model("correlated", 0.1, axes=(1, 2)).autocorrelation(lags) == 0.0
    assert noise_model("zero-filled", 0.1, factors=(2.0, 1.0)).autocorrelation(lags) == pytest.approx(2 / math.pi)
    assert noise_model("zero-filled", 0.1, axes=[1, 2]).autocorrelation(lags) == 0.0
    hann, cosine = (noise_model("ct", 0.1, apodization=name).autocorrelation(lags) for name in ("hann", "cosine"))
    assert hann > cosine > noise_model("ct", 0.1, apodization="none").autocorrelation(lags)
    assert noise_model("ct", 0.1, cutoff=0.3).autocorrelation(lags) > cosine
    level = noise_model("varying", 0.1, ratio=2.0, axes=(0,))
    assert isinstance(level, GaussianNoise)
    variance = level.variance(torch.zeros(1, 5, 4))[0]
    assert float(variance[2, 0] / variance[0, 0]) == pytest.approx(4.0)
    assert noise_model("noncentral-chi", 0.1, coils=1) != noise_model("noncentral-chi", 0.1, coils=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pink", 0.1), "'pink': expected one of gaussian, rician"),
        (("gaussian", -0.1), "level of -0.1"),
        (("gaussian", math.nan), "level of nan"),
        (("gaussian", math.inf), "level of inf"),
    ],
)
def test_noise_that_cannot_be_is_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        noise_model(*arguments)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("poisson", {"mid": 0.0}, "signal of 0.0"),
        ("correlated", {"width": 0.0}, "width 0.0"),
        ("noncentral-chi", {"coils": 0}, "0 coils"),
        ("ct", {"apodization": "boxcar"}, "'boxcar'"),
        ("ct", {"cutoff": 0.6}, "cutoff 0.6"),
        ("zero-filled", {"factors": (0.9, 1.0)}, "factors"),
        ("varying", {"ratio": 0.0}, "ratio"),
    ],
)
def test_options_that_cannot_be_are_refused(kind: str, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        noise_model(kind, 0.1, **options)
