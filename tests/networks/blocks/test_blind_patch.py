# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks import MaskedConv, is_blind
from monai_diffdenoise.networks.blocks.blind_patch import blind_period, far_kernel, near_kernel


@pytest.mark.parametrize(
    "spot, shape, near, far, near_period, far_period",
    [
        (9, "diamond", 9, 21, 8, 15),  # the paper's
        (5, "diamond", 9, 21, 8, 13),
        (9, "square", 13, 21, 12, 15),
        (5, "square", 7, 21, 6, 13),
        (1, "square", 3, 21, 2, 11),
        (11, "diamond", 11, 25, 10, 19),
    ],
)
def test_sizes_for_known_patches(spot, shape, near, far, near_period, far_period) -> None:
    assert near_kernel((spot, spot), shape) == (near, near)
    assert far_kernel((spot, spot)) == (far, far)
    dense = MaskedConv(2, 1, 1, near, spot, shape)
    assert blind_period(dense.taps, dense.blind, (near - 1,) * 2) == (near_period,) * 2
    sparse = MaskedConv(2, 1, 1, far, spot, shape, step=2)
    assert blind_period(sparse.taps, sparse.blind, (far // 2 + 1,) * 2, 2) == (far_period,) * 2


@given(
    spot=st.tuples(*(st.integers(0, 5).map(lambda r: 2 * r + 1),) * 2),
    shape=st.sampled_from(["square", "diamond"]),
    step=st.sampled_from([1, 2, 3]),
    least=st.tuples(st.integers(1, 12), st.integers(1, 12)),
)
def test_the_period_is_blind_shares_no_factor_with_the_step_and_starts_where_asked(spot, shape, step, least) -> None:
    conv = MaskedConv(2, 1, 1, tuple(2 * s + 5 for s in spot), spot, shape, step)
    found = blind_period(conv.taps, conv.blind, least, step)
    assert is_blind(conv.taps, conv.blind, found)
    assert all(p >= first and math.gcd(p, step) == 1 for p, first in zip(found, least, strict=True))


@pytest.mark.parametrize("shape", ["square", "diamond"])
def test_every_other_pixel_is_seen_at_the_period_of_the_near_kernel(shape) -> None:
    for spot in (1, 3, 5, 7, 9, 11):
        conv = MaskedConv(2, 1, 1, near_kernel((spot, spot), shape), spot, shape)
        period = blind_period(conv.taps, conv.blind, [size - 1 for size in conv.kernel_size])
        classes = {tuple(a % s for a, s in zip(d, period, strict=True)) for d in conv.taps | conv.blind}
        assert len(classes) == math.prod(period)


@pytest.mark.parametrize("taps, least", [({(0, 0)}, (1, 1)), ({(0, 2)}, (0, 3))])
def test_what_cannot_be_blind_is_named(taps, least) -> None:
    with pytest.raises(InputError, match="expected"):
        blind_period(taps, {(0, 0)}, least)
