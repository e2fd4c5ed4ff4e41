# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Means over boxes, of whole volumes and of runs of their slices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers.runs import Run, box_mean


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("window", [1, 3, 5, 15, (3, 1, 5)])
@pytest.mark.parametrize("shape", [(6, 7, 5), (1, 4, 2), (3, 1, 16)], ids=str)
def test_the_mean_is_over_the_part_of_a_box_that_lies_inside(
    shape: tuple[int, ...], window: int | tuple[int, ...]
) -> None:
    volume = noise(*shape).double()
    windows = (window,) * 3 if isinstance(window, int) else window
    half = [min(wide, (side - 1) // 2 * 2 + 1) // 2 for wide, side in zip(windows, shape, strict=True)]
    expected = np.empty(shape)
    for index in np.ndindex(shape):
        expected[index] = volume[
            tuple(slice(max(i - h, 0), i + h + 1) for i, h in zip(index, half, strict=True))
        ].mean()
    torch.testing.assert_close(box_mean(volume, window), torch.from_numpy(expected))


@settings(deadline=None, max_examples=60)
@given(
    depth=st.integers(1, 30),
    axis=st.integers(0, 2),
    start=st.integers(0, 29),
    count=st.integers(1, 30),
    windows=st.tuples(*(st.sampled_from([1, 3, 5, 9]) for _ in range(3))),
)
def test_the_mean_of_a_run_is_that_of_the_whole(
    depth: int, axis: int, start: int, count: int, windows: tuple[int, int, int]
) -> None:
    shape = [6, 7]
    shape.insert(axis, depth)
    volume, start = noise(*shape), min(start, depth - 1)
    run = Run(axis, depth, start, min(start + count, depth), windows[axis] // 2)
    expected = box_mean(volume, windows).narrow(axis, run.start, run.stop - run.start)
    assert torch.equal(box_mean(run.cut(volume), windows, run), expected)


@pytest.mark.parametrize("window", [0, 4, -3, (3, 2, 3)])
def test_a_window_has_a_middle(window: int | tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="odd number"):
        box_mean(torch.zeros(4, 4, 4), window)
