# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""PUCA and NAFNet beside the code that their authors published: the same weights, the same output, how fast.

    git clone https://github.com/HyemiEsme/PUCA /somewhere/PUCA
    git clone https://github.com/megvii-research/NAFNet /somewhere/NAFNet
    python -m benchmarks.public_networks --puca /somewhere/PUCA --nafnet /somewhere/NAFNet

Needs einops (PUCA's code imports it) and scikit-image. None of the published code is part of this project: it is
imported from the folders given. What is compared:

* differences: random weights in float64, copied over; the largest difference of the outputs over the largest output.
  The published PUCA mirrors the image by 4 pixels before its masked convolution, which is not blind at the border; ours
  puts zeros behind the end. So ours is given the mirrored image, and its output is cropped.
* speed: one training step (forward, L1, backward, Adam) and one inference of 256 x 256, in turns, the least of several;
  peak memory of each in a process of its own, above what it held before the first step.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from monai_diffdenoise.networks import PUCA, NAFNet
from monai_diffdenoise.networks.blocks import use_local_attention

__all__ = ["copy_nafnet", "copy_puca", "main", "public_class"]

_BLOCK = {
    "norm1": "norm1",
    "conv1": "expand1",
    "conv2": "depthwise",
    "sca.1": "attention.weigh",
    "conv3": "project1",
    "norm2": "norm2",
    "conv4": "expand2",
    "conv5": "project2",
    "beta": "scale1",
    "gamma": "scale2",
}


def _stub(name: str, folder: Path | None = None, **attributes: object) -> None:
    """A package without its own start-up code, which would import data sets, loggers and OpenCV."""
    module = types.ModuleType(name)
    module.__dict__.update(attributes)
    if folder is not None:
        module.__path__ = [str(folder)]
    sys.modules[name] = module


def public_class(folder: Path, name: str) -> type[nn.Module]:
    """The published class ``PUCA``, ``NAFNet`` or ``NAFNetLocal`` from a clone of its repository."""
    if name == "PUCA":
        _stub("cv2")
        for package in ("src", "src.model", "src.util"):
            _stub(package, folder.joinpath(*package.split(".")))
        return importlib.import_module("src.model.PUCA").PUCA
    for package in ("basicsr", "basicsr.models", "basicsr.models.archs"):
        _stub(package, folder.joinpath(*package.split(".")))
    _stub("basicsr.utils", get_root_logger=None)
    return getattr(importlib.import_module("basicsr.models.archs.NAFNet_arch"), name)


def _block_name(name: str) -> str:
    """``conv1.weight`` of a published block to ``expand1.weight``."""
    known = max((old for old in _BLOCK if name == old or name.startswith(f"{old}.")), key=len)
    return _BLOCK[known] + name[len(known) :]


def _body_name(name: str) -> str:
    """``encoders.0.1.conv1.weight`` to ``body.encoders.0.1.expand1.weight``."""
    part, *rest = name.split(".")
    if part in ("ups", "downs"):
        return f"body.{name}"
    indices = 1 if part == "middle_blks" else 2
    ours = {"middle_blks": "middle"}.get(part, part)
    return ".".join(["body", ours, *rest[:indices], _block_name(".".join(rest[indices:]))])


_BLOCKS = {"enc_blk_nums": [2, 2, 4, 8], "middle_blk_num": 12, "dec_blk_nums": [2, 2, 2, 2]}
_BODY = ("encoders", "decoders", "middle_blks", "ups", "downs")


def _copy(theirs: nn.Module, ours: nn.Module, outside: dict[str, str]) -> None:
    state = ours.state_dict()
    given = {}
    for name, tensor in theirs.state_dict().items():
        if name.endswith(".mask"):
            continue
        first, _, rest = name.partition(".")
        new = _body_name(name) if first in _BODY else f"{outside.get(first, first)}.{rest}"
        if new in state:
            given[new] = tensor.reshape(state[new].shape)
        elif ".attention." not in new:
            raise KeyError(f"{name}: no {new} in ours")
    ours.load_state_dict(given)


def copy_puca(theirs: nn.Module, ours: nn.Module) -> None:
    """The published PUCA's weights into ours; those of the channel attention only where ours has one."""
    _copy(theirs, ours, {"masked_conv": "masked"})


def copy_nafnet(theirs: nn.Module, ours: nn.Module) -> None:
    """The published NAFNet's weights into ours."""
    _copy(theirs, ours, {})


def _randomize(network: nn.Module) -> None:
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)


def _without_attention(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if hasattr(module, "sca"):
            # what the published block multiplies by
            module.sca.forward = lambda image: torch.ones_like(image[:, :, :1, :1])
    return network


def _difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


def puca_differences(folder: Path, channels: int = 16) -> dict[str, float]:
    """Relative difference of the outputs, in float64."""
    published = public_class(folder, "PUCA")
    torch.manual_seed(0)
    theirs = published(1, [1, 1, 1], 2, channels, [3, 4], 4, [4, 3]).double().eval()
    _randomize(theirs)
    image = torch.rand(2, 1, 40, 56, dtype=torch.float64)
    mirrored = F.pad(image, (4, 4, 4, 4), "reflect")
    rows = {}
    with torch.no_grad():
        theirs(image)  # their mask enters the weights at the first use
        for name, options in {
            "PUCA, as published (strict_blind_spot=False)": {"strict_blind_spot": False},
            "PUCA, strict_blind_spot=True: statistics of each phase": {},
        }.items():
            ours = PUCA(channels=channels, residual=False, **options).double().eval()
            copy_puca(theirs, ours)
            rows[name] = _difference(ours(mirrored)[..., 4:-4, 4:-4], theirs(image))
        ours = PUCA(channels=channels, residual=False, attention="none").double().eval()
        copy_puca(theirs, ours)
        target = _without_attention(theirs)(image)
        rows["PUCA, without channel attention"] = _difference(ours(mirrored)[..., 4:-4, 4:-4], target)
    return rows


def nafnet_differences(folder: Path, channels: int = 8) -> dict[str, float]:
    """Relative difference of the outputs, in float64, global and with the statistics of a window."""
    torch.manual_seed(0)
    theirs = public_class(folder, "NAFNet")(img_channel=3, width=channels, **_BLOCKS).double().eval()
    _randomize(theirs)
    ours = NAFNet(2, 3, 3, channels).double().eval()
    copy_nafnet(theirs, ours)
    rows = {}
    with torch.no_grad():
        for size in ((64, 96), (45, 63)):
            image = torch.rand(2, 3, *size, dtype=torch.float64)
            rows[f"NAFNet, {size[0]} x {size[1]}"] = _difference(ours(image), theirs(image))
        torch.set_default_dtype(torch.float64)
        small = {"img_channel": 3, "width": channels, "train_size": (1, 3, 32, 32)}
        local = public_class(folder, "NAFNetLocal")(**small, **_BLOCKS).eval()
        torch.set_default_dtype(torch.float32)
        local.load_state_dict(theirs.state_dict())
        image = torch.rand(1, 3, 96, 128, dtype=torch.float64)
        use_local_attention(ours, 48)
        rows["NAFNet, statistics of a window (TLC), 96 x 128"] = _difference(ours(image), local(image))
    return rows


def _networks(kind: str, folder: Path, channels: int) -> dict[str, nn.Module]:
    if kind == "PUCA":
        theirs = public_class(folder, "PUCA")(1, [1, 1, 1], 2, channels, [3, 4], 4, [4, 3])
        ours: nn.Module = PUCA(channels=channels, residual=False)
        copy_puca(theirs, ours)
    else:
        theirs = public_class(folder, "NAFNet")(img_channel=1, width=channels, **_BLOCKS)
        ours = NAFNet(channels=channels)
        copy_nafnet(theirs, ours)
    return {"published": theirs, "ours": ours}


def _work(network: nn.Module, task: str, patch: int) -> Callable[[], None]:
    torch.manual_seed(0)
    if task == "inference":
        image = torch.rand(1, 1, 256, 256)

        def infer() -> None:
            with torch.no_grad():
                network.eval()(image)

        return infer
    image, optimizer = torch.rand(2, 1, patch, patch), torch.optim.Adam(network.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        F.l1_loss(network.train()(image), image).backward()
        optimizer.step()

    return step


def _resident(field: str) -> float:
    """MiB of this process: VmRSS now, VmHWM at most since the mark was set (Linux)."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(field))


def _peak(kind: str, who: str, folder: Path, channels: int, task: str, patch: int, answer: object) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    work = _work(_networks(kind, folder, channels)[who], task, patch)
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    work()
    work()
    answer.put(_resident("VmHWM") - before)  # type: ignore[attr-defined]


def peak_memory(*arguments: object) -> float:
    """MiB that a task takes beyond the network, the image and the imports."""
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=_peak, args=(*arguments, answer))
    process.start()
    megabytes = answer.get()
    process.join()
    return float(megabytes)


def seconds(works: dict[str, Callable[[], None]], repeats: int) -> dict[str, tuple[float, float]]:
    """The least time of each on the clock and of the processor, in turns so that a busy machine is busy for all."""
    least = {name: (float("inf"), float("inf")) for name in works}
    for _ in range(repeats + 1):
        for name, work in works.items():
            clock, processor = time.perf_counter(), time.process_time()
            work()
            taken = (time.perf_counter() - clock, time.process_time() - processor)
            least[name] = (min(least[name][0], taken[0]), min(least[name][1], taken[1]))
    return least


def main() -> None:
    """Print the differences, and one Markdown row for each task and number of threads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--puca", type=Path, help="a clone of github.com/HyemiEsme/PUCA")
    parser.add_argument("--nafnet", type=Path, help="a clone of github.com/megvii-research/NAFNet")
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--patch", type=int, default=128, help="side of the two patches of a training step")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    given = {"PUCA": options.puca, "NAFNet": options.nafnet}
    given = {kind: folder for kind, folder in given.items() if folder is not None}
    print("| float64, random weights | relative difference |\n|---|---|")
    for kind, folder in given.items():
        differences = puca_differences if kind == "PUCA" else nafnet_differences
        for name, difference in differences(folder).items():
            print(f"| {name} | {difference:.1e} |", flush=True)
    print(f"\n{options.channels} channels; training step: 2 patches of {options.patch} x {options.patch}\n")
    print(
        "| network | task | threads | published, s | ours, s | ratio | published, MiB | ours, MiB |\n"
        + "|---" * 8
        + "|"
    )
    for kind, folder in given.items():
        for task in ("training step", "inference"):
            arguments = (folder, options.channels, task, options.patch)
            memory = {who: peak_memory(kind, who, *arguments) for who in ("published", "ours")}
            networks = _networks(kind, folder, options.channels)
            works = {who: _work(network, task, options.patch) for who, network in networks.items()}
            for threads in options.threads:
                torch.set_num_threads(threads)
                least = seconds(works, options.repeats)
                rows = [" / ".join(f"{value:.3f}" for value in least[who]) for who in ("published", "ours")]
                ratios = " / ".join(f"{a / b:.1f}" for a, b in zip(least["published"], least["ours"]))
                print(
                    f"| {kind} | {task} | {threads} | {rows[0]} | {rows[1]} | {ratios} "
                    f"| {memory['published']:.0f} | {memory['ours']:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
