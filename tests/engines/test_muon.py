# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.engines.muon."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from monai_diffdenoise.engines import Muon
from monai_diffdenoise.engines.muon import orthogonalized


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(1e-6, 1e6), st.integers(0, 99))
def test_directions_learn_at_the_same_pace(rows: int, columns: int, scale: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    u, _ = torch.linalg.qr(torch.randn(rows, min(rows, columns), generator=generator))
    v, _ = torch.linalg.qr(torch.randn(columns, min(rows, columns), generator=generator))
    values = torch.linspace(0.02, 1.0, u.shape[1])
    found = orthogonalized((scale * (u * values) @ v.T)[None])[0]
    assert found.shape == (rows, columns)
    # in the directions of the exact answer, u v^T, and of about its size
    within = u.T @ found @ v
    assert torch.allclose(within, torch.diag(torch.diag(within)), atol=2e-3)
    # the norm, which is taken out first, shares the range among the directions
    assert bool((torch.diag(within)[values > 0.1] > 0.5).all())
    assert bool((torch.diag(within) < 1.3).all())


def test_a_gradient_of_zeros_moves_nothing() -> None:
    assert not orthogonalized(torch.zeros(2, 3, 5)).any()
    weight = nn.Parameter(torch.ones(4, 3))
    optimizer = Muon([weight], lr=0.1)
    weight.grad = torch.zeros_like(weight)
    optimizer.step()
    assert torch.equal(weight, torch.ones(4, 3))


@pytest.mark.parametrize("shape", [(6,), (1, 5, 3, 3), (8, 1, 3, 3), ()])
def test_what_is_no_matrix_is_adamw(shape: tuple[int, ...]) -> None:
    start = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    mine, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    pair = (
        Muon([mine], lr=0.01, weight_decay=0.1),
        torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.99), weight_decay=0.1),
    )
    for _ in range(3):
        for p, optimizer in zip((mine, theirs), pair, strict=True):
            p.grad = p.detach().sin()
            optimizer.step()
    assert torch.equal(mine, theirs)


def test_the_first_step_of_a_matrix_by_hand() -> None:
    start = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(1))
    gradient = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(2))
    weight = nn.Parameter(start.clone())
    weight.grad = gradient.clone()
    Muon([weight], lr=0.02, weight_decay=0.5).step()
    u, _, vh = torch.linalg.svd(gradient.reshape(4, 18), full_matrices=False)
    step = (start * (1 - 0.02 * 0.5) - weight.detach()).reshape(4, 18)
    assert torch.nn.functional.cosine_similarity(step.flatten(), (u @ vh).flatten(), dim=0) > 0.97
    # a root mean square of half the learning rate, but for the spread of the rounds
    assert float(step.square().mean().sqrt()) == pytest.approx(0.02 * 0.5, rel=0.25)
    assert torch.equal(weight.grad, gradient)


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.GroupNorm(2, 6), nn.ReLU(), nn.Conv2d(6, 6, 1), nn.Conv2d(6, 1, 3)
    )


def steps(net: nn.Module, optimizer: torch.optim.Optimizer, numbers: range) -> None:
    for number in numbers:
        image = torch.randn(2, 2, 9, 9, generator=torch.Generator().manual_seed(number))
        optimizer.zero_grad()
        net(image).square().mean().backward()
        optimizer.step()


def test_a_resumed_training_ends_with_the_same_bits() -> None:
    whole = network(0)
    steps(whole, Muon(whole.parameters(), lr=0.01), range(6))
    first = network(0)
    optimizer = Muon(first.parameters(), lr=0.01)
    steps(first, optimizer, range(3))
    second = network(1)
    second.load_state_dict(first.state_dict())
    resumed = Muon(second.parameters(), lr=0.5)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    steps(second, resumed, range(3, 6))
    for one, other in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_parameters_without_a_gradient_stay() -> None:
    net = network(0)
    net[3].requires_grad_(False)
    before = copy.deepcopy(net.state_dict())
    steps(net, Muon(net.parameters(), lr=0.01), range(2))
    assert {name for name, value in net.state_dict().items() if torch.equal(value, before[name])} == {
        "3.weight",
        "3.bias",
    }


def test_a_closure_is_asked_for_the_loss() -> None:
    net = network(0)
    optimizer = Muon(net.parameters(), lr=0.01)
    image = torch.ones(1, 2, 9, 9)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = net(image).square().mean()
        value.backward()
        return value

    losses = [float(optimizer.step(loss).detach()) for _ in range(20)]
    assert losses[-1] < 0.5 * losses[0]
