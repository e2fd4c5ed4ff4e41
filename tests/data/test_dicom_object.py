# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset

from monai_diffdenoise.data.dicom_object import write_object
from tests.conftest import dicom_slice


def header(shape: tuple[int, int] = (3, 5)) -> FileDataset:
    dataset = dicom_slice("CT", np.zeros(shape, np.uint16), (0.0, 0.0, 0.0), 0)
    dataset.preamble = b"\0" * 128
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    del dataset["PixelData"]
    return dataset


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">i2", "<u4"])
@pytest.mark.parametrize("count", [1, 3])
def test_frames_come_back(dtype, count):
    frames = np.random.default_rng(0).integers(0, 100, (count, 3, 5)).astype(dtype)
    dataset = header()
    dataset.NumberOfFrames, dataset.BitsAllocated = count, frames.itemsize * 8
    dataset.BitsStored, dataset.HighBit = dataset.BitsAllocated, dataset.BitsAllocated - 1
    stream = io.BytesIO()
    write_object(stream, dataset, iter(frames), 15 * frames.itemsize, count)
    stream.seek(0)
    back = pydicom.dcmread(stream)
    assert ("OB" if frames.itemsize == 1 else "OW") == back["PixelData"].VR
    # 15 bytes are filled up to an even number.
    assert len(back.PixelData) == (frames.nbytes + 1) // 2 * 2
    np.testing.assert_array_equal(back.pixel_array.reshape(frames.shape), frames)


def test_attributes_behind_the_pixels_follow_them():
    dataset = header()
    dataset.add_new((0x7FE1, 0x0010), "LO", "MAKER")
    dataset.add_new((0x7FE1, 0x1001), "UL", 7)
    stream = io.BytesIO()
    write_object(stream, dataset, [np.ones((3, 5), np.uint16)], 30, 1)
    raw = stream.getvalue()
    assert raw.index(b"\xe0\x7f\x10\x00OW") < raw.index(b"\xe1\x7f\x10\x00LO")
    stream.seek(0)
    back = pydicom.dcmread(stream)
    assert back[0x7FE1, 0x1001].value == 7 and back.pixel_array.sum() == 15


def test_frames_are_taken_one_after_the_other():
    class Stream(io.BytesIO):
        def write(self, data):
            if data == b"\7\7" * 15:
                log.append("write")
            return super().write(data)

    log: list[str] = []

    def frames():
        for _ in range(3):
            log.append("make")
            yield np.full((3, 5), 0x0707, np.uint16)

    dataset = header()
    dataset.NumberOfFrames = 3
    write_object(Stream(), dataset, frames(), 30, 3)
    assert log == ["make", "write"] * 3


@pytest.mark.parametrize(("frames", "count"), [([(3, 5)], 2), ([(3, 5)] * 3, 2), ([(5, 5)], 1)])
def test_other_frames_than_announced_are_an_error(frames, count):
    with pytest.raises(ValueError, match="bytes"):
        write_object(io.BytesIO(), header(), [np.zeros(shape, np.uint16) for shape in frames], 30, count)
