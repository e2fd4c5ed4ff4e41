# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise that is sent through a denoiser."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.probe import noise_like, probe_response, run_denoiser, slice_noise_probe
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
def test_slices_of_a_volume_give_the_noise_without_its_anatomy(axis: int) -> None:
    clean = make_phantom((48, 48, 12)).movedim(2, axis)
    noisy = add_noise(clean[None], "correlated", 0.1, seed=3, slice_axis=1 + axis)
    probe = slice_noise_probe(noisy, axis)
    assert probe.shape == noisy.shape
    truth = autocorrelation(noisy - clean[None], (1, 2))
    for place, (own, other) in enumerate(zip(autocorrelation(probe, (1, 2)), truth, strict=True)):
        assert own == pytest.approx(other, abs=0.03 if place == axis else 0.12)


def test_weight_keeps_what_does_not_match_out_of_the_spectrum() -> None:
    noisy = add_noise(torch.zeros(1, 32, 32, 8), "gaussian", 0.1, seed=4)
    noisy[..., 8:24, 8:24, ::2] += 5.0
    weight = torch.ones(1, 32, 32, 8)
    weight[..., 8:24, 8:24, :] = 0.0
    assert abs(autocorrelation(slice_noise_probe(noisy, 2, weight=weight))[0][0] or 0.0) < 0.1
    assert (autocorrelation(slice_noise_probe(noisy, 2))[0][0] or 0.0) > 0.5


@pytest.mark.parametrize("make", [torch.as_tensor, np.asarray, MetaTensor])
def test_denoiser_gets_what_the_caller_has(make: type) -> None:
    seen: list[object] = []

    def denoise(image: object) -> object:
        seen.append(image)
        return image

    noisy = make(np.arange(12, dtype=np.int16).reshape(1, 3, 4))
    result = run_denoiser(denoise, noisy, torch.full((1, 3, 4), 0.5))
    assert type(seen[0]) is type(noisy)
    assert type(result) is torch.Tensor
    assert result.flatten().tolist() == pytest.approx([n + 0.5 for n in range(12)])


def test_response_is_the_derivative_along_the_noise() -> None:
    noisy = torch.rand(1, 8, 8, dtype=torch.float64)
    found = probe_response(noisy, lambda y: y.square(), 0.01, h=1e-5)
    assert torch.allclose(found.response, 2 * noisy * found.noise, atol=1e-6)
    assert torch.allclose(found.left_out, found.noise - found.response)


def test_probe_noise_is_scaled_to_sigma() -> None:
    noisy, draw = torch.rand(1, 8, 8), torch.randn(1, 8, 8)
    sigma = torch.linspace(0.1, 1.0, 8).expand(1, 8, 8)
    one, two = (probe_response(noisy, lambda y: y, sigma, probe_noise=k * draw).noise for k in (1.0, 1e6))
    assert torch.allclose(one, two, rtol=1e-4)
    assert torch.allclose(one / draw, sigma / draw.square().mean().sqrt(), rtol=1e-3)


def test_probe_repeats_itself() -> None:
    noisy = torch.rand(1, 8, 8)
    assert torch.equal(*(probe_response(noisy, lambda y: y, 0.1).noise for _ in range(2)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"h": 0.0}, "h=0"),
        ({"sigma": 0.0}, "0 everywhere"),
        ({"probe_noise": torch.zeros(1, 8, 8)}, "0 everywhere"),
        ({"probe_noise": torch.zeros(1, 8, 9)}, "same shape"),
        ({"denoise": lambda y: y[..., 1:]}, "expected the same"),
    ],
)
def test_refuses(change: dict[str, object], message: str) -> None:
    arguments = {"denoise": lambda y: y, "sigma": 0.1, **change}
    with pytest.raises(InputError, match=message):
        probe_response(torch.rand(1, 8, 8), **arguments)  # type: ignore[arg-type]


def test_sample_must_be_noise() -> None:
    with pytest.raises(InputError, match="without noise"):
        noise_like(torch.zeros(1, 2, 4, 4))
    with pytest.raises(InputError, match="channels, slices"):
        noise_like(torch.zeros(2, 4, 4))
    with pytest.raises(InputError, match="pair"):
        slice_noise_probe(torch.rand(1, 4, 4, 1))
