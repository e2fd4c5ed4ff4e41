# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The score without a clean image."""

from __future__ import annotations

import math

import pytest
import torch
from ignite.engine import Engine

from monai_diffdenoise.metrics import PairError


def pair_of(generator: torch.Generator, channels: int = 1, batch: int = 2) -> dict[str, torch.Tensor]:
    shape = (batch, channels, 5, 6)
    return {
        "image": torch.randn(shape, generator=generator),
        "target": torch.randn(shape, generator=generator),
        "weight": torch.rand((batch, 1, 5, 6), generator=generator),
    }


def error_of(*updates: tuple[torch.Tensor, dict[str, torch.Tensor]], identity: bool = False) -> float:
    metric = PairError(identity=identity)
    for update in updates:
        metric.update(update)
    return metric.compute()


def test_closed_form() -> None:
    pair = {
        "image": torch.tensor([[[[5.0, 5.0, 5.0]]]]),
        "target": torch.tensor([[[[1.0, 2.0, 99.0]]]]),
        "weight": torch.tensor([[[[1.0, 0.5, 0.0]]]]),
    }
    prediction = torch.tensor([[[[3.0, 4.0, 0.0]]]])
    assert error_of((prediction, pair)) == pytest.approx((4 + 0.5 * 4) / 1.5)
    assert error_of((prediction, pair), identity=True) == pytest.approx((16 + 0.5 * 9) / 1.5)


@pytest.mark.parametrize("channels", [1, 3])
def test_batches_of_unequal_weight_add_up(channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    pairs = [pair_of(generator, channels, batch) for batch in (1, 4)]
    pairs[0]["weight"] *= 0.01
    predictions = [torch.randn(pair["image"].shape, generator=generator) for pair in pairs]
    whole = {name: torch.cat([pair[name] for pair in pairs]) for name in pairs[0]}
    in_parts = error_of(*zip(predictions, pairs, strict=True))
    assert in_parts == pytest.approx(error_of((torch.cat(predictions), whole)))
    weight = whole["weight"].expand_as(whole["target"])
    expected = (weight * (torch.cat(predictions) - whole["target"]) ** 2).sum() / weight.sum()
    assert in_parts == pytest.approx(float(expected), rel=1e-5)


def test_of_an_image_with_context_the_slice_itself_is_scored() -> None:
    pair = pair_of(torch.Generator().manual_seed(5))
    with_context = {**pair, "image": torch.cat([pair["image"], pair["image"] + 100], dim=1)}
    own = error_of((pair["image"], pair), identity=True)
    assert error_of((pair["image"], with_context), identity=True) == own
    # a slice-blind image has no such channel: each of the nearest neighbors is scored
    around = PairError(identity=True, channels=(0, 2))
    around.update((pair["image"], {**pair, "image": torch.cat([with_context["image"], pair["image"]], dim=1)}))
    assert around.compute() == pytest.approx(own)


def test_reset_forgets() -> None:
    generator = torch.Generator().manual_seed(1)
    pair = pair_of(generator)
    metric = PairError()
    metric.update((pair["image"] + 100, pair))
    metric.reset()
    metric.update((pair["target"], pair))
    assert metric.compute() == 0


def test_nothing_matched_is_infinitely_bad_and_nan_stays_nan() -> None:
    pair = pair_of(torch.Generator().manual_seed(2))
    assert error_of() == math.inf
    assert error_of((pair["image"], {**pair, "weight": torch.zeros(2, 1, 5, 6)})) == math.inf
    assert math.isnan(error_of((pair["image"] * math.nan, pair)))


def test_it_ranks_estimates_as_the_true_error_does() -> None:
    generator = torch.Generator().manual_seed(3)
    clean = torch.rand(1, 1, 80, 80, generator=generator)
    noisy = [clean + 0.3 * torch.randn(clean.shape, generator=generator) for _ in range(2)]
    pair = {"image": noisy[0], "target": noisy[1], "weight": torch.ones_like(clean)}
    estimates = [clean + share * (noisy[0] - clean) for share in (0.0, 0.3, 0.6, 1.0)]
    scores = [error_of((estimate, pair)) for estimate in estimates]
    assert scores == sorted(scores)
    assert scores[0] == pytest.approx(0.09, rel=0.1)
    assert scores[-1] == pytest.approx(error_of((clean, pair), identity=True))


def test_it_reads_what_monais_evaluator_leaves() -> None:
    pair = pair_of(torch.Generator().manual_seed(4))
    engine = Engine(lambda _, batch: {"image": batch["image"], "label": batch, "pred": batch["target"] + 2})
    PairError().attach(engine, "pair_error")
    PairError(identity=True).attach(engine, "input_error")
    engine.run([pair])
    assert engine.state.metrics["pair_error"] == pytest.approx(4, rel=1e-5)
    assert engine.state.metrics["input_error"] == pytest.approx(error_of((pair["image"], pair)))
