# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Carry a dataset over into explicit VR little-endian without touching the bytes of its text.

pydicom would decode every value and encode it again, which writes other escape sequences for multi-byte names, other
digits for decimals, and question marks for what it cannot decode. Text has the same bytes in every encoding, so here
only numbers whose byte order changes are looked at.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from pydicom.datadict import dictionary_VR, private_dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.tag import BaseTag

__all__ = ["public_vr", "to_explicit_little"]

# Bytes per unit of the representations whose byte order pydicom leaves alone.
_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
# Numbers of a fixed width: what does not decode has no meaning in another encoding, or none at all.
_NUMBERS = frozenset({"AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"})
_UNDEFINED = 0xFFFFFFFF


def to_explicit_little(dataset: FileDataset) -> None:
    """Change a dataset, in place, so that it can be written as explicit VR little-endian.

    Args:
        dataset: read from a file of any encoding. Numbers that cannot be decoded become empty, which says so honestly.
    """
    implicit, little = dataset.original_encoding
    if not implicit and little:
        return
    _walk(dataset, swap=not little)
    if implicit:
        # What is stored as "signed or unsigned" depends on other attributes, which are all decoded by now.
        correct_ambiguous_vr(dataset, is_little_endian=True)


def public_vr(tag: BaseTag) -> str:
    """Value representation of a standard attribute; "UN" for any other."""
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def _walk(dataset: Dataset, swap: bool) -> None:
    # Creators first: the representation of a private attribute depends on its creator.
    for tag in sorted(dataset.keys()):
        element = dataset.get_item(tag)
        vr = element.VR if element.VR and element.VR != "UN" else _known_vr(dataset, tag)
        if element.is_raw and not (vr == "SQ" or vr in _NUMBERS or " or " in vr):
            _carry_over(dataset, cast(RawDataElement, element), vr, swap)
            continue
        try:
            decoded = dataset[tag]
        except Exception:  # pydicom raises many types for damaged values
            del dataset[tag]
            if vr not in ("UN", "SQ"):
                dataset.add_new(tag, vr, None)
            continue
        if decoded.VR == "SQ":
            for item in decoded.value:
                _walk(item, swap)
    # From here on pydicom writes raw values as they are.
    dataset.set_original_encoding(False, True)


def _carry_over(dataset: Dataset, raw: RawDataElement, vr: str, swap: bool) -> None:
    value = raw.value
    if swap and vr in _WORDS and value:
        width = _WORDS[vr]
        whole = len(value) // width * width
        value = np.frombuffer(value[:whole], f">u{width}").astype(f"<u{width}").tobytes()
    length = _UNDEFINED if raw.length == _UNDEFINED else len(value or b"")
    new = raw._replace(VR=vr, value=value or b"", length=length, is_implicit_VR=False, is_little_endian=True)
    # Dataset.__setitem__ would decode private values.
    dataset._dict[raw.tag] = new


def _known_vr(dataset: Dataset, tag: BaseTag) -> str:
    if not tag.is_private:
        return public_vr(tag)
    if tag.is_private_creator:
        return "LO"
    creator = BaseTag(tag.group << 16 | tag.element >> 8)
    try:
        return private_dictionary_VR(tag, str(dataset[creator].value).strip())
    except Exception:  # pydicom raises many types for missing or damaged creators
        return "UN"
