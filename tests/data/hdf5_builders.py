# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Small files of exactly the layout of fastMRI and M4Raw."""

from __future__ import annotations

from pathlib import Path

import numpy as np

__all__ = ["HEADER", "fourier", "write_fastmri", "write_m4raw"]

HEADER = """<?xml version="1.0" encoding="utf-8"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
  <subjectInformation><patientID>4711</patientID></subjectInformation>
  <encoding>
    <encodedSpace>
      <matrixSize><x>{ex}</x><y>{ey}</y><z>1</z></matrixSize>
      <fieldOfView_mm><x>{fex}</x><y>{fey}</y><z>{fz}</z></fieldOfView_mm>
    </encodedSpace>
    <reconSpace>
      <matrixSize><x>{rx}</x><y>{ry}</y><z>1</z></matrixSize>
      <fieldOfView_mm><x>{frx}</x><y>{fry}</y><z>{fz}</z></fieldOfView_mm>
    </reconSpace>
  </encoding>
</ismrmrdHeader>
"""


def fourier(image: np.ndarray) -> np.ndarray:
    """K-space with its center in the middle, of the last two axes."""
    plane = (-2, -1)
    moved = np.fft.ifftshift(image, axes=plane)
    return np.fft.fftshift(np.fft.fft2(moved, axes=plane, norm="ortho"), axes=plane).astype(np.complex64)


def write_fastmri(path: Path, images: np.ndarray, *, coils: int = 3, stored: bool = True) -> np.ndarray:
    """Write images (slices, rows, columns) as fastMRI does: readout oversampled twice, 0.5 mm pixels, slices of 4 mm.

    Returns:
        what the file shows: the root sum of squares over the coils.
    """
    import h5py

    depth, rows, columns = images.shape
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(coils, 1, 1)) + 1j * rng.normal(size=(coils, 1, 1))
    wide = np.zeros((depth, coils, 2 * rows, columns), np.complex128)
    wide[:, :, rows // 2 : rows // 2 + rows] = images[:, None] * weights
    shown = (images * np.sqrt((np.abs(weights) ** 2).sum())).astype(np.float32)
    header = HEADER.format(
        ex=2 * rows, ey=columns, rx=rows, ry=columns, fex=rows * 1.0, fey=columns * 0.5, frx=rows * 0.5,
        fry=columns * 0.5, fz=4.0,
    )  # fmt: skip
    with h5py.File(path, "w") as file:
        file.create_dataset("ismrmrd_header", data=header.encode())
        file.create_dataset("kspace", data=fourier(wide))
        if stored:
            file.create_dataset("reconstruction_rss", data=shown)
        file.attrs["acquisition"], file.attrs["patient_id"] = "AXT2", "4711"
        file.attrs["max"], file.attrs["norm"] = float(shown.max()), float(np.linalg.norm(shown))
    return shown


def write_m4raw(folder: Path, images: np.ndarray, sigma: float, *, name: str = "2022_T1", repetitions: int = 3) -> None:
    """Write repetitions NAME01.h5 ... of images (slices, side, side) with complex noise in the k-space of 4 coils."""
    import h5py

    depth, side, _ = images.shape
    for number in range(1, repetitions + 1):
        rng = np.random.default_rng(number)
        noise = rng.normal(size=(2, depth, 4, side, side)) * sigma
        kspace = fourier(np.repeat(images[:, None], 4, 1) / 2) + (noise[0] + 1j * noise[1])
        header = HEADER.format(ex=side, ey=side, rx=side, ry=side, fex=240, fey=240, frx=240, fry=240, fz=5.0)
        with h5py.File(folder / f"{name}{number:02d}.h5", "w") as file:
            file.create_dataset("ismrmrd_header", data=header.encode())
            file.create_dataset("kspace", data=kspace.astype(np.complex64))
