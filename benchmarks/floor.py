# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""How far the networks are from what the machine could do, and where their time goes.

    python -m benchmarks floor [--threads 1] [--size 256] [--repeats 3] [--networks 'student*']

Two floors stand beside the measured time. Arithmetic: operations of convolutions and matrix products, by torch's own
counter, over the rate of a large matrix product on this machine, about the most that it does. Memory: bytes that all
operators read and write, over the rate of copying large tensors; what stays in the cache is faster, so this one can be
beaten. Times are the least of some repeats. The profile is torch's own, by kinds of operators.
"""

from __future__ import annotations

import argparse
import fnmatch
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.quality.table import markdown_table
from benchmarks.rows import hardware
from monai_diffdenoise.engines import Muon
from monai_diffdenoise.networks import LGBPN, PUCA, BlindStack, ConditionalDiffusion, NAFNet
from monai_diffdenoise.pipeline.stage_presets import STUDENT_SIZES

__all__ = ["MovedBytes", "kinds_of", "main"]

_CONTEXT = 4
_KINDS = {
    "convolution": ("convolution", "conv2d", "thnn_conv", "mkldnn"),
    "matrix product": ("addmm", "aten::mm", "bmm", "matmul", "linear"),
    "copy and layout": ("copy_", "clone", "cat", "contiguous", "shuffle", "index", "pad", "roll", "stack", "fill_"),
    "normalization": ("norm", "mean", "var", "avg_pool", "cumsum", "sum"),
}


class MovedBytes(TorchDispatchMode):
    """Counts what operators read and write; views move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        places = {leaf.untyped_storage().data_ptr() for leaf in given}
        view = made and all(leaf.untyped_storage().data_ptr() in places for leaf in made)
        if not view or func._schema.is_mutable:
            self.total += sum(leaf.numel() * leaf.element_size() for leaf in (*given, *made))
        return result


def kinds_of(seconds: dict[str, float]) -> dict[str, float]:
    """Shares of the time by kind of operator, from seconds by name of the operator."""
    whole = sum(seconds.values())
    shares = dict.fromkeys([*_KINDS, "elementwise and other"], 0.0)
    for name, spent in seconds.items():
        kind = next((kind for kind, parts in _KINDS.items() if any(part in name for part in parts)), None)
        shares[kind or "elementwise and other"] += spent / whole
    return shares


def main(arguments: list[str] | None = None) -> int:
    """Measure and print two Markdown tables; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks floor", description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size", type=int, default=256, help="side of the slice that is denoised")
    parser.add_argument("--patch", type=int, default=48, help="side of the eight patches of a training step")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is timed")
    parser.add_argument("--networks", nargs="+", default=["*"], help="names or patterns")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    rate, bandwidth = _arithmetic_rate(), _copy_rate()
    print(f"Machine: {hardware()['processor']}, {options.threads} thread(s): ", end="")
    print(f"matrix product {rate / 1e9:.0f} GFLOP/s, copy {bandwidth / 2**30:.1f} GiB/s.\n")
    times, parts = [], []
    for name, make in _NETWORKS.items():
        if not any(fnmatch.fnmatch(name, pattern) for pattern in options.networks):
            continue
        for task, work in _works(make(), options).items():
            row, shares = _measure(work, options.repeats, rate, bandwidth)
            times.append([name, task, *row])
            parts.append([name, task, *(f"{share:.0%}" for share in shares.values())])
    head = ["network", "task", "GFLOP", "GiB moved", "seconds", "arithmetic alone", "memory alone", "times arithmetic"]
    print("\n".join(markdown_table(head, times)) + "\n")
    print("\n".join(markdown_table(["network", "task", *kinds_of({"": 1.0})], parts)))
    return 0


def _student(size: str) -> nn.Module:
    return NAFNet(in_channels=1 + _CONTEXT, attention="local", window=72, **STUDENT_SIZES[size])


_NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "stack": lambda: BlindStack(context_channels=_CONTEXT),
    "PUCA": lambda: PUCA(channels=16, context_channels=_CONTEXT),
    "LG-BPN": lambda: LGBPN(channels=16, context_channels=_CONTEXT, blind_spot=3, blind_shape="square"),
    "second stage": lambda: ConditionalDiffusion(condition_channels=_CONTEXT, channels=(16, 32, 32)),
    "student small": lambda: _student("small"),
    "student medium": lambda: _student("medium"),
}


def _works(network: nn.Module, options: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = Muon(network.parameters())
    batch = torch.rand(8, 1 + _CONTEXT, options.patch, options.patch)
    image = torch.rand(1, 1 + _CONTEXT, options.size, options.size)

    def step() -> None:
        network.train()(batch).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    @torch.no_grad()
    def inference() -> None:
        network.eval()(image)

    side = options.patch
    return {f"step, 8 x {side} x {side}": step, f"slice, {options.size} x {options.size}": inference}


def _measure(
    work: Callable[[], Any], repeats: int, rate: float, bandwidth: float
) -> tuple[list[str], dict[str, float]]:
    work()
    with FlopCounterMode(display=False) as flops:
        work()
    with MovedBytes() as moved:
        work()
    seconds = _least(work, repeats)
    with profile(activities=[ProfilerActivity.CPU]) as found:
        work()
    by_name = {event.key: float(event.self_cpu_time_total) for event in found.key_averages()}
    arithmetic, memory = flops.get_total_flops() / rate, moved.total / bandwidth
    counts = [f"{flops.get_total_flops() / 1e9:.2f}", f"{moved.total / 2**30:.2f}"]
    times = [f"{value:.4f}" for value in (seconds, arithmetic, memory)]
    return [*counts, *times, f"{seconds / arithmetic:.1f}"], kinds_of(by_name)


def _arithmetic_rate() -> float:
    side = 2048
    a, b, out = torch.rand(side, side), torch.rand(side, side), torch.empty(side, side)
    return 2 * side**3 / _least(lambda: torch.mm(a, b, out=out), 5)


def _copy_rate() -> float:
    source = torch.rand(1 << 26)
    target = torch.empty_like(source)
    return 2 * source.numel() * source.element_size() / _least(lambda: target.copy_(source), 5)


def _least(work: Callable[[], Any], repeats: int) -> float:
    # of one thread, the processor's seconds: others may run on the machine
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    work()
    found = []
    for _ in range(repeats):
        start = clock()
        work()
        found.append(clock() - start)
    return min(found)


if __name__ == "__main__":
    raise SystemExit(main())
