# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The losses of NS-N2N against closed forms and what they must not depend on."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.losses import (
    InterSliceContinuityLoss,
    NeighborSliceLoss,
    RegionalConsistencyLoss,
    SymmetricReconstructionLoss,
)


def full(value: float, size: int = 2) -> torch.Tensor:
    return torch.full((1, 1, size, size), value)


def random_case(seed: int = 0) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    draw = lambda: torch.randn(2, 1, 4, 5, generator=generator)  # noqa: E731
    prediction = {"image": draw(), "target": draw(), "mean": draw()}
    pair = {"image": draw(), "target": draw(), "weight": (draw() > 0).float()}
    return prediction, pair


def test_reconstruction_in_closed_form() -> None:
    weight = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])
    noisy_j = full(4.0)
    noisy_j[..., 1] = 1e6  # not trusted
    loss = SymmetricReconstructionLoss()(full(1.0), full(2.0), full(5.0), noisy_j, weight)
    assert float(loss) == 0.5 * ((1 - 4) ** 2 + (2 - 5) ** 2)


def test_consistency_in_closed_form() -> None:
    weight = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    estimate = full(2.0)
    estimate[..., 1, 1] = 100.0
    assert float(RegionalConsistencyLoss()(estimate, full(-1.0), weight)) == 9.0


def test_continuity_in_closed_form_counts_every_pixel() -> None:
    mean = full(3.0)
    mean[..., 0, 0] = 5.0
    assert float(InterSliceContinuityLoss()(mean, full(2.0), full(4.0))) == (5 - 3) ** 2 / 4


def test_total_has_the_published_weights_by_default() -> None:
    prediction, pair = random_case()
    f_i, f_j, weight = prediction["image"], prediction["target"], pair["weight"]
    expected = (
        SymmetricReconstructionLoss()(f_i, f_j, pair["image"], pair["target"], weight)
        + 0.5 * RegionalConsistencyLoss()(f_i, f_j, weight)
        + 1.0 * InterSliceContinuityLoss()(prediction["mean"], f_i, f_j)
    )
    loss = NeighborSliceLoss()
    assert (loss.lambda_rc, loss.lambda_ic) == (0.5, 1.0)
    torch.testing.assert_close(loss(prediction, pair), expected)


@pytest.mark.parametrize("lambdas", [(0.5, 1.0), (0.0, 0.0), (2.0, 0.0), (0.0, 3.0)])
def test_swapping_the_slices_changes_nothing(lambdas: tuple[float, float]) -> None:
    prediction, pair = random_case(1)
    swapped_prediction = {**prediction, "image": prediction["target"], "target": prediction["image"]}
    swapped_pair = {**pair, "image": pair["target"], "target": pair["image"]}
    loss = NeighborSliceLoss(*lambdas)
    torch.testing.assert_close(loss(prediction, pair), loss(swapped_prediction, swapped_pair), rtol=0, atol=1e-6)


def test_weight_of_one_without_the_extra_terms_is_the_plain_squared_error() -> None:
    prediction, pair = random_case(2)
    pair["weight"] = torch.ones(2, 1, 4, 5)
    expected = 0.5 * (F.mse_loss(prediction["image"], pair["target"]) + F.mse_loss(prediction["target"], pair["image"]))
    torch.testing.assert_close(NeighborSliceLoss(0, 0)(prediction, pair), expected)


def test_no_gradient_through_the_weight_and_some_through_each_estimate() -> None:
    prediction, pair = random_case(3)
    for tensor in (*prediction.values(), pair["weight"]):
        tensor.requires_grad_(True)
    NeighborSliceLoss()(prediction, pair).backward()
    assert pair["weight"].grad is None
    assert all(float(tensor.grad.abs().sum()) > 0 for tensor in prediction.values())


def test_a_pair_without_a_match_is_held_by_the_continuity_alone() -> None:
    prediction, pair = random_case(4)
    pair["weight"] = torch.zeros(2, 1, 4, 5)
    expected = InterSliceContinuityLoss()(prediction["mean"], prediction["image"], prediction["target"])
    torch.testing.assert_close(NeighborSliceLoss()(prediction, pair), expected)


def test_optimum_on_identical_slices_with_independent_noise_is_the_mean() -> None:
    # Noise2Noise: f maps both noisy versions of one pixel to one free number; the clean value must come out
    clean = torch.tensor([0.2, 0.5, 0.9]).view(1, 1, 1, 3)
    generator = torch.Generator().manual_seed(0)
    noise = 0.2 * torch.randn(2, 4000, 1, 1, 3, generator=generator)
    pair = {"image": clean + noise[0], "target": clean + noise[1], "weight": torch.ones(4000, 1, 1, 3)}
    estimate = torch.zeros(1, 1, 1, 3, requires_grad=True)
    optimizer = torch.optim.SGD([estimate], lr=0.3)
    loss = NeighborSliceLoss()
    for _ in range(60):
        optimizer.zero_grad()
        output = estimate.expand(4000, 1, 1, 3)
        loss({"image": output, "target": output, "mean": output}, pair).backward()
        optimizer.step()
    empirical = 0.5 * (pair["image"] + pair["target"]).mean(0, keepdim=True)
    torch.testing.assert_close(estimate.detach(), empirical, rtol=0, atol=1e-4)
    torch.testing.assert_close(estimate.detach(), clean, rtol=0, atol=4 * 0.2 / 8000**0.5)


def test_the_mean_estimate_may_be_left_out_only_when_nobody_needs_it() -> None:
    prediction, pair = random_case(5)
    del prediction["mean"]
    assert NeighborSliceLoss(lambda_ic=0)(prediction, pair).isfinite()
    with pytest.raises(InputError, match="mean=True"):
        NeighborSliceLoss()(prediction, pair)


@pytest.mark.parametrize("arguments", [{"lambda_rc": -0.1}, {"lambda_ic": -1}])
def test_negative_weights_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(InputError, match="at least 0"):
        NeighborSliceLoss(**arguments)
