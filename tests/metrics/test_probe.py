# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise that is sent through a denoiser."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.probe import probe_response, run_denoiser


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
