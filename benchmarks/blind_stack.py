# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The 2.5D blind-spot network on one noisy volume, at equal processor time.

    python -m benchmarks.blind_stack --data ../shared/data --out RESULTS

Trains on the noisy volume alone for so many seconds of processor time, with one thread, and scores the estimate: of
the slice axis or of all three (their mean, or the weighted mean that comes closest to the noisy volume), plain or
averaged over the eight orientations of the plane, bare or fused with the noisy voxel. Beside the scores stands the
blind error, mean (noisy - estimate)^2 over the variance of the noise, which needs no reference: where noise is white it
ranks the estimates. One JSON line per case, variant and seed is appended to RESULTS/blind_stack.jsonl; a rerun does
what is missing.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.cases import CASES, Case, load_case
from benchmarks.methods import score
from benchmarks.networks import icbm_crop
from monai_diffdenoise.analysis import best_sigma
from monai_diffdenoise.data import pair_loader, volume_from_array
from monai_diffdenoise.data.pair_dataset import PairDataset
from monai_diffdenoise.data.phantom import add_noise
from monai_diffdenoise.engines import WeightAverage
from monai_diffdenoise.inferers import VolumeSliceInferer
from monai_diffdenoise.inferers.fusion import posterior_fusion
from monai_diffdenoise.networks import BlindStack
from monai_diffdenoise.transforms.blind_pairing import BlindSpotPair
from monai_diffdenoise.transforms.pairs import RandPaird
from monai_diffdenoise.transforms.scaling import AffineScaling, robust_scaling

__all__ = ["VARIANTS", "combine", "estimate", "main", "train"]

_GROUPS = ("GROUP", {"num_groups": 4})

VARIANTS: dict[str, dict[str, Any]] = {
    "blind spot, 3 axes": {},
    "blind spot, slice axis": {"axes": "slice"},
    "blind spot, slice axis, 2 neighbors": {"axes": "slice", "context_channels": 2},
    "blind spot, slice axis, no neighbors": {"axes": "slice", "context_channels": 0},
    "spot 3 x 3, slice axis": {"axes": "slice", "blind_spot": 3},
    "spot 5 x 5, slice axis": {"axes": "slice", "blind_spot": 5},
    "slice-blind": {"axes": "slice", "blind_spot": None},
    "group normalization, 3 axes": {"norm": _GROUPS},
    "group normalization, slice axis": {"axes": "slice", "norm": _GROUPS},
    "group normalization, slice-blind": {"axes": "slice", "blind_spot": None, "norm": _GROUPS},
    "group normalization, spot 3 x 3, slice axis": {"axes": "slice", "blind_spot": 3, "norm": _GROUPS},
    "16 channels, 3 axes": {"channels": 16},
    "16 channels, group normalization, 3 axes": {"channels": 16, "norm": _GROUPS},
    "learning rate 0.008, 3 axes": {"learning_rate": 8e-3},
    "learning rate 0.002, 3 axes": {"learning_rate": 2e-3},
}
"""Name to what differs from the first."""

_CORRELATED = "B_icbm152_crop96x96x40_correlated_0.1"


def _case(name: str, data: Path, seed: int) -> Case:
    """A case of benchmarks.cases, or the ICBM152 crop with noise that is correlated in the plane (0.8 pixels)."""
    if name != _CORRELATED:
        return load_case(name, data, seed)
    clean = icbm_crop(data)[None]
    noisy = add_noise(clean, "correlated", 0.1, seed=seed)
    volume = volume_from_array(noisy, torch.eye(4).numpy(), slice_axis=2)
    return Case(volume, clean, clean > 0.15, data_range=1.0, sigma=0.1, noise=noisy - clean)


def train(
    volume: torch.Tensor,
    axes: Sequence[int],
    seconds: float,
    *,
    learning_rate: float = 4e-3,
    patch_size: int = 48,
    batch_size: int = 8,
    seed: int = 0,
    **network: Any,
) -> tuple[nn.Module, int]:
    """Train one network on the slices along some axes of a volume (X, Y, Z) in normalised units.

    Returns:
        the averaged network, and the number of steps.
    """
    torch.manual_seed(seed)
    arguments = {"context_channels": 4, "channels": 8} | network
    net = BlindStack(**arguments).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pairing = BlindSpotPair(context=arguments["context_channels"])
    supply = PairDataset(
        [{"image": volume.movedim(axis, -1)[None]} for axis in axes],
        RandPaird(pairing, patch_size=patch_size, part="all"),
        seed=seed,
    )
    average = WeightAverage(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=learning_rate, weight_decay=1e-5, betas=(0.9, 0.99))
    start, steps = time.process_time(), 0
    for pair in pair_loader(supply, batch_size, 10**6):
        share = (time.process_time() - start) / seconds
        if share >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * min((steps + 1) / 30, 1.0) * 0.5 * (1 + math.cos(math.pi * share))
        image = pair["image"].contiguous(memory_format=torch.channels_last)
        loss = (pair["weight"] * (net(image) - pair["target"]).square()).sum() / pair["weight"].sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        average.update()
        steps += 1
    return average.network, steps


def _oriented(network: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """The mean of the network's estimates of a slice in its eight orientations."""

    def run(image: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor | float = 0.0
        for turns in range(4):
            turned = torch.rot90(image, turns, (2, 3))
            both = network(turned) + network(turned.flip(3)).flip(3)
            total = total + torch.rot90(both, -turns, (2, 3))
        return torch.as_tensor(total) / 8

    return run


@torch.no_grad()
def estimate(network: nn.Module, volume: torch.Tensor, axis: int, context: int, oriented: bool) -> torch.Tensor:
    """Estimate of a volume (X, Y, Z) from its slices along an axis."""
    run = _oriented(network) if oriented else network
    inferer = VolumeSliceInferer(BlindSpotPair(axis, context=context))
    return inferer.denoise(volume[None], run, [AffineScaling(0.0, 1.0)])[0]


def combine(noisy: torch.Tensor, estimates: Sequence[torch.Tensor]) -> tuple[torch.Tensor, list[float]]:
    """The weighted mean of blind estimates that comes closest to the noisy volume, and its weights.

    No estimate has seen a voxel's own noise, so the closest to the noisy volume is the closest to the clean one.
    """
    first, *others = [one.double().flatten() for one in estimates]
    if not others:
        return estimates[0], [1.0]
    differences = torch.stack(others, 1) - first[:, None]
    shares = torch.linalg.lstsq(differences, (noisy.double().flatten() - first)[:, None]).solution[:, 0]
    mixed = (first + differences @ shares).reshape(noisy.shape)
    return mixed.to(noisy.dtype), [1 - float(shares.sum()), *shares.tolist()]


def _rows(case: Case, options: argparse.Namespace, variant: dict[str, Any], seed: int) -> dict[str, Any]:
    """Train on the case's volume (its middle channel) and score what comes of it."""
    image = case.volume.image.as_tensor()
    channel = image.shape[0] // 2
    scaling, axis = robust_scaling(image[channel]), case.volume.slice_axis
    noisy = scaling.apply(image[channel]).float()
    how = dict(variant)
    axes = [axis] if how.pop("axes", "all") == "slice" else [0, 1, 2]
    axes.sort(key=lambda a: a != axis)
    context = how.get("context_channels", 4)
    network, steps = train(noisy, axes, options.seconds, seed=seed, **how)
    sigma = best_sigma(noisy, axis)
    found: dict[str, Any] = {"steps": steps, "sigma": sigma * scaling.scale}
    found["parameters"] = sum(p.numel() for p in network.parameters())
    for ending, oriented in (("", False), (" x 8", True)):
        start = time.process_time()
        single = [estimate(network, noisy, a, context, oriented) for a in axes]
        found["seconds of estimate" + ending] = time.process_time() - start
        results = {"slice axis" + ending: single[0]}
        if len(axes) > 1:
            results["3 axes" + ending] = torch.stack(single).mean(0)
            results["weighted" + ending], found["weights" + ending] = combine(noisy, single)
        for name, output in results.items():
            found[f"{name}: blind error"] = float((output - noisy).square().mean()) / sigma**2
            for suffix, result in (("", output), (", fused", posterior_fusion(noisy, output, sigma**2, **_FUSION)[0])):
                # the other channels are left as they are, and not scored
                whole = image.clone().float()
                whole[channel] = scaling.invert(result)
                found[name + suffix] = _score(case, whole, channel)
    return found


# A blind estimate errs independently of the noise, so less margin and a wider window than NS-N2N's do better.
_FUSION: dict[str, Any] = {"window": 7, "margin": 1.1}
_ESTIMATES = ["slice axis", "slice axis x 8", "3 axes", "3 axes x 8", "weighted x 8"]


def _score(case: Case, output: torch.Tensor, channel: int) -> dict[str, float | None]:
    if output.shape[0] > 1:
        image, truth = output[channel : channel + 1], case.reference[channel - 1 : channel]
        squared = float((image - truth)[case.mask.expand(truth.shape)].double().square().mean())
        return {"psnr": 10 * math.log10(case.data_range**2 / (squared - case.repeat_sigma**2)), "ssim": None}
    row = score(case, output)
    return {name: row.get(name) for name in ("psnr", "ssim", "bias_percent", "noise_gain")}


def _table(rows: list[dict[str, Any]]) -> Iterator[str]:
    names = _ESTIMATES
    yield "| case | variant | steps | noisy | " + " | ".join(names) + " | best, fused | blind error |"
    yield "|---|---|---|---|" + "---|" * (len(names) + 2)
    for row in rows:
        there = [name for name in names if name in row]
        cells = [f"{row[name]['psnr']:.2f}" if name in row else "" for name in names]
        errors = ", ".join(f"{row[f'{name}: blind error']:.4f}" for name in there)
        yield (
            f"| {row['case']} | {row['variant']} | {row['steps']} | {row['noisy']['psnr']:.2f} | {' | '.join(cells)} | "
            f"{row[f'{there[-1]}, fused']['psnr']:.2f} | {errors} |"
        )


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blind_stack", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with MANIFEST.json and the scans")
    parser.add_argument("--out", type=Path, required=True, help="folder for blind_stack.jsonl")
    parser.add_argument("--cases", nargs="+", default=["B_icbm152_crop*_0.1"], help="names or patterns")
    parser.add_argument(
        "--variants", nargs="+", default=["blind spot, 3 axes", "slice-blind"], help="names or patterns"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="of processor time, for training")
    parser.add_argument("--seeds", type=int, default=1, help="seeds 0 to N - 1, of noise and training")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "blind_stack.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    keys = ("case", "variant", "seconds", "seed")
    wanted = []
    for name in [*CASES, _CORRELATED]:
        for variant in VARIANTS:
            for seed in range(options.seeds):
                chosen = (name, options.cases), (variant, options.variants)
                if not all(any(fnmatch.fnmatch(text, pattern) for pattern in patterns) for text, patterns in chosen):
                    continue
                key = (name, variant, options.seconds, seed)
                wanted.append(key)
                if key in [tuple(row[k] for k in keys) for row in rows]:
                    continue
                case = _case(name, options.data, seed)
                noisy = case.volume.image.as_tensor().float()
                row = dict(zip(keys, key, strict=True)) | {"noisy": _score(case, noisy, noisy.shape[0] // 2)}
                row |= _rows(case, options, VARIANTS[variant], seed)
                rows.append(row)
                with path.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    print("\n".join(_table([row for row in rows if tuple(row[k] for k in keys) in wanted])))


if __name__ == "__main__":
    main()
