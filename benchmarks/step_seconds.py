# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Seconds that a training step of the large networks takes on one thread, and a slice with each size of the student.

python -m benchmarks.step_seconds
python -m benchmarks.step_seconds --students [--size 512]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import nn

from monai_diffdenoise.networks import LGBPN, PUCA, NAFNet
from monai_diffdenoise.pipeline.stage_presets import STUDENT_SIZES

__all__ = ["main"]

_NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "PUCA": lambda channels: PUCA(channels=channels, context_channels=4),
    "LG-BPN": lambda channels: LGBPN(channels=channels, context_channels=4, blind_spot=3, blind_shape="square"),
}


def main() -> None:
    """Print a table: eight patches, or a slice, with four neighbors as context."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", action="store_true", help="the sizes of the student in place of the others")
    parser.add_argument("--size", type=int, default=512, help="pixels along a side of the student's slice")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.students:
        _students(options.size)
        return
    print("| network | features | patch | seconds a step |\n|---|---|---|---|")
    for name, make in _NETWORKS.items():
        for channels, side in ((16, 48), (32, 64)):
            print(f"| {name} | {channels} | {side} | {_seconds(make(channels), torch.rand(8, 5, side, side)):.2f} |")


def _students(size: int) -> None:
    print(f"| student | parameters | step, 8 patches of 48 x 48, s | slice, {size} x {size}, s |\n|---|---|---|---|")
    for name, arguments in STUDENT_SIZES.items():
        network = NAFNet(in_channels=5, attention="local", window=72, **arguments)
        count = sum(parameter.numel() for parameter in network.parameters())
        step = _seconds(network, torch.rand(8, 5, 48, 48))
        with torch.no_grad():
            network.eval()(torch.rand(1, 5, 64, 64))
            start = time.process_time()
            network(torch.rand(1, 5, size, size))
        print(f"| {name} | {count} | {step:.2f} | {time.process_time() - start:.2f} |", flush=True)


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
