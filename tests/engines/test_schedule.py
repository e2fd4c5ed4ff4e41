# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The learning rate over a run."""

from __future__ import annotations

import math

import pytest
import torch

from monai_diffdenoise.engines import warmup_cosine
from monai_diffdenoise.errors import InputError


def rates(iterations: int, steps: int | None = None, **arguments: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = warmup_cosine(optimizer, iterations, **arguments)
    found = []
    for _ in range(iterations if steps is None else steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return [*found, optimizer.param_groups[0]["lr"]]


def test_closed_form() -> None:
    found = rates(1000, warmup=50)
    for k in (0, 10, 49, 50, 500, 999):
        expected = 2.0 * min((k + 1) / 50, 1.0) * 0.5 * (1 + math.cos(math.pi * k / 1000))
        assert found[k] == pytest.approx(expected)
    assert found[1000] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("iterations", [1, 2, 7, 30, 400])
def test_every_step_moves_and_none_exceeds_the_peak(iterations: int) -> None:
    found = rates(iterations)
    assert all(0 < rate <= 2.0 for rate in found[:-1])
    peak = found.index(max(found))
    assert found[:peak] == sorted(found[:peak])
    assert found[peak:] == sorted(found[peak:], reverse=True)
    assert peak <= iterations // 10


def test_beyond_the_end_it_stays_at_zero() -> None:
    assert rates(10, steps=15)[10:] == pytest.approx([0.0] * 6, abs=1e-12)


def test_a_restored_schedule_goes_on() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = warmup_cosine(optimizer, 40)
    for _ in range(13):
        optimizer.step()
        schedule.step()
    other = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    resumed = warmup_cosine(other, 40)
    other.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(schedule.state_dict())
    assert other.param_groups[0]["lr"] == rates(40)[13]
    other.step()
    resumed.step()
    assert other.param_groups[0]["lr"] == rates(40)[14]


@pytest.mark.parametrize(("iterations", "warmup"), [(0, 5), (10, -1)])
def test_bad_arguments_are_the_users_mistake(iterations: int, warmup: int) -> None:
    with pytest.raises(InputError, match="at least"):
        rates(iterations, warmup=warmup)
