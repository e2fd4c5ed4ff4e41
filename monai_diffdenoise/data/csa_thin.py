# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Siemens' CSA image header, thinned to the numbers that a reader of the image needs.

Siemens packs some eighty named values into one private attribute, among them free text, file names and UIDs of other
images. Without it a mosaic has no slice normal. So it is taken apart and written again with a short list of entries.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["CSA_ENTRIES", "thin_csa"]

CSA_ENTRIES = {
    "NumberOfImagesInMosaic": "how many tiles of the picture are slices",
    "SliceNormalVector": "direction from tile to tile",
    "ProtocolSliceNumber": "dcm2niix takes the order of the slices from it",
    "MosaicRefAcqTimes": "moment of each slice within the volume",
    "PhaseEncodingDirectionPositive": "sign of the phase encoding, for distortion correction",
    "BandwidthPerPixelPhaseEncode": "pace of the phase encoding, for distortion correction",
    "B_value": "diffusion weighting",
    "B_matrix": "diffusion weighting",
    "DiffusionDirectionality": "diffusion weighting",
    "DiffusionGradientDirection": "diffusion weighting",
}
"""Entries that are kept, all of them numbers or fixed words, and why."""

_MAGIC = b"SV10\4\3\2\1"
_TAG, _ITEM = struct.Struct("<64si4siii"), struct.Struct("<4i")
_MARK = 77
_MOST_TAGS, _MOST_ITEMS = 1000, 10_000
# Their values are printed digits, or one of a few words; anything longer is something else.
_LONGEST_VALUE = 64


def thin_csa(raw: bytes) -> bytes | None:
    """Rewrite a CSA header with nothing in it but :data:`CSA_ENTRIES`.

    Args:
        raw: value of the attribute.

    Returns:
        the short header; None when nothing of it is left, it is damaged, or of version 1 (before 2003).
    """
    try:
        kept = [entry for name, entry in _entries(raw) if name in CSA_ENTRIES]
    except (struct.error, ValueError):
        return None
    return _MAGIC + struct.pack("<2I", len(kept), _MARK) + b"".join(kept) + b"\0" * 4 if kept else None


def _entries(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the entries that hold values: name, and the bytes that say the same."""
    at = len(_MAGIC)
    count, _ = struct.unpack_from("<2I", raw, at)
    at += 8
    if raw[: len(_MAGIC)] != _MAGIC or not 0 < count <= _MOST_TAGS:
        raise ValueError("another format")
    for _ in range(count):
        name, multiplicity, vr, kind, items, _ = _TAG.unpack_from(raw, at)
        at += _TAG.size
        if not 0 <= items <= _MOST_ITEMS:
            raise ValueError("implausible number of values")
        values = []
        for _ in range(items):
            _, length, _, _ = _ITEM.unpack_from(raw, at)
            at += _ITEM.size
            if length < 0 or at + length > len(raw):
                raise ValueError("a value ends behind the header")
            values.append(raw[at : at + length])
            at += (length + 3) // 4 * 4
        text = name.split(b"\0")[0].decode("latin-1")
        if any(values) and all(len(value) <= _LONGEST_VALUE for value in values):
            packed = b"".join(map(_item, values))
            yield text, _TAG.pack(text.encode("latin-1"), multiplicity, vr, kind, items, _MARK) + packed


def _item(value: bytes) -> bytes:
    # What follows the end of a text is left over from other texts.
    value = value.split(b"\0")[0]
    value = value + b"\0" if value else b""
    size = len(value)
    return _ITEM.pack(size, size, _MARK, size) + value + b"\0" * (-size % 4)
