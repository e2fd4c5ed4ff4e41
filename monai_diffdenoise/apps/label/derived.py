# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Images of the datastore: where they are, and results as new ones."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pydicom
from monailabel.datastore.dicom import DICOMWebDatastore
from monailabel.datastore.utils.dicom import dicom_web_download_series

__all__ = ["has_image", "image_count", "is_derived", "keep", "noisy_images", "place_of"]


def keep(datastore: Any, name: str, model: str, result: dict[str, Any]) -> str:
    """Add a result to the datastore as a new image.

    Args:
        datastore: a folder, or a DICOMweb server, which gets a derived series by STOW-RS.
        name: of the image that was denoised.
        model: what denoised it.
        result: of the inference; ``file``, and ``derived_folder`` for DICOM.

    Returns:
        the name of the new image.
    """
    if isinstance(datastore, DICOMWebDatastore):
        instances = [pydicom.dcmread(path) for path in sorted(Path(result["derived_folder"]).iterdir())]
        datastore._client.store_instances(instances)
        return str(instances[0].SeriesInstanceUID)
    made = f"{name}_{model}"
    datastore.add_image(made, result["file"], {"derived_from": name, "model": model})
    return made


def has_image(datastore: Any, name: str) -> bool:
    """Whether there is an image of that name."""
    if isinstance(datastore, DICOMWebDatastore):
        return bool(datastore._client.search_for_series(search_filters={"SeriesInstanceUID": name}))
    return name in datastore.list_images()


def image_count(datastore: Any, name: str) -> int:
    """Number of images in a series on a DICOMweb server; 0 where it does not say. A file is one."""
    if not isinstance(datastore, DICOMWebDatastore):
        return 1
    tag = "NumberOfSeriesRelatedInstances"
    found = datastore._client.search_for_series(search_filters={"SeriesInstanceUID": name}, fields=[tag])
    return int(pydicom.Dataset.from_json(found[0]).get(tag) or 0) if found else 0


def place_of(datastore: Any, name: str) -> Path:
    """The file of an image, or the folder of a DICOM series, which is fetched if there are other images than before.

    The series itself, not MONAI Label's NIfTI copy of it: units and tags come from there.
    """
    if not isinstance(datastore, DICOMWebDatastore):
        return Path(datastore.get_image_uri(name))
    folder = Path(datastore._datastore.image_path(), name).resolve()
    count = image_count(datastore, name)
    if not count or not folder.is_dir() or len(list(folder.iterdir())) != count:
        # MONAI Label would keep what it once got, also of a series that was being written
        shutil.rmtree(folder, ignore_errors=True)
        dicom_web_download_series(None, name, str(folder), datastore._client)
    return folder


def is_derived(datastore: Any, name: str) -> bool:
    """Whether this app made an image from another one, so that nothing may learn from it."""
    if datastore.get_image_info(name).get("derived_from"):
        return True
    if not isinstance(datastore, DICOMWebDatastore):
        return False
    # many scanners write derived series as well: only ours are known by their text
    found = datastore._client.search_for_instances(
        search_filters={"SeriesInstanceUID": name}, fields=["DerivationDescription"], limit=1
    )
    return bool(found) and "monai-diffdenoise" in pydicom.Dataset.from_json(found[0]).get("DerivationDescription", "")


def noisy_images(datastore: Any) -> list[str]:
    """Names of the images that were not derived from others."""
    return [name for name in datastore.list_images() if not is_derived(datastore, name)]
