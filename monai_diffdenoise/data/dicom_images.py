# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The slices in one DICOM file: one picture, frames with functional groups, frames of a cine, tiles of a mosaic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pydicom.uid import UID, AllTransferSyntaxes

from monai_diffdenoise.data.dicom_attributes import Attributes
from monai_diffdenoise.data.dicom_enhanced import frame_slices, read_groups
from monai_diffdenoise.data.dicom_files import DicomFile, quiet
from monai_diffdenoise.data.dicom_kind import kind_of, moment_of
from monai_diffdenoise.data.dicom_mosaic import is_mosaic, mosaic_slices
from monai_diffdenoise.data.dicom_slice import Slice, attributes_of, check_file, parse_image
from monai_diffdenoise.data.read_options import ReadOptions
from monai_diffdenoise.errors import InputError

__all__ = ["FileImages", "Layout", "images_in"]

Layout = Literal["classic", "enhanced", "mosaic", "cine"]
"""How slices lie in files; see :class:`~monai_diffdenoise.data.dicom_read.DicomSource`."""

_GROUPED = ("Enhanced", "Tomosynthesis", "X-Ray 3D", "Ophthalmic Tomography", "Multi-frame")
# A class that cannot do without functional groups: frames without them have no geometry that could be trusted.
_ALWAYS_GROUPED = ("Enhanced CT", "Enhanced MR", "Enhanced PET", "Enhanced US")
# A frame of packed pixels takes at least the eight bytes of its item.
_LEAST_BYTES = 8
_MAX_FRAMES = 100_000


@dataclass(frozen=True, eq=False)
class FileImages:
    """The slices of one file.

    Args:
        slices: at least one.
        layout: how they lie in the file.
    """

    slices: list[Slice]
    layout: Layout


def images_in(file: DicomFile, options: ReadOptions) -> FileImages:
    """Take a file apart into slices.

    Args:
        file: an image file.
        options: how to take what can be taken in more than one way.

    Raises:
        InputError: not an image that is denoised, or damaged attributes; a CutOffError if the file is too short.
    """
    with quiet():
        top = attributes_of(file)
        frames, name = _frame_count(top, file), UID(top.text("SOPClassUID")).name
        check_file(top, file, options, frames)
        grouped = frames > 1 or any(word in name for word in _GROUPED)
        header = read_groups(file) if grouped else None
        # Frames that were a mosaic once may still bear its name: where they lie decides.
        if is_mosaic(file.header if header is None else header):
            kind, moment = kind_of(top), moment_of(top)
            return FileImages([replace(t, kind=kind, moment=moment) for t in mosaic_slices(file)], "mosaic")
        if header is not None:
            return FileImages(frame_slices(file, top, header, frames), "enhanced")
        if any(word in name for word in _ALWAYS_GROUPED):
            raise InputError(
                f"{top.label} is of the class {name} but describes none of its {frames} frames: expected functional "
                "groups that say where each frame lies"
            )
        if frames == 1:
            return FileImages([parse_image(top, file)], "classic")
        return FileImages(_cine(file, top, frames), "cine")


def _frame_count(top: Attributes, file: DicomFile) -> int:
    frames, *_ = top.numbers("NumberOfFrames", 1) or [1.0]
    syntax = UID(file.header.file_meta.TransferSyntaxUID)
    packed = syntax in AllTransferSyntaxes and syntax.is_encapsulated
    most = file.fingerprint.size // _LEAST_BYTES if packed else _MAX_FRAMES
    if not 1 <= frames <= max(1, min(most, _MAX_FRAMES)):
        raise InputError(
            f"{top.label} declares {frames:g} frames in a file of {file.fingerprint.size} bytes: expected 1 to "
            f"{_MAX_FRAMES} that are there"
        )
    return int(frames)


def _cine(file: DicomFile, top: Attributes, frames: int) -> list[Slice]:
    """Frames in their order, without a position: the one at the top level is not theirs."""
    first = replace(parse_image(top, file), position=None)
    moment = moment_of(top)
    return [
        replace(first, label=f"frame {index + 1}", frame=index, moment=moment._replace(frame=index))
        for index in range(frames)
    ]
