# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Frequency bands: they sum to the slice, and their noise is what noise of that spectrum has in them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import FrequencyBands
from monai_diffdenoise.transforms.noise import FilteredBackprojection, GaussianKernel, Texture, White, ZeroFilled
from tests.inferers.networks import noise


def correlation(texture: Texture, reach: int = 6) -> torch.Tensor:
    lags = range(-reach, reach + 1)
    return torch.tensor([[texture.autocorrelation((a, b, 0)) for b in lags] for a in lags])


@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(1, 60),
    columns=st.integers(1, 60),
    edges=st.sampled_from([(), (0.25,), (0.4, 0.2, 0.1, 0.05)]),
    oriented=st.booleans(),
)
def test_the_bands_sum_to_the_slice(rows: int, columns: int, edges: tuple[float, ...], oriented: bool) -> None:
    image = noise(rows, columns)
    bands = list(FrequencyBands.make((rows, columns), None, edges, oriented).split(image))
    assert len(bands) == len(edges) * (2 if oriented else 1) + 1
    assert all(band.shape == image.shape for band in bands)
    torch.testing.assert_close(torch.stack(bands).sum(0), image, rtol=0, atol=1e-5)


def test_a_wave_lies_in_the_band_of_its_frequency_and_direction() -> None:
    place = torch.arange(96.0)
    bands = FrequencyBands.make((96, 96))
    for period, band in ((2.5, 0), (5.6, 2), (11.3, 4)):
        wave = torch.cos(2 * math.pi * place / period)
        for down, image in ((0, wave[:, None].expand(96, 96)), (1, wave[None].expand(96, 96))):
            energy = [float(part[24:72, 24:72].square().mean()) for part in bands.split(image.contiguous())]
            assert max(range(7), key=energy.__getitem__) == band + down
            assert energy[band + down] > 0.8 * sum(energy)
    flat = [float(part.square().mean()) for part in bands.split(torch.ones(96, 96))]
    assert flat[-1] == pytest.approx(1, abs=1e-5)
    assert sum(flat[:-1]) < 1e-9


@pytest.mark.parametrize(
    "texture",
    [White(), GaussianKernel(0.8), FilteredBackprojection(), ZeroFilled((1.0, 1.6))],
    ids=["white", "blurred", "ramp", "zero-filled"],
)
def test_noise_in_the_bands_is_what_the_spectrum_says(texture: Texture) -> None:
    size = (90, 80)
    drawn = texture.draw((1, *size, 40), torch.Generator().manual_seed(0))[0]
    bands = FrequencyBands.make(size, correlation(texture))
    parts = [list(bands.split(one.contiguous())) for one in drawn.unbind(-1)]
    for k, (expected, area) in enumerate(zip(bands.noise, bands.correlation_area, strict=True)):
        band = torch.stack([part[k] for part in parts])[:, 10:-10, 10:-10].double()
        found = float(band.square().mean())
        assert found == pytest.approx(expected, rel=0.08, abs=2e-3)
        if expected > 5e-3:
            # the mean of squares over a slice scatters as the area says
            scatter = float(band.square().mean((1, 2)).std()) / found
            count = band[0].numel() / area
            assert scatter == pytest.approx(math.sqrt(2 / count), rel=0.35)


def test_zero_filled_noise_differs_between_rows_and_columns() -> None:
    found = FrequencyBands.make((64, 64), correlation(ZeroFilled((1.0, 1.6)))).noise
    assert max(found[0], found[1]) > 1.4 * min(found[0], found[1])
    white = FrequencyBands.make((64, 64)).noise
    assert white[0] == pytest.approx(white[1])


def test_white_noise_in_closed_form() -> None:
    single = FrequencyBands.make((32, 32), None, ())
    assert single.noise == (1.0,)
    assert single.correlation_area == (1.0,)
    assert sum(FrequencyBands.make((32, 32), None, (0.25,), False).noise) < 1


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 40)])
def test_small_slices_take_any_correlation(size: tuple[int, int]) -> None:
    bands = FrequencyBands.make(size, correlation(GaussianKernel(0.8)))
    assert all(0 <= share <= 1 for share in bands.noise)


@pytest.mark.parametrize("edges", [(0.1, 0.2), (0.8,), (0.2, 0.0), (0.2, 0.2)])
def test_edges_fall(edges: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="falling"):
        FrequencyBands.make((8, 8), None, edges)


@pytest.mark.parametrize("shape", [(3,), (3, 5), (4, 4)])
def test_lags_are_square_and_odd(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="lags"):
        FrequencyBands.make((8, 8), torch.ones(shape))
