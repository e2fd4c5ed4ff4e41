# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Damaged and hostile pixels end in numbers or in an InputError."""

from __future__ import annotations

import random
import time

import numpy as np
import pydicom
import pytest
from pydicom.encaps import get_frame
from pydicom.uid import (
    JPEGLosslessSV1,
    JPEGLSLossless,
)

from monai_diffdenoise.data.dicom_pixels import read_frame
from monai_diffdenoise.errors import InputError
from tests.data.dicom_pixel_files import GRAY, compress, needs, sample, slice_of

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


@pytest.mark.parametrize("name", ["MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_RLE.dcm"])
@pytest.mark.parametrize("damage", ["cut", "size", "empty", "huge"])
def test_hostile_frames_are_an_input_error(tmp_path, name, damage):
    if GRAY[name]:
        needs(GRAY[name])
    dataset = pydicom.dcmread(sample(name))
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    attributes = {}
    if damage == "cut":
        # Half of a JPEG 2000 stream is a picture, if a worse one.
        frame = frame[: 100 if "jp2k" in name else len(frame) // 2]
    elif damage == "size":
        attributes = {"Rows": 32, "Columns": 32}
    elif damage == "huge":
        frame += b"\0" * (3 << 20)
    else:
        frame = b"\0\0"
    path = compress(tmp_path / "x.dcm", dataset.file_meta.TransferSyntaxUID, [frame], **attributes)
    with pytest.raises(InputError, match=r"slice 7 has pixels that cannot be decoded \("):
        read_frame(slice_of(path))


@pytest.mark.parametrize(
    "name", ["MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_RLE.dcm", "lossless"]
)
def test_mutated_frames_end_in_numbers_or_an_input_error(tmp_path, encode_jpeg_lossless, name):
    """Each through its real decoder, which must neither crash nor hang nor let another error out."""
    if GRAY.get(name):
        needs(GRAY[name])
    numbers = pydicom.dcmread(sample("MR_small.dcm")).pixel_array.astype(np.uint16)
    syntax, frame = JPEGLosslessSV1, encode_jpeg_lossless(numbers[:, :, None], 16, 1)
    if name != "lossless":
        dataset = pydicom.dcmread(sample(name))
        syntax, frame = dataset.file_meta.TransferSyntaxUID, get_frame(dataset.PixelData, 0, number_of_frames=1)
    rng, ends, started = random.Random(0), set(), time.perf_counter()
    for index in range(100):
        damaged = bytearray(frame)
        for _ in range(rng.choice([1, 3, 20])):
            damaged[rng.randrange(64 if rng.random() < 0.5 else len(damaged))] = rng.randrange(256)
        if rng.random() < 0.2:
            del damaged[rng.randrange(2, len(damaged)) :]
        try:
            read_frame(slice_of(compress(tmp_path / f"{index}.dcm", syntax, [bytes(damaged)])))
            ends.add("decoded")
        except InputError as error:
            assert "slice 7" in str(error)
            ends.add("refused")
    # Hardly any damage to JPEG-LS goes unnoticed.
    assert ends >= ({"refused"} if "ls" in name else {"decoded", "refused"})
    assert time.perf_counter() - started < 30


def test_a_cut_off_jpeg_ls_frame_ends_quickly(tmp_path):
    """Without its end marker this frame kept CharLS busy for eleven seconds."""
    needs("pyjpegls")
    dataset = pydicom.dcmread(sample("MR_small_jpeg_ls_lossless.dcm"))
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    path = compress(tmp_path / "x.dcm", JPEGLSLossless, [frame[:2143]])
    started = time.perf_counter()
    with pytest.raises(InputError, match="cannot be decoded"):
        read_frame(slice_of(path))
    assert time.perf_counter() - started < 3


def test_cut_off_and_impossible_plain_pixels(tmp_path):
    for change in ({"Rows": 65}, {"PhotometricInterpretation": "Doe^John"}, {"SamplesPerPixel": 2}):
        dataset = pydicom.dcmread(sample("MR_small.dcm"))
        for keyword, value in change.items():
            setattr(dataset, keyword, value)
        dataset.save_as(tmp_path / "x.dcm")
        with pytest.raises(InputError, match="slice 7") as caught:
            read_frame(slice_of(tmp_path / "x.dcm", rows=dataset.Rows, samples=1))
        assert "Doe" not in str(caught.value)
