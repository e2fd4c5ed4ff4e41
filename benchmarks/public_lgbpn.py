# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Our LG-BPN beside the authors' public code: the same weights, the same output, the leak, the time and the memory.

    git clone https://github.com/Wang-XIaoDingdd/LGBPN ../LGBPN
    python -m benchmarks.public_lgbpn --lgbpn ../LGBPN

Outputs are compared in float64 with random weights, with fewer features than the paper's unless --width says so; time
and memory at the paper's sizes. The public code runs in training mode, since
its evaluation mode needs a GPU. For equality, what differs on purpose is set alike: zeros around the public masked
convolutions instead of a mirror, and its sub-images as a dilation (or on the batch axis) instead of a mosaic. Time is
the processor time of the fastest of some repeats, and the clock's; every number comes from a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from monai_diffdenoise.networks.blocks.phases import batch_to_space, space_to_batch
from monai_diffdenoise.networks.nets.lgbpn import LGBPN

__all__ = ["main", "public_network", "same_weights"]


def _public_module(folder: Path) -> Any:
    """The public ``src.model.DBSNl``. Libraries that only its data loading uses are replaced if they are missing."""
    for name in ("cv2", "mat73", "h5py", "scipy", "scipy.io", "skimage", "skimage.metrics"):
        try:
            __import__(name)
        except ImportError:
            sys.modules[name] = types.ModuleType(name)
    sys.path.insert(0, str(folder.resolve()))
    return __import__("src.model.DBSNl", fromlist=["LGBPN"])


def public_network(folder: Path, channels: int = 3, width: int = 128) -> nn.Module:
    """The public network at the paper's sizes, in training mode."""
    network: nn.Module = _public_module(folder).LGBPN(channels, channels, width, 9, head_ch=24)
    return network.train()


_NAMES = {
    "norm1.body.weight": "attention.expand.gain",
    "norm2.body.weight": "feed_forward.expand.gain",
    "attn.qkv_dwconv": "attention.depthwise",
    "attn.qkv": "attention.expand.conv",
    "attn.project_out": "attention.project",
    "attn.temperature": "attention.temperature",
    "ffn.dwconv": "feed_forward.depthwise",
    "ffn.project_in": "feed_forward.expand.conv",
    "ffn.project_out": "feed_forward.project",
    "branch1.Maskconv": "branches.local_branch.conv",
    "branch2.Maskconv": "branches.global_branch.conv",
    "branch1": "branches.local_branch",
    "branch2": "branches.global_branch",
    "encoder_level1": "blocks",
}


def same_weights(public: nn.Module, ours: LGBPN) -> LGBPN:
    """Our network with the weights of the public one."""
    found = {}
    for name, value in public.state_dict().items():
        if "test_conv" in name or name.endswith("mask"):
            continue
        for theirs, own in _NAMES.items():
            name = name.replace(theirs, own)
        if name == "branches.global_branch.conv.weight":
            value = value[..., ::2, ::2]
        found[name] = value
    ours.load_state_dict(found)
    return ours


def _dilated(public: Any) -> None:
    """Sub-images of stride f and dilation d become a dilation of f d; no mosaic, no mirror."""
    sys.modules[type(public).__module__].__dict__.update(
        pixel_shuffle_down_sampling=lambda x, f, pad: x, pixel_shuffle_up_sampling=lambda x, f, pad: x
    )
    for branch, factor in ((public.branch1, 4), (public.branch2, 5)):
        branch.Maskconv.padding_mode = "zeros"
        for layer in branch.body.modules():
            if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3):
                layer.dilation = layer.padding = (layer.dilation[0] * factor,) * 2


def _batched(public: Any) -> None:
    """After :func:`_dilated`: dilations become sub-images on the batch axis, so that attention stays inside each."""
    periods = {4: 8, 5: 15}
    sys.modules[type(public).__module__].__dict__.update(
        pixel_shuffle_down_sampling=lambda x, f, pad: space_to_batch(x, periods[f]),
        pixel_shuffle_up_sampling=lambda x, f, pad: batch_to_space(x, periods[f]),
    )
    for branch in (public.branch1, public.branch2):
        for layer in branch.body.modules():
            if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3):
                layer.dilation = layer.padding = (1, 1)


def _leak(network: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, spot: set[Any], row: int) -> float:
    """Largest gradient over the patch of a pixel in that row, over the largest anywhere."""
    image = image.clone().requires_grad_(True)
    column = image.shape[3] // 2 + 3
    network(image)[0, :, row, column].sum().backward()
    assert image.grad is not None
    size = image.grad[0].abs().amax(0)
    places = [(row + a, column + b) for a, b in spot]
    inside = max(float(size[p]) for p in places if 0 <= p[0] < size.shape[0])
    return inside / float(size.max())


def _fidelity(folder: Path, width: int) -> Iterator[tuple[str, str]]:
    torch.manual_seed(0)
    image = torch.rand(1, 3, 120, 120, dtype=torch.float64)
    public: Any = public_network(folder, width=width).double()
    with torch.no_grad():
        public(image)  # writes the public masks into the public weights
    strict = same_weights(public, LGBPN(2, 3, 3, width, residual=False).double())
    pooled = same_weights(public, LGBPN(2, 3, 3, width, residual=False, strict_blind_spot=False).double())
    with torch.no_grad():
        wide = torch.rand(1, 3, 240, 240, dtype=torch.float64)
        theirs, own = public.branch1(public.head(wide)), strict.branches["local_branch"](strict.head(wide))
        # a mosaic tile has 60 pixels, of which the dilated residual modules reach 18 from its border
        tiles = [value.unflatten(3, (60, 4)).unflatten(2, (60, 4))[:, :, 19:41, :, 19:41] for value in (theirs, own)]
        yield "local branch, public code unchanged, away from the border", f"{_difference(*tiles):.1e}"
        yield "whole network, public code unchanged", f"{_difference(public(image), pooled(image)):.1e}"
    for row, where in ((60, "middle"), (3, "row 3")):
        for name, network in (("public", public), ("ours, pooled", pooled), ("ours", strict)):
            yield f"leak over the patch, {where}: {name}", f"{_leak(network, image, strict.blind, row):.1e}"
    with torch.no_grad():
        _dilated(public)
        expected = public(image)
        yield "whole network, attention over the plane", f"{_difference(expected, pooled(image)):.1e}"
        yield "the same, attention inside phases", f"{_difference(expected, strict(image)):.1e}"
        _batched(public)
        yield "whole network on phases, attention inside them", f"{_difference(public(image), strict(image)):.1e}"


def _difference(expected: torch.Tensor, found: torch.Tensor) -> float:
    """Largest difference over the largest value."""
    return float((expected - found).abs().max() / expected.abs().max())


def _job(folder: Path, which: str, task: str, size: int, batch: int, repeats: int) -> dict[str, float]:
    """Time and peak memory of one task with one network, in this process."""
    torch.manual_seed(0)
    public = public_network(folder)
    network = public
    if which != "public":
        network = same_weights(public, LGBPN(2, 3, 3, residual=False, strict_blind_spot=which == "strict"))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    image = torch.rand(batch, 3, size, size)

    def step() -> None:
        optimizer.zero_grad()
        (network(image) - image).abs().mean().backward()
        optimizer.step()

    def infer() -> None:
        with torch.no_grad():
            network(image)

    start_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(repeats + 1):
        processor, clock = time.process_time(), time.perf_counter()
        (step if task == "step" else infer)()
        times.append((time.process_time() - processor, time.perf_counter() - clock))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fastest = [min(column) for column in zip(*times[1:], strict=True)]
    return {"cpu": fastest[0], "clock": fastest[1], "MB": (peak - start_memory) / 1024}


def main() -> None:
    """Print the differences, the leaks, and one Markdown row for each task and number of threads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lgbpn", type=Path, required=True, help="folder of the public code")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument(
        "--width", type=int, default=32, help="features for the comparison of outputs; the paper's: 128"
    )
    parser.add_argument("--crop", type=int, default=120, help="side of the image of a training step")
    parser.add_argument("--batch", type=int, default=1, help="images of a training step")
    parser.add_argument("--size", type=int, default=256, help="side of the image of an inference")
    parser.add_argument("--only", choices=["fidelity", "speed"])
    parser.add_argument("--job", nargs=2, metavar=("NETWORK", "TASK"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        torch.set_num_threads(options.threads[0])
        which, task = options.job
        size, batch = (options.crop, options.batch) if task == "step" else (options.size, 1)
        print(json.dumps(_job(options.lgbpn, which, task, size, batch, options.repeats)))
        return
    if options.only != "speed":
        torch.set_num_threads(options.threads[0])
        for what, value in _fidelity(options.lgbpn, options.width):
            print(f"{what}: {value}", flush=True)
    if options.only == "fidelity":
        return
    print("\n| task | threads | network | processor s | clock s | peak MB | public / it: cpu, clock, memory |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for task in ("step", "inference"):
        for threads in options.threads:
            first: dict[str, float] = {}
            for which in ("public", "pooled", "strict"):
                command = [sys.executable, "-m", "benchmarks.public_lgbpn", *sys.argv[1:], "--job", which, task]
                command += ["--threads", str(threads)]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                first = first or found
                ratios = ", ".join(f"{first[key] / found[key]:.2f}" for key in found)
                values = f"{found['cpu']:.2f} | {found['clock']:.2f} | {found['MB']:.0f}"
                print(f"| {task} | {threads} | {which} | {values} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
