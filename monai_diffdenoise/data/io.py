# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""One way in and one way out for volumes, whatever the format."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from monai_diffdenoise.data.atomic import check_name, check_target
from monai_diffdenoise.data.dicom_files import is_dicom
from monai_diffdenoise.data.dicom_read import read_dicom
from monai_diffdenoise.data.dicom_write import check_dicom, is_derived_folder, is_dicom_name, write_dicom
from monai_diffdenoise.data.formats import detect_format, format_of_name, known_endings
from monai_diffdenoise.data.read_options import ReadOptions
from monai_diffdenoise.data.volume import Volume, Written
from monai_diffdenoise.errors import InputError

__all__ = ["check_conversion", "check_output", "read_volume", "write_volume"]


def _is_file_name(path: str | os.PathLike[str]) -> bool:
    return format_of_name(path) is not None


def _names_one_file(path: str | os.PathLike[str]) -> bool:
    return _is_file_name(path) or is_dicom_name(path)


def _is_folder_name(path: str | os.PathLike[str]) -> bool:
    text = os.fspath(path)
    return (
        text.endswith(("/", os.sep)) or Path(text).suffix == "" or (Path(text).is_dir() and not _names_one_file(text))
    )


def read_volume(
    path: str | os.PathLike[str], *, series: str | None = None, options: ReadOptions | None = None
) -> Volume:
    """Read a volume from a file in one of :data:`~monai_diffdenoise.data.formats.FORMATS`, or from DICOM.

    Args:
        path: the file, or a folder with one DICOM series; nothing of it is ever changed.
        series: short for ``ReadOptions(series=...)``.
        options: how to read what can be taken in more than one way.

    Returns:
        the volume, in physical (rescaled) units and RAS millimeters.

    Raises:
        InputError: no such file, a format that is not read, or a damaged or unsuitable image.
    """
    path = Path(path)
    options = options if options is not None else ReadOptions()
    if series is not None:
        options = replace(options, series=series)
    try:
        there, plain = path.exists(), path.is_file() or path.is_dir()
    except OSError as error:  # a name too long, a folder that may not be entered
        raise InputError(f"cannot read {path} ({error.strerror}): expected an existing, readable file") from error
    if not there:
        raise InputError(f"{path} does not exist: expected an image file, a DICOM file or a folder with a DICOM series")
    if not plain:  # reading a pipe would wait for ever
        raise InputError(f"cannot read {path}: expected a plain file or a folder, not a pipe or device")
    if path.is_dir() or (not _is_file_name(path) and is_dicom(path)):
        return read_dicom(path, options)
    kind = detect_format(path)
    if kind is None:
        raise InputError(
            f"{path} is not an image of a known format: expected {known_endings()}, or DICOM; convert it first"
        )
    return kind.read(path, options)


def write_volume(
    volume: Volume,
    path: str | os.PathLike[str],
    output_dtype: str | np.dtype | None = None,
    overwrite: bool = False,
    *,
    keep_private: bool = False,
    derivation: str = "",
) -> Written:
    """Write a volume; the name decides the format, and the result is there complete or not at all.

    Args:
        volume: what to write; its source must still be there, unchanged.
        path: a name with an ending of a known format (.nii.gz, ...). A name without an ending, or with a slash at its
            end, is a folder that gets a derived DICOM series: the source must be DICOM, too.
        output_dtype: number type of a file, default the source's.
        overwrite: whether an existing output may be replaced. A folder only if nothing but a series of ours is in it.
        keep_private: DICOM: keep the source's private attributes.
        derivation: DICOM: what was done, in one line without patient data, for the Derivation Description.

    Returns:
        the path, the number type, and how many voxels were clipped or restored.

    Raises:
        InputError: see :func:`check_output`; or the values or the source do not go with the format.
    """
    source = volume.source
    check_output(path, [source.path] if source.path is not None else [], overwrite=overwrite)
    check_conversion(volume, path, output_dtype)
    kind = format_of_name(path)
    try:
        if kind is not None:
            return kind.write(volume, path, output_dtype=output_dtype, overwrite=overwrite)
        return write_dicom(volume, path, overwrite=overwrite, keep_private=keep_private, derivation=derivation)
    except OSError as error:
        raise InputError(f"output {path} could not be written ({error.strerror or error}): nothing is left") from error


def check_conversion(volume: Volume, path: str | os.PathLike[str], output_dtype: str | np.dtype | None = None) -> None:
    """Refuse a format or number type that the volume cannot be written in, before any work is done.

    Args:
        volume: what will be written.
        path: the output's name, as in :func:`write_volume`.
        output_dtype: number type wanted.

    Raises:
        InputError: a DICOM series of what did not come as DICOM, or a number type that cannot be had.
    """
    kind = format_of_name(path)
    if kind is not None:
        kind.check(volume, output_dtype)
        return
    check_dicom(volume, path)
    if output_dtype is not None:
        raise InputError(f"output {path} is a DICOM series, which keeps its data type: drop the output data type")


def check_output(
    path: str | os.PathLike[str],
    inputs: Sequence[str | os.PathLike[str]] = (),
    overwrite: bool = False,
) -> None:
    """Refuse an output that could not or must not be written, before any work is done.

    Args:
        path: the output's name, as in :func:`write_volume`.
        inputs: files and folders that are read; none of them may be touched.
        overwrite: whether an existing output may be replaced.

    Raises:
        InputError: unknown ending, name taken, the output is, holds, or lies inside an input, a symbolic link, or a
            folder that is missing or cannot be written to.
    """
    target = Path(path)
    as_file = _names_one_file(path)
    if not as_file and not _is_folder_name(path):
        raise InputError(
            f"output {path} ends in {target.suffix!r}: expected {known_endings(written=True)}, .dcm for a "
            "single DICOM file, or a folder name for a DICOM series"
        )
    check_name(target)
    if target.is_symlink():
        raise InputError(f"output {path} is a symbolic link: expected a plain path; name the real target instead")
    _refuse_inputs(target, inputs, as_file)
    _refuse_taken(target, as_file, overwrite)
    check_target(target, overwrite, folder=not as_file)
    parent = target.parent
    if not parent.is_dir():
        raise InputError(f"output {path}: its folder {parent} does not exist; make it first")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"output {path}: its folder {parent} cannot be written to; choose another one")


def _refuse_inputs(target: Path, inputs: Sequence[str | os.PathLike[str]], as_file: bool) -> None:
    real = target.resolve()
    for given in inputs:
        entry = Path(given)
        other = entry.resolve()
        if real == other or (target.exists() and entry.exists() and target.samefile(entry)):
            raise InputError(f"output {target} is the input itself, which is never changed: choose another name")
        if entry.is_dir() and other in real.parents:
            raise InputError(f"output {target} lies inside the input folder {entry}: choose a place outside it")
        if not as_file and real in other.parents:
            raise InputError(f"output folder {target} holds the input {entry}: choose another folder")
        kind = format_of_name(given)
        if format_of_name(target) is None and kind is not None:
            raise InputError(
                f"output {target} would be a DICOM series, but the input {entry.name} is {kind.title}: "
                f"name a file ({known_endings()})"
            )


def _refuse_taken(target: Path, as_file: bool, overwrite: bool) -> None:
    if not target.exists():
        return
    if as_file:
        if target.is_dir():
            raise InputError(f"output {target} is a folder: expected the name of a file")
        if not overwrite:
            raise InputError(f"output {target} exists already: choose another name or allow overwriting")
        return
    if not target.is_dir():
        raise InputError(f"output {target} is a file: expected a new folder for the DICOM series")
    if not any(target.iterdir()):
        return
    if not overwrite:
        raise InputError(f"output folder {target} is not empty: choose another name or allow overwriting")
    if not is_derived_folder(target):
        raise InputError(
            f"output folder {target} holds other files than a series written by this program: it is not replaced"
        )
