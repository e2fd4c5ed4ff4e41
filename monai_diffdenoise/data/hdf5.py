# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""HDF5 files of MRI data sets in (extra ``hdf5``): the layout of fastMRI, which M4Raw shares."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monai_diffdenoise.data.anatomy import LPS, ras_affine
from monai_diffdenoise.data.encoding import Block, Encoding
from monai_diffdenoise.data.fingerprint import Fingerprint
from monai_diffdenoise.data.kspace import FieldOfView, parse_header, root_sum_of_squares
from monai_diffdenoise.data.packed import largest_unpacked, open_file, translated
from monai_diffdenoise.data.read_options import ReadOptions
from monai_diffdenoise.data.volume import Volume, assemble
from monai_diffdenoise.errors import InputError

__all__ = ["Hdf5Source", "is_hdf5", "read_hdf5"]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_IMAGES = ("reconstruction_rss", "reconstruction_esc")
_KSPACE, _MASK, _HEADER = "kspace", "mask", "ismrmrd_header"
_LONGEST_HEADER = 1 << 20


@dataclass(frozen=True, eq=False)
class Hdf5Source:
    """Provenance of a volume that came from a HDF5 file.

    Args:
        path: the file.
        fingerprint: to notice that the file changed before the result was written.
        dataset: name of the array in the file that is read.
        sides: rows and columns of the image; k-space is reconstructed and cropped to them.
    """

    path: Path
    fingerprint: Fingerprint
    dataset: str
    sides: tuple[int, int]
    format: str = "hdf5"

    @property
    def native(self) -> Encoding:
        """How a result is best stored: magnitudes have no number type of their own."""
        return Encoding(np.dtype(np.float32))

    def blocks(self) -> Iterator[Block]:
        """Yield slice by slice.

        Raises:
            InputError: the file changed since it was opened, or cannot be read.
        """
        self.fingerprint.check()
        with _opened(self.path) as file:
            array = file[self.dataset]
            for number in range(array.shape[0]):
                with _guarded(self.path):
                    stored = np.asarray(array[number])
                if self.dataset == _KSPACE:
                    # one coil has no axis of its own
                    stored = root_sum_of_squares(stored.reshape(-1, *stored.shape[-2:]), self.sides)
                # Rows and columns become the axes (x, y).
                whole = (slice(0, 1), slice(None), slice(None), slice(number, number + 1))
                yield Block(whole, stored.astype(np.float32).T[None, ..., None])


def is_hdf5(path: Path) -> bool:
    """Whether a file starts as HDF5 files do."""
    with open_file(path) as stream, translated(path):
        return stream.read(len(_SIGNATURE)) == _SIGNATURE


def read_hdf5(path: str | os.PathLike[str], options: ReadOptions | None = None) -> Volume:
    """Read a fastMRI or M4Raw file: x along the rows of its images, y down their columns, z from slice to slice.

    The stored ``reconstruction_rss`` (or ``reconstruction_esc``) where there is one, else the root sum of squares of
    ``kspace``, cropped to the size that the header states. The voxel size comes from the header; these files state no
    position, so x is said to run to the patient's left and y to the back.

    Args:
        path: the file.
        options: none means anything here.

    Returns:
        the volume, (1, x, y, slices), float32.

    Raises:
        InputError: not such a file, damaged, undersampled k-space without a reconstruction, or h5py is missing.
    """
    path, options = Path(path), options if options is not None else ReadOptions()
    options.only(f"{path} is a HDF5 file")
    _h5py(path)
    fingerprint = Fingerprint.of(path)
    if not is_hdf5(path):
        raise InputError(f"{path} is not a HDF5 file: it does not start as one")
    with _opened(path) as file, _guarded(path):
        name = next((name for name in (*_IMAGES, _KSPACE) if _own(file, name)), None)
        if name is None:
            raise InputError(
                f"{path} holds none of {', '.join(_IMAGES)} and {_KSPACE}: expected a fastMRI or M4Raw file"
            )
        array = file[name]
        _check(array, name, fingerprint)
        boxes = parse_header(_header(file))
        if name == _KSPACE and _own(file, _MASK):
            _check_room(file[_MASK], fingerprint)
            if not np.asarray(file[_MASK][()]).all():
                raise InputError(
                    f"{path} holds undersampled k-space and no reconstruction: expected all of k-space; reconstruct it "
                    "first"
                )
        rows, columns = array.shape[-2:]
        depth = array.shape[0]
    notes = []
    recon = boxes.get("reconSpace")
    if name == _KSPACE:
        notes.append("The image is the root sum of squares of the coils, computed from k-space.")
        if recon is not None:
            rows, columns = min(rows, recon.matrix[0]), min(columns, recon.matrix[1])
    spacing, note = _spacing((rows, columns), boxes)
    notes += [note, "The file does not state how the image lies in the patient."]
    affine = ras_affine(np.diag(spacing), np.zeros(3), LPS, str(path))
    source = Hdf5Source(path, fingerprint, name, (rows, columns))
    return assemble(source, (1, columns, rows, depth), affine, spacing, 2, notes=notes)


def _spacing(sides: tuple[int, int], boxes: dict[str, FieldOfView]) -> tuple[tuple[float, float, float], str]:
    """Millimeters along x (columns, phase encoding), y (rows, readout) and z, and what to say of them."""
    recon, encoded = boxes.get("reconSpace"), boxes.get("encodedSpace")
    if recon is None:
        return (1.0, 1.0, 1.0), "The file does not state the size of a voxel: 1 mm was taken."
    lengths = []
    for axis, side in enumerate(sides):
        # what was not cropped to the reconstructed box still shows the encoded one
        box = recon if encoded is None or side == recon.matrix[axis] else encoded
        lengths.append(box.millimeters[axis] / side)
    deep = recon.millimeters[2] / recon.matrix[2]
    return (lengths[1], lengths[0], deep), "The distance of slices is taken to be their thickness: gaps are not stated."


def _own(file: Any, name: str) -> bool:
    """Whether the file itself holds an array of this name: links could lead to any other file."""
    import h5py

    link = file.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        return False
    array = file[name]
    return isinstance(array, h5py.Dataset) and not array.is_virtual and array.external is None


def _check(array: Any, name: str, fingerprint: Fingerprint) -> None:
    kinds, most, expected = "fiu", 3, "real numbers, (slices, rows, columns)"
    if name == _KSPACE:
        kinds, most, expected = "c", 4, "complex numbers, (slices, coils, rows, columns)"
    if array.dtype.kind not in kinds or not 3 <= array.ndim <= most or min(array.shape) < 1:
        shape = " x ".join(map(str, array.shape))
        raise InputError(f"{fingerprint.path} holds {name} as {shape} {array.dtype}: expected {expected}")
    _check_room(array, fingerprint)


def _check_room(array: Any, fingerprint: Fingerprint) -> None:
    """Refuse an array that asks for more memory than the file can stand for."""
    room = largest_unpacked("gzip", fingerprint.size)
    declared = max(array.nbytes, math.prod(array.chunks or ()) * array.dtype.itemsize)
    if declared > room:
        raise InputError(
            f"{fingerprint.path} is cut off or damaged: it declares {declared} bytes and can hold {room} at most"
        )


def _header(file: Any) -> str:
    if not _own(file, _HEADER):
        return ""
    text = file[_HEADER]
    if text.shape != () or text.dtype.itemsize > _LONGEST_HEADER:
        return ""
    value = text[()]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    h5py = _h5py(path)
    with _guarded(path):
        # nothing is written, and file systems that cannot lock are read all the same
        file = h5py.File(path, "r", locking=False)
    with file:
        yield file


@contextlib.contextmanager
def _guarded(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        # HDF5 names addresses and filters, which help nobody
        raise InputError(f"{path} is a damaged or cut-off HDF5 file: it cannot be read") from error


def _h5py(path: Path) -> Any:
    try:
        import h5py
    except ImportError:
        raise InputError(f"{path} is a HDF5 file, which needs h5py: pip install 'monai-diffdenoise[hdf5]'") from None
    return h5py
