# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks.blocks import ContextFeatures
from tests.networks.blindness import randomize, seen


@pytest.mark.parametrize("norm", [None, ("GROUP", {"num_groups": 4})])
@pytest.mark.parametrize("size", [(1, 2), (5, 4), (17, 30), (5, 4, 3), (9, 8, 11)], ids=str)
def test_features_of_any_size(size: tuple[int, ...], norm: Any) -> None:
    features = ContextFeatures(len(size), 4, 8, levels=3, norm=norm).eval()
    output = features(torch.randn(2, 4, *size))
    assert output.shape == (2, 8, *size)
    assert output.isfinite().all()


def test_every_channel_is_seen_whole_and_from_afar() -> None:
    features = randomize(ContextFeatures(2, 3, 4, levels=3, norm=None))
    gradient = seen(features, torch.randn(1, 3, 15, 13, dtype=torch.float64), (7, 6))
    assert (gradient[:, 7, 6] > 0).all() and (gradient[:, :, 0] > 0).any() and (gradient[:, :, -1] > 0).any()


@pytest.mark.parametrize(
    "arguments",
    [{"spatial_dims": 1}, {"context_channels": 0}, {"channels": 6}, {"channels": 0}, {"levels": 0}],
    ids=str,
)
def test_wrong_arguments_are_named(arguments: dict[str, int]) -> None:
    with pytest.raises(InputError, match="expected"):
        ContextFeatures(**{"spatial_dims": 2, "context_channels": 4, "channels": 4, **arguments})  # type: ignore[arg-type]
