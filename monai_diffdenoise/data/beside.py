# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Headers that name another file for their data: only files in the header's own folder, or below, are opened."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath, PureWindowsPath

from monai_diffdenoise.errors import InputError

__all__ = ["data_file_beside", "refuse_overwriting"]


def data_file_beside(header: Path, name: str) -> Path:
    """The data file that a header names.

    A header comes from somewhere: it must not make the program read files elsewhere, whose bytes would then end in an
    output.

    Args:
        header: the file that names it.
        name: the name as it stands there, relative to the header's folder.

    Raises:
        InputError: an absolute path, one that leaves the folder (by ``..`` or a symbolic link), several files, or a
            file that is not there.
    """
    if not name or re.search(r"%\d*d", name):
        raise InputError(f"{header} spreads its data over several files: expected one; convert it first")
    parts = (PurePosixPath(name), PureWindowsPath(name))
    outside = any(part.is_absolute() or part.drive or part.root or ".." in part.parts for part in parts)
    if outside or "\0" in name:
        raise InputError(f"{header} names a data file outside its own folder: expected the name of a file beside it")
    folder = header.parent.resolve()
    path = folder / name
    try:
        target = path.resolve()
        is_file = target.is_file()
    except (OSError, RuntimeError):
        target, is_file = path, False
    if folder not in target.parents:
        raise InputError(f"{header} names a data file that leads out of its own folder: expected a file beside it")
    if not is_file:
        raise InputError(f"{header} is a header whose data file is missing: expected {name} beside it")
    return target


def refuse_overwriting(path: Path, data: Path) -> None:
    """Refuse an output that is the data file of its own input.

    Raises:
        InputError: it is.
    """
    if path.exists() and path.samefile(data):
        raise InputError(f"output {path} holds the data of the input, which is never changed: choose another name")
