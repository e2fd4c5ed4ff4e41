# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Targets that are dear to make, kept on the disk, one volume at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from monai_diffdenoise.data.atomic import atomic_file, atomic_folder
from monai_diffdenoise.data.storage import digest
from monai_diffdenoise.errors import InputError

__all__ = ["TargetCache"]

_MARK = "fingerprint.txt"
_NAMES = ("targets", "weight")


class TargetCache:
    """A folder with a target and its weight for each volume, both there or neither.

    Args:
        folder: made at the first :meth:`write`.
        fingerprint: what the targets depend on beside the volume: weights, settings. None takes what is there.
        slice_axis: spatial axis that is read slice by slice, and so moves slowest in the files.

    Raises:
        InputError: the folder holds targets of another fingerprint, or, without one, none.
    """

    def __init__(self, folder: str | Path, fingerprint: str | None = None, slice_axis: int = -1) -> None:
        self.folder, self.slice_axis = Path(folder), slice_axis % 3
        mark = self.folder / _MARK
        if fingerprint is None and not mark.is_file():
            raise InputError(f"got no targets in {self.folder}; expected a folder that target generation wrote")
        self.fingerprint = mark.read_text(encoding="utf-8") if fingerprint is None else fingerprint
        self._check_mark()

    def _check_mark(self) -> None:
        mark = self.folder / _MARK
        if mark.is_file() and mark.read_text(encoding="utf-8") != self.fingerprint:
            raise InputError(
                f"got a folder {self.folder} with targets of other weights or settings; expected the same again: give "
                "those, or another folder"
            )

    def key(self, image: torch.Tensor) -> str:
        """What names a volume (C, X, Y, Z): its content."""
        return digest(image, self.slice_axis)

    def has(self, key: str) -> bool:
        """Whether there is a target for this volume."""
        return (self.folder / key).is_dir()

    def write(self, key: str, target: torch.Tensor, weight: torch.Tensor) -> None:
        """Keep a target; one that is there already stays.

        Args:
            key: of the volume.
            target: (C, X, Y, Z), kept as float32.
            weight: (1, X, Y, Z), 0 to 1, kept as float32.

        Raises:
            InputError: shapes that do not fit, a folder of another fingerprint, or one that cannot be written.
        """
        if target.dim() != 4 or weight.shape != (1, *target.shape[1:]):
            raise InputError(
                f"got a target {tuple(target.shape)} and a weight {tuple(weight.shape)}; expected (C, X, Y, Z) and "
                "(1, X, Y, Z)"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with atomic_file(self.folder / _MARK) as stream:
                stream.write(self.fingerprint.encode())
        except InputError:
            if not (self.folder / _MARK).is_file():
                raise
        # another process, or another run, may have been first
        self._check_mark()
        try:
            with atomic_folder(self.folder / key) as place:
                for name, array in zip(_NAMES, (target, weight), strict=True):
                    plain = array.detach().as_subclass(torch.Tensor).float().cpu()
                    np.save(place / f"{name}.npy", plain.movedim(self.slice_axis + 1, 1).numpy())
        except InputError:
            if not self.has(key):
                raise

    def read(self, key: str) -> dict[str, torch.Tensor]:
        """``targets`` (C, X, Y, Z) and ``weight`` (1, X, Y, Z): float32, mapped from the files, not read at once.

        Raises:
            InputError: there is none, or it cannot be read.
        """
        if not self.has(key):
            raise InputError(
                f"got a volume without a target in {self.folder}; expected the data, slice axis and context that the "
                "targets were generated for: give these, or generate targets for this volume"
            )
        found = {}
        for name in _NAMES:
            try:
                # copy-on-write, since torch knows no array that must not be written to
                array = np.load(self.folder / key / f"{name}.npy", mmap_mode="c")
            except (OSError, ValueError, EOFError) as error:
                raise InputError(
                    f"cannot read {self.folder / key / name}.npy ({error}): remove its folder and generate it again"
                ) from error
            found[name] = torch.from_numpy(array).movedim(1, self.slice_axis + 1)
        return found
