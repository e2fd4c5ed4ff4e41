# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, features
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSNearLossless,
    RLELossless,
)

from monai_diffdenoise.data.dicom_lossy import mark_lossy

KEYWORDS = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")


def packed(stream: bytes) -> Dataset:
    dataset = Dataset()
    dataset.PixelData = encapsulate([stream])
    return dataset


def jpeg2000(irreversible: bool, container: str = "j2k") -> bytes:
    if not features.check("jpg_2000"):
        pytest.skip("this Pillow cannot write JPEG 2000")
    stream = io.BytesIO()
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8))
    picture.save(stream, "JPEG2000", irreversible=irreversible, no_jp2=container == "j2k")
    return stream.getvalue()


@pytest.mark.parametrize(("syntax", "method"), [(JPEGBaseline8Bit, "ISO_10918_1"), (JPEGLSNearLossless, "ISO_14495_1")])
def test_what_is_always_lossy_is_marked(syntax, method):
    dataset = packed(b"x" * 100)
    mark_lossy(dataset, syntax, 1000)
    assert dataset.LossyImageCompression == "01" and dataset.LossyImageCompressionMethod == method
    assert float(dataset.LossyImageCompressionRatio) == pytest.approx(1000 / len(dataset.PixelData), rel=0.01)


@pytest.mark.parametrize("container", ["j2k", "jp2"])
@pytest.mark.parametrize("irreversible", [True, False])
def test_the_wavelet_of_jpeg_2000_tells(irreversible, container):
    dataset = packed(jpeg2000(irreversible, container))
    mark_lossy(dataset, JPEG2000, 4096)
    assert dataset.get("LossyImageCompressionMethod") == ("ISO_15444_1" if irreversible else None)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless])
def test_what_is_never_lossy_is_not_marked(syntax: UID):
    dataset = packed(b"x" * 100)
    mark_lossy(dataset, syntax, 1000)
    assert not any(keyword in dataset for keyword in KEYWORDS)


def test_a_history_that_is_there_is_kept():
    dataset = packed(b"x" * 100)
    dataset.LossyImageCompression, dataset.LossyImageCompressionRatio = "01", ["7", "9.5"]
    mark_lossy(dataset, JPEGBaseline8Bit, 1000)
    assert dataset.LossyImageCompressionRatio == [7, 9.5] and "LossyImageCompressionMethod" not in dataset


@pytest.mark.parametrize(
    "stream", [b"xx", b"\xff\x4f", b"\xff\x4f\xff\x52\x00", b"\xff\x4f\xff\x51\xff\xff" + b"\0" * 9]
)
def test_a_damaged_codestream_says_nothing(stream):
    dataset = packed(stream)
    mark_lossy(dataset, JPEG2000, 1000)
    assert "LossyImageCompression" not in dataset
    dataset.PixelData = stream
    mark_lossy(dataset, JPEG2000, 1000)
    assert "LossyImageCompression" not in dataset
