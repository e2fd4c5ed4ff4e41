# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether a file is still the one that was read."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from monai_diffdenoise.errors import InputError

__all__ = ["Fingerprint"]


@dataclass(frozen=True)
class Fingerprint:
    """Size and time of change of a file.

    The writers re-read the stored numbers of the input, so an input that changed meanwhile would give a mixture.

    Args:
        path: the file.
        size: bytes.
        changed_ns: time of the last change, nanoseconds.
    """

    path: Path
    size: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path, name: str | None = None) -> Fingerprint:
        """Take the fingerprint of a file.

        Args:
            path: the file.
            name: how messages call it; default its path. File names inside a DICOM folder may name the patient.

        Raises:
            InputError: there is no such file, it may not be read, or it is a folder, a pipe or a device.
        """
        try:
            status = path.stat()
        except (OSError, ValueError) as error:  # ValueError: a null character in the name
            raise InputError(
                f"cannot read {name or path} ({getattr(error, 'strerror', None) or error}): "
                "expected an existing, readable file"
            ) from error
        if not stat.S_ISREG(status.st_mode):
            # Reading a pipe would wait for ever, and nothing can be read a second time.
            raise InputError(f"cannot read {name or path}: expected a plain file, not a folder, pipe or device")
        return cls(path, status.st_size, status.st_mtime_ns)

    def check(self, name: str | None = None) -> None:
        """Raise InputError when the file is gone or another one by now."""
        if Fingerprint.of(self.path, name) != self:
            raise InputError(
                f"{name or self.path} changed since it was read: expected it to stay until the result is written"
            )
