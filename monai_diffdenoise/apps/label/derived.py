# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Results as images of the datastore."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
from monailabel.datastore.dicom import DICOMWebDatastore

__all__ = ["has_image", "is_derived", "keep", "noisy_images"]


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
