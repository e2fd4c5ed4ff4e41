# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
import torch

from monai_diffdenoise.analysis.noise_spectrum import NoiseSpectrum
from monai_diffdenoise.analysis.single_image import fine_share, measure_single_image
from monai_diffdenoise.transforms.noise import noise_model


def scene() -> torch.Tensor:
    """A disc with a textured part on an even background, 256 x 256."""
    x, y = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    disc = ((x - 128) ** 2 + (y - 128) ** 2 < 90**2).float()
    texture = torch.sin(x / 3) * torch.cos(y / 4) * (x > 160) * disc
    return 0.2 + 0.6 * disc + 0.3 * texture


@pytest.mark.parametrize("kind", ["gaussian", "correlated", "ct"])
@pytest.mark.parametrize("level", [0.05, 0.1])
def test_level_and_correlation_of_one_image(kind, level):
    model = noise_model(kind, level, axes=None if kind == "gaussian" else (0, 1))
    noisy = model.sample(scene()[None], torch.Generator().manual_seed(2))[0]
    found = measure_single_image(noisy)
    assert found is not None
    blocks, spectrum = found
    sigma = math.sqrt(float(blocks.group_means(blocks.energy.double()).median()))
    assert sigma == pytest.approx(level, rel=0.15)
    for lag in ((1, 0), (0, 1)):
        assert spectrum.lag(*lag) == pytest.approx(model.autocorrelation(lag), abs=0.12)


def test_fine_share_of_known_noise():
    delta = torch.zeros(13, 13)
    delta[6, 6] = 1
    assert fine_share(delta) == pytest.approx(1.0)
    flat = torch.ones(13, 13)
    assert fine_share(flat) == pytest.approx(0.0, abs=1e-12)
    model = noise_model("correlated", 1.0, axes=(0, 1))
    rows = [[model.autocorrelation((i, j)) for j in range(-6, 7)] for i in range(-6, 7)]
    noise = model.sample(torch.zeros(1, 400, 400), torch.Generator().manual_seed(0))[0]
    second = noise[:-2] - 2 * noise[1:-1] + noise[2:]
    both = (second[:, :-2] - 2 * second[:, 1:-1] + second[:, 2:]) / 6
    assert fine_share(torch.tensor(rows)) == pytest.approx(float(both.square().mean()), rel=0.05)


@pytest.mark.parametrize("image", [torch.zeros(16, 16), torch.ones(128, 128)])
def test_nothing_to_measure(image):
    assert measure_single_image(image) is None


def test_spectrum_is_a_spectrum():
    found = measure_single_image(scene() + 0.1 * torch.randn(256, 256, generator=torch.Generator().manual_seed(0)))
    assert found is not None and isinstance(found[1], NoiseSpectrum)
    assert found[1].white
