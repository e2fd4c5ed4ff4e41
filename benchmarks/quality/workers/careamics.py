# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise2Void of CAREamics and its variants."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np

from benchmarks.quality.cost import stage
from benchmarks.quality.workers.exchange import serve
from benchmarks.quality.workers.standin import stand_in

__all__ = ["denoise"]

_BATCH = 8


def denoise(
    image: np.ndarray, slice_axis: int, seed: int, epochs: int = 30, sigma: float = 0.0, **options: Any
) -> dict[str, np.ndarray]:
    """Train on all slices of all channels, then denoise them.

    Args:
        image: (C, X, Y, Z).
        slice_axis: spatial axis of the slices.
        seed: of everything.
        epochs: CAREamics' own default.
        sigma: not used.
        options: ``struct_n2v_axes``, ``use_n2v2``.
    """
    from careamics import CAREamist
    from careamics.config.factories import create_advanced_n2v_config

    planes = np.moveaxis(image, 1 + slice_axis, 1)
    slices = planes.reshape(-1, *planes.shape[2:])
    # its UNet halves twice
    height, width = slices.shape[1:]
    padded = np.pad(slices, ((0, 0), (0, -height % 8), (0, -width % 8)), mode="edge")
    config = create_advanced_n2v_config(
        experiment_name="peer",
        data_type="array",
        axes="SYX",
        # Its examples have 64. It cannot split off patches for validation where one fits into a slice, and hides no
        # pixel in smaller ones than 32.
        patch_size=[64 if min(padded.shape[1:]) >= 128 else 32] * 2,
        batch_size=_BATCH,
        num_epochs=epochs,
        num_workers=0,
        seed=seed + 1,  # 0 is none of its seeds
        trainer_params={"accelerator": "cpu"},
        **options,
    )
    with tempfile.TemporaryDirectory() as folder:
        careamist = CAREamist(config, work_dir=folder, enable_progress_bar=False)
        with stage("training"):
            careamist.train(train_data=padded)
        with stage("inference"):
            found, _ = careamist.predict(padded)
    output = np.concatenate([np.asarray(part).reshape(-1, *padded.shape[1:]) for part in found])
    output = output[:, :height, :width].reshape(planes.shape)
    return {"": np.moveaxis(output, 1, 1 + slice_axis)}


if __name__ == "__main__":
    stand_in()
    import careamics  # noqa: F401 - its start is no part of the run

    serve(denoise, ["careamics", "torch"])
