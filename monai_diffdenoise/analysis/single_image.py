# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
r"""Noise of a single image, where no other slice shows what is anatomy.

Three assumptions replace the other slice: the noise has the same power spectrum at all brightnesses; anatomy adds
coarse detail rather than fine; and at some brightness (air, vitreous, a large organ) there is little of it. Blocks
are grouped by brightness. The groups with the least coarse energy for their fine energy show the correlation of the
noise. At every brightness the mode over blocks of the fine energy, which anatomy disturbs least, is turned into a
variance with the share of the noise's energy that is fine,

.. math:: \sigma^2 = E_\mathrm{fine} / \sum_h \rho(h)\,(k \star k)(h),

k being the second difference along both axes. In an image that is textured everywhere, the texture is part of this.
"""

from __future__ import annotations

import torch

from monai_diffdenoise.analysis.flat_blocks import FlatBlocks, cut_blocks, fine_detail, without_plane
from monai_diffdenoise.analysis.noise_spectrum import NoiseSpectrum, measure_spectrum
from monai_diffdenoise.analysis.sigma import pick_pairs, slice_stack
from monai_diffdenoise.transforms.block_noise import log_mode

__all__ = ["fine_share", "measure_single_image"]

_BINS = 12
_FEWEST = 24
_DEAD = 0.25
_VOXELS = 2_000_000
_NEAR = 1.6
_POPULATED = 0.1
_ABOUT = 1.3
_LARGE = 8
_SHARE, _PICKED = 0.3, 12
_SAME = 0.65


def fine_share(autocorrelation: torch.Tensor) -> float:
    """Energy of the fine detail of noise with an autocorrelation, over that of white noise of the same variance.

    Args:
        autocorrelation: (2 r + 1, 2 r + 1) with 1 in the middle, r at least 2.
    """
    kernel = torch.tensor([1.0, -4.0, 6.0, -4.0, 1.0], dtype=torch.float64)
    both = kernel[:, None] * kernel[None, :] / 36
    reach = autocorrelation.shape[0] // 2
    return float((both * autocorrelation.double()[reach - 2 : reach + 3, reach - 2 : reach + 3]).sum())


def measure_single_image(
    volume: torch.Tensor, axis: int = -1, side: int = 8
) -> tuple[FlatBlocks, NoiseSpectrum] | None:
    """Find blocks of noise in single slices, and how the noise is correlated in them.

    Args:
        volume: (X, Y, Z) or (H, W), finite.
        axis: along which the slices are stacked.
        side: of a block in pixels.

    Returns:
        blocks whose mean square, grouped, estimates the noise variance, ``structure`` being the coarse over fine energy
        in units of that of the cleanest groups (at least 2 where blocks do not agree), and the spectrum; None for
        images under four blocks wide or without noise.
    """
    stack = slice_stack(volume, axis)
    if min(stack.shape[1:]) < 4 * side:
        return None
    index = pick_pairs(stack, 0, _VOXELS)
    chosen = stack[index]
    blocks, fine = cut_blocks(chosen, side), cut_blocks(fine_detail(chosen), side)
    mean, energy = blocks.mean((1, 2)), fine.square().mean((1, 2)).double()
    repeated = (blocks == blocks.flatten(1).median(1).values[:, None, None]).double().mean((1, 2))
    live = ((repeated < _DEAD) & (energy > 0)).nonzero().flatten()
    if len(live) < _FEWEST:
        return None
    coarse = without_plane(blocks).square().mean((1, 2)).double()
    rows, columns = stack.shape[1] // side, stack.shape[2] // side
    beside = _neighbors(coarse.reshape(-1, rows, columns)).flatten()
    groups, modes, ratios, populated, everyone = [], [], [], [], []
    for members in live[mean[live].argsort()].chunk(max(1, min(_BINS, len(live) // (2 * _FEWEST)))):
        # Anatomy comes in regions and noise does not: what a block's neighbors hold says nothing of its own noise.
        quiet = members[beside[members].argsort()[: max(_PICKED, round(_SHARE * len(members)))]]
        mode = log_mode(energy[members])
        near = members[(energy[members] < _NEAR * mode) & (energy[members] > mode / _NEAR)]
        if len(near) < 4:
            continue
        groups.append(near)
        everyone.append(quiet)
        modes.append(mode)
        ratios.append(float((coarse[near] / energy[near]).median()))
        # where quiet surroundings go with weaker fine detail, texture has its part in it (or noise is uneven)
        populated.append(len(near) > _POPULATED * len(members) and log_mode(energy[quiet]) > _SAME * mode)
    if not groups:
        return None
    # A little above the cleanest, since the smallest of several noisy ratios is too small.
    limit = _ABOUT * sorted(ratios)[min(1, len(ratios) - 1)]
    clean = [g for g, ratio in enumerate(ratios) if ratio <= limit]
    spectrum = _spectrum(chosen, torch.cat([everyone[g] for g in clean]), side)
    share = max(fine_share(spectrum.autocorrelation), 1e-4)
    field = []
    for near, mode in zip(groups, modes, strict=True):
        # Scaled to the mode, so that the mean square over a group is the variance of the noise.
        part = without_plane(blocks[near])
        field.append(part * (mode / share / float(part.square().mean().double())) ** 0.5)
    kept = torch.cat(groups)
    place = torch.stack([index[kept // (rows * columns)], kept // columns % rows * side, kept % columns * side], dim=1)
    group = torch.cat([torch.full_like(near, g) for g, near in enumerate(groups)])
    # The spectrum is that of the cleanest groups: what others have more of coarse energy is anatomy.
    structure = torch.tensor(ratios) / sorted(ratios)[min(1, len(ratios) - 1)]
    structure = torch.where(torch.tensor(populated), structure, structure.clamp(min=2.0))
    return FlatBlocks(torch.cat(field), mean[kept], place, group, structure, len(kept) / len(live)), spectrum


def _neighbors(energy: torch.Tensor) -> torch.Tensor:
    """Mean over the up to eight blocks around each of (N, rows, columns)."""
    around = torch.nn.functional.avg_pool2d(energy[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
    count = torch.nn.functional.avg_pool2d(torch.ones_like(energy)[:, None], 3, 1, 1)[:, 0] * 9
    return (around * count - energy) / (count - 1)


def _spectrum(slices: torch.Tensor, members: torch.Tensor, side: int) -> NoiseSpectrum:
    """Autocorrelation in blocks of twice the side that lie within the given ones, without those that hold structure."""
    rows, columns = slices.shape[1] // side, slices.shape[2] // side
    picked = torch.zeros(slices.shape[0] * rows * columns)
    picked[members] = 1
    inside = cut_blocks(picked.reshape(slices.shape[0], rows, columns), 2).sum((1, 2)) == 4
    if int(inside.sum()) >= _LARGE:
        cut = slices[:, : rows // 2 * 2 * side, : columns // 2 * 2 * side]
        blocks, fine = cut_blocks(cut, 2 * side)[inside], cut_blocks(fine_detail(cut), 2 * side)[inside]
    else:
        blocks, fine = cut_blocks(slices, side)[members], cut_blocks(fine_detail(slices), side)[members]
    blocks = without_plane(blocks)
    detail = fine.square().mean((1, 2)).sqrt().clamp_min(torch.finfo(fine.dtype).tiny)
    ratio = blocks.square().mean((1, 2)) / detail.square()
    even = (detail < _NEAR * detail.median()) & (ratio < 2 * log_mode(ratio[ratio > 0]))
    blocks, detail = blocks[even], detail[even]
    zeros = torch.zeros(len(blocks), dtype=torch.long)
    place = torch.zeros(len(blocks), 3, dtype=torch.long)
    return measure_spectrum(FlatBlocks(blocks, detail, place, zeros, torch.ones(1), 1.0), detail)
