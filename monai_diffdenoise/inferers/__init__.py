# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""How networks are run: over pairs while training, over volumes afterwards."""

from __future__ import annotations

from monai_diffdenoise.inferers.augmentation import FlipRotateMean
from monai_diffdenoise.inferers.band_fusion import fuse_volume_bands
from monai_diffdenoise.inferers.bands import FrequencyBands
from monai_diffdenoise.inferers.blind_spot import BlindSpotInferer
from monai_diffdenoise.inferers.conditional_mean import ConditionalMeanInferer
from monai_diffdenoise.inferers.conditional_mean_pair import ConditionalMeanPairInferer
from monai_diffdenoise.inferers.ddim import ddim_step, timestep_schedule
from monai_diffdenoise.inferers.diffusion_pair import DiffusionPairInferer
from monai_diffdenoise.inferers.diffusion_state import DiffusionState
from monai_diffdenoise.inferers.exact_tiles import ExactTiles, receptive_reach
from monai_diffdenoise.inferers.fusion import fuse_volume, local_noise_variance, posterior_fusion
from monai_diffdenoise.inferers.pair import PairInferer, SymmetricPairInferer
from monai_diffdenoise.inferers.pixel_shuffle import PixelShuffled
from monai_diffdenoise.inferers.random_replacing import RandomReplacing
from monai_diffdenoise.inferers.slices import VolumeSliceInferer
from monai_diffdenoise.inferers.srds import SRDSInferer
from monai_diffdenoise.inferers.srds_volume import SRDSVolumeInferer
from monai_diffdenoise.inferers.volumes import VolumeInferer

__all__ = [
    "BlindSpotInferer",
    "ConditionalMeanInferer",
    "ConditionalMeanPairInferer",
    "DiffusionPairInferer",
    "DiffusionState",
    "ExactTiles",
    "FlipRotateMean",
    "FrequencyBands",
    "PairInferer",
    "PixelShuffled",
    "RandomReplacing",
    "SRDSInferer",
    "SRDSVolumeInferer",
    "SymmetricPairInferer",
    "VolumeInferer",
    "VolumeSliceInferer",
    "ddim_step",
    "fuse_volume",
    "fuse_volume_bands",
    "local_noise_variance",
    "posterior_fusion",
    "receptive_reach",
    "timestep_schedule",
]
