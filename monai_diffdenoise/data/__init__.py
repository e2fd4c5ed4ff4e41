# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Volumes in and out, exact to the last stored bit of what was not changed.

Names load when they are first used: the command line reads the options for its help long before it needs torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monai_diffdenoise.data.atomic import atomic_file, atomic_folder
    from monai_diffdenoise.data.dicom_map import write_parametric_map
    from monai_diffdenoise.data.finite import fill_nonfinite
    from monai_diffdenoise.data.formats import FORMATS
    from monai_diffdenoise.data.io import check_conversion, check_output, read_volume, write_volume
    from monai_diffdenoise.data.memory import volume_from_array
    from monai_diffdenoise.data.pair_dataset import CountingSampler, PairDataset, pair_loader
    from monai_diffdenoise.data.read_options import ReadOptions
    from monai_diffdenoise.data.repetitions import group_repetitions, mean_without, read_repetitions
    from monai_diffdenoise.data.volume import Source, Volume, Written
    from monai_diffdenoise.data.volume_list import open_volume, volume_datalist, volume_paths
    from monai_diffdenoise.data.volume_transforms import LoadVolumed, SaveVolumed

__all__ = [
    "CountingSampler",
    "FORMATS",
    "LoadVolumed",
    "PairDataset",
    "ReadOptions",
    "SaveVolumed",
    "Source",
    "Volume",
    "Written",
    "atomic_file",
    "atomic_folder",
    "check_conversion",
    "check_output",
    "fill_nonfinite",
    "group_repetitions",
    "mean_without",
    "open_volume",
    "pair_loader",
    "read_repetitions",
    "read_volume",
    "volume_datalist",
    "volume_from_array",
    "volume_paths",
    "write_parametric_map",
    "write_volume",
]

_HOME = {
    "CountingSampler": "pair_dataset",
    "FORMATS": "formats",
    "LoadVolumed": "volume_transforms",
    "PairDataset": "pair_dataset",
    "ReadOptions": "read_options",
    "SaveVolumed": "volume_transforms",
    "Source": "volume",
    "Volume": "volume",
    "Written": "volume",
    "atomic_file": "atomic",
    "atomic_folder": "atomic",
    "check_conversion": "io",
    "check_output": "io",
    "fill_nonfinite": "finite",
    "group_repetitions": "repetitions",
    "mean_without": "repetitions",
    "open_volume": "volume_list",
    "pair_loader": "pair_dataset",
    "read_repetitions": "repetitions",
    "read_volume": "io",
    "volume_datalist": "volume_list",
    "volume_from_array": "memory",
    "volume_paths": "volume_list",
    "write_parametric_map": "dicom_map",
    "write_volume": "io",
}


def __getattr__(name: str) -> Any:
    """Load a public name from the module that holds it."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
