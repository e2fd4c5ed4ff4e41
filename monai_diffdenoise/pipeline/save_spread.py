# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The spread of the draws as an image file of its own."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_diffdenoise.data.formats import ending_of
from monai_diffdenoise.data.io import write_volume
from monai_diffdenoise.data.volume_list import open_volume
from monai_diffdenoise.data.volume_transforms import slices_back

__all__ = ["SaveSpreadd"]


class SaveSpreadd(MapTransform):
    """Take the second half of a prediction's channels off and write it as NIfTI (float32), in the units of the scan.

    Args:
        keys: where the prediction is, loaded by ``LoadVolumed``, with twice the channels of the volume.
        output_key: where the name of the denoised volume is; the spread's is that with ``_spread.nii.gz`` at its end.
        series: as for ``LoadVolumed``.
        overwrite: whether an existing file may be replaced.
        enabled: False lets everything pass unchanged.
        allow_missing_keys: pass over missing keys.
    """

    def __init__(
        self,
        keys: KeysCollection = "pred",
        output_key: str = "output",
        series: str | None = None,
        overwrite: bool = False,
        enabled: bool = True,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.output_key, self.series = output_key, series if series is None else str(series)
        self.overwrite, self.enabled = overwrite, enabled

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        if not self.enabled:
            return result
        for key in self.key_iterator(result):
            image: MetaTensor = result[key]
            mean, spread = image.chunk(2)
            result[key] = mean
            volume = open_volume(image.meta["filename_or_obj"], self.series)
            name = str(result[self.output_key]).rstrip("/")
            target = Path(name.removesuffix(ending_of(name)) + "_spread.nii.gz")
            target.parent.mkdir(parents=True, exist_ok=True)
            values = slices_back(spread, volume, int(image.meta["slice_axis"]))
            write_volume(volume.with_image(values), target, output_dtype="float32", overwrite=self.overwrite)
            print(f"wrote {target} (spread of the draws)", file=sys.stderr, flush=True)
        return result
