# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Volumes in and out: NIfTI files and DICOM series, exact to the last stored bit of what was not changed."""

from __future__ import annotations

from monai_diffdenoise.data.atomic import atomic_file, atomic_folder
from monai_diffdenoise.data.finite import fill_nonfinite
from monai_diffdenoise.data.io import check_conversion, check_output, read_volume, write_volume
from monai_diffdenoise.data.memory import volume_from_array
from monai_diffdenoise.data.pair_dataset import CountingSampler, PairDataset, pair_loader
from monai_diffdenoise.data.volume import Source, Volume, Written
from monai_diffdenoise.data.volume_list import open_volume, volume_datalist, volume_paths
from monai_diffdenoise.data.volume_transforms import LoadVolumed, SaveVolumed

__all__ = [
    "CountingSampler",
    "LoadVolumed",
    "PairDataset",
    "SaveVolumed",
    "Source",
    "Volume",
    "Written",
    "atomic_file",
    "atomic_folder",
    "check_conversion",
    "check_output",
    "fill_nonfinite",
    "open_volume",
    "pair_loader",
    "read_volume",
    "volume_datalist",
    "volume_from_array",
    "volume_paths",
    "write_volume",
]
