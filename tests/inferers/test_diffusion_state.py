# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What is diffused, there and back."""

from __future__ import annotations

import math

import pytest
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import DiffusionState


@pytest.mark.parametrize("state", [DiffusionState(), DiffusionState(False, 0.5, 0.5), DiffusionState(True, 0.02)])
def test_there_and_back(state: DiffusionState) -> None:
    image, condition = torch.rand(2, 1, 5, 4), torch.rand(2, 3, 5, 4)
    encoded = state.encode(image, condition)
    assert encoded.shape == image.shape
    torch.testing.assert_close(state.decode(encoded, condition), image)


def test_the_published_state_goes_from_minus_1_to_1() -> None:
    image = torch.tensor([0.0, 0.5, 1.0]).reshape(1, 1, 1, 3)
    assert DiffusionState(False, 0.5, 0.5).encode(image, image).flatten().tolist() == [-1, 0, 1]


def test_only_the_estimate_is_taken_off() -> None:
    condition = torch.stack([torch.full((4, 4), 0.3), torch.full((4, 4), 9.0)])[None]
    assert torch.equal(DiffusionState().decode(torch.zeros(1, 1, 4, 4), condition), condition[:, :1])


def test_the_condition_is_shown_in_the_units_of_the_state() -> None:
    condition = torch.tensor([0.7, 0.6, 0.9]).reshape(1, 3, 1, 1)
    residual, image = DiffusionState(True, 0.1, 0.5).show(condition), DiffusionState(False, 0.5, 0.5).show(condition)
    torch.testing.assert_close(residual.flatten(), torch.tensor([2.0, -1.0, 2.0]))
    torch.testing.assert_close(image.flatten(), torch.tensor([0.4, 0.2, 0.8]))


@pytest.mark.parametrize("numbers", [(0.0, 0.5), (-1.0, 0.5), (math.nan, 0.5), (1.0, math.inf)])
def test_wrong_numbers_are_named(numbers: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="scale above 0"):
        DiffusionState(True, *numbers)
