# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math

import pytest
import torch

from monai_diffdenoise.analysis.measure_noise import NoiseMeasurement, measure_noise
from monai_diffdenoise.data.phantom import make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.block_noise import block_mean, foreground_threshold
from monai_diffdenoise.transforms.noise import noise_model

CLEAN = torch.as_tensor(make_phantom((112, 112, 32))).float()[None]


def sample(kind: str, level: float, seed: int = 0) -> tuple[torch.Tensor, float]:
    """Noisy phantom, and the root mean square of the noise in its foreground."""
    model = noise_model(kind, level, axes=(0, 1) if kind in ("correlated", "ct") else None)
    noisy = model.sample(CLEAN, torch.Generator().manual_seed(seed))
    stack = noisy[0].movedim(-1, 0)
    bright = block_mean(stack) > foreground_threshold(stack)
    return noisy, math.sqrt(float(block_mean(model.variance(CLEAN)[0].movedim(-1, 0))[bright].mean()))


@pytest.mark.parametrize("kind", ["gaussian", "rician", "poisson", "gamma", "correlated", "ct"])
def test_level_of_every_kind(kind):
    noisy, sigma = sample(kind, 0.1)
    found = measure_noise(noisy)
    assert found.basis == "slices"
    assert found.sigma == pytest.approx(sigma, rel=0.1)
    assert found.spectrum.white == (kind not in ("correlated", "ct"))
    assert abs(found.across.at[0]) < 0.2


@pytest.mark.parametrize(
    ("kind", "family"), [("gaussian", "gaussian"), ("rician", "rician"), ("correlated", "gaussian"), ("ct", "gaussian")]
)
def test_law(kind, family):
    found = measure_noise(sample(kind, 0.1)[0])
    assert found.family.name == family
    # the floor of a magnitude is no place where a level could be read off
    assert found.sigma_at(0.8) == pytest.approx(0.1, rel=0.15)


@pytest.mark.parametrize("scale", [1e-7, 3e5])
def test_units_do_not_matter(scale):
    noisy, _ = sample("gaussian", 0.1)
    a, b = measure_noise(noisy), measure_noise(noisy * scale)
    assert b.sigma == pytest.approx(a.sigma * scale, rel=1e-3)
    assert b.family.name == a.family.name
    assert b.intensities.lowest == pytest.approx(float(noisy.min()) * scale)
    assert b.estimates["laplacian"] == pytest.approx(a.estimates["laplacian"] * scale, rel=1e-3)


def test_correlated_slices_do_not_lower_the_level():
    noise = torch.randn((112, 112, 33), generator=torch.Generator().manual_seed(0))
    noisy = CLEAN + 0.1 * (noise[..., 1:] + noise[..., :-1])[None] / math.sqrt(2)
    found = measure_noise(noisy)
    assert found.across.at[0] == pytest.approx(0.5, abs=0.1)
    assert found.sigma == pytest.approx(0.1, rel=0.1)


def test_repeats_serve_where_slices_do_not():
    generator = torch.Generator().manual_seed(0)
    scene = torch.rand((1, 96, 96, 2), generator=generator)
    series = scene + 0.02 * torch.randn((6, 96, 96, 2), generator=generator)
    found = measure_noise(series)
    assert found.basis == "repeats"
    assert found.sigma == pytest.approx(0.02, rel=0.1)
    assert measure_noise(series, repeats=False).sigma > 0.03


def test_axis_and_single_images():
    noisy, sigma = sample("gaussian", 0.1)
    turned = measure_noise(noisy.movedim(-1, 1), 0)
    assert turned.sigma == pytest.approx(measure_noise(noisy).sigma, rel=1e-4)
    flat = 0.5 + 0.1 * torch.randn((1, 128, 128), generator=torch.Generator().manual_seed(1))
    single = measure_noise(flat)
    assert single.basis == "image"
    assert single.sigma == pytest.approx(0.1, rel=0.1)
    assert single.skewness is None


def test_estimates_disagree_on_correlated_noise():
    white, correlated = measure_noise(sample("gaussian", 0.2)[0]), measure_noise(sample("correlated", 0.2)[0])
    assert white.disagreement < 1.5
    assert correlated.disagreement > 2
    assert correlated.estimates["laplacian"] < 0.5 * correlated.estimates["slices"]


def test_json_is_plain_and_complete():
    found = measure_noise(sample("rician", 0.1)[0])
    text = json.dumps(found.to_json(), allow_nan=False)
    assert {"sigma", "family", "in_plane", "across_slices", "skewness", "level_variation", "intensities"} <= set(
        json.loads(text)
    )
    assert isinstance(found, NoiseMeasurement)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(1, 32, 32, 8), "0 everywhere"),
        (torch.ones(1, 64, 64, 8), "no noise was found"),
        (torch.rand(1, 8, 8), "no noise was found"),
        (torch.rand(8, 8), "expected"),
    ],
)
def test_nothing_to_measure(image, message):
    with pytest.raises(InputError, match=message):
        measure_noise(image)


@pytest.mark.parametrize("kind", ["gaussian", "rician"])
@pytest.mark.parametrize("level", [0.01, 0.02])
def test_weak_noise_under_strong_texture(kind, level):
    """Structure between slices that look alike passes for negative correlation; then the level came out 3 times."""
    clean = make_phantom((96, 96, 40))[None]
    noisy = noise_model(kind, level).sample(clean, torch.Generator().manual_seed(0))
    assert measure_noise(noisy).sigma == pytest.approx(level, rel=0.12)
