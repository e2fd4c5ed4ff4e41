# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from monai_diffdenoise.data import read_volume


@pytest.mark.parametrize(
    ("stored", "notes"),
    [
        (np.full((3, 4, 5), 1e-9), 0),
        (np.full((3, 4, 5), 1e-200), 1),
        (np.where(np.arange(60).reshape(3, 4, 5) < 7, 1e200, 1.0), 1),
        (np.where(np.arange(60).reshape(3, 4, 5) < 7, 1e200, 1e-200), 2),
        (np.where(np.arange(60).reshape(3, 4, 5) < 7, 1e-200, 1.0), 0),
        (np.where(np.arange(60).reshape(3, 4, 5) < 7, np.nan, 1.0), 0),
        (np.zeros((3, 4, 5)), 0),
    ],
)
def test_only_what_is_lost_is_told(make_nifti, stored, notes):
    assert len(read_volume(make_nifti(stored)).notes) == notes


def test_a_slope_can_leave_the_range_as_well(make_nifti):
    stored = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    assert "59 values below" in read_volume(make_nifti(stored, slope=1e-40)).notes[0]
    assert read_volume(make_nifti(stored, slope=1e38)).notes[0].startswith("56 values beyond")
