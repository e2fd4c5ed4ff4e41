# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A student's pairs: the noisy slice, its neighbors, and the target of the very slice."""

from __future__ import annotations

import pytest
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms import PseudoCleanPair, RandPseudoCleanPaird


def numbered(times: int = 1, depth: int = 6, offset: float = 0.0) -> torch.Tensor:
    """(times, 4, 3, depth), every voxel holding 100 * time + slice + offset."""
    slices = torch.arange(float(depth)) + 100 * torch.arange(float(times)).reshape(-1, 1, 1, 1) + offset
    return slices.expand(times, 4, 3, depth).clone()


@pytest.mark.parametrize(("context", "shown"), [(0, [3]), (2, [3, 2, 4]), (4, [3, 1, 2, 4, 5])])
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_slice_neighbors_target_and_weight(context: int, shown: list[int], axis: int) -> None:
    turned = [part.movedim(3, axis % 3 + 1) for part in (numbered(), numbered(offset=0.25), numbered(offset=0.5))]
    pair = PseudoCleanPair(axis, context=context)
    assert pair.in_channels == 1 + context and pair.num_pairs(turned[0]) == 6
    made = pair(turned[0], 3, turned[2], targets=turned[1])
    assert [float(channel.unique()) for channel in made["image"]] == shown
    assert float(made["target"].unique()) == 3.25 and float(made["weight"].unique()) == 3.5
    assert torch.equal(pair.inputs(turned[0], 3, 4)[0], made["image"])


def test_each_time_point_is_a_pair_of_its_own() -> None:
    pair, volume = PseudoCleanPair(context=2), numbered(2, 4)
    found = [pair(volume, k, targets=volume + 0.25) for k in range(pair.num_pairs(volume))]
    assert len(found) == 8
    assert sorted(float(one["target"].unique()) for one in found) == [
        0.25 + s + 100 * t for t in (0, 1) for s in range(4)
    ]
    for one in found:
        assert float(one["image"][0].unique()) == float(one["target"].unique()) - 0.25
        assert one["image"].unique().div(100, rounding_mode="floor").unique().numel() == 1
        assert bool((one["weight"] == 1).all())


def test_random_patches_stay_in_register_and_never_swap() -> None:
    draw = torch.Generator().manual_seed(0)
    volume, weight = torch.randn(1, 20, 18, 12, generator=draw), torch.rand(1, 20, 18, 12, generator=draw)
    data = {"image": volume, "targets": volume + 200, "weight": weight}
    rand = RandPseudoCleanPaird(PseudoCleanPair(context=2), patch_size=8).set_random_state(seed=0)
    for _ in range(30):
        pair = rand(data)
        assert pair["image"].shape == (3, 8, 8)
        torch.testing.assert_close(pair["image"][:1], pair["target"] - 200, rtol=0, atol=1e-4)
        corner = (volume - (float(pair["target"][0, 0, 0]) - 200)).abs() < 1e-4
        assert float((weight[corner] - pair["weight"][0, 0, 0]).abs().min()) < 1e-6


def test_small_slices_are_padded_by_what_the_student_will_see() -> None:
    volume = 1 + torch.rand(1, 5, 8, 6)
    rand = RandPseudoCleanPaird(PseudoCleanPair(), patch_size=8, augment=False).set_random_state(seed=0)
    pair = rand({"image": volume, "targets": volume})
    assert float(pair["image"].min()) >= 1 and not pair["weight"][:, 5:].any()


def test_missing_targets_and_unknown_contexts_are_named() -> None:
    with pytest.raises(InputError, match="targets of shape none"):
        PseudoCleanPair()(numbered(), 0)
    with pytest.raises(InputError, match="targets of shape"):
        PseudoCleanPair()(numbered(), 0, targets=numbered(depth=5))
    with pytest.raises(InputError, match="context=3"):
        PseudoCleanPair(context=3)
