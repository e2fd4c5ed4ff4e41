# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The scores on networks that were trained on the noisy volume that they denoise."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from monai_diffdenoise.analysis import best_sigma
from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.metrics.noise_draw import slice_noise_probe
from monai_diffdenoise.metrics.probe import probe_response
from monai_diffdenoise.metrics.slice_error import slice_gain
from monai_diffdenoise.metrics.sure import sure_from_response
from monai_diffdenoise.metrics.verdict import improves
from monai_diffdenoise.pipeline.plan import make_plan
from monai_diffdenoise.pipeline.settings import DenoiseSettings, resolve
from monai_diffdenoise.pipeline.zero_shot import ZeroShot

__all__ = ["network_rows"]

_STEPS = (25, 100, 400, 1600)


def network_rows() -> Iterator[dict[str, Any]]:
    """NS-N2N on the phantom, trained for 25 to 1600 steps without early stopping; bare and fused."""
    clean = make_phantom((96, 96, 32))[None]
    for kind, level in (("gaussian", 0.1), ("correlated", 0.1), ("gaussian", 0.02)):
        noisy = add_noise(clean, kind, level, seed=100)
        mask = clean > 0.15
        sigma = best_sigma(noisy[0], 2)
        probe = slice_noise_probe(noisy, 2, mask=mask)
        for steps in _STEPS:
            settings = resolve(
                DenoiseSettings(method="ns-n2n", preset="fast", iterations=steps, patience=0, distance=1)
            )
            volume = volume_from_array(noisy)
            job = ZeroShot(noisy, make_plan(volume, settings), settings, torch.device("cpu"))
            network = job.train()
            for fused in (False, True):
                denoise = _denoiser(job, network, fused)
                output = denoise(noisy)
                found = {}
                for name, strength in (("measured", sigma), ("told", level)):
                    response = probe_response(noisy, denoise, strength, denoised=output, probe_noise=probe)
                    found[f"sure {name}"] = sure_from_response(noisy, output, response, strength, mask=mask).mse
                    found[name] = improves(noisy, output, sigma=strength, response=response, axis=2, mask=mask).vote
                row = {
                    "group": "network",
                    "image": "phantom",
                    "kind": kind,
                    "level": level,
                    "seed": 0,
                    "steps": steps,
                    "name": "fused" if fused else "bare",
                    "mse": float((output - clean).square()[mask].mean()),
                    "mse_noisy": float((noisy - clean).square()[mask].mean()),
                    "sigma": sigma,
                    "scores": {
                        "sure measured": found["sure measured"],
                        "sure told": found["sure told"],
                        "slice gain": -slice_gain(noisy, output, 2, mask=mask).value,
                        "pair error": job.scores["pair_error"],
                    },
                    "verdict": found["measured"],
                    "verdict_told": found["told"],
                }
                print(row["kind"], row["level"], steps, row["name"], flush=True)
                yield row


def _denoiser(job: ZeroShot, network: nn.Module, fused: bool) -> Callable[[torch.Tensor], torch.Tensor]:
    """The trained network and fusion as a function of the volume; scaling and matching stay those of the training."""

    def denoise(image: torch.Tensor) -> torch.Tensor:
        other = copy.copy(job)
        other.work = image
        output = other.infer(network, torch.empty_like(image))
        return other.fuse(output, output)[0] if fused else output

    return denoise
