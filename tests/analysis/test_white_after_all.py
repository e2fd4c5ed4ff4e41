# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_diffdenoise.analysis.measure_noise import measure_noise
from monai_diffdenoise.analysis.noise_family import NoiseFamily
from monai_diffdenoise.analysis.noise_spectrum import NoiseSpectrum
from monai_diffdenoise.analysis.white_after_all import weaker, white_after_all, white_like
from monai_diffdenoise.data.phantom import add_noise, make_phantom


def spectrum(next_pixel: float) -> NoiseSpectrum:
    autocorrelation = torch.zeros(5, 5)
    autocorrelation[2, 2] = 1.0
    autocorrelation[1:4:2, 2] = autocorrelation[2, 1:4:2] = next_pixel
    return NoiseSpectrum(autocorrelation, 0.01, 0.0)


@pytest.mark.parametrize(
    ("next_pixel", "fine", "parts", "level"),
    [
        (0.3, 0.7, 0.7, 0.7),
        (0.3, 0.72, 0.7, 0.7),
        (0.3, 1.1, 1.05, 1.0),
        # found white already
        (0.0, 0.7, 0.7, None),
        # they see different shares of it, so it is correlated
        (0.3, 0.6, 0.7, None),
        (0.3, 0.8, 0.7, None),
        # they see so little that the rest cannot be texture alone
        (0.3, 0.5, 0.5, None),
        (0.3, 0.0, 0.7, None),
    ],
)
def test_white_where_both_estimates_agree(next_pixel: float, fine: float, parts: float, level: float | None) -> None:
    assert white_after_all(spectrum(next_pixel), 1.0, {"laplacian": fine, "patch_pca": parts}) == level
    assert white_after_all(spectrum(next_pixel), 1.0, {"image": 1.0}) is None


def test_white_like_keeps_size_and_error() -> None:
    white = white_like(spectrum(0.3))
    assert white.white and white.autocorrelation.shape == (5, 5) and white.error == 0.01
    assert float(white.autocorrelation.sum()) == 1.0


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("gaussian", {"sigma": 0.2}),
        ("gamma", {"looks": 20.0}),
        ("poisson-gaussian", {"gain": 0.1, "offset": -0.2, "sigma": 0.05}),
    ],
)
def test_weaker_scales_the_standard_deviation(name: str, parameters: dict[str, float]) -> None:
    family, means = NoiseFamily(name, parameters, 0.0, {}, True), np.linspace(0.1, 2.0, 5)
    half = weaker(family, 0.5)
    assert half.variance(means) == pytest.approx(family.variance(means) / 4)
    assert half.name == name and half.certain


@pytest.mark.parametrize(
    ("kind", "white"), [("gaussian", True), ("correlated", False), ("ct", False), ("zero-filled", False)]
)
def test_texture_of_one_slice_is_not_taken_for_correlation(kind: str, white: bool) -> None:
    clean = make_phantom((96, 96, 40))[None, ..., 20:21]
    noisy = add_noise(clean, kind, 0.08, seed=1)
    found = measure_noise(noisy)
    assert found.basis == "image" and found.spectrum.white == white
    if white:
        # it was read twice too high, and correlated by a quarter
        assert found.sigma == pytest.approx(float((noisy - clean).std()), rel=0.25)
        assert found.sigma_at(0.5) == pytest.approx(found.sigma, rel=0.05)
