# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Which decoder reads what."""

from __future__ import annotations

import pydicom
import pytest
from pydicom.pixels import get_decoder
from pydicom.uid import (
    MPEG2MPML,
    UID,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from monai_diffdenoise.data.dicom_pixels import read_frame, require_decoder
from monai_diffdenoise.errors import InputError
from tests.data.dicom_pixel_files import GRAY, needs, sample, slice_of

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def test_twelve_bits_of_lossy_jpeg_are_said_plainly():
    needs("pillow")
    if "pylibjpeg" in get_decoder(pydicom.uid.JPEGExtended12Bit).available_plugins:
        pytest.skip("pylibjpeg-libjpeg is there and unpacks it")
    with pytest.raises(InputError, match="lossy JPEG of 12 bits"):
        read_frame(slice_of(sample("JPGExtended.dcm")))


@pytest.mark.parametrize(
    ("syntax", "message"),
    [(JPEGLSLossless, "dicom-codecs"), (HTJ2KLossless, "dicom-codecs"), (MPEG2MPML, "nothing here unpacks")],
)
def test_missing_decoders_are_named_beforehand(monkeypatch, syntax, message):
    monkeypatch.setattr(type(get_decoder(JPEGLSLossless)), "available_plugins", property(lambda self: ("gdcm",)))
    with pytest.raises(InputError, match=message):
        require_decoder(UID(syntax))


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, RLELossless, pydicom.uid.ExplicitVRBigEndian])
def test_decoders_that_are_always_there(syntax):
    require_decoder(UID(syntax))


def test_gdcm_is_never_asked(monkeypatch):
    asked = []
    real = pydicom.pixels.decoders.base.Decoder.as_array

    def as_array(self: object, src: object, **options: object) -> object:
        asked.append(options.get("decoding_plugin"))
        return real(self, src, **options)

    monkeypatch.setattr(pydicom.pixels.decoders.base.Decoder, "as_array", as_array)
    for name, plugin in GRAY.items():
        if plugin in ("", "pylibjpeg") and plugin in ("", *get_decoder(JPEG2000Lossless).available_plugins):
            read_frame(slice_of(sample(name)))
    assert asked and "gdcm" not in asked and set(asked) <= {None, "pydicom", "pylibjpeg"}
