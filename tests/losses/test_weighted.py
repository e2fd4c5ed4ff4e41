# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Weighted losses against closed forms."""

from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.losses import WeightedLoss, weighted_mean


def test_weighted_mean_in_closed_form() -> None:
    values = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    weight = torch.tensor([[[[1.0, 0.5], [0.0, 0.5]]]])
    assert float(weighted_mean(values, weight)) == (1 + 1 + 2) / 2


def test_one_weight_serves_all_channels() -> None:
    values = torch.stack([torch.ones(3, 3), 3 * torch.ones(3, 3)])[None]
    assert float(weighted_mean(values, torch.ones(1, 1, 3, 3))) == 2.0


def test_few_and_faint_weights_still_give_a_mean() -> None:
    weight = torch.zeros(1, 1, 2, 2)
    weight[..., 0, 0] = 0.01
    assert float(weighted_mean(torch.full((1, 1, 2, 2), 7.0), weight)) == pytest.approx(7.0)


def test_nothing_trusted_gives_zero_and_a_finite_gradient() -> None:
    values = torch.randn(1, 1, 3, 3, requires_grad=True)
    mean = weighted_mean(values, torch.zeros(1, 1, 3, 3))
    mean.backward()
    assert mean == 0
    assert torch.equal(values.grad, torch.zeros(1, 1, 3, 3))


@pytest.mark.parametrize(("p", "reference"), [(1, torch.nn.L1Loss()), (2, torch.nn.MSELoss())])
def test_weight_of_one_is_the_plain_loss(p: int, reference: torch.nn.Module) -> None:
    prediction, target = torch.randn(2, 2, 3, 5, 4), torch.randn(2, 2, 3, 5, 4)
    pair = {"target": target, "weight": torch.ones(2, 1, 3, 5, 4)}
    torch.testing.assert_close(WeightedLoss(p)(prediction, pair), reference(prediction, target))


def test_the_squared_error_is_the_default() -> None:
    pair = {"target": torch.zeros(1, 1, 1, 1), "weight": torch.ones(1, 1, 1, 1)}
    assert float(WeightedLoss()(torch.full((1, 1, 1, 1), 3.0), pair)) == 9.0


def test_what_has_no_weight_has_no_say() -> None:
    prediction = torch.randn(1, 1, 4, 4, requires_grad=True)
    weight = torch.ones(1, 1, 4, 4)
    weight[..., 2:] = 0
    WeightedLoss()(prediction, {"target": torch.randn(1, 1, 4, 4), "weight": weight}).backward()
    assert prediction.grad[..., 2:].abs().sum() == 0
    assert (prediction.grad[..., :2] != 0).all()


def test_no_gradient_through_the_weight() -> None:
    prediction = torch.randn(1, 1, 4, 4, requires_grad=True)
    weight = torch.rand(1, 1, 4, 4, requires_grad=True)
    WeightedLoss()(prediction, {"target": torch.randn(1, 1, 4, 4), "weight": weight}).backward()
    assert weight.grad is None
    assert prediction.grad is not None


@pytest.mark.parametrize("p", [0, 3])
def test_other_powers_are_refused(p: int) -> None:
    with pytest.raises(InputError, match="expected 1"):
        WeightedLoss(p)
