# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Which private attributes survive in a derived object, and why.

Private attributes may hold anything, patient data included, and many describe the old pixels. So all go but for a few
whose meaning is known, which hold numbers only, and without which the pixels cannot be placed, scaled or weighted.
"""

from __future__ import annotations

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from monai_diffdenoise.data.csa_thin import thin_csa
from monai_diffdenoise.data.dicom_reencode import public_vr

__all__ = ["KEPT_PRIVATE", "drop_private"]

_SIEMENS, _CSA = "SIEMENS MR HEADER", "SIEMENS CSA HEADER"
_PHILIPS, _PHILIPS_MR = "Philips Imaging DD 001", "Philips MR Imaging DD 001"
_PHILIPS_PET, _GE_PARM, _GE_ACQU = "Philips PET Private Group", "GEMS_PARM_01", "GEMS_ACQU_01"

KEPT_PRIVATE: dict[tuple[str, int, int], str] = {
    # Place: without these a mosaic cannot be cut into slices that lie somewhere.
    (_SIEMENS, 0x0019, 0x0A): "number of images in a mosaic",
    (_SIEMENS, 0x0019, 0x29): "moment of each slice of a mosaic",
    (_SIEMENS, 0x0019, 0x28): "pace of the phase encoding, for distortion correction",
    (_CSA, 0x0029, 0x10): "slice normal of a mosaic; rewritten with the entries of csa_thin only",
    # Scale: numbers that turn the stored values into comparable ones.
    (_PHILIPS_MR, 0x2005, 0x0D): "scale intercept of MR values",
    (_PHILIPS_MR, 0x2005, 0x0E): "scale slope of MR values",
    (_PHILIPS_PET, 0x7053, 0x00): "factor from PET counts to SUV",
    (_PHILIPS_PET, 0x7053, 0x09): "factor from PET counts to activity",
    # Weighting: a diffusion series is worth nothing without it, and older scanners state it here only.
    (_SIEMENS, 0x0019, 0x0C): "b-value",
    (_SIEMENS, 0x0019, 0x0D): "diffusion directionality",
    (_SIEMENS, 0x0019, 0x0E): "diffusion gradient direction",
    (_SIEMENS, 0x0019, 0x27): "b-matrix",
    (_PHILIPS, 0x2001, 0x03): "b-value",
    (_PHILIPS_MR, 0x2005, 0xB0): "diffusion gradient direction",
    (_PHILIPS_MR, 0x2005, 0xB1): "diffusion gradient direction",
    (_PHILIPS_MR, 0x2005, 0xB2): "diffusion gradient direction",
    (_GE_PARM, 0x0043, 0x39): "b-value",
    (_GE_ACQU, 0x0019, 0xBB): "diffusion gradient direction",
    (_GE_ACQU, 0x0019, 0xBC): "diffusion gradient direction",
    (_GE_ACQU, 0x0019, 0xBD): "diffusion gradient direction",
}
"""(private creator, group, last byte of the element) -> what it is; see ``docs/dicom.md``."""

_FIRST_BLOCK = 0x10


def drop_private(dataset: Dataset) -> None:
    """Remove the private attributes of a dataset and of the sequences in it, but for :data:`KEPT_PRIVATE`.

    Args:
        dataset: changed in place.
    """
    kept: set[BaseTag] = set()
    for tag in list(dataset.keys()):
        if tag.is_private and not tag.is_private_creator and _keep(dataset, tag):
            kept |= {tag, BaseTag(tag.group << 16 | tag.element >> 8)}
    for tag in list(dataset.keys()):
        if tag.is_private:
            if tag not in kept:
                del dataset[tag]
        elif public_vr(tag) == "SQ":
            for item in dataset[tag].value or []:
                drop_private(item)


def _keep(dataset: Dataset, tag: BaseTag) -> bool:
    block = tag.element >> 8
    if block < _FIRST_BLOCK:
        return False
    creator = _value(dataset, BaseTag(tag.group << 16 | block))
    key = (str(creator).strip(), tag.group, tag.element & 0xFF)
    if key not in KEPT_PRIVATE:
        return False
    if key[0] == _CSA:
        raw = _value(dataset, tag)
        thin = thin_csa(raw) if isinstance(raw, bytes) else None
        if thin is not None:
            dataset._dict[tag] = DataElement(tag, "OB", thin)
        return thin is not None
    return True


def _value(dataset: Dataset, tag: BaseTag) -> object:
    try:
        return dataset[tag].value
    except Exception:  # pydicom raises many types for damaged or missing values
        return None
