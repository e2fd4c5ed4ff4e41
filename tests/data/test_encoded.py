# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.data.encoded import EncodedVoxels
from monai_diffdenoise.data.encoding import Encoding

IMAGE = np.random.default_rng(0).integers(0, 200, (3, 4, 5, 6)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["<u2", ">u2", ">f8"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_channels_between_the_axes(tmp_path, dtype, axis):
    voxels = EncodedVoxels(volume_from_array(IMAGE), Encoding(np.dtype(dtype).newbyteorder("=")))
    raw = b"".join(voxels.mixed(np.dtype(dtype), tmp_path, axis))
    assert raw == np.moveaxis(IMAGE, 0, axis).astype(dtype).tobytes(order="F")
    assert not list(tmp_path.iterdir())


def test_channels_one_after_the_other():
    voxels = EncodedVoxels(volume_from_array(IMAGE), Encoding(np.dtype("u1")))
    assert b"".join(voxels.raw(np.dtype("u1"))) == np.moveaxis(IMAGE, 0, -1).astype("u1").tobytes(order="F")


def test_clipped_values_are_told(tmp_path):
    volume = volume_from_array(IMAGE)
    voxels = EncodedVoxels(volume.with_image(volume.image + 100), Encoding(np.dtype("u1")))
    b"".join(voxels.raw(np.dtype("u1")))
    lost = int((IMAGE + 100 > 255).sum())
    with pytest.warns(UserWarning, match=f"{lost} of 360 values did not fit uint8"):
        assert voxels.written(tmp_path).clipped == lost > 0
