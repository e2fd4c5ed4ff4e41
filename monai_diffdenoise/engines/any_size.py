# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A network as a graph that takes any batch and any size, and the measure of how close a copy is to it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from monai_diffdenoise.errors import InputError

__all__ = ["PARITY", "check_parity", "smallest_side", "trace_any_size"]

PARITY = 1e-4
"""Largest difference of an exported copy, in normalised units (for outputs beyond 1, as a share of the largest)."""

# Odd and even, none a multiple of what networks pad to. The tensors of a trace hold no numbers, so they may be large.
_TRACED = (45, 70, 57)
# Every network that can be traced takes the sizes of its trace.
_LARGEST = 71
# Batch and sides; a side that is too small for the network becomes the smallest that it takes.
_CHECKED = {2: ((1, 64, 64), (1, 37, 90), (3, 51, 40), (2, 1, 1)), 3: ((1, 24, 24, 24), (2, 19, 30, 25), (1, 1, 1, 1))}


def trace_any_size(network: nn.Module, in_channels: int, spatial_dims: int = 2) -> ExportedProgram:
    """Trace with ``torch.export``: batch and sides stay open.

    Args:
        network: (B, in_channels, *S) to (B, C, *S), on the CPU; put in evaluation mode.
        in_channels: of its input.
        spatial_dims: 2 or 3.

    Raises:
        InputError: the network does something that depends on the size, or on the values of the image.
    """
    open_axes = {0: Dim.DYNAMIC, **{axis: Dim.DYNAMIC for axis in range(2, 2 + spatial_dims)}}
    image = torch.rand(2, in_channels, *_TRACED[:spatial_dims])
    try:
        with torch.no_grad():
            program = torch.export.export(network.eval(), (image,), dynamic_shapes=(open_axes,))
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise InputError(
            f"got a {type(network).__name__} that torch.export cannot trace for any size ({reason}): use MONAI's "
            "ckpt_export for it"
        ) from error
    for node in program.graph.nodes:
        # would carry the paths of this machine into the file
        node.meta.pop("stack_trace", None)
    return program


def smallest_side(program: ExportedProgram) -> int:
    """The least number of pixels that every axis of the image must have; 1 or more.

    Raises:
        InputError: none was found.
    """
    image = next(node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs)
    _, channels, *sides = image.meta["val"].shape
    ranges = [program.range_constraints.get(side.node.expr) for side in sides if isinstance(side, torch.SymInt)]
    least = max([1, *(int(found.lower) for found in ranges if found is not None)])
    copy = program.module()
    # not all that a trace takes for granted is in its ranges: a padded side may have to be more than one period
    for side in range(least, _LARGEST):
        with contextlib.suppress(AssertionError, RuntimeError), torch.no_grad():
            copy(torch.zeros(2, int(channels), *(side for _ in sides)))
            return side
    raise InputError(f"got a network whose traced copy takes no image of up to {_LARGEST} pixels a side; expected one")


def _images(in_channels: int, spatial_dims: int, smallest: int) -> Iterator[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    for batch, *sides in _CHECKED[spatial_dims]:
        sides = [max(side, smallest) for side in sides]
        yield torch.rand(batch, in_channels, *sides, generator=generator)


def check_parity(
    network: nn.Module,
    copy: Callable[[torch.Tensor], torch.Tensor],
    in_channels: int,
    spatial_dims: int = 2,
    smallest: int = 1,
) -> dict[str, object]:
    """Compare a copy with its network on noise of several sizes: odd, not square, the smallest; other batches.

    Args:
        network: the original, in evaluation mode.
        copy: called like it.
        in_channels: of the input.
        spatial_dims: 2 or 3.
        smallest: see :func:`smallest_side`.

    Returns:
        ``largest_difference`` and the ``shapes`` of the inputs.

    Raises:
        InputError: the copy differs by :data:`PARITY` or more somewhere, or fails.
    """
    largest, shapes = 0.0, []
    for image in _images(in_channels, spatial_dims, smallest):
        shapes.append(list(image.shape))
        try:
            with torch.no_grad():
                expected, found = network(image), copy(image)
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
            raise InputError(
                f"the exported copy fails on an input of shape {shapes[-1]} ({reason}); not kept"
            ) from error
        if found.shape != expected.shape:
            raise InputError(
                f"the exported copy turns {shapes[-1]} into {list(found.shape)} and the network into "
                f"{list(expected.shape)}; not kept"
            )
        difference = float((found - expected).abs().max() / expected.abs().max().clamp(min=1))
        if not difference < PARITY:
            raise InputError(
                f"the exported copy differs from the network by {difference:.2g} on an input of shape {shapes[-1]}; "
                f"expected less than {PARITY:g}; not kept"
            )
        largest = max(largest, difference)
    return {"largest_difference": largest, "shapes": shapes}
