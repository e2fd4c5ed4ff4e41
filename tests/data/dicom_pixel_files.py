# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Files with pixels of many kinds, and slices of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import (
    UID,
    JPEG2000Lossless,
    JPEGLSLossless,
)

from monai_diffdenoise.data.dicom_pixels import decode_slice, read_frame
from monai_diffdenoise.data.dicom_slice import Slice
from monai_diffdenoise.data.fingerprint import Fingerprint


def sample(name: str) -> Path:
    return Path(get_testdata_file(name, download=False))


def slice_of(path: Path, **changed: object) -> Slice:
    """A slice of any DICOM image, whatever its kind."""
    header = pydicom.dcmread(path, stop_before_pixels=True)
    bits, signed = header.BitsStored, header.get("PixelRepresentation", 0)
    fields = {
        "fingerprint": Fingerprint.of(path),
        "label": "slice 7",
        "sop_class": "",
        "sop_instance": "",
        "study": "",
        "series": "",
        "syntax": header.file_meta.TransferSyntaxUID,
        "rows": header.Rows,
        "columns": header.Columns,
        "dtype": np.dtype(f"{'i' if signed else 'u'}{header.BitsAllocated // 8}"),
        "limits": (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1),
        "slope": 1.0,
        "inter": 0.0,
        "padding": None,
        "spacing": None,
        "thickness": None,
        "orientation": None,
        "position": None,
        "samples": 3 if header.SamplesPerPixel == 3 or "PALETTE" in header.PhotometricInterpretation else 1,
    }
    return Slice(**{**fields, **changed})


def needs(*plugins: str) -> None:
    """Skip where a decoder of the extra is not installed."""
    decoders = {"pylibjpeg": JPEG2000Lossless, "pyjpegls": JPEGLSLossless, "pillow": UID("1.2.840.10008.1.2.4.50")}
    for plugin in plugins:
        if plugin not in get_decoder(decoders[plugin]).available_plugins:
            pytest.skip(f"needs {plugin} of the extra dicom-codecs")


def both(path: Path, **changed: object) -> np.ndarray:
    """Decode a slice from the file and from memory, which must agree."""
    item = slice_of(path, **changed)
    from_file, in_memory = read_frame(item), decode_slice(pydicom.dcmread(path), item)
    np.testing.assert_array_equal(from_file, in_memory)
    assert from_file.dtype == in_memory.dtype == item.dtype
    assert from_file.dtype.isnative
    return from_file


GRAY = {
    "CT_small.dcm": "",
    "image_dfl.dcm": "",
    "MR_small.dcm": "",
    "MR_small_implicit.dcm": "",
    "MR_small_bigendian.dcm": "",
    "MR_small_expb.dcm": "",
    "MR_small_padded.dcm": "",
    "MR_small_RLE.dcm": "",
    "MR_small_jp2klossless.dcm": "pylibjpeg",
    "MR_small_jpeg_ls_lossless.dcm": "pyjpegls",
    "693_J2KI.dcm": "pylibjpeg",
    "J2K_pixelrep_mismatch.dcm": "pylibjpeg",
    "JPEG2000.dcm": "pylibjpeg",
    "JPEGLSNearLossless_08.dcm": "pyjpegls",
    "JPEGLSNearLossless_16.dcm": "pyjpegls",
    "rtdose_1frame.dcm": "",
    "rtdose_rle_1frame.dcm": "",
    "rtdose_expb_1frame.dcm": "",
}


def luma(rgb: np.ndarray) -> np.ndarray:
    """0.299 R + 0.587 G + 0.114 B, halves rounded up."""
    red, green, blue = (rgb[..., channel].astype(np.int64) for channel in range(3))
    return (299 * red + 587 * green + 114 * blue + 500) // 1000


def compress(path: Path, syntax: UID, frames: list[bytes], **attributes: object) -> Path:
    dataset = pydicom.dcmread(sample("MR_small.dcm"))
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return path
