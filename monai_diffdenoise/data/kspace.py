# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""From the k-space of MRI coils to an image, and what the header of raw data says of its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

__all__ = ["FieldOfView", "parse_header", "root_sum_of_squares"]


@dataclass(frozen=True)
class FieldOfView:
    """A box of an ISMRMRD header.

    Args:
        matrix: pixels along readout, phase encoding and slices.
        millimeters: of the whole box.
    """

    matrix: tuple[int, int, int]
    millimeters: tuple[float, float, float]


def parse_header(text: str) -> dict[str, FieldOfView]:
    """Read encoded and reconstructed box from an ISMRMRD header; nothing else of it, since it may name the patient.

    Args:
        text: XML.

    Returns:
        "encodedSpace" and "reconSpace", as far as they are there and make sense.
    """
    # entities could make a short text endless, and no header needs them
    if "<!" in text.replace("<!--", ""):
        return {}
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        return {}
    found: dict[str, FieldOfView] = {}
    for name in ("encodedSpace", "reconSpace"):
        box = root.find(f".//{{*}}{name}")
        numbers: list[list[float]] = []
        for part in ("matrixSize", "fieldOfView_mm"):
            texts = [box.findtext(f"{{*}}{part}/{{*}}{axis}") for axis in "xyz"] if box is not None else []
            try:
                numbers.append([float(value or "") for value in texts])
            except ValueError:
                numbers.append([])
        matrix, size = numbers
        if len(matrix) == 3 and len(size) == 3 and all(1 <= n < 1e6 for n in matrix) and all(0 < s < 1e6 for s in size):
            x, y, z = (int(n) for n in matrix)
            found[name] = FieldOfView((x, y, z), (size[0], size[1], size[2]))
    return found


def root_sum_of_squares(kspace: np.ndarray, sides: Sequence[int] | None = None) -> np.ndarray:
    """The magnitude image of fully sampled k-space: inverse Fourier transform of each coil, then root sum of squares.

    Args:
        kspace: (coils, rows, columns), complex, the center of k-space in the middle.
        sides: rows and columns that are kept, around the middle; an axis that has fewer is kept whole.

    Returns:
        (rows, columns), float32, 0 or more. With the unitary transform, so that white noise keeps its strength.
    """
    plane = (-2, -1)
    coils = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, axes=plane), axes=plane, norm="ortho"), axes=plane)
    image = np.sqrt((coils.real**2 + coils.imag**2).sum(0))
    for axis, side in enumerate(sides or ()):
        spare = image.shape[axis] - side
        if spare > 0:
            image = image.take(range(spare // 2, spare // 2 + side), axis)
    return image.astype(np.float32)
