# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tiles that give what the whole image gives: each is computed with enough of its surroundings, which are cut off."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import nn

from monai_diffdenoise.errors import InputError

__all__ = ["ExactTiles", "Tile", "inner_part", "receptive_reach", "tile_spans", "tiles_of"]

Tile = tuple[tuple[slice, ...], tuple[slice, ...]]
"""Of each axis: what the network gets, and what of the image is taken from its result."""


def tile_spans(side: int, tile: int, halo: int, multiple: int = 1) -> list[tuple[slice, slice]]:
    """Cut one axis into parts, each with its surroundings.

    Args:
        side: pixels of the axis.
        tile: most pixels of a part with its surroundings; exceeded by up to ``multiple`` - 1.
        halo: pixels needed on both sides, where the image has them.
        multiple: parts start at multiples of it, as pooling and phases need.

    Returns:
        for each part, what is looked at and what is wanted; the wanted ones cover the axis once.

    Raises:
        InputError: a tile without room for anything but its surroundings.
    """
    core = (tile - 2 * halo) // multiple * multiple
    if min(side, tile, multiple) < 1 or halo < 0 or (side > tile and core < 1):
        raise InputError(
            f"got tile={tile}, halo={halo}, multiple={multiple}; expected a tile of at least twice the halo and "
            f"{multiple} more, {2 * max(halo, 0) + max(multiple, 1)} pixels: use larger tiles"
        )
    if side <= tile:
        return [(slice(0, side), slice(0, side))]
    return [
        (
            slice(max(start - halo, 0) // multiple * multiple, min(start + core + halo, side)),
            slice(start, min(start + core, side)),
        )
        for start in range(0, side, core)
    ]


def tiles_of(size: Sequence[int], tile: Sequence[int], halo: int, multiple: int = 1) -> list[Tile]:
    """All tiles of an image, those of equal size one behind the other; see :func:`tile_spans`."""
    spans = [tile_spans(side, part, halo, multiple) for side, part in zip(size, tile, strict=True)]
    tiles = [
        (tuple(seen for seen, _ in parts), tuple(wanted for _, wanted in parts)) for parts in itertools.product(*spans)
    ]
    return sorted(tiles, key=lambda parts: tuple(span.stop - span.start for span in parts[0]))


class ExactTiles(nn.Module):
    """Run a network of bounded reach over tiles, with the result of the whole image up to rounding.

    The network's own padding acts at the border of the image and nowhere else. Networks that use statistics of the
    whole image (global pooling, instance normalization, attention over all pixels) have no bounded reach:
    :func:`receptive_reach` finds out.

    Args:
        network: (B, C, *S) to (B, C', *S) for any size.
        tile: largest side of what the network gets, halo included, for all axes or for each.
        halo: pixels around a pixel that its result may depend on, at least.
        multiple: period of the network (product of its strides, phases): tiles start at multiples of it.
        batch_size: tiles a pass.

    Shape:
        as the network, for any size: (B, C, *S) to (B, C', *S).

    Raises:
        InputError: numbers out of range, or a tile not larger than its halos.
    """

    def __init__(
        self,
        network: Callable[[torch.Tensor], torch.Tensor],
        tile: int | Sequence[int] = 512,
        halo: int = 64,
        multiple: int = 1,
        batch_size: int = 1,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise InputError(f"got batch_size={batch_size}; expected at least 1")
        for side in [tile] if isinstance(tile, int) else tile:
            tile_spans(side + 1, side, halo, multiple)
        self.network, self.tile, self.halo = network, tile, halo
        self.multiple, self.batch_size = multiple, batch_size
        self.training = getattr(network, "training", False)

    @property
    def blind(self) -> set[tuple[int, ...]]:
        """The network's.

        Raises:
            AttributeError: the network has no ``blind``.
        """
        offsets: set[tuple[int, ...]] = getattr(self.network, "blind")  # noqa: B009
        return offsets

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        size = image.shape[2:]
        tile = (self.tile,) * len(size) if isinstance(self.tile, int) else tuple(self.tile)
        tiles = tiles_of(size, tile, self.halo, self.multiple)
        if len(tiles) == 1:
            return self.network(image)
        at_once = max(self.batch_size // max(len(image), 1), 1)
        result = torch.zeros(())
        for _, alike in itertools.groupby(tiles, key=lambda parts: tuple(span.stop - span.start for span in parts[0])):
            rest = list(alike)
            for some in (rest[k : k + at_once] for k in range(0, len(rest), at_once)):
                estimates = self.network(torch.cat([image[_spatial(seen)] for seen, _ in some])).chunk(len(some))
                for (seen, wanted), estimate in zip(some, estimates, strict=True):
                    if not result.dim():
                        result = estimate.new_zeros((len(image), estimate.shape[1], *size))
                    result[_spatial(wanted)] = estimate[_spatial(inner_part(seen, wanted))]
        return result


def inner_part(seen: tuple[slice, ...], wanted: tuple[slice, ...]) -> tuple[slice, ...]:
    """Where in the result for a tile the wanted part lies."""
    return tuple(slice(w.start - s.start, w.stop - s.start) for s, w in zip(seen, wanted, strict=True))


def _spatial(place: tuple[slice, ...]) -> tuple[slice, ...]:
    """The same place in a batch (B, C, *S)."""
    return (slice(None), slice(None), *place)


@torch.no_grad()
def receptive_reach(
    network: Callable[[torch.Tensor], torch.Tensor],
    in_channels: int = 1,
    spatial_dims: int = 2,
    limit: int = 96,
    multiple: int = 1,
    device: torch.device | str = "cpu",
) -> int:
    """How far, in pixels along an axis, a network's result depends on its input: the halo that its tiles need.

    One pixel that is not a number makes everything that it touches not a number, whatever the weights are.

    Args:
        network: any; a module is looked at in evaluation mode.
        in_channels: of its input.
        spatial_dims: 2 or 3.
        limit: largest reach that can be found; the probe is twice as wide, so keep it small in 3 dimensions.
        multiple: period of the network; what is found at one place may be this much larger at another.
        device: of the network.

    Raises:
        InputError: the network reaches farther, or everywhere.
    """
    was_training = getattr(network, "training", False)
    if isinstance(network, nn.Module):
        network.eval()
    # one pixel more than the limit, so that what touches the border of the probe is beyond it
    middle = -(-(limit + 1) // multiple) * multiple
    probe = torch.zeros((1, in_channels, *(2 * middle + 1,) * spatial_dims), device=device)
    probe[_spatial((slice(middle, middle + 1),) * spatial_dims)] = torch.nan
    touched = torch.isnan(network(probe)).any(1)[0].nonzero() - middle
    if isinstance(network, nn.Module):
        network.train(was_training)
    reach = int(touched.abs().max()) if len(touched) else 0
    if reach + multiple - 1 > limit:
        raise InputError(
            f"got a network that reaches farther than {limit} pixels (its statistics may be of the whole image); "
            "expected a bounded reach: blend tiles instead, or raise the limit"
        )
    return reach + multiple - 1
