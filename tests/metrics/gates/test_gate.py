# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.gates import Gate, NoiseLevel, as_slices, worst_verdict
from monai_diffdenoise.metrics.gates.gate import box, gate


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.0, "pass"), (0.49, "pass"), (0.5, "warn"), (0.99, "warn"), (1.0, "fail"), (7.0, "fail")]
)
def test_verdict_follows_from_the_threshold(value: float, verdict: str) -> None:
    found = gate("name", value, 1.0, "why")
    assert (found.verdict, found.value, found.reason) == (verdict, value, "why")
    assert found.as_dict() == {"name": "name", "value": value, "threshold": 1.0, "verdict": verdict, "reason": "why"}


def test_uncertain_noise_warns_at_most_and_says_so() -> None:
    found = gate("name", 2.0, 1.0, "why", certain=False)
    assert found.verdict == "warn"
    assert "could not be measured" in found.reason
    assert gate("name", 0.1, 1.0, "why", certain=False).reason == "why"


def test_no_number_is_no_finding() -> None:
    assert gate("name", math.nan, 1.0, "").verdict == "pass"


def test_worst_verdict() -> None:
    gates = tuple(Gate("", 0.0, 1.0, verdict, "") for verdict in ("pass", "warn", "fail"))  # type: ignore[arg-type]
    assert [worst_verdict(gates[:n]) for n in range(4)] == ["pass", "pass", "warn", "fail"]


def test_noise_level_never_falls_to_nothing() -> None:
    level = NoiseLevel(2.0, lambda brightness: brightness)
    assert level.deviation(torch.tensor([0.0, 1.0, 5.0])).tolist() == [0.5, 1.0, 5.0]
    assert NoiseLevel(2.0).deviation(torch.zeros(2)).tolist() == [2.0, 2.0]


def test_correlation_of_the_noise() -> None:
    level = NoiseLevel(1.0, correlation=torch.tensor([[0.0, 0.2, 0.0], [0.4, 1.0, 0.4], [0.0, 0.2, 0.0]]))
    assert level.lag(1, 0) == pytest.approx(0.2)
    assert level.lag(0, 1) == pytest.approx(0.4)
    assert level.lag(2, 0) == 0.0
    assert level.spread == pytest.approx(2.2)
    assert (NoiseLevel(1.0).lag(1, 0), NoiseLevel(1.0).spread) == (0.0, 1.0)


def test_slices_of_any_axis() -> None:
    image = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    slices = as_slices(image, 1)
    assert slices.shape == (8, 3, 5)
    assert torch.equal(slices[5], image[1, :, 1].float())
    assert as_slices(image[0], 1).shape == (3, 4, 5)
    with pytest.raises(InputError, match="expected"):
        as_slices(torch.zeros(3, 3))


def test_box_keeps_size_and_constants() -> None:
    assert torch.allclose(box(torch.ones(2, 9, 10), 4), torch.ones(2, 9, 10))
    assert box(torch.ones(2, 9, 10), 4, 4).shape == (2, 2, 2)
    assert box(torch.ones(1, 3, 3), 9).shape == (1, 3, 3)
