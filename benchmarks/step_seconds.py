# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Seconds that a training step of the large blind-spot networks takes on one thread.

python -m benchmarks.step_seconds
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import nn

from monai_diffdenoise.networks import LGBPN, PUCA

__all__ = ["main"]

_NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "PUCA": lambda channels: PUCA(channels=channels, context_channels=4),
    "LG-BPN": lambda channels: LGBPN(channels=channels, context_channels=4, blind_spot=3, blind_shape="square"),
}


def main() -> None:
    """Print a table: eight patches with four neighbors as context."""
    torch.set_num_threads(1)
    print("| network | features | patch | seconds a step |\n|---|---|---|---|")
    for name, make in _NETWORKS.items():
        for channels, side in ((16, 48), (32, 64)):
            print(f"| {name} | {channels} | {side} | {_seconds(make(channels), torch.rand(8, 5, side, side)):.2f} |")


def _seconds(network: nn.Module, images: torch.Tensor, steps: int = 2) -> float:
    """Processor seconds of a step; one more before does not count."""
    optimizer = torch.optim.AdamW(network.parameters())
    start = 0.0
    for step in range(steps + 1):
        if step == 1:
            start = time.process_time()
        network(images).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return (time.process_time() - start) / steps


if __name__ == "__main__":
    main()
