# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""How networks are run: over pairs while training, over volumes afterwards."""

from __future__ import annotations

from monai_diffdenoise.inferers.ddim import ddim_step, timestep_schedule
from monai_diffdenoise.inferers.diffusion_pair import DiffusionPairInferer
from monai_diffdenoise.inferers.diffusion_state import DiffusionState
from monai_diffdenoise.inferers.fusion import fuse_volume, local_noise_variance, posterior_fusion
from monai_diffdenoise.inferers.pair import PairInferer, SymmetricPairInferer
from monai_diffdenoise.inferers.slices import VolumeSliceInferer
from monai_diffdenoise.inferers.srds import SRDSInferer
from monai_diffdenoise.inferers.srds_volume import SRDSVolumeInferer

__all__ = [
    "DiffusionPairInferer",
    "DiffusionState",
    "PairInferer",
    "SRDSInferer",
    "SRDSVolumeInferer",
    "SymmetricPairInferer",
    "VolumeSliceInferer",
    "ddim_step",
    "fuse_volume",
    "local_noise_variance",
    "posterior_fusion",
    "timestep_schedule",
]
