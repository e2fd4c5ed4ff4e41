# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest

from monai_diffdenoise.data.fingerprint import Fingerprint
from monai_diffdenoise.data.stored_pixels import StoredPixels
from monai_diffdenoise.errors import InputError

SIZES = (4, 5, 6)
CHANNELS = 3
PACK = {"raw": bytes, "gzip": gzip.compress, "zlib": zlib.compress}


def place(tmp_path: Path, axis: int, packing: str = "raw", dtype: str = ">i2") -> tuple[StoredPixels, np.ndarray]:
    sizes = [*SIZES[:axis], CHANNELS, *SIZES[axis:]]
    box = np.random.default_rng(axis).integers(0, 99, sizes).astype(dtype)
    path = tmp_path / "pixels"
    path.write_bytes(b"head" + PACK[packing](b"skip" + box.tobytes(order="F")))
    # Bytes before unpacked numbers are bytes before packed ones as well.
    offset, skip = (8, 0) if packing == "raw" else (4, 4)
    pixels = StoredPixels(Fingerprint.of(path), box.dtype, SIZES, CHANNELS, axis, packing, offset, skip)
    return pixels, np.moveaxis(box, axis, 0)


@pytest.mark.parametrize("packing", sorted(PACK))
@pytest.mark.parametrize("axis", [0, 1, 2, 3])
@pytest.mark.parametrize("voxels", [1, 45, 1 << 20])
def test_channels_anywhere_in_the_file(tmp_path, monkeypatch, packing, axis, voxels):
    monkeypatch.setattr("monai_diffdenoise.data.stored_pixels._BLOCK_VOXELS", voxels)
    pixels, image = place(tmp_path, axis, packing)
    pixels.check_room()
    result = np.full(pixels.shape, -1)
    order = []
    for block in pixels.blocks(2.0, 1.0):
        assert block.stored.dtype == np.dtype("i2") and (block.slope, block.inter) == (2.0, 1.0)
        assert (result[block.index] == -1).all()
        result[block.index] = block.stored
        order.append((block.index[0].start, block.index[-1].start))
    np.testing.assert_array_equal(result, image)
    assert order == sorted(order), "the order that writers rely on"


@pytest.mark.parametrize("axis", [0, 2, 3])
def test_gray_of_color(tmp_path, axis):
    pixels, image = place(tmp_path, axis, dtype="u1")
    gray = StoredPixels(pixels.fingerprint, pixels.dtype, SIZES, CHANNELS, axis, offset=8, gray=True)
    (block,) = gray.blocks()
    assert gray.shape == (1, *SIZES) == block.stored.shape
    red, green, blue = image.astype(float)
    np.testing.assert_allclose(block.stored[0], 0.299 * red + 0.587 * green + 0.114 * blue, atol=0.51)


@pytest.mark.parametrize("packing", sorted(PACK))
@pytest.mark.parametrize("axis", [0, 3])
def test_too_few_voxels(tmp_path, packing, axis):
    pixels, _ = place(tmp_path, axis, packing)
    more = StoredPixels(
        pixels.fingerprint, pixels.dtype, (4, 5, 7), CHANNELS, axis, packing, pixels.offset, pixels.skip
    )
    with pytest.raises(InputError, match="cut off"):
        more.check_room()
        list(more.blocks())
    huge = StoredPixels(pixels.fingerprint, pixels.dtype, (9999, 9999, 9999), CHANNELS, axis, packing)
    with pytest.raises(InputError, match="declares 5998200179994 bytes"):
        huge.check_room()


def test_changed_file_is_refused(tmp_path):
    pixels, _ = place(tmp_path, 3)
    pixels.fingerprint.path.write_bytes(bytes(9999))
    with pytest.raises(InputError, match="changed since"):
        list(pixels.blocks())
