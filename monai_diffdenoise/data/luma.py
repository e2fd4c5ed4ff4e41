# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""One gray value from red, green and blue."""

from __future__ import annotations

import numpy as np

__all__ = ["luma"]

# ITU-R BT.601, as for the Y of YBR_FULL in DICOM and for JPEG.
_WEIGHTS = (0.299, 0.587, 0.114)


def luma(color: np.ndarray) -> np.ndarray:
    """Brightness of a color image.

    Args:
        color: (3 or 4, *spatial) unsigned integers; a fourth channel, the opacity, is passed over.

    Returns:
        (*spatial) of the same number type, rounded; gray stays exactly what it was.
    """
    red, green, blue = (color[channel].astype(np.float64) for channel in range(3))
    # Written as differences to green, so that equal parts give that part without a rounding error.
    gray = green + _WEIGHTS[0] * (red - green) + _WEIGHTS[2] * (blue - green)
    return np.rint(gray).astype(color.dtype.newbyteorder("="))
