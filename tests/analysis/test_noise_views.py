# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.analysis.noise_views import noise_views
from monai_diffdenoise.analysis.sigma import slice_stack
from monai_diffdenoise.data.phantom import add_noise, make_phantom


@pytest.mark.parametrize("slice_axis", [-1, 0])
def test_repeats_are_seen_in_slices_from_all_over_the_volume(slice_axis: int) -> None:
    clean = make_phantom((64, 64, 24), seed=0)
    series = torch.stack([add_noise(clean, "gaussian", 0.05, seed=seed) for seed in range(4)])
    # a slice in the middle that shows nothing, not even noise
    middle = series.shape[1:][slice_axis] // 2
    series.movedim(slice_axis if slice_axis < 0 else slice_axis + 1, 0)[middle].fill_(0.0)
    view = noise_views(slice_stack(series[2], slice_axis), series, slice_axis, 1.0, True)["repeats"]
    assert float(view.levels().median()) == pytest.approx(0.05, rel=0.1)
