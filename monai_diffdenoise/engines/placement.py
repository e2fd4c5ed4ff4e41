# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Put a network where it computes, in the layout that computes fastest."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["place"]


def place(network: nn.Module, device: str | torch.device) -> nn.Module:
    """Move a network to a device; a 2D one is laid out with channels last, which is faster on CPUs and GPUs.

    Args:
        network: moved in place.
        device: such as ``"cpu"`` or a ``torch.device``.

    Returns:
        the network itself.
    """
    network = network.to(torch.device(device))
    if all(parameter.dim() < 5 for parameter in network.parameters()):
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
