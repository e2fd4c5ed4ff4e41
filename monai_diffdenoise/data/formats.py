# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The file formats: what they are called, how they are recognised, read and written. A new one is one more line."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from monai_diffdenoise.data.nifti import is_nifti, read_nifti
from monai_diffdenoise.data.nifti_write import plan_encoding, write_nifti
from monai_diffdenoise.data.read_options import ReadOptions
from monai_diffdenoise.data.volume import Volume, Written

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
    """

    name: str
    title: str
    endings: tuple[str, ...]
    holds: Callable[[Path], bool]
    read: Callable[[Path, ReadOptions], Volume]
    check: Callable[..., object]
    write: Callable[..., Written]


def _read_nifti(path: Path, options: ReadOptions) -> Volume:
    options.only(f"{path} is a NIfTI file")
    return read_nifti(path)


FORMATS = (Format("nifti", "NIfTI", (".nii.gz", ".nii"), is_nifti, _read_nifti, plan_encoding, write_nifti),)
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


def known_endings() -> str:
    """The endings of all formats, for messages: ".nii.gz, .nii"."""
    return ", ".join(ending for kind in FORMATS for ending in kind.endings)
