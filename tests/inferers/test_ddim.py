# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The reverse step: MONAI's where MONAI's is consistent, and exact where the answer is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.networks.schedulers import DDIMScheduler, DDPMScheduler

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import ddim_step, timestep_schedule
from monai_diffdenoise.inferers.ddim import PredictionType, Spacing, expected_output

TYPES: list[PredictionType] = ["v_prediction", "sample", "epsilon"]
T = 1000


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian_output(
    state: torch.Tensor, mean: torch.Tensor, spread: float, share: torch.Tensor, kind: PredictionType
) -> torch.Tensor:
    """What a perfect network gives when the image at time 0 is Gaussian with this mean and standard deviation."""
    image, noise = share.sqrt(), (1 - share).sqrt()
    surprise = (state - image * mean) / (share * spread**2 + 1 - share)
    start, hidden = mean + image * spread**2 * surprise, noise * surprise
    return expected_output(start, hidden, image, kind)


def sample(
    state: torch.Tensor,
    network: Callable[[torch.Tensor, int], torch.Tensor],
    steps: list[tuple[int, int]],
    alphas: torch.Tensor,
    kind: PredictionType,
) -> torch.Tensor:
    for t, t_prev in steps:
        state = ddim_step(state, network(state, t), t, t_prev, alphas, kind)
    return state


@pytest.mark.parametrize("kind", TYPES)
def test_it_is_monais_step_with_as_many_steps_as_times(kind: PredictionType) -> None:
    count = 40
    theirs = DDIMScheduler(count, clip_sample=False, prediction_type=kind)
    theirs.set_timesteps(count)
    ours = theirs_state = draw(1, 1, 4, 4).float()
    steps = timestep_schedule(count, count)
    assert [t for t, _ in steps] == theirs.timesteps.tolist()
    for number, (t, t_prev) in enumerate(steps):
        output = draw(1, 1, 4, 4, seed=number + 1).float()
        theirs_state, _ = theirs.step(output, t, theirs_state)
        ours = ddim_step(ours, output, t, t_prev, theirs.alphas_cumprod, kind)
        torch.testing.assert_close(ours, theirs_state, rtol=1e-4, atol=1e-4)


def test_monais_scheduler_leaves_another_noise_level_than_it_tells_at_few_steps() -> None:
    # Why this module exists. When it fails, MONAI has been mended: say so in the module's docstring.
    scheduler = DDIMScheduler(T, clip_sample=False, prediction_type="sample")
    scheduler.set_timesteps(10)
    alphas, times = scheduler.alphas_cumprod.double(), scheduler.timesteps.tolist()
    noise = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    for t, told in zip(times, times[1:], strict=False):
        # an image of 0 and a network that knows it: what is left of the state is its noise alone
        state = (1 - alphas[t]).sqrt() * noise
        left, _ = scheduler.step(torch.zeros_like(noise), t, state)
        assert int(((1 - alphas).sqrt() - left.flatten()).abs().argmin()) != told
        ours = ddim_step(state, torch.zeros_like(noise), t, told, alphas, "sample")
        torch.testing.assert_close(ours.flatten()[0], (1 - alphas[told]).sqrt())
    # at the last one the state has more than three times the noise that the network is told of
    assert float(left) / float((1 - alphas[0]).sqrt()) > 3


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("count", [1, 5, 10])
@pytest.mark.parametrize("spacing", ["trailing", "leading", "linspace"])
def test_a_symmetric_pair_has_the_exact_mean_of_a_gaussian(kind: PredictionType, count: int, spacing: Spacing) -> None:
    alphas = DDPMScheduler(T).alphas_cumprod.double()
    mean, noise, spread = draw(1, 1, 6, 6, seed=5), draw(1, 1, 6, 6, seed=6), 0.2
    steps = timestep_schedule(T, count, spacing, start=None if spacing != "leading" or count > 1 else T - 1)
    first = alphas[steps[0][0]]

    def network(state: torch.Tensor, t: int) -> torch.Tensor:
        return gaussian_output(state, mean, spread, alphas[t], kind)

    plus, minus = (
        sample(first.sqrt() * mean + sign * (1 - first).sqrt() * noise, network, steps, alphas, kind)
        for sign in (1, -1)
    )
    torch.testing.assert_close((plus + minus) / 2, mean, rtol=0, atol=1e-10)
    if count > 1:
        assert float((plus - minus).std()) > 0.01


def test_many_steps_keep_the_spread_of_a_gaussian() -> None:
    alphas = DDPMScheduler(T).alphas_cumprod.double()
    noise, spread = draw(1, 1, 8, 8), 0.2
    ends = [
        sample(
            noise,
            lambda state, t: gaussian_output(state, torch.zeros(()), spread, alphas[t], "v_prediction"),
            timestep_schedule(T, count),
            alphas,
            "v_prediction",
        )
        for count in (10, T)
    ]
    kept = [float(end.norm() / noise.norm()) / spread for end in ends]
    assert kept[0] < 0.8
    assert kept[1] == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", TYPES)
def test_precision_is_kept_and_nothing_is_clipped(kind: PredictionType, dtype: torch.dtype) -> None:
    alphas = DDPMScheduler(T).alphas_cumprod
    state = 50 * draw(2, 1, 3, 3).to(dtype)
    out = ddim_step(state, state / 2, 500, 400, alphas, kind)
    assert out.dtype == dtype
    torch.testing.assert_close(ddim_step(-state, -state / 2, 500, 400, alphas, kind), -out, rtol=0, atol=0)
    assert float(out.abs().max()) > 20


@settings(deadline=None)
@given(total=st.integers(1, 1200), data=st.data())
def test_schedules_go_back_and_end_at_the_image(total: int, data: st.DataObject) -> None:
    start = data.draw(st.none() | st.integers(0, total - 1))
    last = total - 1 if start is None else start
    earliest = data.draw(st.integers(0, last))
    count = data.draw(st.integers(1, last + 1 - earliest))
    spacing: Spacing = data.draw(st.sampled_from(["trailing", "leading", "linspace"]))
    steps = timestep_schedule(total, count, spacing, start, earliest)
    assert len(steps) == count
    assert steps[-1][1] == -1
    assert all(t > t_prev for t, t_prev in steps)
    assert all(a[1] == b[0] for a, b in zip(steps, steps[1:], strict=False))
    assert steps[-1][0] >= earliest and steps[0][0] <= last
    if spacing != "leading":
        assert steps[0][0] == last
    if spacing != "trailing" and count > 1:
        assert steps[-1][0] == earliest


def test_known_schedules() -> None:
    assert [t for t, _ in timestep_schedule(1000, 5)] == [999, 799, 599, 399, 199]
    assert [t for t, _ in timestep_schedule(1000, 5, "leading")] == [800, 600, 400, 200, 0]
    assert [t for t, _ in timestep_schedule(1000, 5, "linspace")] == [999, 749, 500, 250, 0]
    assert timestep_schedule(1000, 2, start=299) == [(299, 149), (149, -1)]
    assert timestep_schedule(1000, 5, earliest=500) == [(999, 899), (899, 799), (799, 699), (699, 599), (599, -1)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((10, 0), "at least one step"),
        ((10, 11), "at most one a time"),
        ((10, 5, "trailing", 3), "got 5 steps from time 3"),
        ((10, 1, "trailing", 10), "times of the schedule"),
        ((10, 1, "trailing", 4, 5), "in this order"),
        ((10, 6, "trailing", None, 5), "at most one a time"),
        ((10, 1, "karras"), "trailing"),
    ],
)
def test_wrong_schedules_are_named(arguments: tuple, words: str) -> None:
    with pytest.raises(InputError, match=words):
        timestep_schedule(*arguments)


@pytest.mark.parametrize(
    ("t", "t_prev", "kind", "words"),
    [(3, 3, "sample", "back in time"), (10, 2, "sample", "-1"), (3, 1, "velocity", "v_prediction")],
)
def test_wrong_steps_are_named(t: int, t_prev: int, kind: str, words: str) -> None:
    state = torch.zeros(1, 1, 2, 2)
    with pytest.raises(InputError, match=words):
        ddim_step(state, state, t, t_prev, torch.linspace(0.9, 0.1, 10), kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", TYPES)
def test_what_is_expected_of_a_network_leads_back(kind: PredictionType) -> None:
    alphas = DDPMScheduler(T).alphas_cumprod.double()
    start, noise, t = draw(1, 1, 4, 4), draw(1, 1, 4, 4, seed=1), 700
    share = alphas[t].sqrt()
    state = share * start + math.sqrt(1 - float(alphas[t])) * noise
    found = ddim_step(state, expected_output(start, noise, share, kind), t, -1, alphas, kind)
    torch.testing.assert_close(found, start, rtol=0, atol=1e-12)
