# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""NIfTI headers: read without repairing them, checked, and turned into what a volume needs."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import BinaryIO, Literal

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from monai_diffdenoise.data.encoding import OUTPUT_DTYPES
from monai_diffdenoise.errors import InputError

__all__ = ["NiftiLayout", "read_layout"]

# What does not fit into this many bytes before the pixels is no header that a scanner or a converter wrote.
_MAX_OFFSET = 64 << 20
_MM_PER_UNIT = {1: 1000.0, 2: 1.0, 3: 0.001}
# Symmetric and general matrix, displacement, vector, point, triangle, quaternion; RGB and RGBA vectors.
_VECTOR_INTENTS = {1004, 1005, 1006, 1007, 1008, 1009, 1010, 2003, 2004}
_SILENT = logging.Logger("monai_diffdenoise.nifti", level=logging.CRITICAL + 1)


@dataclass(frozen=True, eq=False)
class NiftiLayout:
    """What the head of a NIfTI file says.

    Args:
        prefix: every byte before the pixels, or of the .hdr file: header, extensions, padding; kept for the output.
        header: the header as it lies on the disk, nothing repaired.
        dtype: stored number type with its byte order.
        spatial: voxels along each of the 2 or 3 spatial axes.
        channels: number of time points (or components).
        slope: physical units per stored unit; 1 when the header asks for no scaling.
        inter: physical value of a stored 0.
        affine: 4 x 4, voxel indices to RAS millimeters.
        spacing: millimeters per spatial axis.
        slice_axis: spatial axis of the slices if the header names one.
        kind: what the channels are: time points, or the components of one value.
        paired: whether the pixels lie in a file of their own (.hdr and .img), from ``offset`` on.
        offset: where the pixels start; the length of ``prefix`` when they follow it.
        notes: what the user should know.
    """

    prefix: bytes
    header: nib.Nifti1Header
    dtype: np.dtype
    spatial: tuple[int, ...]
    channels: int
    slope: float
    inter: float
    affine: np.ndarray
    spacing: tuple[float, ...]
    slice_axis: int | None
    kind: Literal["time", "component"]
    paired: bool
    offset: int
    notes: tuple[str, ...]


def read_layout(stream: BinaryIO, name: str) -> NiftiLayout:
    """Read everything up to the pixels.

    Args:
        stream: the uncompressed file, at its start.
        name: how messages call the file.

    Raises:
        InputError: not a NIfTI file, truncated, or of a kind that is not denoised (color, complex, more axes).
    """
    head = stream.read(4)
    if len(head) < 4:
        raise InputError(f"{name} is empty or cut off: expected a NIfTI file")
    little, big = (int.from_bytes(head, order) for order in ("little", "big"))
    kind = {348: nib.Nifti1Header, 540: nib.Nifti2Header}.get(little if little in (348, 540) else big)
    if kind is None:
        raise InputError(f"{name} is not a NIfTI file: its header size is neither 348 nor 540")
    head += stream.read(kind.sizeof_hdr - 4)
    if len(head) < kind.sizeof_hdr:
        raise InputError(f"{name} is cut off inside its header: expected a complete NIfTI file")
    header = kind(head, endianness="<" if little in (348, 540) else ">", check=False)
    magic = bytes(header["magic"].item())[:3]
    if magic not in (b"n+1", b"n+2", b"ni1", b"ni2"):
        raise InputError(f"{name} is an ANALYZE file, which does not say left from right: expected NIfTI; convert it")
    paired = magic[1:2] == b"i"
    offset = float(header["vox_offset"])
    if not ((0 if paired else kind.sizeof_hdr) <= offset <= _MAX_OFFSET and offset == int(offset)):
        raise InputError(f"{name} has a damaged header: its pixels are said to start at byte {offset:g}")
    prefix = head + stream.read(_MAX_OFFSET if paired else int(offset) - len(head))
    if not paired and len(prefix) < int(offset):
        raise InputError(f"{name} is cut off before its pixels: expected a complete NIfTI file")
    return _interpret(header, prefix, int(offset), paired, name)


def _interpret(header: nib.Nifti1Header, prefix: bytes, offset: int, paired: bool, name: str) -> NiftiLayout:
    spatial, channels, kind = _axes(header, name)
    slope, inter = _scaling(header, name)
    affine, spacing, notes = _geometry(header, len(spatial))
    # dim_info packs frequency, phase and slice axis (from 1, 0 = not given) into two bits each.
    slice_bits = (int(header["dim_info"]) >> 4) & 3
    return NiftiLayout(
        prefix=prefix,
        header=header,
        dtype=_dtype(header, name),
        spatial=spatial,
        channels=channels,
        slope=slope,
        inter=inter,
        affine=affine,
        spacing=spacing,
        slice_axis=slice_bits - 1 if slice_bits else None,
        kind=kind,
        paired=paired,
        offset=offset,
        notes=notes,
    )


def _axes(header: nib.Nifti1Header, name: str) -> tuple[tuple[int, ...], int, Literal["time", "component"]]:
    count = int(header["dim"][0])
    if not 1 <= count <= 7:
        raise InputError(f"{name} has a damaged header: it declares {count} axes, expected 2 to 4")
    shape = tuple(int(size) for size in header["dim"][1 : count + 1])
    if any(size < 1 for size in shape):
        raise InputError(f"{name} declares the shape {shape}: expected sizes of at least 1")
    if count < 2:
        raise InputError(f"{name} has one axis only: expected an image of 2 to 4 axes")
    longer = [size for size in shape[3:] if size > 1]
    if len(longer) > 1:
        raise InputError(
            f"{name} has the shape {shape}: expected at most one axis longer than 1 after the three of space; split it"
        )
    # The fourth axis is time; what stands beyond it, or has a vector's intent, are parts of the value of one voxel.
    parts = any(size > 1 for size in shape[4:]) or int(header["intent_code"]) in _VECTOR_INTENTS
    return shape[:3], longer[0] if longer else 1, "component" if parts else "time"


def _dtype(header: nib.Nifti1Header, name: str) -> np.dtype:
    try:
        dtype = header.get_data_dtype()
    except (HeaderDataError, KeyError):
        dtype = None
    if dtype is None or dtype.names is not None or dtype.name not in OUTPUT_DTYPES:
        code = int(header["datatype"])
        kind = "color (RGB)" if code in (128, 2304) else "complex" if code in (32, 1792, 2048) else "of an unknown type"
        raise InputError(
            f"{name} holds values that are {kind} (NIfTI datatype {code}): expected one real number per voxel, "
            f"{', '.join(OUTPUT_DTYPES)}; extract or convert a component first"
        )
    return dtype


def _scaling(header: nib.Nifti1Header, name: str) -> tuple[float, float]:
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    # The standard: a slope of 0 means that the stored numbers are the values. NaN means the same in practice.
    if slope == 0 or not math.isfinite(slope):
        return 1.0, 0.0
    if not math.isfinite(inter):
        raise InputError(f"{name} has the slope {slope:g} but the intercept {inter}: expected a finite intercept")
    return slope, inter


def _geometry(header: nib.Nifti1Header, dims: int) -> tuple[np.ndarray, tuple[float, ...], tuple[str, ...]]:
    checked = header.copy()
    # Repairs what nibabel can repair (a zero qfac, negative voxel sizes) in a copy; the output keeps the original.
    checked.check_fix(logger=_SILENT, error_level=100)
    scale = _MM_PER_UNIT.get(int(header["xyzt_units"]) & 7, 1.0)
    sizes = np.abs(np.asarray(checked["pixdim"][1 : dims + 1], dtype=np.float64))
    stated = [form for form in ("sform", "qform") if int(header[f"{form}_code"]) > 0]
    usable = [affine for form in stated if (affine := _form(checked, form)) is not None]
    notes = []
    if not stated:
        notes.append("The file does not say how the image lies in the patient (no sform, no qform).")
    elif len(usable) < len(stated):
        notes.append("A geometry that the file states (sform or qform) is damaged and was passed over.")
    with np.errstate(over="ignore", invalid="ignore"):
        affine = usable[0] if usable else np.asarray(checked.get_base_affine(), dtype=np.float64)
        lengths = np.linalg.norm(affine[:3, :dims], axis=0)
    sizes = np.where(np.isfinite(sizes) & (sizes > 0), sizes, lengths)
    sizes = np.where(np.isfinite(sizes) & (sizes > 0), sizes, 1.0)
    if not _invertible(affine):
        affine = np.diag([*sizes, *([1.0] * (4 - dims))])
    affine[:3] *= scale
    return affine, tuple(float(size) * scale for size in sizes), tuple(notes)


def _form(header: nib.Nifti1Header, form: str) -> np.ndarray | None:
    """The affine of one of the two forms; None when it is of no use."""
    try:
        with np.errstate(all="ignore"):
            affine = np.array(header.get_sform() if form == "sform" else header.get_qform(), dtype=np.float64)
    except (HeaderDataError, ValueError):
        return None
    return affine if _invertible(affine) else None


def _invertible(affine: np.ndarray) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(affine).all()) and 0 < abs(np.linalg.det(affine[:3, :3])) < np.inf
