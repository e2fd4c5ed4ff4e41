# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""NRRD files (.nrrd) out: the source's own header lines, or new ones from the volume."""

from __future__ import annotations

import bz2
import gzip
import os
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from monai_diffdenoise.data.anatomy import space_axes
from monai_diffdenoise.data.atomic import atomic_file
from monai_diffdenoise.data.beside import refuse_overwriting
from monai_diffdenoise.data.choose_encoding import Holds, choose_encoding
from monai_diffdenoise.data.encoded import EncodedVoxels
from monai_diffdenoise.data.encoding import Encoding
from monai_diffdenoise.data.nrrd import NrrdSource
from monai_diffdenoise.data.nrrd_header import NRRD_TYPES, field_of
from monai_diffdenoise.data.packed import Packing
from monai_diffdenoise.data.volume import Volume, Written

__all__ = ["plan_nrrd", "write_nrrd"]

_HOLDS = Holds("NRRD")
_COMPRESSION = 4


def plan_nrrd(volume: Volume, output_dtype: str | np.dtype | None = None) -> Encoding:
    """Decide how the values of a volume are stored in a NRRD, which keeps no slope and no intercept.

    Args:
        volume: what is to be written.
        output_dtype: number type wanted; None for the source's, or the smallest that holds its values.

    Raises:
        InputError: see :func:`~monai_diffdenoise.data.choose_encoding.choose_encoding`.
    """
    return choose_encoding(volume, output_dtype, _HOLDS)


def write_nrrd(
    volume: Volume,
    path: str | os.PathLike[str],
    *,
    output_dtype: str | np.dtype | None = None,
    overwrite: bool = False,
) -> Written:
    """Write a volume to a .nrrd file, complete or not at all.

    From a NRRD every line of the header is kept (fields, key/value pairs, comments), the encoding and the order of the
    axes too, but for the lines that point to a data file, and the type when ``output_dtype`` asks for another. Other
    sources get a new header in LPS millimeters and gzip. Voxels that were not changed keep their stored numbers.

    Args:
        volume: what to write.
        path: the file.
        output_dtype: see :func:`plan_nrrd`.
        overwrite: whether an existing file may be replaced.

    Raises:
        InputError: the name is taken, the number type does not fit, or the source changed since it was read.
    """
    path, source = Path(path), volume.source
    encoding = plan_nrrd(volume, output_dtype)
    if isinstance(source, NrrdSource):
        refuse_overwriting(path, source.pixels.fingerprint.path)
    inside = 0 if volume.channels == "component" else volume.spatial_dims
    packing: Packing = "gzip"
    dtype = encoding.dtype.newbyteorder("<")
    if isinstance(source, NrrdSource) and not source.pixels.gray:
        layout = source.layout
        lines, packing, inside = _keep_header(source, encoding), layout.packing, layout.axes.channel_axis
        dtype = encoding.dtype.newbyteorder(layout.order)
    else:
        lines = _new_header(volume, encoding)
    voxels = EncodedVoxels(volume, encoding)
    mixed = volume.image.shape[0] > 1 and inside < volume.spatial_dims
    with atomic_file(path, overwrite=overwrite) as stream:
        stream.writelines(lines)
        sink = _packer(stream, packing)
        for part in voxels.mixed(dtype, path.parent, inside) if mixed else voxels.raw(dtype):
            sink.write(part)
        if sink is not stream:
            sink.close()
    return voxels.written(path)


def _packer(stream: BinaryIO, packing: Packing) -> BinaryIO:
    if packing == "gzip":
        # No name and no time: the same volume gives the same bytes, and a name may be private.
        return cast(BinaryIO, gzip.GzipFile("", "wb", _COMPRESSION, stream, mtime=0))
    return cast(BinaryIO, bz2.BZ2File(stream, "wb")) if packing == "bzip2" else stream


def _keep_header(source: NrrdSource, encoding: Encoding) -> list[bytes]:
    kept = []
    for line in source.layout.lines:
        field, _ = field_of(line)
        if field in ("datafile", "lineskip", "byteskip"):
            continue
        if field == "type" and encoding != source.native:
            line = b"type: " + NRRD_TYPES[encoding.dtype.name].encode("ascii") + _line_end(line)
        kept.append(line if line.endswith(b"\n") else line + b"\n")
    if encoding.dtype.itemsize > 1 and not any(field_of(line)[0] == "endian" for line in kept):
        # Bytes need no byte order, so a header of bytes may lack it.
        kept.insert(1, b"endian: little\n")
    if kept[-1].strip(b"\r\n"):
        # A header that lies beside its data may end without the empty line.
        kept.append(b"\n")
    return kept


def _line_end(line: bytes) -> bytes:
    return b"\r\n" if line.endswith(b"\r\n") else b"\n"


def _new_header(volume: Volume, encoding: Encoding) -> list[bytes]:
    steps, origin, dims = space_axes(volume)
    channels, *spatial = (int(size) for size in volume.image.shape)
    sizes = [*spatial, *([1] * (dims - len(spatial)))]
    directions, kinds = [_vector(steps[:, axis]) for axis in range(dims)], ["domain"] * dims
    if channels > 1:
        # ITK and Slicer take a list behind the axes of space for a series, a vector before them for components.
        place, kind = (0, "vector") if volume.channels == "component" else (dims, "list")
        sizes.insert(place, channels)
        directions.insert(place, "none")
        kinds.insert(place, kind)
    space = "space: left-posterior-superior" if dims == 3 else "space dimension: 2"
    return [
        f"{line}\n".encode("ascii")
        for line in (
            "NRRD0005",
            f"type: {NRRD_TYPES[encoding.dtype.name]}",
            f"dimension: {len(sizes)}",
            space,
            f"sizes: {' '.join(map(str, sizes))}",
            f"space directions: {' '.join(directions)}",
            f"kinds: {' '.join(kinds)}",
            "endian: little",
            "encoding: gzip",
            f"space origin: {_vector(origin)}",
            "",
        )
    ]


def _vector(values: np.ndarray) -> str:
    return "(" + ",".join(str(int(v)) if v == int(v) and abs(v) < 1e15 else repr(float(v)) for v in values) + ")"
