# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from monai_diffdenoise.analysis import SliceMeasurement
from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline import DenoiseSettings
from monai_diffdenoise.pipeline.further_axes import further_axes
from monai_diffdenoise.pipeline.slice_pairs import SlicePairs

SLICES = SliceMeasurement(2, 1, 20, 0.1, 0.1, 0.1, 0.1, 0.02, (0.0, 0.0), 0.05, 0.9, 0.1)
CLOSE = SlicePairs(2, 1, True, "", "why", SLICES)


def volume(spacing: tuple[float, float, float] = (1.0, 1.0, 1.0), shape: tuple[int, ...] = (20, 20, 20)):
    return volume_from_array(torch.zeros(1, *shape), np.diag([*spacing, 1.0]), slice_axis=2)


@pytest.mark.parametrize(
    ("changes", "others"),
    [
        ({}, (0, 1)),
        ({"volume": volume((1.0, 1.0, 1.4))}, (0, 1)),
        ({"volume": volume((1.0, 1.0, 3.0))}, ()),
        ({"volume": volume(shape=(20, 20, 8))}, ()),
        ({"fits": False}, ()),
        ({"pairs": replace(CLOSE, distance=2)}, ()),
        ({"pairs": replace(CLOSE, close=False)}, ()),
        ({"settings": DenoiseSettings(axes="one")}, ()),
        ({"settings": DenoiseSettings(axis=2)}, ()),
        ({"settings": DenoiseSettings(axes="all"), "volume": volume((1.0, 1.0, 3.0))}, (0, 1)),
    ],
    ids=str,
)
def test_only_where_no_axis_is_unlike_another(changes: dict, others: tuple[int, ...]) -> None:
    given = {"volume": volume(), "settings": DenoiseSettings(), "pairs": CLOSE, "fits": True, **changes}
    found, why = further_axes(**given)
    assert found == others and bool(why) == bool(others)


def test_all_axes_are_refused_where_they_cannot_be() -> None:
    with pytest.raises(InputError, match="axes = all"):
        further_axes(volume(), DenoiseSettings(axes="all"), CLOSE, fits=False)
