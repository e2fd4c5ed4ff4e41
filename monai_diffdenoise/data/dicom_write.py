# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A derived DICOM series out: one classic file per slice, in a folder that appears complete or not at all."""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset
from pydicom.uid import generate_uid

from monai_diffdenoise.data.atomic import atomic_folder
from monai_diffdenoise.data.dicom_derive import PRODUCT, DerivedSeries, derive, product_version
from monai_diffdenoise.data.dicom_files import quiet, read_dataset
from monai_diffdenoise.data.dicom_read import DicomSource
from monai_diffdenoise.data.dicom_slice import Slice
from monai_diffdenoise.data.encoding import encode_block
from monai_diffdenoise.data.volume import Volume, Written
from monai_diffdenoise.errors import InputError

__all__ = ["is_derived_folder", "write_dicom"]


def write_dicom(
    volume: Volume,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    keep_private: bool = False,
    derivation: str = "",
) -> Written:
    """Write a volume that came from DICOM as a derived series of the same study.

    Every slice keeps the attributes of its source but for those that identify the instance, describe the derivation or
    belong to the old pixels (see :mod:`monai_diffdenoise.data.dicom_derive`). Values are rounded within Bits Stored;
    voxels that were not changed and pixel padding keep their stored numbers. The UIDs follow from the source's UIDs,
    the new values and ``derivation``: the same result gets the same UIDs.

    Args:
        volume: what to write.
        path: the folder, new or empty.
        overwrite: whether a folder of this name may be replaced with all it holds.
        keep_private: keep private attributes, which may describe the old pixels or the patient.
        derivation: what was done, one line without patient data.

    Raises:
        InputError: the volume did not come from DICOM, its source lacks identifiers or changed, or the name is taken.
    """
    path, source = Path(path), volume.source
    if not isinstance(source, DicomSource):
        raise InputError(f"output {path} would be a DICOM series, but the input is not DICOM: name a .nii.gz file")
    for item in source.all_slices:
        if not (item.sop_class and item.sop_instance):
            raise InputError(
                f"{item.label} has no class or instance UID, so no derived series can refer to it: "
                "write a .nii.gz file instead"
            )
    first = source.slices[0][0]
    if not first.study:
        warnings.warn("the source has no Study Instance UID, so the derived series has none either", stacklevel=2)
    image = volume.image.as_tensor().numpy()
    digest = hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()
    settings = f"{PRODUCT} {product_version()} {derivation} private={keep_private}"
    series_uid = generate_uid(entropy_srcs=[first.series, first.sop_instance, digest, settings])
    series = DerivedSeries(series_uid, derivation, keep_private)
    clipped, width = 0, max(4, len(str(len(source.all_slices))))
    with atomic_folder(path, overwrite=overwrite) as folder:
        for index, item in enumerate(source.slices[0]):
            dataset = source.dataset(item)
            block = source.block(0, index, dataset)
            stored, lost = encode_block(block, image[block.index], block.encoding)
            clipped += lost
            _save(dataset, item, stored[0, :, :, 0].T, series, folder / f"IM{index + 1:0{width}d}.dcm")
    if clipped:
        warnings.warn(
            f"{clipped} of {image.size} values did not fit the series' stored bits and were clipped", stacklevel=2
        )
    return Written(path, first.dtype.name, clipped, 0)


def _save(dataset: FileDataset, item: Slice, pixels: np.ndarray, series: DerivedSeries, target: Path) -> None:
    try:
        with quiet():
            derive(dataset, item, pixels, series)
            # save_as would refuse to turn big-endian sources around.
            pydicom.dcmwrite(target, dataset, implicit_vr=False, little_endian=True, enforce_file_format=True)
    except Exception as error:
        # pydicom raises many types for damaged values; an error number comes from the disk only.
        if getattr(error, "errno", None) is not None:
            raise
        raise InputError(
            f"{item.label} holds damaged attributes that no derived slice can carry ({type(error).__name__}): "
            "repair the file, or write a .nii.gz file instead"
        ) from error


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
