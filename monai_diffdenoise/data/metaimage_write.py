# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""MetaImage files (.mha) out: the source's own header lines, or new ones from the volume."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from monai_diffdenoise.data.anatomy import space_axes, stated_spacing
from monai_diffdenoise.data.atomic import atomic_file
from monai_diffdenoise.data.beside import refuse_overwriting
from monai_diffdenoise.data.choose_encoding import Holds, choose_encoding
from monai_diffdenoise.data.encoded import EncodedVoxels
from monai_diffdenoise.data.encoding import Encoding
from monai_diffdenoise.data.metaimage import COLORS, MetaImageSource
from monai_diffdenoise.data.metaimage_header import ELEMENT_TYPES
from monai_diffdenoise.data.volume import Volume, Written
from monai_diffdenoise.errors import InputError

__all__ = ["plan_metaimage", "write_metaimage"]

_HOLDS = Holds("MetaImage")
_COMPRESSION = 4
# The size of compressed data stands before them and is known after them: the line keeps this room for it.
_SIZE_DIGITS = 20
# MET_LONG is skipped: programs disagree on its size.
_NAMES = {dtype: name for name, dtype in ELEMENT_TYPES.items() if name not in ("MET_LONG", "MET_ULONG")}


def plan_metaimage(volume: Volume, output_dtype: str | np.dtype | None = None) -> Encoding:
    """Decide how the values of a volume are stored in a MetaImage, which keeps no slope and no intercept.

    Args:
        volume: what is to be written.
        output_dtype: number type wanted; None for the source's, or the smallest that holds its values.

    Raises:
        InputError: see :func:`~monai_diffdenoise.data.choose_encoding.choose_encoding`; or three or four components of
            a byte each, which every reader would take for color.
    """
    encoding = choose_encoding(volume, output_dtype, _HOLDS)
    channels = int(volume.image.shape[0])
    if volume.channels == "component" and channels in COLORS and encoding.dtype == np.uint8:
        raise InputError(
            f"{channels} components of uint8 in a MetaImage would be read as color: give the output data type int16, "
            "or name a .nrrd file"
        )
    return encoding


def write_metaimage(
    volume: Volume,
    path: str | os.PathLike[str],
    *,
    output_dtype: str | np.dtype | None = None,
    overwrite: bool = False,
) -> Written:
    """Write a volume to a .mha file, complete or not at all.

    From a MetaImage every line of the header is kept, and whether it is compressed, but for the lines that say where
    and how large the data are, and ElementType when ``output_dtype`` asks for another. Other sources get a new header
    in LPS millimeters, as ITK writes it, and no compression. Voxels that were not changed keep their stored numbers.

    Args:
        volume: what to write.
        path: the file.
        output_dtype: see :func:`plan_metaimage`.
        overwrite: whether an existing file may be replaced.

    Raises:
        InputError: the name is taken, the number type does not fit, or the source changed since it was read.
    """
    path, source = Path(path), volume.source
    encoding = plan_metaimage(volume, output_dtype)
    voxels = EncodedVoxels(volume, encoding)
    compressed, dtype = False, encoding.dtype.newbyteorder("<")
    if isinstance(source, MetaImageSource):
        refuse_overwriting(path, source.pixels.fingerprint.path)
    if isinstance(source, MetaImageSource) and not source.pixels.gray:
        lines, dtype = _keep_header(source, encoding), encoding.dtype.newbyteorder(source.layout.order)
        compressed = source.layout.compressed
    else:
        lines = _new_header(volume, encoding)
    inside = volume.channels == "component" and volume.image.shape[0] > 1
    raw = voxels.mixed(dtype, path.parent) if inside else voxels.raw(dtype)
    with atomic_file(path, overwrite=overwrite) as stream:
        if not compressed:
            stream.writelines(lines)
            for part in raw:
                stream.write(part)
        else:
            _write_packed(stream, lines, raw)
    return voxels.written(path)


def _write_packed(stream: BinaryIO, lines: list[bytes], raw: Iterator[bytes]) -> None:
    """Write header and compressed data, and then the size of these into the header."""
    where = 0
    for line in lines:
        if line.startswith(b"CompressedDataSize"):
            where = stream.tell() + line.index(b"=") + 2
        stream.write(line)
    begin = stream.tell()
    pack = zlib.compressobj(_COMPRESSION)
    for part in raw:
        stream.write(pack.compress(part))
    stream.write(pack.flush())
    size = stream.tell() - begin
    stream.seek(where)
    stream.write(b"%d" % size)


def _keep_header(source: MetaImageSource, encoding: Encoding) -> list[bytes]:
    layout = source.layout
    changes: dict[str, str | None] = {"HeaderSize": None, "ElementDataFile": "LOCAL"}
    if layout.data_file.upper() == "LOCAL" and layout.header_size == 0:
        changes = {}
    if encoding != source.native:
        changes["ElementType"] = _NAMES[encoding.dtype.name]
    if layout.compressed:
        # ITK does not read compressed data of unknown size.
        changes["CompressedDataSize"] = None
        changes["CompressedData"] = "True\nCompressedDataSize = " + " " * _SIZE_DIGITS
    kept = []
    for line in layout.lines:
        key = line.decode("latin-1").replace(":", "=").partition("=")[0].strip()
        if key not in changes:
            kept.append(line)
            continue
        value = changes[key]
        if value is not None:
            kept += [f"{part}\n".encode("latin-1") for part in f"{key} = {value}".split("\n")]
    return kept


def _new_header(volume: Volume, encoding: Encoding) -> list[bytes]:
    steps, origin, dims = space_axes(volume)
    channels, *spatial = (int(size) for size in volume.image.shape)
    spatial += [1] * (dims - len(spatial))
    spacing, sizes = stated_spacing(volume, steps), spatial
    matrix = steps / spacing
    components = channels if volume.channels == "component" else 1
    if volume.channels == "time" and channels > 1:
        # The fourth axis is time, so a series of planes needs the third one as well.
        sizes = [*spatial, *([1] * (3 - dims)), channels]
        grown = np.eye(len(sizes))
        grown[:dims, :dims] = matrix
        matrix = grown
        spacing, origin = (np.append(old, [end] * (len(sizes) - dims)) for old, end in ((spacing, 1.0), (origin, 0.0)))
    header = {
        "ObjectType": "Image",
        "NDims": str(len(sizes)),
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        # Row by row the direction of one axis.
        "TransformMatrix": _listed(matrix.T.ravel()),
        "Offset": _listed(origin),
        "CenterOfRotation": _listed(np.zeros(len(sizes))),
        "ElementSpacing": _listed(spacing),
        "DimSize": " ".join(map(str, sizes)),
        "ElementNumberOfChannels": str(components),
        "ElementType": _NAMES[encoding.dtype.name],
        "ElementDataFile": "LOCAL",
    }
    if components == 1:
        del header["ElementNumberOfChannels"]
    return [f"{key} = {value}\n".encode("ascii") for key, value in header.items()]


def _listed(values: np.ndarray) -> str:
    # As many digits as it takes to read the same numbers back; whole numbers without a point, as ITK writes them.
    return " ".join(str(int(v)) if v == int(v) and abs(v) < 1e15 else repr(float(v)) for v in values)
