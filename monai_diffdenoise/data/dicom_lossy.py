# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The history of lossy compression: once lossy, an image stays marked, also when it is stored uncompressed again."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    JPEG2000MC,
    UID,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
)

__all__ = ["mark_lossy"]

_ALWAYS = {
    JPEGBaseline8Bit: "ISO_10918_1",
    JPEGExtended12Bit: "ISO_10918_1",
    JPEGLSNearLossless: "ISO_14495_1",
}
# These hold either; the wavelet in the codestream tells.
_PERHAPS = {JPEG2000: "ISO_15444_1", JPEG2000MC: "ISO_15444_2", HTJ2K: "ISO_15444_15"}
_START, _CODING_STYLE, _TILE = b"\xff\x4f", b"\xff\x52", b"\xff\x90"
# Bytes from the length of the coding style segment to the wavelet: 0 is the irreversible one.
_WAVELET = 11


def mark_lossy(dataset: Dataset, syntax: UID, raw_bytes: int) -> None:
    """Say that the pixels went through lossy compression, if they did and the dataset does not say so yet.

    Args:
        dataset: changed in place; its pixels are still the compressed ones.
        syntax: how they are compressed.
        raw_bytes: their size when unpacked.
    """
    method = _ALWAYS.get(syntax) or _PERHAPS.get(syntax)
    if method is None or str(dataset.get("LossyImageCompression") or "") == "01":
        return
    packed = dataset.PixelData
    if syntax in _PERHAPS and not _is_irreversible(packed):
        return
    dataset.LossyImageCompression = "01"
    dataset.LossyImageCompressionRatio = f"{raw_bytes / max(len(packed), 1):.3g}"
    dataset.LossyImageCompressionMethod = method


def _is_irreversible(packed: bytes) -> bool:
    """Whether the first JPEG 2000 codestream uses the 9-7 wavelet, which never gives the pixels back exactly."""
    try:
        fragments = generate_fragments(packed)
        next(fragments)  # the table of offsets
        head = next(fragments)
    except Exception:  # pydicom raises many types for damaged items, and there may be none
        return False
    start = head.find(_START)
    at = start + 2
    while start >= 0 and head[at : at + 1] == b"\xff" and head[at : at + 2] != _TILE:
        if head[at : at + 2] == _CODING_STYLE:
            return head[at + 2 + _WAVELET : at + 3 + _WAVELET] == b"\0"
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return False
