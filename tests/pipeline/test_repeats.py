# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.data.phantom import make_phantom
from monai_diffdenoise.pipeline.repeats import change_over_time, repeats_one_image

CLEAN = make_phantom((48, 48, 12), seed=0)


def series(count: int = 4, drift: float = 0.0, unit: float = 1.0, noise: float = 0.1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    times = [CLEAN * (1 + drift * t) + noise * torch.randn(CLEAN.shape, generator=generator) for t in range(count)]
    return unit * torch.stack(times)


@pytest.mark.parametrize("count", [2, 3, 8])
@pytest.mark.parametrize("unit", [1e-20, 1.0, 1e20])
def test_repeats_differ_by_noise_alone(count: int, unit: float) -> None:
    volume = volume_from_array(series(count, unit=unit), slice_axis=2)
    assert change_over_time(volume, 0.1 * unit) == pytest.approx(1.0, abs=0.05)
    assert repeats_one_image(volume, 0.1 * unit)[0]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slow_drift_shows_between_the_ends(axis: int) -> None:
    volume = volume_from_array(series(8, drift=0.05).transpose(3, axis + 1), slice_axis=axis)
    same, why = repeats_one_image(volume, 0.1)
    assert not same and "8 time points" in why


def test_motion_shows() -> None:
    moved = series(2)
    moved[1] = moved[1].roll(2, 0)
    assert not repeats_one_image(volume_from_array(moved, slice_axis=2), 0.1)[0]


def test_single_images_components_and_unknown_noise_are_no_repeats() -> None:
    from dataclasses import replace

    volume = volume_from_array(series(3), slice_axis=2)
    assert repeats_one_image(replace(volume, channels="component"), 0.1) == (False, "")
    assert repeats_one_image(volume_from_array(series(1), slice_axis=2), 0.1) == (False, "")
    assert repeats_one_image(volume, 0.0) == (False, "")
