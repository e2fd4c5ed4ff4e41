# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Seeds from names and images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.data import MetaTensor

from monai_diffdenoise.transforms.noise.seeds import derive_seed, image_seed


def test_seeds_are_the_same_on_every_machine() -> None:
    assert derive_seed(0, "image") == 453384195589238046
    assert image_seed(3, torch.arange(6.0).reshape(1, 2, 3)) == 3971325964663029362


@given(st.integers(0, 2**31), st.text(max_size=5))
def test_seeds_fit_a_generator(number: int, name: str) -> None:
    seed = derive_seed(number, name)
    assert 0 <= seed < 2**62
    assert seed != derive_seed(number + 1, name)


def test_parts_do_not_run_together() -> None:
    assert len({derive_seed(1, 23), derive_seed(12, 3), derive_seed(123), derive_seed(1, 2, 3)}) == 4


def test_every_voxel_and_the_shape_count() -> None:
    image = torch.zeros(1, 4, 6)
    other = image.clone()
    other[0, 3, 5] = 1e-30
    seeds = {image_seed(0, x) for x in (image, other, image.reshape(1, 6, 4), image.reshape(2, 2, 6))}
    assert len(seeds | {image_seed(1, image)}) == 5


@pytest.mark.parametrize(
    "convert", [MetaTensor, torch.Tensor.double, lambda x: x.int(), lambda x: x.transpose(1, 2).clone().transpose(1, 2)]
)
def test_type_and_layout_do_not_count(convert) -> None:
    image = torch.from_numpy(np.arange(24, dtype=np.float32).reshape(1, 4, 6))
    assert image_seed(0, convert(image)) == image_seed(0, image)


def test_an_empty_image_has_a_seed() -> None:
    assert image_seed(0, torch.zeros(1, 0, 3)) != image_seed(0, torch.zeros(1, 3, 0))
