# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""How networks are run: over pairs while training, over volumes afterwards."""

from __future__ import annotations

from monai_diffdenoise.inferers.fusion import fuse_volume, local_noise_variance, posterior_fusion
from monai_diffdenoise.inferers.pair import PairInferer, SymmetricPairInferer
from monai_diffdenoise.inferers.slices import VolumeSliceInferer

__all__ = [
    "PairInferer",
    "SymmetricPairInferer",
    "VolumeSliceInferer",
    "fuse_volume",
    "local_noise_variance",
    "posterior_fusion",
]
