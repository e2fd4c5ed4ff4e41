# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Draw noise that is correlated like that of an image, to probe a denoiser with."""

from __future__ import annotations

import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics.arrays import Array, as_tensor, inside_mask
from monai_diffdenoise.metrics.blocks import plane_stack

__all__ = ["noise_like", "slice_noise_probe"]

_TILE = 16
_QUIET = 0.25
_FEWEST = 4
_NEAR = 4
# More voxels than these say nothing new.
_MOST_VOXELS = 2_000_000


def noise_like(sample: Array, generator: torch.Generator | None = None) -> torch.Tensor:
    """Draw Gaussian noise with the in-plane power spectrum of a sample.

    Args:
        sample: (C, slices, H, W) of something that is noise, such as the difference of two repeats. The spectrum is the
            mean over channels and slices; slices are drawn independently of each other.
        generator: draws the noise; None takes one with seed 0.

    Returns:
        float32 of the shape of ``sample``, standard deviation 1.

    Raises:
        InputError: another number of axes, or a sample without noise.
    """
    values = as_tensor(sample)
    if values.dim() != 4:
        raise InputError(f"got a sample of shape {tuple(values.shape)}; expected (channels, slices, height, width)")
    power = torch.zeros(values.shape[2:], dtype=torch.float64)
    for part in values.flatten(0, 1):
        power += torch.fft.fft2(part.double()).abs().square()
    if not bool(power.sum() > 0) or not bool(power.isfinite().all()):
        raise InputError("got a sample without noise, or with NaN in it; expected finite values that differ")
    return _draw(power, values.shape, generator)


def slice_noise_probe(
    noisy: Array,
    axis: int = -1,
    distance: int = 1,
    *,
    mask: Array | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    r"""Noise for a probe that is correlated in the plane as the volume's own is, from the differences of its slices.

    :math:`y_{i-d} - 2 y_i + y_{i+d}` holds the noise of three slices and no structure that changes steadily. It is cut
    into tiles of 16 x 16 voxels, and the correlation is that of the quarter of them whose place is the quietest in
    other slices, where structure is rare. It is that of the noise if the noise of the slices is independent; beyond 8
    voxels it is taken for 0.

    Args:
        noisy: (C, X, Y, Z).
        axis: spatial axis along which the slices are stacked.
        distance: slices from one to its partner.
        mask: where the noise is of interest, such as the foreground; with noise that depends on the signal the quietest
            tiles are those of the air.
        generator: draws the noise; None takes one with seed 0.

    Returns:
        float32 of the shape of ``noisy``, standard deviation 1.

    Raises:
        InputError: another number of axes, too few slices, or slices without noise.
    """
    values = as_tensor(noisy)
    stack = plane_stack(values, axis)
    if distance < 1 or stack.shape[1] < distance + 1:
        raise InputError(f"got {stack.shape[1]} slices and a distance of {distance}; expected at least one pair")
    inside = inside_mask(mask, values.shape)
    kept = None if inside is None else plane_stack(inside, axis)
    tiles = _quiet_tiles(stack, distance, kept)
    correlation = _correlation(tiles)
    power = torch.zeros(stack.shape[2:], dtype=torch.float64)
    tall, wide = correlation.shape[0] // 2, correlation.shape[1] // 2
    rows = torch.arange(-tall, tall + 1) % power.shape[0]
    columns = torch.arange(-wide, wide + 1) % power.shape[1]
    power.index_put_((rows[:, None], columns[None]), correlation, accumulate=True)
    spectrum = torch.fft.fft2(power).real.clamp_min(0.0)
    return _draw(spectrum, stack.shape, generator).movedim(1, 1 + axis % 3)


def _draw(power: torch.Tensor, shape: torch.Size, generator: torch.Generator | None) -> torch.Tensor:
    """Gaussian noise of a shape (C, slices, H, W) with a power spectrum (H, W), standard deviation 1."""
    generator = generator if generator is not None else torch.Generator().manual_seed(0)
    gain = (power / power.mean()).sqrt()
    drawn = torch.empty(shape, dtype=torch.float32)
    for part in drawn.flatten(0, 1):
        white = torch.randn(part.shape, dtype=torch.float64, generator=generator, device=generator.device).cpu()
        part.copy_(torch.fft.ifft2(torch.fft.fft2(white) * gain).real)
    return drawn


def _quiet_tiles(stack: torch.Tensor, distance: int, kept: torch.Tensor | None) -> torch.Tensor:
    """The quietest tiles (N, tall, wide) of the differences of a stack (C, slices, H, W), each of about variance 1."""
    reach = 2 if stack.shape[1] > 2 * distance else 1
    count = stack.shape[1] - reach * distance
    step = 1 + count * stack[:, 0].numel() // _MOST_VOXELS
    first = torch.arange(0, count, step)
    parts = [stack[:, first + place * distance].double() for place in range(reach + 1)]
    field = parts[0] - 2 * parts[1] + parts[2] if reach == 2 else parts[1] - parts[0]
    sides = [min(_TILE, side) for side in stack.shape[2:]]
    tiles = _tiles(field, sides)
    live = ((tiles != 0).double().mean(dim=(-2, -1)) > 0.9) & tiles.isfinite().all(dim=-1).all(dim=-1)
    if not bool(live.any()):
        raise InputError("got slices whose differences are 0 or not finite; expected noise")
    if kept is not None:
        chosen = live & (_tiles(kept[:, first].double(), sides).mean(dim=(-2, -1)) > 0.9)
        live = chosen if int(chosen.sum()) >= _FEWEST else live
    loudness = _loudness(tiles.square().mean(dim=(-2, -1)), live, reach * distance // step)
    order = loudness[live].argsort()
    order = order[: max(_FEWEST, round(_QUIET * len(order)))]
    tiles = tiles[live][order]
    # as many loud tiles as quiet ones would let the loud ones decide
    return tiles / tiles.square().mean(dim=(1, 2), keepdim=True).sqrt()


def _loudness(energy: torch.Tensor, live: torch.Tensor, shared: int) -> torch.Tensor:
    """Energy (C, differences, rows, columns) at the same place in other slices, whose noise is another.

    Tiles that were chosen by their own energy would have less of the noise's coarse part, which varies most.
    """
    energy, counts = torch.where(live, energy, 0.0), live.double()
    sums, numbers = torch.zeros_like(energy), torch.zeros_like(energy)
    for shift in range(shared + 1, shared + 1 + _NEAR):
        length = energy.shape[1] - shift
        if length > 0:
            for here, there in ((0, shift), (shift, 0)):
                sums[:, here : here + length] += energy[:, there : there + length]
                numbers[:, here : here + length] += counts[:, there : there + length]
    # with few slices, all at that place
    mean = energy.sum(dim=1, keepdim=True) / counts.sum(dim=1, keepdim=True).clamp_min(1.0)
    return torch.where(numbers > 0, sums / numbers, mean.expand(energy.shape))


def _tiles(field: torch.Tensor, sides: list[int]) -> torch.Tensor:
    """Tiles (C, slices, rows, columns, tall, wide) of (C, slices, H, W), half a tile apart."""
    steps = [max(1, side // 2) for side in sides]
    return field.unfold(2, sides[0], steps[0]).unfold(3, sides[1], steps[1])


def _correlation(tiles: torch.Tensor) -> torch.Tensor:
    """Autocorrelation (2 a + 1, 2 b + 1) of tiles at lags up to half their sides, the middle is lag 0."""
    size = [2 * side for side in tiles.shape[1:]]
    power = torch.fft.fft2(tiles, s=size).abs().square().mean(dim=0)
    overlap = torch.fft.fft2(torch.ones(tiles.shape[1:], dtype=torch.float64), s=size).abs().square()
    half = [side // 2 for side in tiles.shape[1:]]
    sums, counts = (torch.fft.fftshift(torch.fft.ifft2(part).real) for part in (power, overlap))
    window = tuple(slice(side - reach, side + reach + 1) for side, reach in zip(tiles.shape[1:], half, strict=True))
    correlation = sums[window] / counts[window]
    return correlation / correlation[half[0], half[1]]
