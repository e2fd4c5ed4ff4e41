# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.data import fill_nonfinite
from monai_diffdenoise.errors import InputError


@pytest.mark.parametrize("shape", [(1, 5, 6), (2, 5, 6, 4)])
def test_finite_image_is_untouched(shape):
    image = torch.rand(shape)
    before = image.clone()
    assert fill_nonfinite(image) is None
    assert torch.equal(image, before)


def test_single_hole_gets_the_local_median():
    image = torch.zeros(1, 7, 7)
    image[0, 2:5, 2:5] = torch.tensor([[1.0, 2, 3], [4, float("nan"), 6], [7, 8, 9]])
    finite = fill_nonfinite(image)
    # The lower of the two middle values of 1 2 3 4 6 7 8 9.
    assert image[0, 3, 3] == 4
    assert int((~finite).sum()) == 1 and not finite[0, 3, 3]


def test_hole_at_the_edge_does_not_wrap_around():
    image = torch.full((1, 4, 4), 5.0)
    image[0, -1, :] = 100.0
    image[0, 0, 0] = float("inf")
    fill_nonfinite(image)
    assert image[0, 0, 0] == 5.0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_large_hole_grows_from_its_rim_then_takes_the_median(bad):
    image = torch.full((1, 40, 40, 3), 2.0)
    image[:, 10:30, 10:30] = bad
    image[:, 9] = 8.0
    finite = fill_nonfinite(image)
    assert torch.isfinite(image).all()
    assert int((~finite).sum()) == 400 * 3
    assert image[0, 20, 20, 1] == 2.0
    assert image[0, 10, 20, 1] == 8.0


def test_whole_slice_is_filled_from_its_neighbors():
    image = torch.ones(1, 6, 6, 5)
    image[..., 1], image[..., 3] = 3.0, 3.0
    image[..., 2] = float("nan")
    fill_nonfinite(image)
    assert (image[..., 2] == 3.0).all()


def test_channel_without_values_takes_the_median_of_all():
    image = torch.full((2, 4, 4), 6.0)
    image[1] = float("nan")
    fill_nonfinite(image)
    assert (image == 6.0).all()


def test_nothing_finite_is_refused():
    with pytest.raises(InputError, match="no finite voxel"):
        fill_nonfinite(torch.full((1, 3, 3), float("nan")))
