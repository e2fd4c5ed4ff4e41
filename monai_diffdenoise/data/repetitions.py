# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Repetitions of one scan that lie in files of their own, as in M4Raw: NAME01, NAME02, NAME03."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from monai_diffdenoise.data.encoding import Block, Encoding
from monai_diffdenoise.data.formats import ending_of
from monai_diffdenoise.data.io import read_volume
from monai_diffdenoise.data.memory import volume_from_array
from monai_diffdenoise.data.volume import Source, Volume, assemble
from monai_diffdenoise.data.volume_list import volume_paths
from monai_diffdenoise.errors import InputError

__all__ = ["RepetitionsSource", "group_repetitions", "mean_without", "read_repetitions"]

_NUMBERED = re.compile(r"(.+)0[1-9]")


@dataclass(frozen=True, eq=False)
class RepetitionsSource:
    """Provenance of a volume whose channels came from several files.

    Args:
        sources: of the repetitions, one channel each.
        format: of the first.
        path: None: there is no single one.
    """

    sources: tuple[Source, ...]
    format: str
    path: Path | None = None

    @property
    def native(self) -> Encoding:
        """As in the first file."""
        return self.sources[0].native

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of all files, one file after the other."""
        for channel, source in enumerate(self.sources):
            for block in source.blocks():
                yield replace(block, index=(slice(channel, channel + 1), *block.index[1:]))


def group_repetitions(folder: str | os.PathLike[str]) -> dict[str, list[Path]]:
    """Files of a folder whose names differ in their last two digits, 01 to 09, only.

    Args:
        folder: as for :func:`~monai_diffdenoise.data.volume_paths`.

    Returns:
        the files of each scan by its name without ending and digits, both sorted; a file without such digits is alone.
    """
    found: dict[str, list[Path]] = {}
    for path in map(Path, volume_paths(folder)):
        stem = path.name.removesuffix(ending_of(path.name))
        match = _NUMBERED.fullmatch(stem)
        found.setdefault(match[1].rstrip("_-. ") if match else stem, []).append(path)
    return found


def read_repetitions(paths: Sequence[str | os.PathLike[str]]) -> Volume:
    """Read repetitions of one scan as one volume with a channel for each, which ``repeat`` pairs learn from.

    Args:
        paths: files of one channel each, on one grid.

    Returns:
        the volume, (repetitions, X, Y, Z).

    Raises:
        InputError: no file, one that cannot be read, or files that are not repetitions of one scan. They are named by
            their number.
    """
    volumes = [read_volume(path) for path in paths]
    if not volumes:
        raise InputError("got no repetition to read; expected at least one file")
    first = volumes[0]
    for number, volume in enumerate(volumes, start=1):
        if volume.image.shape != first.image.shape or volume.image.shape[0] != 1:
            raise InputError(
                f"repetition {number} has shape {tuple(volume.image.shape)} and the first {tuple(first.image.shape)}: "
                "expected one channel on one grid"
            )
        if not torch.allclose(volume.image.affine, first.image.affine, atol=1e-3):
            raise InputError(f"repetition {number} lies elsewhere than the first: expected one grid")
    source = RepetitionsSource(tuple(volume.source for volume in volumes), first.source.format)
    shape = (len(volumes), *first.image.shape[1:])
    affine = first.image.affine.numpy()
    return assemble(source, shape, affine, first.spacing, first.slice_axis, "time", first.notes)


def mean_without(volume: Volume, repetition: int) -> Volume:
    """The mean of all repetitions but one: a reference to score that one against, and for nothing else.

    Its own noise is in it: of n others, the n-th part of the variance.

    Args:
        volume: of :func:`read_repetitions`, or any series of repeats, (C, *spatial), 2 channels or more.
        repetition: which one to leave out, from 0; a result made of all of them has no such reference.

    Returns:
        the reference, (1, *spatial).

    Raises:
        InputError: no such repetition, or no other one.
    """
    image = volume.image.as_tensor()
    count = image.shape[0]
    if count < 2 or not 0 <= repetition < count:
        raise InputError(f"got repetition {repetition} of {count}; expected 0 to {count - 1}, and at least two of them")
    others = [channel for channel in range(count) if channel != repetition]
    mean = image[others].double().mean(0, keepdim=True).float()
    return volume_from_array(mean, volume.image.affine, volume.slice_axis)
