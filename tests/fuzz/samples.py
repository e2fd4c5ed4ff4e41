# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Small undamaged files of every format: our own, nibabel's and pydicom's."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import torch
from nibabel.testing import data_path
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from monai_diffdenoise.data import volume_from_array, write_volume
from monai_diffdenoise.data.formats import FORMATS
from tests.conftest import dicom_slice

__all__ = ["make_samples"]

_SHAPE = (24, 20, 6)
# Larger ones would make 500 of them slow without reaching other code.
_LARGEST = 400_000


def make_samples(folder: Path) -> list[Path]:
    """Write or find the samples: files, and folders with a DICOM series.

    Args:
        folder: for those that are made here.
    """
    # Slices that match, so that what survives the damage can be denoised.
    ramp = torch.linspace(60, 120, _SHAPE[0])[:, None, None]
    noisy = (ramp + 10 * torch.randn(_SHAPE, generator=torch.Generator().manual_seed(0)))[None]
    volume = volume_from_array(noisy, slice_axis=2)
    plane = volume_from_array(noisy[..., 3], slice_axis=0)
    made = []
    for kind in FORMATS:
        for ending in kind.endings:
            source = plane if kind.name == "png" else volume
            for dtype in ("uint8", "int16", "float32"):
                path = folder / f"{kind.name}_{dtype}{ending}"
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        write_volume(source, path, output_dtype=dtype)
                except ValueError:
                    continue
                made.append(path)
    made += [_series(folder / f"series_{name}", name) for name in ("explicit", "implicit", "deflated", "rle")]
    foreign = [Path(data_path) / name for name in ("example4d.nii.gz", "anatomical.nii", "functional.nii")]
    # Those in the package; get_testdata_files would fetch the others from the network.
    foreign += sorted((Path(pydicom.data.__file__).parent / "test_files").glob("*.dcm"))
    made += [path for path in foreign if path.is_file() and path.stat().st_size <= _LARGEST]
    return made


def _series(folder: Path, kind: str) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(6):
        pixels = (1000 + 40 * rng.standard_normal((20, 24))).astype(np.uint16)
        ds = dicom_slice("CT", pixels, (0.0, 0.0, 2.5 * index), index)
        if kind == "rle":
            ds.compress(RLELossless, generate_instance_uid=False)
        elif kind == "implicit":
            ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        elif kind == "deflated":
            ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        pydicom.dcmwrite(folder / f"im{index}", ds, enforce_file_format=True)
    return folder
