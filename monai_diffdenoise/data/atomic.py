# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Files and folders that appear complete or not at all.

Both context managers write to a hidden sibling of the target, flush it to the disk and rename it. When the body raises
(Ctrl-C included) the hidden sibling is removed and whatever stood at the target before is untouched.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from monai_diffdenoise.errors import InputError

__all__ = ["atomic_file", "atomic_folder"]


def _hidden_sibling(path: Path) -> Path:
    # A short fixed stem: a long target name plus a suffix could pass the file system's limit of 255 bytes.
    return path.parent / f".{path.name[:80]}.{secrets.token_hex(6)}.tmp"


def _sync_folder(folder: Path) -> None:
    # Windows cannot open a folder; there the rename alone has to do.
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems refuse to sync a folder; the data themselves are on the disk by then.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if path.is_symlink():
        raise InputError(f"output {path} is a symbolic link: expected a plain path; name the real target instead")
    if path.exists() and not overwrite:
        raise InputError(f"output {path} exists already: choose another name or allow overwriting")


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """Open a binary file that takes its name only when it is complete.

    Args:
        path: the final name. Its folder must exist.
        overwrite: whether a file of this name may be replaced.

    Yields:
        a writable binary file object (seekable) on a hidden sibling of ``path``.

    Raises:
        InputError: the name is taken, is a symbolic link, or the folder cannot be written to.
    """
    path = Path(path)
    _refuse_existing(path, overwrite)
    temporary = _hidden_sibling(path)
    try:
        # Not tempfile.mkstemp: its mode 0600 would survive the rename and ignore the user's umask.
        stream = open(temporary, "xb")  # noqa: SIM115 - closed below, before the rename
    except OSError as error:
        raise InputError(f"cannot write in the folder of {path} ({error.strerror}): choose another one") from error
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        _refuse_existing(path, overwrite)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Fill a folder that takes its name only when it is complete.

    Args:
        path: the final name. Its parent must exist. An empty folder of this name counts as not existing.
        overwrite: whether a folder of this name may be replaced, with everything in it; check its content first.

    Yields:
        the hidden folder to fill.

    Raises:
        InputError: the name is taken, is a symbolic link, or the parent cannot be written to.
    """
    path = Path(path)
    _refuse_existing(path, overwrite or _is_empty_folder(path))
    temporary = _hidden_sibling(path)
    try:
        temporary.mkdir()
    except OSError as error:
        raise InputError(f"cannot write in the folder of {path} ({error.strerror}): choose another one") from error
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                with open(file, "rb+") as stream:
                    os.fsync(stream.fileno())
        _sync_folder(temporary)
        _refuse_existing(path, overwrite or _is_empty_folder(path))
        _swap_in(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync_folder(path.parent)


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _swap_in(temporary: Path, path: Path) -> None:
    if not path.exists():
        os.rename(temporary, path)
        return
    if _is_empty_folder(path):
        # Windows does not rename onto a folder, not even an empty one.
        path.rmdir()
        os.rename(temporary, path)
        return
    backup = _hidden_sibling(path)
    os.rename(path, backup)
    try:
        os.rename(temporary, path)
    except BaseException:
        os.rename(backup, path)
        raise
    if backup.is_dir():
        shutil.rmtree(backup, ignore_errors=True)
    else:
        backup.unlink(missing_ok=True)
