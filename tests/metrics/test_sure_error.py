# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Stein's estimate as a metric of an engine."""

from __future__ import annotations

import math

import pytest
import torch
from ignite.engine import Engine
from torch.nn import functional as F

from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.sure_error import SureError

CLEAN = make_phantom((64, 64, 6), seed=8).movedim(2, 0)[:, None]


def smooth(image: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(image, 3, 1, 1, count_include_pad=False)


def run(metric: SureError, batches: int = 3, seed: int = 0) -> float:
    noisy = add_noise(CLEAN, "gaussian", 0.1, seed=seed)
    engine = Engine(lambda _, image: {"pred": smooth(image), "image": image})
    metric.attach(engine, "risk")
    return float(engine.run(noisy.chunk(batches)).metrics["risk"])


def test_estimates_the_true_error_and_the_gain() -> None:
    noisy = add_noise(CLEAN, "gaussian", 0.1, seed=0)
    true = float((smooth(noisy) - CLEAN).square().mean())
    assert run(SureError(smooth, 0.1)) == pytest.approx(true, abs=0.0004)
    assert run(SureError(smooth, 0.1, gain=True)) == pytest.approx(1 / 9, abs=0.02)


def test_every_run_draws_the_same_probe_and_batches_add_up() -> None:
    metric = SureError(smooth, 0.1)
    first = run(metric)
    assert run(metric) == first
    assert run(SureError(smooth, 0.1, seed=1)) != first
    assert run(metric, batches=1) == pytest.approx(first, abs=0.0003)


def test_correlated_noise_needs_a_correlated_probe() -> None:
    noisy = add_noise(CLEAN, "correlated", 0.1, seed=1, slice_axis=0)
    true = float((smooth(noisy) - CLEAN).square().mean())

    def draw(shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
        seed = int(torch.randint(1 << 30, (), generator=generator))
        return add_noise(torch.zeros(shape), "correlated", 1.0, seed=seed, slice_axis=0)

    found = []
    for metric in (SureError(smooth, 0.1, draw=draw), SureError(smooth, 0.1)):
        metric.update((smooth(noisy), noisy))
        found.append(metric.compute())
    assert found[0] == pytest.approx(true, abs=0.0008)
    assert found[1] < 0.7 * true


def test_no_update_and_impossible_numbers() -> None:
    assert SureError(smooth, 0.1).compute() == math.inf
    for sigma, h in ((0.0, 0.1), (0.1, 0.0), (math.nan, 0.1)):
        with pytest.raises(InputError, match="above 0"):
            SureError(smooth, sigma, h)
