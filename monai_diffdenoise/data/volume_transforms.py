# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""MONAI dictionary transforms that read and write volumes, for bundles."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, SaveImaged

from monai_diffdenoise.data.io import write_volume
from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.data.volume_list import open_volume
from monai_diffdenoise.errors import InputError

__all__ = ["LoadVolumed", "SaveVolumed", "slices_back", "slices_last"]


def slices_last(image: MetaTensor, axis: int) -> MetaTensor:
    """Move the slice axis to the end, and the affine's column with it, so that every voxel stays where it is.

    Args:
        image: (C, *spatial) with 2 or 3 spatial axes and an affine of 4 x 4.
        axis: spatial axis along which the slices lie; of no meaning for two spatial axes.

    Returns:
        (C, *plane, slices), a view; a 2D image becomes one slice.
    """
    if image.dim() == 3:
        return MetaTensor(image.as_tensor()[..., None], affine=image.affine)
    columns = [column for column in range(3) if column != axis] + [axis, 3]
    return MetaTensor(image.as_tensor().movedim(axis + 1, -1), affine=image.affine[:, columns])


def slices_back(image: torch.Tensor, volume: Volume, axis: int) -> torch.Tensor:
    """Undo :func:`slices_last`: back to the axes of ``volume``."""
    plain = image.as_tensor() if isinstance(image, MetaTensor) else image
    return plain.squeeze(-1) if volume.spatial_dims == 2 else plain.movedim(-1, axis + 1)


class LoadVolumed(MapTransform):
    """Read volumes with this package's reader, slices along the last axis, in the units of the scan.

    The result is a ``MetaTensor`` (C, X, Y, Z); C counts the time points. Its ``meta`` holds ``filename_or_obj`` and
    ``slice_axis``, from which :class:`SaveVolumed` finds the way back.

    Args:
        keys: where the paths are; see :func:`~monai_diffdenoise.data.open_volume`.
        axis: spatial axis (0 to 2) of the slices; None for the one that the slices were acquired along.
        series: which series of a DICOM folder that holds several.
        allow_missing_keys: pass over missing keys.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        axis: int | None = None,
        series: str | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if axis is not None and axis not in (0, 1, 2):
            raise InputError(f"got axis = {axis}; expected 0, 1 or 2")
        self.axis, self.series = axis, series if series is None else str(series)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            volume = open_volume(data[key], self.series)
            axis = volume.slice_axis if self.axis is None else self.axis
            image = slices_last(volume.image, axis)
            image.meta["filename_or_obj"] = str(data[key])
            image.meta["slice_axis"] = axis
            result[key] = image
        return result


class SaveVolumed(SaveImaged):
    """Write denoised volumes in the format, geometry, units and number type of their inputs, complete or not at all.

    The input is read again for what writing needs, so that nothing of it has to pass through data loaders. It is a
    ``SaveImaged`` by name only: what takes MONAI's writers out of a bundle, as MONAI Label does, takes this one, too.

    Args:
        keys: where the volumes are, loaded by :class:`LoadVolumed`.
        output_key: where the name of the result is, from :func:`~monai_diffdenoise.data.volume_datalist`.
        series: as for :class:`LoadVolumed`.
        output_dtype: number type of NIfTI results; None for that of the input.
        overwrite: whether existing results may be replaced.
        derivation: DICOM: what was done, in one line without patient data.
        print_log: say on standard error what was written.
        allow_missing_keys: pass over missing keys.
    """

    def __init__(
        self,
        keys: KeysCollection = "pred",
        output_key: str = "output",
        series: str | None = None,
        output_dtype: str | None = None,
        overwrite: bool = False,
        derivation: str = "denoised with ns-n2n, self-supervised, monai-diffdenoise",
        print_log: bool = True,
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        self.print_log = print_log
        self.output_key, self.series = output_key, series if series is None else str(series)
        self.output_dtype, self.overwrite, self.derivation = output_dtype, overwrite, derivation

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        for key in self.key_iterator(dict(data)):
            image = data[key]
            meta = image.meta if isinstance(image, MetaTensor) else {}
            if "filename_or_obj" not in meta or "slice_axis" not in meta:
                raise ValueError(
                    f"{key} does not say where it came from; SaveVolumed needs a volume that LoadVolumed read"
                )
            volume = open_volume(meta["filename_or_obj"], self.series)
            denoised = volume.with_image(slices_back(image, volume, int(meta["slice_axis"])))
            target = data[self.output_key]
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            written = write_volume(
                denoised, target, output_dtype=self.output_dtype, overwrite=self.overwrite, derivation=self.derivation
            )
            if self.print_log:
                print(f"wrote {target} ({written.dtype})", file=sys.stderr, flush=True)
        return dict(data)
