# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""NIfTI files out: the source's own header, extensions, number type and scaling, new voxels."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import BinaryIO, cast

import nibabel as nib
import numpy as np

from monai_diffdenoise.data.atomic import atomic_file
from monai_diffdenoise.data.choose_encoding import Holds, choose_encoding
from monai_diffdenoise.data.encoded import EncodedVoxels
from monai_diffdenoise.data.encoding import OUTPUT_DTYPES, Encoding
from monai_diffdenoise.data.nifti import NiftiSource
from monai_diffdenoise.data.nifti_header import NiftiLayout
from monai_diffdenoise.data.volume import Volume, Written

__all__ = ["new_header", "plan_encoding", "write_nifti"]

# Noise does not compress: higher levels cost seconds per volume and save a few percent.
_COMPRESSION = 4
_MAX_NIFTI1_AXIS = 32767


_HOLDS = Holds("NIfTI", OUTPUT_DTYPES, scaled=True)


def plan_encoding(volume: Volume, output_dtype: str | np.dtype | None = None) -> Encoding:
    """Decide how the values of a volume are stored in a NIfTI file.

    Args:
        volume: what is to be written.
        output_dtype: number type wanted; default is the source's, with its own slope and intercept.

    Raises:
        InputError: an unknown number type, or an integer type for a source with NaN or infinite voxels.
    """
    return choose_encoding(volume, output_dtype, _HOLDS)


def write_nifti(
    volume: Volume,
    path: str | os.PathLike[str],
    *,
    output_dtype: str | np.dtype | None = None,
    overwrite: bool = False,
) -> Written:
    """Write a volume to a .nii or .nii.gz file, complete or not at all.

    From a NIfTI source every byte of the header and of its extensions is kept, unless ``output_dtype`` asks for another
    number type: then datatype, bitpix, slope and intercept change. The display range (cal_min, cal_max) is in physical
    units and stays. Voxels that were not changed keep their stored numbers bit for bit; NaN and infinities return.

    Args:
        volume: what to write.
        path: the file; its ending decides about compression.
        output_dtype: number type, default the source's.
        overwrite: whether an existing file may be replaced.

    Raises:
        InputError: the name is taken, the number type does not fit, or the source changed since it was read.
    """
    path = Path(path)
    encoding = plan_encoding(volume, output_dtype)
    source = volume.source
    if isinstance(source, NiftiSource):
        prefix, dtype = _keep_header(source.layout, encoding, source.native)
    else:
        prefix, dtype = new_header(volume, encoding)
    voxels = EncodedVoxels(volume, encoding)
    with atomic_file(path, overwrite=overwrite) as stream:
        packed = path.name.lower().endswith(".gz")
        # No name and no time in the gzip header: the same volume gives the same bytes, and a name may be private.
        sink = gzip.GzipFile("", "wb", _COMPRESSION, stream, mtime=0) if packed else stream
        out = cast(BinaryIO, sink)
        out.write(prefix)
        for raw in voxels.raw(dtype):
            out.write(raw)
        if packed:
            out.close()
    return voxels.written(path)


def _keep_header(layout: NiftiLayout, encoding: Encoding, native: Encoding) -> tuple[bytes, np.dtype]:
    if encoding == native and not layout.paired:
        return layout.prefix, layout.dtype
    header, prefix = layout.header.copy(), layout.prefix
    if layout.paired:
        prefix = prefix.ljust(header.sizeof_hdr + 4, b"\0")
        prefix += bytes(-len(prefix) % 16)
        header["magic"], header["vox_offset"] = header.single_magic, len(prefix)
    if encoding != native:
        header.set_data_dtype(encoding.dtype)
        header["scl_slope"], header["scl_inter"] = encoding.slope, encoding.inter
    head = header.binaryblock
    return head + prefix[len(head) :], encoding.dtype.newbyteorder(header.endianness)


def new_header(volume: Volume, encoding: Encoding) -> tuple[bytes, np.dtype]:
    """Everything of a NIfTI file up to the pixels, for a volume from anywhere, and the pixels' number type.

    Args:
        volume: its shape, geometry and channels are stated.
        encoding: how its values are stored.
    """
    channels, *spatial = (int(size) for size in volume.image.shape)
    # A single channel is an image without a fourth axis. Moments are the fourth axis and parts of a value the fifth;
    # the axes before them must be there.
    before = 4 if volume.channels == "component" else 3
    shape = [*spatial, *([1] * (before - len(spatial))), channels] if channels > 1 else spatial
    header = nib.Nifti2Header() if max(shape) > _MAX_NIFTI1_AXIS else nib.Nifti1Header()
    header.set_data_shape(shape)
    header.set_data_dtype(encoding.dtype)
    affine = volume.image.affine.numpy().astype(np.float64)
    columns = np.linalg.norm(affine[:3, :3], axis=0)
    # Zooms first: set_qform writes them as well, but only for the three axes of space.
    header["pixdim"][1:4] = columns
    header.set_sform(affine, code="scanner")
    directions = affine[:3, :3] / columns
    # A quaternion cannot hold a shear (gantry tilt); then only the sform is valid.
    sheared = np.abs(directions.T @ directions - np.eye(3)).max() > 1e-4
    if not sheared:
        header.set_qform(affine, code="scanner", strip_shears=True)
    header.set_xyzt_units("mm")
    if len(shape) == 5:
        header.set_intent("vector")
    if len(spatial) == 3:
        header.set_dim_info(slice=volume.slice_axis)
    header["scl_slope"], header["scl_inter"] = encoding.slope, encoding.inter
    # Header, four zero bytes for "no extensions", then the pixels at the next multiple of 16.
    header["vox_offset"] = 352 if header.sizeof_hdr == 348 else 544
    return header.binaryblock.ljust(int(header["vox_offset"]), b"\0"), encoding.dtype
