# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.inferers import VolumeSliceInferer
from monai_diffdenoise.pipeline.all_axes import denoise_along, turned
from monai_diffdenoise.transforms.blind_pairing import BlindSpotPair
from monai_diffdenoise.transforms.scaling import AffineScaling


@pytest.mark.parametrize("axes", [(2,), (0,), (2, 0, 1), (1, 0, 2), (0, 2)], ids=str)
@pytest.mark.parametrize("context", [0, 2])
def test_the_mean_of_what_each_axis_gives(axes: tuple[int, ...], context: int) -> None:
    image = torch.rand((2, 7, 9, 8), generator=torch.Generator().manual_seed(0))
    scalings = [AffineScaling(0.1, 2.0), AffineScaling(-1.0, 0.5)]

    # the same for a slice and its transpose, since slices of further axes are seen transposed
    def network(x: torch.Tensor) -> torch.Tensor:
        return 0.5 * x[:, :1] + 0.1 * x[:, 1:].sum(1, keepdim=True)

    def along(axis: int) -> torch.Tensor:
        return VolumeSliceInferer(BlindSpotPair(axis, 1, context)).denoise(image, network, scalings)

    inferer = VolumeSliceInferer(BlindSpotPair(axes[0], 1, context))
    out = denoise_along(inferer, axes, image, network, scalings, torch.empty_like(image))
    assert torch.allclose(out, torch.stack([along(axis) for axis in axes]).mean(0), atol=1e-5)


def test_turning_is_its_own_inverse_and_moves_slices() -> None:
    image = torch.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    assert turned(image, 2, 0).shape == (2, 5, 4, 3)
    assert torch.equal(turned(turned(image, 2, 0), 2, 0), image)
    assert turned(image, 1, 2).data_ptr() == image.data_ptr()
