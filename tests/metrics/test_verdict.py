# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The verdict against the truth: it must not call harm a gain."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.verdict import Verdict, improves

CLEAN = make_phantom((64, 64, 20), seed=6)[None]


def smooth(image: torch.Tensor, width: float = 0.6) -> torch.Tensor:
    return torch.as_tensor(gaussian_filter(np.asarray(image), (0, width, width, 0)))


def judge(sigma: float, width: float, kind: str = "gaussian", told: float | None = None, **how: object) -> Verdict:
    noisy = add_noise(CLEAN, kind, sigma, seed=1)
    probe = add_noise(torch.zeros(CLEAN.shape), kind, 1.0, seed=2) if "denoise" in how else None
    return improves(noisy, smooth(noisy, width), sigma=told or sigma, probe_noise=probe, axis=2, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["gaussian", "correlated"])
@pytest.mark.parametrize("with_probe", [True, False])
def test_smoothing_helps_noisy_images_and_harms_others(kind: str, with_probe: bool) -> None:
    def how(width: float) -> dict[str, object]:
        return {"denoise": lambda y: smooth(y, width)} if with_probe else {}

    assert judge(0.2, 0.6, kind, **how(0.6)).vote == "better"
    harm = judge(0.005, 1.0, kind, **how(1.0))
    assert harm.vote == "worse"
    assert {part.name: part.vote for part in harm.evidence}["structure"] == "worse"
    assert "structure is" in harm.reason


@pytest.mark.parametrize("width", [0.4, 0.5, 0.6, 0.8, 1.0, 1.5])
@pytest.mark.parametrize("factor", [1.0, 2.0, 8.0])
def test_a_sigma_that_is_far_too_large_does_not_make_harm_a_gain(width: float, factor: float) -> None:
    """Structure that is taken for noise is what estimators of sigma do at a high signal-to-noise ratio."""
    noisy = add_noise(CLEAN, "gaussian", 0.01, seed=1)
    assert (smooth(noisy, width) - CLEAN).square().mean() > (noisy - CLEAN).square().mean()
    found = judge(0.01, width, told=factor * 0.01, denoise=lambda y: smooth(y, width))
    assert found.vote != "better"


def test_doubt_about_sigma_widens_the_limits() -> None:
    sure, unsure = (judge(0.1, 1.5, denoise=lambda y: smooth(y, 1.5), sigma_error=e).evidence[0] for e in (0.0, 0.3))
    assert unsure.low < sure.low < sure.high < unsure.high


def test_an_image_without_slices() -> None:
    clean = CLEAN[..., 10]
    for sigma, vote in ((0.1, "better"), (0.005, "worse")):
        noisy = add_noise(clean, "gaussian", sigma, seed=3)

        def denoise(y: torch.Tensor) -> torch.Tensor:
            return torch.as_tensor(gaussian_filter(np.asarray(y), (0, 0.6, 0.6)))

        assert improves(noisy, denoise(noisy), sigma=sigma, denoise=denoise).vote == vote
        bare = improves(noisy, denoise(noisy), sigma=sigma)
        assert [part.name for part in bare.evidence] == ["energy"]
        assert bare.vote == ("undecided" if vote == "better" else "worse")


def test_slices_alone_are_enough() -> None:
    noisy = add_noise(CLEAN, "gaussian", 0.1, seed=4)
    found = improves(noisy, smooth(noisy), axis=2)
    assert [part.name for part in found.evidence] == ["slices", "structure"]
    assert found.vote == "better"


def test_nothing_removed_is_undecided() -> None:
    noisy = add_noise(CLEAN, "gaussian", 0.1, seed=5)
    found = improves(noisy, noisy, sigma=0.1, axis=2, denoise=lambda y: y)
    assert found.vote == "undecided"
    assert found.reason


def test_json() -> None:
    found = judge(0.1, 0.6)
    written = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert written["vote"] == found.vote
    assert [part["name"] for part in written["evidence"]] == [part.name for part in found.evidence]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "no sigma"),
        ({"axis": 2, "denoise": smooth}, "no sigma"),
        ({"sigma": 0.1, "significance": 0.7}, "significance"),
        ({"sigma": 0.1, "sigma_error": 1.0}, "sigma_error"),
        ({"sigma": -0.1}, "sigma"),
    ],
)
def test_refuses(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        improves(CLEAN, CLEAN, **arguments)  # type: ignore[arg-type]
