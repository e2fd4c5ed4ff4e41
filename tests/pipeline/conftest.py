# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A tiny blind-spot network in the place of the large ones, so that tests of the pipeline are about the pipeline."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from monai_diffdenoise.networks.blocks import MaskedConv


class TinyBlind(nn.Module):
    """One masked convolution over the slice, one ordinary one over the context, pixelwise layers after them."""

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        channels: int,
        context_channels: int = 0,
        blind_spot: tuple[int, int] = (1, 1),
        blind_shape: str = "square",
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.look = MaskedConv(spatial_dims, in_channels, channels, max(blind_spot) + 4, spot=blind_spot)
        self.around = nn.Conv2d(context_channels, channels, 3, padding=1) if context_channels else None
        self.mix = nn.Sequential(
            nn.ReLU(), nn.Conv2d(channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, out_channels, 1)
        )
        self.blind = self.look.blind

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.look(image[:, : self.in_channels])
        if self.around is not None:
            features = features + self.around(image[:, self.in_channels :])
        return self.mix(features)


@pytest.fixture(autouse=True)
def blind_network(monkeypatch: pytest.MonkeyPatch) -> type[TinyBlind]:
    for module, name in (("puca", "PUCA"), ("lgbpn", "LGBPN")):
        stand_in: Any = ModuleType(module)
        setattr(stand_in, name, TinyBlind)
        monkeypatch.setitem(sys.modules, f"monai_diffdenoise.networks.nets.{module}", stand_in)
    return TinyBlind
