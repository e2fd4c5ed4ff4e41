# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The score of a blind-spot network in an engine."""

from __future__ import annotations

import math

import pytest
import torch
from ignite.engine import Engine

from monai_diffdenoise.metrics.blind_spot import blind_spot_mse
from monai_diffdenoise.metrics.blind_spot_error import BlindSpotError


def test_equals_the_function_over_unequal_batches() -> None:
    generator = torch.Generator().manual_seed(0)
    noisy, blind = (torch.randn(5, 1, 6, 7, generator=generator) for _ in range(2))
    engine = Engine(lambda _, part: {"image": part[0], "pred": part[1]})
    BlindSpotError(0.3).attach(engine, "risk")
    batches = [(noisy[:1], blind[:1]), (noisy[1:], blind[1:])]
    expected = blind_spot_mse(noisy[:, 0], blind[:, 0], 0.3).value
    for _ in range(2):
        assert engine.run(batches).metrics["risk"] == pytest.approx(expected)


def test_infinite_before_the_first_update() -> None:
    assert BlindSpotError().compute() == math.inf
