# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""DenoiseImage of ANTs."""

from __future__ import annotations

import ants
import numpy as np

from benchmarks.quality.workers.exchange import serve

__all__ = ["denoise"]


def denoise(image: np.ndarray, noise_model: str, border: int = 0, **other: object) -> dict[str, np.ndarray]:
    """Each channel on its own, all axes together.

    Args:
        image: (C, X, Y, Z).
        noise_model: "Gaussian" or "Rician".
        border: voxels that are mirrored around the volume first: ANTs darkens the outermost three.
        other: not used.
    """
    outputs = []
    for channel in image:
        pads = [(min(border, size - 1),) * 2 for size in channel.shape]
        padded = np.pad(channel, pads, mode="reflect")
        found = ants.denoise_image(ants.from_numpy(padded), noise_model=noise_model).numpy()
        outputs.append(found[tuple(slice(a, size - b) for (a, b), size in zip(pads, found.shape, strict=True))])
    return {"": np.stack(outputs)}


if __name__ == "__main__":
    serve(denoise, ["antspyx"])
