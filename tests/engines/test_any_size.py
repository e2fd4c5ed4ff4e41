# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.engines.any_size."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from monai_diffdenoise.engines.any_size import PARITY, check_parity, smallest_side, trace_any_size
from monai_diffdenoise.errors import InputError


class Net(nn.Module):
    """A network of any function, so that what is traced stays small."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.function(image)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_a_traced_network_takes_other_sizes(spatial_dims: int) -> None:
    network = Net(lambda image: 2 * image[:, :1] + image.mean(1, keepdim=True))
    program = trace_any_size(network, 3, spatial_dims)
    for batch, side in ((1, 9), (4, 64)):
        image = torch.rand(batch, 3, side, side + 5, 7)[..., : 7 if spatial_dims == 3 else None]
        image = image if spatial_dims == 3 else image[..., 0]
        torch.testing.assert_close(program.module()(image), network(image))
    assert smallest_side(program) <= 2


def test_the_smallest_side_is_what_the_trace_needs() -> None:
    program = trace_any_size(Net(lambda image: nn.functional.pad(image, [5] * 4, mode="reflect")[:, :, 5:-5, 5:-5]), 1)
    assert smallest_side(program) == 6


def test_nothing_of_this_machine_stays_in_a_trace() -> None:
    program = trace_any_size(Net(lambda image: image + 1), 1)
    assert not any("stack_trace" in node.meta for node in program.graph.nodes)


@pytest.mark.parametrize(
    "function",
    [
        lambda image: image if image.sum() > 0 else -image,
        lambda image: image.reshape(-1, 45, 70)[:, None],
    ],
)
def test_a_network_that_depends_on_values_or_sizes_is_refused(function: Callable) -> None:
    with pytest.raises(InputError, match="Net that torch.export cannot trace"):
        trace_any_size(Net(function), 1)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_parity_looks_at_odd_sizes_other_batches_and_the_smallest(spatial_dims: int) -> None:
    seen: list[torch.Size] = []

    def copy(image: torch.Tensor) -> torch.Tensor:
        seen.append(image.shape)
        return 2 * image + 0.4 * PARITY

    found = check_parity(Net(lambda image: 2 * image), copy, 3, spatial_dims, smallest=5)
    assert found["shapes"] == [list(shape) for shape in seen]
    assert 0.1 * PARITY < float(str(found["largest_difference"])) < PARITY
    assert len({shape[0] for shape in seen}) > 1
    assert all(shape[1] == 3 and len(shape) == spatial_dims + 2 for shape in seen)
    assert any(shape[2] % 2 for shape in seen)
    assert any(shape[2] != shape[3] for shape in seen)
    assert min(min(shape[2:]) for shape in seen) == 5


@pytest.mark.parametrize(
    ("copy", "message"),
    [
        (lambda image: image + 2 * PARITY, "differs from the network by 0.0002"),
        (lambda image: image * float("nan"), "differs from the network by nan"),
        (lambda image: image[..., :-1], "turns"),
        (lambda image: image if image.shape[0] == 1 else 1 / 0, r"fails on an input of shape \[3, 1, 51, 40\]"),
    ],
)
def test_a_copy_that_is_not_the_network_is_refused(copy: Callable, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_parity(Net(lambda image: image), copy, 1)


def test_large_outputs_are_compared_in_shares() -> None:
    check_parity(Net(lambda image: 1000 * image), lambda image: 1000 * image + 0.01, 1)
