# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A normalised copy is the scaled image, slices one behind the other, and leaves the image alone."""

from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.data import storage
from monai_diffdenoise.pipeline.normalised import normalised
from monai_diffdenoise.transforms import AffineScaling


@pytest.mark.parametrize("run", [1, 1 << 20])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_copy_in_normalised_units(axis: int, run: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_RUN_VOXELS", run)
    image = torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    before, scaling = image.clone(), AffineScaling(3.0, 0.7)
    scaled = normalised(image, scaling, axis)
    assert torch.equal(scaled, scaling.apply(before))
    assert torch.equal(image, before)
    assert scaled.movedim(axis + 1, 1).is_contiguous()
