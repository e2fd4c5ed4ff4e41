# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The file formats: what they are called, how they are recognised, read and written. A new one is one more line."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from monai_diffdenoise.data.hdf5 import is_hdf5, read_hdf5
from monai_diffdenoise.data.metaimage import is_metaimage, read_metaimage
from monai_diffdenoise.data.metaimage_write import plan_metaimage, write_metaimage
from monai_diffdenoise.data.nifti import is_nifti, read_nifti
from monai_diffdenoise.data.nifti_write import plan_encoding, write_nifti
from monai_diffdenoise.data.nrrd import is_nrrd, read_nrrd
from monai_diffdenoise.data.nrrd_write import plan_nrrd, write_nrrd
from monai_diffdenoise.data.png import is_png, read_png
from monai_diffdenoise.data.png_write import plan_png, write_png
from monai_diffdenoise.data.read_options import ReadOptions
from monai_diffdenoise.data.tiff import is_tiff, read_tiff
from monai_diffdenoise.data.tiff_write import plan_tiff, write_tiff
from monai_diffdenoise.data.volume import Volume, Written
from monai_diffdenoise.errors import InputError

__all__ = ["FORMATS", "Format", "detect_format", "ending_of", "format_of_name", "known_endings"]


@dataclass(frozen=True)
class Format:
    """One format of single files. DICOM, which comes in folders as well, stands beside this in ``data.io``.

    Args:
        name: as in ``Source.format``.
        title: as people write it.
        endings: lower case, with their dot, the longest first.
        holds: whether the content of a file is in this format, from its first bytes.
        read: ``read(path, options)``.
        check: ``check(volume, output_dtype)`` raises InputError when the volume cannot be written in this format.
        write: ``write(volume, path, output_dtype=..., overwrite=...)``.
        written_as: ending that a result gets whose input is in this format; None for the input's own.
        picture: whether files in this format often are mere previews that lie beside the volumes.
    """

    name: str
    title: str
    endings: tuple[str, ...]
    holds: Callable[[Path], bool]
    read: Callable[[Path, ReadOptions], Volume]
    check: Callable[..., object]
    write: Callable[..., Written]
    written_as: str | None = None
    picture: bool = False


def _read_nifti(path: Path, options: ReadOptions) -> Volume:
    options.only(f"{path} is a NIfTI file")
    return read_nifti(path)


def _never(path: Path) -> bool:
    return False


def _header_of_two(
    name: str, title: str, endings: tuple[str, ...], single: str, read: Callable[[Path, ReadOptions], Volume]
) -> Format:
    """A header whose voxels lie in another file: read, but not written, since two files cannot appear at once."""

    def refuse(*args: object, **kwargs: object) -> NoReturn:
        raise InputError(
            f"a {endings[-1]} output would be two files, which cannot appear at once: name a {single} file, which "
            "holds the header and the voxels"
        )

    return Format(name, title, endings, _never, read, refuse, refuse, single)


def _not_written(*args: object, **kwargs: object) -> NoReturn:
    raise InputError("a .h5 output is not written: name a .nii.gz file, or another one of a known format")


FORMATS = (
    Format("nifti", "NIfTI", (".nii.gz", ".nii"), is_nifti, _read_nifti, plan_encoding, write_nifti),
    _header_of_two("nifti", "NIfTI (.hdr and .img)", (".hdr.gz", ".hdr"), ".nii.gz", _read_nifti),
    Format("metaimage", "MetaImage", (".mha",), is_metaimage, read_metaimage, plan_metaimage, write_metaimage),
    _header_of_two("metaimage", "MetaImage (.mhd)", (".mhd",), ".mha", read_metaimage),
    Format("nrrd", "NRRD", (".nrrd",), is_nrrd, read_nrrd, plan_nrrd, write_nrrd),
    _header_of_two("nrrd", "NRRD (.nhdr)", (".nhdr",), ".nrrd", read_nrrd),
    Format("png", "PNG", (".png",), is_png, read_png, plan_png, write_png, picture=True),
    Format("tiff", "TIFF", (".tiff", ".tif"), is_tiff, read_tiff, plan_tiff, write_tiff, picture=True),
    Format("hdf5", "HDF5", (".hdf5", ".h5"), is_hdf5, read_hdf5, _not_written, _not_written, ".nii.gz"),
)
"""Every format of single files that is read and written."""


def ending_of(path: str | os.PathLike[str]) -> str:
    """The known ending of a file name, as it is written there; empty when it has none."""
    name = os.fspath(path)
    endings = [ending for kind in FORMATS for ending in kind.endings]
    return next((name[-len(ending) :] for ending in endings if name.lower().endswith(ending)), "")


def format_of_name(path: str | os.PathLike[str]) -> Format | None:
    """The format that the ending of a name stands for; None for an unknown or missing ending."""
    ending = ending_of(path).lower()
    return next((kind for kind in FORMATS if ending in kind.endings), None)


def detect_format(path: Path) -> Format | None:
    """The format of a file that is there: by its name, else by its first bytes; None for neither."""
    return format_of_name(path) or next((kind for kind in FORMATS if kind.holds(path)), None)


def known_endings(*, written: bool = False) -> str:
    """The endings of all formats, for messages: ".nii.gz, .nii, ...".

    Args:
        written: only those that an output may have.
    """
    return ", ".join(ending for kind in FORMATS if not (written and kind.written_as) for ending in kind.endings)
