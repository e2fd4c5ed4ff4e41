# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The binary header that Siemens MR scanners put into a private DICOM attribute (CSA, version 2).

Layout: https://nipy.org/nibabel/dicom/siemens_csa.html. Version 1 (before 2003) is not read.
"""

from __future__ import annotations

import struct

__all__ = ["read_csa"]

_MAGIC = b"SV10"
_MAX_ITEMS = 1000


def read_csa(raw: bytes) -> dict[str, list[str]]:
    """Read the values of a CSA header.

    Args:
        raw: value of (0029,xx10) or (0029,xx20), private creator "SIEMENS CSA HEADER".

    Returns:
        name -> values that are not empty, as text; {} for another format or a damaged header.
    """
    if raw[:4] != _MAGIC:
        return {}
    values: dict[str, list[str]] = {}
    try:
        (count,) = struct.unpack_from("<I", raw, 8)
        position = 16
        for _ in range(min(count, _MAX_ITEMS)):
            name, items = struct.unpack_from("<64s12xi", raw, position)
            position += 84
            found = []
            for _ in range(min(items, _MAX_ITEMS)):
                (length,) = struct.unpack_from("<i", raw, position + 4)
                position += 16
                if not 0 <= length <= len(raw) - position:
                    return {}
                found.append(_text(raw[position : position + length]))
                position += -(-length // 4) * 4
            values[_text(name)] = [text for text in found if text]
    except struct.error:
        return {}
    return values


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("latin-1").strip()
