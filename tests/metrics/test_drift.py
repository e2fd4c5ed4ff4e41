# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Drift of the mean that was put there, and of none."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.drift import mean_drift

CLEAN = make_phantom((64, 64, 8), seed=5)[None]


def test_a_shift_is_found_and_its_error_told() -> None:
    noisy = add_noise(CLEAN, "gaussian", 0.1, seed=0)
    found = mean_drift(noisy, CLEAN - 0.01)
    true = float((noisy - CLEAN).double().mean()) + 0.01
    assert found.drift.value == pytest.approx(true, abs=1e-6)
    assert found.drift.standard_error == pytest.approx(0.1 / math.sqrt(CLEAN.numel()), rel=0.3)
    assert found.z > 10


@pytest.mark.parametrize("kind", ["gaussian", "correlated"])
@pytest.mark.parametrize("seed", range(4))
def test_noise_alone_does_not_drift(kind: str, seed: int) -> None:
    found = mean_drift(add_noise(CLEAN, kind, 0.1, seed=seed), CLEAN)
    assert abs(found.z) < 4
    assert found.worst is not None
    assert abs(found.worst.z) < 4.5


def test_weak_smoothing_of_noise_does_not_drift_by_its_own_noise() -> None:
    """Bins by single voxels of the output would: a voxel that is bright by noise was brighter before."""
    noisy = add_noise(torch.full((1, 96, 96, 8), 0.5), "gaussian", 0.1, seed=1)
    cleaned = torch.as_tensor(gaussian_filter(noisy.numpy(), (0, 0.5, 0.5, 0)))
    worst = mean_drift(noisy, cleaned).worst
    assert worst is not None
    assert abs(worst.drift.value) < 0.004


def test_pull_to_the_mean_shows_in_the_bins_with_both_signs() -> None:
    noisy = add_noise(CLEAN, "gaussian", 0.05, seed=2)
    pulled = CLEAN + 0.2 * (CLEAN.mean() - CLEAN)
    found = mean_drift(noisy, pulled, bins=5)
    assert found.bins[0].z < -8
    assert found.bins[-1].z > 8
    assert abs(found.drift.value) < 0.001
    assert sum(part.voxels for part in found.bins) == CLEAN.numel()
    assert all(one.high == two.low for one, two in zip(found.bins, found.bins[1:], strict=False))


def test_mask_nan_and_json() -> None:
    noisy = CLEAN.clone()
    noisy[:, 0] = math.nan
    mask = torch.ones(CLEAN.shape)
    mask[:, 0] = 0.0
    cleaned = CLEAN.clone()
    cleaned[:, 1:] -= 0.5
    found = mean_drift(noisy.numpy(), np.asarray(cleaned), mask=mask)
    assert found.drift.value == pytest.approx(0.5)
    written = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert written["value"] == pytest.approx(0.5)
    with pytest.raises(InputError, match="NaN"):
        mean_drift(noisy, CLEAN)


def test_nothing_removed_has_no_drift() -> None:
    found = mean_drift(CLEAN, CLEAN)
    assert found.z == 0.0
    assert {part.z for part in found.bins} == {0.0}
    assert len(mean_drift(torch.ones(1, 8, 8), torch.ones(1, 8, 8)).bins) == 1
    with pytest.raises(InputError, match="bins"):
        mean_drift(CLEAN, CLEAN, bins=0)
