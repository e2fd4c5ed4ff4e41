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

__all__ = ["make_network", "network_arguments"]


def network_arguments(plan: Plan, settings: DenoiseSettings, pairing: Pairing) -> dict[str, Any]:
    """What the network of a plan is made with, without the pixel shuffle that may be around it; plain types.

    Args:
        plan: its network, blind spot and context.
        settings: resolved settings; its size.
        pairing: the plan's, which says how many channels the network sees.
    """
    channels = int(settings.channels or 0)
    if plan.network == "residual":
        return {
            "in_channels": pairing.in_channels,
            "channels": channels,
            "levels": settings.levels,
            "base_channels": pairing.base_channels,
        }
    shape: dict[str, Any] = {
        "spatial_dims": 2,
        "in_channels": 1,
        "out_channels": 1,
        "channels": channels,
        "context_channels": plan.context + plan.companions,
    }
    if plan.network == "puca":
        return shape
    if plan.network == "lg-bpn":
        return {**shape, "blind_spot": plan.blind_spot, "blind_shape": "square"}
    if plan.companions:
        # other time points may look different: the nearest slices are the better first guess
        first = max(plan.context // 2 - 1, 0)
        shape["base_channels"] = [first, first + 1] if plan.context else list(range(plan.companions))
    return {**shape, "blind_spot": plan.blind_spot}


def make_network(plan: Plan, settings: DenoiseSettings, pairing: Pairing) -> nn.Module:
    """Make a 2D denoiser in normalised units, with fresh weights; see :func:`network_arguments`."""
    arguments = network_arguments(plan, settings, pairing)
    if plan.network == "residual":
        return ResidualDenoiser(**arguments)
    network = _blind(plan, arguments)
    return PixelShuffled(network, plan.stride) if plan.stride > 1 else network


def _blind(plan: Plan, arguments: dict[str, Any]) -> nn.Module:
    # each loads when it is asked for: they bring MONAI's networks with them
    if plan.network == "puca":
        from monai_diffdenoise.networks.nets.puca import PUCA

        return PUCA(**arguments)
    if plan.network == "lg-bpn":
        from monai_diffdenoise.networks.nets.lgbpn import LGBPN

        assert plan.blind_spot is not None, "only the small network leaves whole slices out"
        return LGBPN(**arguments)
    from monai_diffdenoise.networks.nets.blind_stack import BlindStack

    return BlindStack(**arguments)
