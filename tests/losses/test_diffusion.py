# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The loss of a diffusion model against closed forms."""

from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.losses import DiffusionPairLoss


def given(batch: int = 2, snr: float = 1.0) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    prediction = {
        "output": torch.randn(batch, 1, 4, 4),
        "expected": torch.randn(batch, 1, 4, 4),
        "snr": torch.full((batch, 1, 1, 1), snr),
    }
    return prediction, {"weight": torch.ones(2, 1, 4, 4)}


@pytest.mark.parametrize(("p", "plain"), [(1, torch.nn.L1Loss()), (2, torch.nn.MSELoss())])
def test_it_is_the_plain_loss_where_all_is_trusted(p: int, plain: torch.nn.Module) -> None:
    prediction, pair = given()
    torch.testing.assert_close(
        DiffusionPairLoss(p)(prediction, pair), plain(prediction["output"], prediction["expected"])
    )


def test_what_is_not_trusted_has_no_say_in_both_halves_of_an_antithetic_batch() -> None:
    prediction, pair = given(batch=4)
    prediction["output"].requires_grad_()
    pair["weight"][1] = 0
    DiffusionPairLoss()(prediction, pair).backward()
    touched = prediction["output"].grad.abs().sum((1, 2, 3)) > 0
    assert touched.tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    ("kind", "snr", "factor"),
    [
        ("v_prediction", 1.0, 0.5),
        ("v_prediction", 24.0, 0.2),
        ("sample", 1.0, 1.0),
        ("sample", 24.0, 5.0),
        ("epsilon", 1.0, 1.0),
        ("epsilon", 20.0, 0.25),
    ],
)
def test_min_snr_counts_the_image_at_time_0(kind: str, snr: float, factor: float) -> None:
    prediction, pair = given(snr=snr)
    weighted = DiffusionPairLoss(weighting="min_snr", prediction_type=kind)(prediction, pair)  # type: ignore[arg-type]
    torch.testing.assert_close(weighted, factor * DiffusionPairLoss()(prediction, pair))


def test_uniform_does_not_ask_for_the_time() -> None:
    prediction, pair = given(snr=3.0)
    other = {**prediction, "snr": 0.1 * prediction["snr"]}
    assert torch.equal(DiffusionPairLoss()(prediction, pair), DiffusionPairLoss()(other, pair))


def test_half_precision_is_summed_in_float32() -> None:
    prediction, pair = given()
    prediction["output"] = prediction["output"].bfloat16()
    assert DiffusionPairLoss()(prediction, pair).dtype == torch.float32


@pytest.mark.parametrize(
    "wrong", [{"p": 3}, {"weighting": "snr"}, {"gamma": 0.0}, {"prediction_type": "velocity"}], ids=str
)
def test_wrong_arguments_are_named(wrong: dict) -> None:
    with pytest.raises(InputError, match="expected"):
        DiffusionPairLoss(**wrong)
