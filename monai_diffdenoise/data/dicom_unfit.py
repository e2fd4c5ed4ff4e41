# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""DICOM images that must not be denoised as if they were scans: refused in one line each, or taken as the user says."""

from __future__ import annotations

from pydicom.uid import UID, AllTransferSyntaxes

from monai_diffdenoise.data.dicom_attributes import Attributes
from monai_diffdenoise.data.read_options import ReadOptions
from monai_diffdenoise.errors import InputError

__all__ = ["UNFIT_TAGS", "CutOffError", "is_color", "refuse_size", "refuse_unfit"]

UNFIT_TAGS: list[str | int] = [
    "SOPClassUID",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "ModalityLUTSequence",
    "BurnedInAnnotation",
    "DimensionOrganizationType",
    "TotalPixelMatrixColumns",
    # Overlay bits that share the pixels' words: Overlay Bits Allocated of the first groups.
    *(0x60000100 + (group << 17) for group in range(16)),
]
"""Attributes that are read here."""

# Words in the name of a SOP class -> what it holds instead of one scan.
_CLASSES = {
    "Whole Slide": "a tiled whole-slide picture",
    "Segmentation": "a segmentation: labels, not measured values",
    "Label Map": "a label map, not measured values",
    "Parametric Map": "a parametric map: computed numbers, not a scan",
    "RT Dose": "a dose distribution, not a scan",
    "Spectroscopy": "a set of spectra, not a picture",
    "Waveform": "a waveform, not a picture",
    "Ophthalmic Thickness": "a computed thickness map, not a scan",
    "Height Map": "a computed height map, not a scan",
}
_COLORS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")
_GRAYS = ("MONOCHROME1", "MONOCHROME2")
# Real pixel data is not compressed further than this; a file that claims more is damaged or hostile.
_MAX_RATIO = 1000
_ALWAYS_PLAUSIBLE = 16 << 20


class CutOffError(InputError):
    """A file holds less than it declares. Others of its series may still be whole."""


def refuse_unfit(image: Attributes, options: ReadOptions) -> None:
    """Raise InputError for images that cannot be, or that the user did not say may be, taken as a scan."""
    name = UID(image.text("SOPClassUID")).name
    for word, what in _CLASSES.items():
        if word in name:
            raise InputError(f"{image.label} is {what}: expected an image of CT, MR, PT, US, X-ray or the like")
    if image.text("DimensionOrganizationType").startswith("TILED") or image.number("TotalPixelMatrixColumns"):
        raise InputError(f"{image.label} is one tile of a larger picture, which is not put together: convert it first")
    if is_color(image) and options.color == "refuse":
        raise InputError(
            f"{image.label} is a color image ({image.shown('PhotometricInterpretation')}): expected grayscale; "
            "--color gray takes its luma, one gray channel"
        )
    if "ModalityLUTSequence" in image:
        raise InputError(
            f"{image.label} maps its values through a modality lookup table: expected rescale slope and intercept"
        )
    for group in range(16):
        # 1 is the normal case: the overlay has its own data. Anything else: it hides in the pixels' unused bits.
        if image.value(0x60000100 + (group << 17)) not in (None, 1):
            raise InputError(f"{image.label} holds an overlay inside its pixel values, which is not read")
    if image.text("BurnedInAnnotation").upper() == "YES" and options.burned_in == "refuse":
        raise InputError(
            f"{image.label} says that text is burned into its pixels, which may name the patient: "
            "--burned-in take takes it as it is"
        )


def is_color(image: Attributes) -> bool:
    """Whether a pixel is a color.

    Raises:
        InputError: the image is neither gray nor of a kind of color that is known.
    """
    photometric = image.text("PhotometricInterpretation") or "MONOCHROME2"
    samples, *_ = image.numbers("SamplesPerPixel", 1) or [1.0]
    if photometric in _GRAYS and samples == 1:
        return False
    if photometric in _COLORS and samples == (1 if photometric == "PALETTE COLOR" else 3):
        return True
    raise InputError(
        f"{image.label} has {samples:g} values per pixel as {image.shown('PhotometricInterpretation') or 'gray'}: "
        "expected grayscale (MONOCHROME1 or 2), RGB, YBR or a palette"
    )


def refuse_size(held: int, pixels: int, syntax: UID, label: str) -> None:
    """Refuse a declared size that the file cannot hold, before anything of that size is asked for.

    Args:
        held: bytes that the file has for its pixels.
        pixels: bytes of the unpacked pixels that its header declares.
        syntax: how they are packed.
        label: how the message calls them.

    Raises:
        CutOffError: the file is too short.
        InputError: the transfer syntax is unknown.
    """
    if syntax not in AllTransferSyntaxes:
        raise InputError(f"{label} is in the unknown transfer syntax {str(syntax)[:64]!r}: expected a standard one")
    if syntax.is_compressed or syntax.is_deflated:
        too_much = held <= 0 or pixels > max(_ALWAYS_PLAUSIBLE, held * _MAX_RATIO)
    else:
        too_much = pixels > held
    if too_much:
        raise CutOffError(
            f"{label} is cut off or damaged: it declares {pixels} bytes of pixels and holds {max(held, 0)}"
        )
