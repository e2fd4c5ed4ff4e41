# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a Parametric Map may show, and in which unit."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from monai_diffdenoise.data.dicom_derive import texts
from monai_diffdenoise.data.dicom_slice import Slice

__all__ = ["QUANTITIES", "UNITS", "Quantity", "unit_of"]


@dataclass(frozen=True)
class Quantity:
    """What a map shows.

    Args:
        code: Code Value, Coding Scheme Designator, Code Meaning.
        title: one or two words.
        label: at most 16 capital letters and underscores.
        explanation: one line.
        contrast: value 4 of Image Type.
        plain: whether it is a plain number whatever the unit of the image.
    """

    code: tuple[str, str, str]
    title: str
    label: str
    explanation: str
    contrast: str
    plain: bool = False


_OWN_SCHEME = "99MONAIDD"
QUANTITIES = {
    "uncertainty": Quantity(
        ("386136009", "SCT", "Standard Deviation"),
        "Uncertainty",
        "UNCERTAINTY",
        "Standard deviation over repeated denoising",
        "STD_DEVIATION",
    ),
    "share": Quantity(
        ("share", _OWN_SCHEME, "Share of the input in the denoised value"),
        "Fusion share",
        "FUSION_SHARE",
        "Share of the input in the denoised value",
        "QUANTITY",
        plain=True,
    ),
    "residual": Quantity(
        ("residual", _OWN_SCHEME, "Input minus denoised value"),
        "Residual",
        "RESIDUAL",
        "Input minus denoised value",
        "SUBTRACTION",
    ),
}
"""Maps that can be written, by name."""

UNITS = {
    "1": "no units",
    "[arb'U]": "arbitrary unit",
    "[hnsf'U]": "Hounsfield unit",
    "Bq/ml": "Becquerels/milliliter",
    "{counts}": "counts",
    "g/ml{SUVbw}": "Standardized Uptake Value body weight",
}
"""Meaning of the UCUM codes that are told from a source."""

_PET_UNITS = {"BQML": "Bq/ml", "CNTS": "{counts}", "GML": "g/ml{SUVbw}", "NONE": "1"}


def unit_of(header: Dataset, item: Slice, quantity: str) -> str:
    """UCUM code of the unit of a map's values, as far as the source says it.

    Args:
        header: a dataset of the source.
        item: a slice of it.
        quantity: what the map shows.
    """
    if QUANTITIES[quantity].plain:
        return "1"
    kinds = set(texts(header, "RescaleType"))
    if not kinds and header.get("Modality") == "CT":
        # What values of a CT mean when nothing is said.
        kinds = {"HU"}
    for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in list(header.get(keyword) or [])[: item.frame + 1][-1:]:
            kinds |= {
                kind
                for scale in group.get("PixelValueTransformationSequence", [])
                for kind in texts(scale, "RescaleType")
            }
    if "HU" in kinds:
        return "[hnsf'U]"
    return _PET_UNITS.get((texts(header, "Units") or [""])[0], "[arb'U]")
