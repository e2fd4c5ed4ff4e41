# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures that several test files share: small NIfTI files and DICOM series made on the spot, and the real scans."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

STUDY = "1.2.826.0.1.3680043.8.498.1"
AFFINE = np.array([[-2.0, 0.0, 0.1, 90.0], [0.0, 1.5, 0.3, -126.0], [0.0, -0.2, 3.0, -72.0], [0.0, 0.0, 0.0, 1.0]])


@pytest.fixture(scope="session")
def dev_data() -> Path:
    """Folder of the real scans (A_..., B_..., C_..., D_...); the test is skipped where DIFFDENOISE_DATA is not set."""
    folder = os.environ.get("DIFFDENOISE_DATA")
    if not folder:
        pytest.skip("DIFFDENOISE_DATA is not set")
    return Path(folder)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Runs that are compared must add in the same order, and small convolutions are no faster on more threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def make_nifti(tmp_path: Path) -> Callable[..., Path]:
    """Factory: write an array to a NIfTI file, its stored numbers as given (slope, inter: header only)."""

    def make(
        stored: np.ndarray,
        name: str = "image.nii.gz",
        *,
        slope: float | None = None,
        inter: float | None = None,
        version: int = 1,
        endian: str = "<",
        affine: np.ndarray = AFFINE,
        edit: Callable[[nib.Nifti1Header], None] | None = None,
    ) -> Path:
        header = (nib.Nifti1Header if version == 1 else nib.Nifti2Header)(endianness=endian)
        header.set_data_shape(stored.shape)
        header.set_data_dtype(stored.dtype.newbyteorder(endian))
        header.set_sform(affine, code=2)
        header.set_qform(affine, code=1)
        header.set_xyzt_units("mm", "sec")
        if slope is not None:
            header["scl_slope"], header["scl_inter"] = slope, inter or 0.0
        if edit is not None:
            edit(header)
        offset = 352 if version == 1 else 544
        header["vox_offset"] = offset
        path = tmp_path / name
        raw = header.binaryblock.ljust(offset, b"\0")
        raw += stored.astype(stored.dtype.newbyteorder(endian)).tobytes(order="F")
        with nib.openers.Opener(str(path), "wb") as stream:
            stream.write(raw)
        return path

    return make


_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@pytest.fixture
def make_png(tmp_path: Path) -> Callable[..., Path]:
    """Factory: write rows of samples to a PNG file of any depth, unfiltered, with any further chunks."""

    def make(
        rows: np.ndarray,
        depth: int = 8,
        name: str = "image.png",
        *,
        interlaced: bool = False,
        color: int = 0,
        width: int | None = None,
        chunks: Sequence[tuple[bytes, bytes]] = (),
        after: Sequence[tuple[bytes, bytes]] = (),
    ) -> Path:
        def packed(part: np.ndarray) -> bytes:
            if not part.size:
                return b""
            wide = part.astype(">u2").view(np.uint8).reshape(*part.shape, 2)
            bits = np.unpackbits(wide, axis=-1)[..., 16 - depth :].reshape(len(part), -1)
            return b"".join(b"\0" + np.packbits(row).tobytes() for row in bits)

        raw = b"".join(packed(rows[y::dy, x::dx]) for x, y, dx, dy in _PASSES) if interlaced else packed(rows)
        size = struct.pack(">IIBBBBB", width or rows.shape[1], len(rows), depth, color, 0, 0, int(interlaced))
        parts = [(b"IHDR", size), *chunks, (b"IDAT", zlib.compress(raw)), *after, (b"IEND", b"")]
        file = b"\x89PNG\r\n\x1a\n"
        for kind, data in parts:
            file += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        path = tmp_path / name
        path.write_bytes(file)
        return path

    return make


def dicom_slice(modality: str, pixels: np.ndarray, position: tuple[float, float, float], index: int) -> Dataset:
    """A complete CT or MR image that dciodvfy finds no error in."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
    ds.SOPInstanceUID = f"{STUDY}.7.{index}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = STUDY, f"{STUDY}.5", f"{STUDY}.9"
    ds.Modality, ds.Manufacturer, ds.PatientName, ds.PatientID = modality, "Maker", "Doe^Jörg", "4711"
    ds.PatientBirthDate, ds.PatientSex, ds.StudyID, ds.AccessionNumber = "", "O", "1", ""
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = "20200102"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "101112"
    ds.ReferringPhysicianName, ds.PositionReferenceIndicator, ds.PatientPosition = "", "", "HFS"
    ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = 4, index + 1, 1
    ds.SeriesDescription, ds.BodyPartExamined = "Thorax", "CHEST"
    ds.ImagePositionPatient, ds.ImageOrientationPatient = list(position), [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness = [0.5, 0.75], 2.5
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12 if pixels.dtype.kind == "u" else 16, 11
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, int(pixels.dtype.kind == "i")
    ds.WindowCenter, ds.WindowWidth = "40", "400"
    ds.SmallestImagePixelValue, ds.LargestImagePixelValue = int(pixels.min()), int(pixels.max())
    if modality == "CT":
        ds.ImageType, ds.KVP = ["ORIGINAL", "PRIMARY", "AXIAL"], "120"
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "1", "-1024", "HU"
    else:
        ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
        ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions, ds.MRAcquisitionType = "SE", "NONE", "", "2D"
        ds.RepetitionTime, ds.EchoTime, ds.EchoTrainLength = "500", "20", "1"
    ds.add_new((0x0029, 0x0010), "LO", "MAKER PRIVATE")
    ds.add_new((0x0029, 0x1001), "LO", "secret")
    ds.add_new("PixelData", "OW", np.ascontiguousarray(pixels).tobytes())
    return ds


@pytest.fixture
def make_series(tmp_path: Path) -> Callable[..., Path]:
    """Factory: write a DICOM series of small slices into a folder, named in an order that is not theirs in space."""

    def make(
        folder: str = "series",
        *,
        modality: str = "CT",
        slices: int = 4,
        shape: tuple[int, int] = (6, 8),
        dtype: str = "uint16",
        step: tuple[float, float, float] = (0.0, 0.0, 2.5),
        edit: Callable[[Dataset, int], Any] | None = None,
        seed: int = 0,
    ) -> Path:
        rng = np.random.default_rng(seed)
        target = tmp_path / folder
        target.mkdir(exist_ok=True)
        names = rng.permutation(slices)
        for index in range(slices):
            pixels = rng.integers(100, 3000, shape).astype(dtype)
            position = tuple(float(-10 * axis + index * s) for axis, s in enumerate(step))
            ds = dicom_slice(modality, pixels, position, index)
            if edit is not None and edit(ds, index) is False:
                continue
            ds.save_as(target / f"file{names[index]:03d}", enforce_file_format=True)
        return target

    return make
