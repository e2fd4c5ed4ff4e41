# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""All scores in one call."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.metrics.no_reference import no_reference_scores
from monai_diffdenoise.metrics.slice_error import slice_mse
from monai_diffdenoise.metrics.sure import sure

CLEAN = make_phantom((48, 48, 12), seed=7)[None]


def smooth(image: torch.Tensor | np.ndarray) -> torch.Tensor:
    return torch.as_tensor(gaussian_filter(np.asarray(image), (0, 0.7, 0.7, 0)))


@pytest.mark.parametrize("kind", ["gaussian", "correlated"])
def test_scores_come_close_to_the_truth_without_knowing_the_correlation(kind: str) -> None:
    noisy = add_noise(CLEAN, kind, 0.2, seed=1)
    found = no_reference_scores(noisy, smooth(noisy), sigma=0.2, axis=2, denoise=smooth, blind=CLEAN)
    true = float((smooth(noisy) - CLEAN).square().mean())
    assert found["sure"]["mse"] == pytest.approx(true, rel=0.15)
    assert found["slice_gain"]["value"] == pytest.approx(0.04 - true, rel=0.2)
    assert found["slice_mse"]["value"] > 0.5 * true
    assert found["blind_spot_mse"]["value"] == pytest.approx(0.0, abs=0.002)
    assert found["verdict"]["vote"] == "better"
    assert found["autocorrelation"]["excess"] < 0.2
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_weight_goes_to_the_pairs() -> None:
    noisy = add_noise(CLEAN, "gaussian", 0.1, seed=5)
    weight = torch.rand(CLEAN.shape, generator=torch.Generator().manual_seed(0))
    found = no_reference_scores(noisy, smooth(noisy), sigma=0.1, axis=2, weight=weight)
    expected = slice_mse(noisy, smooth(noisy), 0.1, 2, weight=weight).as_dict()
    assert found["slice_mse"] == pytest.approx(expected)


def test_what_is_given_is_used() -> None:
    noisy = add_noise(CLEAN, "gaussian", 0.1, seed=2)
    probe = torch.randn(CLEAN.shape)
    found = no_reference_scores(noisy, smooth(noisy), sigma=0.1, axis=2, denoise=smooth, probe_noise=probe)
    assert found["sure"] == sure(noisy, smooth, 0.1, probe_noise=probe).as_dict()
    mask = torch.zeros(CLEAN.shape)
    mask[:, :24] = 1.0
    part = no_reference_scores(noisy, smooth(noisy), sigma=0.1, axis=2, mask=mask)
    whole = no_reference_scores(noisy, smooth(noisy), sigma=0.1, axis=2)
    for name in ("slice_mse", "slice_gain", "structure_loss", "structure_correlation", "mean_drift", "verdict"):
        assert part[name] != whole[name]


@pytest.mark.parametrize(("count", "axis"), [(1, 2), (2, 2), (12, None)])
def test_without_slices_enough_scores_are_none(count: int, axis: int | None) -> None:
    noisy = add_noise(CLEAN, "gaussian", 0.2, seed=3)[..., :count]
    found = no_reference_scores(noisy, smooth(noisy), sigma=0.2, axis=axis, denoise=smooth)
    assert found["slice_gain"] is None
    assert (found["slice_mse"] is None) == (found["structure_loss"] is None) == (count != 2)
    assert found["sure"] is not None
    assert found["blind_spot_mse"] is None
    assert found["verdict"]["vote"] == "better"


def test_an_image_and_nothing_but_sigma() -> None:
    noisy = add_noise(CLEAN[..., 6], "gaussian", 0.1, seed=4).numpy()
    found = no_reference_scores(noisy, CLEAN[..., 6].numpy(), sigma=torch.full((1, 48, 48), 0.1))
    assert found["sure"] is None
    assert found["sigma"] == pytest.approx(0.1)
    assert found["verdict"]["vote"] == "undecided"
    assert abs(found["mean_drift"]["z"]) < 5
