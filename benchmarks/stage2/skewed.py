# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What one symmetric pair leaves of skewed noise, with a network that knows the noise exactly.

    python -m benchmarks.stage2.skewed [--steps 1 10 100]

The law of one pixel given its clean value is cut into 1024 equally likely values; the best possible network is then a
weighted mean, and no training stands between the sampler and its theory. Pairs are drawn for 1024 pixels, as the noise
is and stabilized first. "left": standard deviation of the result over that of the noise; a mean of two independent
draws leaves 0.71. "bias": mean error, in the same units.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import numpy as np
import torch
from monai.networks.schedulers import DDPMScheduler
from scipy import stats

from monai_diffdenoise.inferers import DiffusionState, SRDSInferer
from monai_diffdenoise.transforms.stabilize import AnscombeStabilizer, LogGammaStabilizer, Stabilizer

__all__ = ["main"]

_NODES, _SIDE = 1024, 32

CASES: dict[str, tuple[float, Callable[[np.ndarray], np.ndarray], Stabilizer | None]] = {
    "Gaussian": (0.0, stats.norm().ppf, None),
    **{
        f"Gamma, {k} look{'s' if k > 1 else ''}": (1.0, stats.gamma(k, scale=1 / k).ppf, LogGammaStabilizer(k, 0.05))
        for k in (1, 4, 26)
    },
    **{f"Poisson, {k} quanta": (k, stats.poisson(k).ppf, AnscombeStabilizer(1.0, 0.0, 0.0)) for k in (3, 20)},
    "Gaussian clipped at its mean": (1 / math.sqrt(2 * math.pi), lambda p: stats.norm().ppf(p).clip(min=0), None),
}
"""Name to the mean, the quantiles of the noisy value, and its stabilizer; the mean is that of the noisy values."""


class Exact:
    """The velocity that a perfect network would give, for states of one pixel each."""

    def __init__(self, values: torch.Tensor, scheduler: DDPMScheduler) -> None:
        self.values, self.shares = values.double(), scheduler.alphas_cumprod.double()

    def __call__(self, x: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        state, share = x[:, :1].double(), float(self.shares[timesteps[0]])
        image, noise = math.sqrt(share), math.sqrt(1 - share)
        start = torch.empty_like(state)
        for row in range(state.shape[2]):
            distance = (state[:, :, row, :, None] - image * self.values) / noise
            start[:, :, row] = (torch.softmax(-0.5 * distance.square(), dim=-1) * self.values).sum(-1)
        return ((image * state - start) / noise).to(x)


def left(values: torch.Tensor, steps: int) -> torch.Tensor:
    """Pair means and single draws, (2, pixels), for noisy values that are equally likely."""
    scheduler = DDPMScheduler(1000, schedule="linear_beta", prediction_type="v_prediction")
    middle, width = float(values.mean()), float(values.std())
    network = Exact((values - middle) / width, scheduler)
    known = torch.full((1, 1, _SIDE, _SIDE), middle)
    sampler = SRDSInferer(scheduler, steps, state=DiffusionState(True, width))
    mean, spread = sampler(known, network, return_stats=True)
    # either side of the pair is as good a draw
    return torch.stack([mean, mean + spread * torch.sign(torch.rand_like(mean) - 0.5)]).flatten(1).double()


def main() -> None:
    """Print one Markdown row a case and number of steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 10, 100])
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    levels = (np.arange(_NODES) + 0.5) / _NODES
    print("| noise | steps | one draw, left | pair, left | bias | stabilized pair, left | bias |")
    print("|---|---|---|---|---|---|---|")
    for name, (clean, quantiles, stabilizer) in CASES.items():
        values = torch.from_numpy(quantiles(levels))
        noise = float(values.std())
        for steps in options.steps:
            pair, draw = left(values, steps)
            cells = [name, str(steps), f"{float(draw.std()) / noise:.2f}", f"{float(pair.std()) / noise:.3f}"]
            cells.append(f"{float(pair.mean() - clean) / noise:+.3f}")
            if stabilizer is not None:
                result = stabilizer.inverse(left(stabilizer.forward(values), steps)[0])
                cells += [f"{float(result.std()) / noise:.3f}", f"{float(result.mean() - clean) / noise:+.3f}"]
            else:
                cells += ["-", "-"]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
