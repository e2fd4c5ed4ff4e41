# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A derived DICOM series out: the same kind of objects as the source, in a folder or file that appears complete or not.

One file of the source gives one file of the result: a slice, a picture of tiles, or an object of many frames.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from pydicom.dataset import FileDataset
from pydicom.uid import generate_uid

from monai_diffdenoise.data.atomic import atomic_file, atomic_folder
from monai_diffdenoise.data.dicom_derive import PRODUCT, DerivedSeries, derive, product_version, texts
from monai_diffdenoise.data.dicom_files import quiet, read_dataset
from monai_diffdenoise.data.dicom_object import MOST_PIXEL_BYTES, write_object
from monai_diffdenoise.data.dicom_read import DicomSource
from monai_diffdenoise.data.dicom_slice import Slice
from monai_diffdenoise.data.dicom_write_mosaic import mosaic_picture
from monai_diffdenoise.data.encoding import encode_block
from monai_diffdenoise.data.storage import digest
from monai_diffdenoise.data.volume import Volume, Written
from monai_diffdenoise.errors import InputError

__all__ = ["check_dicom", "is_derived_folder", "is_dicom_name", "write_dicom"]

# Above this share of clipped values the result is another image than the one that was computed.
_MANY_CLIPPED = 0.01


@dataclass(frozen=True, eq=False)
class _Part:
    """The slices of one source file, in the order of their frames.

    Args:
        slices: (time, position, slice).
    """

    slices: tuple[tuple[int, int, Slice], ...]

    @property
    def items(self) -> list[Slice]:
        return [item for _, _, item in self.slices]

    @property
    def first(self) -> Slice:
        return self.slices[0][2]


def is_dicom_name(path: str | os.PathLike[str]) -> bool:
    """Whether a name stands for a single DICOM file, by its ending."""
    return Path(path).suffix.lower() == ".dcm"


def check_dicom(volume: Volume, path: str | os.PathLike[str]) -> None:
    """Refuse what cannot be written as DICOM, before any work is done.

    Args:
        volume: what will be written.
        path: the output's name: a folder, or a file ending in .dcm.

    Raises:
        InputError: the volume did not come from DICOM, or from color; its source lacks identifiers, is too large for
            uncompressed DICOM, or is several files where one was named.
    """
    source = volume.source
    if not isinstance(source, DicomSource):
        raise InputError(f"output {path} would be DICOM, but the input is not DICOM: name a .nii.gz file")
    for item in source.all_slices:
        if not (item.sop_class and item.sop_instance):
            raise InputError(
                f"{item.label} has no class or instance UID, so no derived series can refer to it: "
                "write a .nii.gz file instead"
            )
    if any(item.samples != 1 for item in source.all_slices):
        raise InputError(
            f"output {path} would be DICOM, but the input is color taken as gray, and a derived DICOM image must stay "
            "what its source is: name a .nii.gz file"
        )
    parts = _parts(source)
    if is_dicom_name(path) and len(parts) > 1:
        raise InputError(
            f"output {path} is one DICOM file, but the series has {len(parts)}: name a folder, without an ending"
        )
    size = max(sum(item.rows * item.columns * item.dtype.itemsize for item in part.items) for part in parts)
    if size > MOST_PIXEL_BYTES:
        raise InputError(
            f"the frames of one file take {size} bytes, but an uncompressed DICOM object holds at most "
            f"{MOST_PIXEL_BYTES}: name a .nii.gz file"
        )


def write_dicom(
    volume: Volume,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    keep_private: bool = False,
    derivation: str = "",
) -> Written:
    """Write a volume that came from DICOM as a derived series of the same study.

    Every object keeps the attributes of its source but for those that identify the instance, describe the derivation or
    belong to the old pixels (see :mod:`monai_diffdenoise.data.dicom_derive`). Values are rounded within Bits Stored;
    voxels that were not changed and pixel padding keep their stored numbers. Frames of a multi-frame object that were
    not read (another stack, another kind of image) are left out. The UIDs follow from the source's UIDs, the new values
    and ``derivation``: the same result gets the same UIDs.

    Args:
        volume: what to write.
        path: the folder, new or empty; or a file ending in .dcm, for a series that is one file.
        overwrite: whether a folder or file of this name may be replaced with all it holds.
        keep_private: keep all private attributes, which may describe the old pixels or the patient.
        derivation: what was done, one line without patient data.

    Raises:
        InputError: see :func:`check_dicom`; or the source changed, is damaged, or the name is taken.
    """
    path, source = Path(path), volume.source
    check_dicom(volume, path)
    assert isinstance(source, DicomSource)
    first = source.slices[0][0]
    if not first.study:
        warnings.warn("the source has no Study Instance UID, so the derived series has none either", stacklevel=2)
    image = volume.image.as_tensor().numpy()
    voxels = digest(volume.image.as_tensor(), volume.slice_axis)
    settings = f"{PRODUCT} {product_version()} {derivation} private={keep_private}"
    series_uid = generate_uid(entropy_srcs=[first.series, first.sop_instance, voxels, settings])
    writer = _Writer(source, image, DerivedSeries(series_uid, derivation, keep_private))
    if is_dicom_name(path):
        with atomic_file(path, overwrite=overwrite) as stream:
            writer.write(0, stream)
    else:
        width = max(4, len(str(len(writer.parts))))
        with atomic_folder(path, overwrite=overwrite) as folder:
            for place in range(len(writer.parts)):
                with open(folder / f"IM{place + 1:0{width}d}.dcm", "wb") as stream:
                    writer.write(place, stream)
    if writer.clipped:
        message = f"{writer.clipped} of {image.size} values did not fit the series' stored bits and were clipped"
        if writer.clipped > _MANY_CLIPPED * image.size:
            message += f" ({writer.clipped / image.size:.1%}), which shifts means: a .nii.gz file in float32 keeps them"
        warnings.warn(message, stacklevel=2)
    return Written(path, first.dtype.name, writer.clipped, 0)


class _Writer:
    """Writes the objects of one derived series, and counts what had to be clipped."""

    def __init__(self, source: DicomSource, image: np.ndarray, series: DerivedSeries) -> None:
        self._source, self._image, self._series = source, image, series
        self.parts = _parts(source)
        self._renumber = len(self.parts) > 1 and not _numbers_are_unique(self.parts)
        self.clipped = 0

    def write(self, place: int, stream: BinaryIO) -> None:
        part = self.parts[place]
        first = part.first
        header = self._source.dataset(first)
        tiled = first.tile is not None
        count = 1 if tiled else len(part.slices)
        if tiled:
            frames = iter([mosaic_picture(header, part.items, self._pixels(part))])
        elif count == 1:
            # The header is about to lose what decoding needs.
            frames = iter(list(self._pixels(part, header)))
        else:
            frames = self._pixels(part)
        try:
            with quiet():
                derive(header, part.items, self._series, place, place + 1 if self._renumber else None)
                pixels = int(header.Rows) * int(header.Columns)
                write_object(stream, header, frames, pixels * first.dtype.itemsize, count)
        except InputError:
            raise
        except Exception as error:
            # pydicom raises many types for damaged values; an error number comes from the disk only.
            if getattr(error, "errno", None) is not None:
                raise
            raise InputError(
                f"{first.label} holds damaged attributes that no derived object can carry ({type(error).__name__}): "
                "repair the file, or write a .nii.gz file instead"
            ) from error

    def _pixels(self, part: _Part, dataset: FileDataset | None = None) -> Iterator[np.ndarray]:
        """Stored numbers of one slice after the other, (rows, columns)."""
        for time, position, _ in part.slices:
            block = self._source.block(time, position, dataset)
            stored, lost = encode_block(block, self._image[block.index], block.encoding)
            self.clipped += lost
            yield stored[0, :, :, 0].T


def _parts(source: DicomSource) -> list[_Part]:
    """Group the slices by the file that they lie in, files in the order of time and position."""
    files: dict[Path, list[tuple[int, int, Slice]]] = {}
    for time, stack in enumerate(source.slices):
        for position, item in enumerate(stack):
            files.setdefault(item.fingerprint.path, []).append((time, position, item))
    return [_Part(tuple(sorted(entries, key=lambda entry: entry[2].frame))) for entries in files.values()]


def _numbers_are_unique(parts: list[_Part]) -> bool:
    seen = set()
    for part in parts:
        dataset = read_dataset(part.first.fingerprint.path, header_only=True)
        with quiet():
            number = texts(dataset, "InstanceNumber") if dataset is not None else []
        if len(number) != 1 or not number[0].strip():
            return False
        seen.add(number[0].strip())
    return len(seen) == len(parts)


def is_derived_folder(folder: Path) -> bool:
    """Whether a folder holds nothing but a series that :func:`write_dicom` wrote."""
    entries = list(folder.iterdir())
    return bool(entries) and all(entry.is_file() and _is_ours(entry) for entry in entries)


def _is_ours(file: Path) -> bool:
    dataset = read_dataset(file)
    if dataset is None:
        return False
    with quiet():
        equipment = dataset.get("ContributingEquipmentSequence") or []
        return any(item.get("ManufacturerModelName") == PRODUCT for item in equipment)
