# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Files and folders that appear complete or not at all.

Both context managers write to a hidden sibling of the target, flush it to the disk and give it the target's name in one
step. When the body raises (Ctrl-C included) the hidden sibling is removed and whatever stood at the target before is
untouched. Of several processes that write one target without overwriting, exactly one succeeds; with overwriting, the
last one stays, whole.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from monai_diffdenoise.data.leftovers import hidden_sibling, remove_leftovers, while_locked
from monai_diffdenoise.errors import InputError

__all__ = ["atomic_file", "atomic_folder", "check_name", "check_target"]

# Errors that only writing causes: they mean the output even when they come out of the caller's code.
_WRITING = {errno.ENOSPC, errno.EFBIG, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)}
# What rename says when something other than an empty folder has the name.
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, *([errno.EACCES] if os.name == "nt" else [])}
# What link says on file systems without hard links.
_NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.EINVAL}
# Programs that replace the same folder at the same time displace each other's results only so often.
_ATTEMPTS = 100


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """Open a binary file that takes its name only when it is complete.

    Args:
        path: the final name. Its folder must exist.
        overwrite: whether a file of this name may be replaced.

    Yields:
        a writable binary file object (seekable) on a hidden sibling of ``path``.

    Raises:
        InputError: the name is taken, write-protected, impossible or a symbolic link; its folder cannot be written to
            or vanishes; the disk is full.
    """
    path = Path(path)
    check_target(path, overwrite, folder=False)
    remove_leftovers(path)
    temporary = hidden_sibling(path)
    with _translated(f"cannot write in the folder of {path}"):
        # Not tempfile.mkstemp: its mode 0600 would survive the rename and ignore the user's umask.
        stream = open(temporary, "xb")  # noqa: SIM115 - closed below, before it gets its name
    with _discarded(path, temporary):
        with stream, while_locked(temporary):
            yield stream
            with _translated(f"output {path} could not be written"):
                stream.flush()
                os.fsync(stream.fileno())
        with _translated(f"output {path} could not be written"):
            _publish_file(temporary, path, overwrite)
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
        InputError: as for :func:`atomic_file`.
    """
    path = Path(path)
    check_target(path, overwrite, folder=True)
    remove_leftovers(path)
    temporary = hidden_sibling(path)
    with _translated(f"cannot write in the folder of {path}"):
        temporary.mkdir()
    with _discarded(path, temporary):
        with while_locked(temporary):
            yield temporary
            with _translated(f"output {path} could not be written"):
                for file in temporary.rglob("*"):
                    if file.is_file():
                        with open(file, "rb+") as stream:
                            os.fsync(stream.fileno())
                _sync_folder(temporary)
        with _translated(f"output {path} could not be written"):
            _publish_folder(temporary, path, overwrite)
            _sync_folder(path.parent)


def check_name(path: Path) -> int | None:
    """Refuse a name that no file or folder can have.

    Args:
        path: the name; nothing need be there.

    Returns:
        the mode of what is there; None for nothing.

    Raises:
        InputError: no name ("", "..", a null character), a name too long, a place that may not be looked at.
    """
    if path.name in ("", "..") or "\0" in str(path):
        raise InputError(f"output {str(path)!r} is no name for a file or folder: choose another one")
    try:
        return os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"output {path} cannot be used as a name ({error.strerror}): choose another one") from error


def check_target(path: Path, overwrite: bool, *, folder: bool) -> None:
    """Refuse a target that would be refused when the result is complete, or that must not be replaced.

    Args:
        path: the final name.
        overwrite: whether it may be replaced.
        folder: whether a folder is written; an empty one counts as not existing.

    Raises:
        InputError: see :func:`check_name`; a symbolic link, taken, of another kind, or write-protected.
    """
    mode = check_name(path)
    if mode is None:
        return
    if stat.S_ISLNK(mode):
        raise InputError(f"output {path} is a symbolic link: expected a plain path; name the real target instead")
    if folder and _is_empty_folder(path):
        return
    if not overwrite:
        raise _taken(path)
    if not (stat.S_ISDIR if folder else stat.S_ISREG)(mode):
        raise InputError(f"output {path} is not a {'folder' if folder else 'plain file'}: it is not replaced")
    if not mode & 0o222:
        # The system would let its owner replace it all the same; whoever took the write permission away meant it.
        raise InputError(f"output {path} is write-protected: choose another name or allow writing to it")


def _taken(path: Path) -> InputError:
    return InputError(f"output {path} exists already: choose another name or allow overwriting")


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn the system's refusal of one of our own steps into a message about the output."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{what} ({error.strerror or error}): choose another place") from error


@contextlib.contextmanager
def _discarded(path: Path, temporary: Path) -> Iterator[None]:
    """Remove what still has the hidden name in the end, and say when the caller could not write."""
    try:
        yield
    except OSError as error:
        if error.errno in _WRITING:
            raise InputError(
                f"output {path} could not be written ({error.strerror}): make room or choose another place"
            ) from error
        if not temporary.exists():
            raise InputError(
                f"output {path} could not be written (its folder vanished): choose another place"
            ) from error
        raise
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


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


def _publish_file(temporary: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        os.replace(temporary, path)
        return
    try:
        # Both refuse a taken name, in one step with taking it; a look beforehand could be outdated.
        (os.rename if os.name == "nt" else os.link)(temporary, path)
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _publish_reserved(temporary, path)


def _publish_reserved(temporary: Path, path: Path) -> None:
    """Take a name by an empty file first, where there are no hard links."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError as error:
        raise _taken(path) from error
    try:
        os.replace(temporary, path)
    except BaseException:
        os.unlink(path)
        raise


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _publish_folder(temporary: Path, path: Path, overwrite: bool) -> None:
    displaced: list[Path] = []
    try:
        for _ in range(_ATTEMPTS):
            if _renamed(temporary, path):
                return
            if not overwrite:
                raise _taken(path)
            # Not the usual ending: if this process dies here, nobody takes the only copy for a leftover.
            aside = hidden_sibling(path, ".old")
            with contextlib.suppress(FileNotFoundError):  # another program moved it first
                os.rename(path, aside)
                displaced.append(aside)
        raise InputError(f"output {path} is replaced by other programs again and again: choose another name")
    except BaseException:
        if displaced:
            with contextlib.suppress(OSError):
                os.rename(displaced.pop(), path)
        raise
    finally:
        for aside in displaced:
            _remove(aside)


def _renamed(temporary: Path, path: Path) -> bool:
    """Give a folder its name; False if the name is taken by anything but an empty folder."""
    try:
        if os.name == "nt" and _is_empty_folder(path):
            path.rmdir()
        os.rename(temporary, path)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True
