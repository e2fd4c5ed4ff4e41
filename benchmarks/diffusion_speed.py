# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Time of one symmetric pair, beside MONAI's sampler and a plain loop with the same network and number of steps.

    python -m benchmarks.diffusion_speed [--size 256] [--steps 10] [--repeats 3] [--device cpu]

CPU seconds of this process (wall seconds on a GPU), the least of some repeats, on one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from monai.inferers import DiffusionInferer
from monai.networks.schedulers import DDIMScheduler

from monai_diffdenoise.inferers import ConditionalMeanInferer, SRDSInferer
from monai_diffdenoise.networks import ConditionalDiffusion

__all__ = ["main", "samplers"]


def main() -> None:
    """Print one Markdown row a sampler."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256, help="side of the slice")
    parser.add_argument("--steps", type=int, default=10, help="evaluations of the network a draw")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is timed")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    ways = samplers(options.size, options.steps, torch.device(options.device))
    clock = time.perf_counter if torch.device(options.device).type == "cuda" else time.process_time
    print(f"| one pair, {options.size} x {options.size}, {options.steps} steps, {options.device} | s |\n|---|---|")
    for name, way in ways.items():
        spent = []
        for _ in range(options.repeats):
            begin = clock()
            way().sum().item()
            spent.append(clock() - begin)
        print(f"| {name} | {min(spent):.2f} |", flush=True)


def samplers(size: int, steps: int, device: torch.device) -> dict[str, Callable[[], torch.Tensor]]:
    """What is compared, by name: each makes the mean of one symmetric pair for one slice."""
    torch.manual_seed(0)
    network = ConditionalDiffusion().to(device).eval()
    condition = torch.rand(1, 1, size, size, device=device)
    noise = torch.randn_like(condition)
    scheduler = DDIMScheduler(1000, prediction_type="v_prediction", clip_sample=False)
    scheduler.set_timesteps(steps, device=device)
    sampler, theirs = SRDSInferer(scheduler, steps, amp=device.type == "cuda"), DiffusionInferer(scheduler)

    def monai() -> torch.Tensor:
        ends = [
            theirs.sample(sign * noise, network.body, scheduler, conditioning=condition, mode="concat", verbose=False)
            for sign in (1, -1)
        ]
        return torch.stack([end for end in ends if isinstance(end, torch.Tensor)]).mean(0)

    def plain() -> torch.Tensor:
        ends = []
        for sign in (1, -1):
            state = sign * noise
            for t in scheduler.timesteps:
                with torch.no_grad():
                    output = network(torch.cat([state, condition], dim=1), t.expand(1))
                state, _ = scheduler.step(output, t, state)
            ends.append(state)
        return (ends[0] + ends[1]) / 2

    return {
        "SRDSInferer, plus and minus in one batch": lambda: sampler(condition, network),
        "MONAI DiffusionInferer.sample, twice": monai,
        "plain loop, twice": plain,
        "ConditionalMeanInferer, one evaluation": lambda: ConditionalMeanInferer()(condition, network),
    }


if __name__ == "__main__":
    main()
