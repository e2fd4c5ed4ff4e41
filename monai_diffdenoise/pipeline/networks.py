# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The network that a plan asks for."""

from __future__ import annotations

from typing import Any

from torch import nn

from monai_diffdenoise.inferers import PixelShuffled
from monai_diffdenoise.networks import ResidualDenoiser
from monai_diffdenoise.pipeline.plan import Plan
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from monai_diffdenoise.transforms.pairing import Pairing

__all__ = ["make_network"]


def make_network(plan: Plan, settings: DenoiseSettings, pairing: Pairing) -> nn.Module:
    """Make a 2D denoiser in normalised units, with fresh weights.

    Args:
        plan: its network, blind spot and context.
        settings: resolved settings; its size.
        pairing: the plan's, which says how many channels the network sees.
    """
    channels = int(settings.channels or 0)
    if plan.network == "residual":
        return ResidualDenoiser(
            in_channels=pairing.in_channels,
            channels=channels,
            levels=settings.levels,
            base_channels=pairing.base_channels,
        )
    shape: dict[str, Any] = {
        "spatial_dims": 2,
        "in_channels": 1,
        "out_channels": 1,
        "channels": channels,
        "context_channels": plan.context,
    }
    return PixelShuffled(_blind(plan, shape), plan.stride) if plan.stride > 1 else _blind(plan, shape)


def _blind(plan: Plan, shape: dict[str, Any]) -> nn.Module:
    # each loads when it is asked for: they bring MONAI's networks with them
    if plan.network == "puca":
        from monai_diffdenoise.networks.nets.puca import PUCA

        return PUCA(**shape)
    if plan.network == "lg-bpn":
        from monai_diffdenoise.networks.nets.lgbpn import LGBPN

        assert plan.blind_spot is not None, "only the small network leaves whole slices out"
        return LGBPN(**shape, blind_spot=plan.blind_spot, blind_shape="square")
    from monai_diffdenoise.networks.nets.blind_stack import BlindStack

    return BlindStack(**shape, blind_spot=plan.blind_spot)
