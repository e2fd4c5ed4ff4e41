# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Fusion by frequency bands, on noise whose spectrum is known."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import FrequencyBands, fuse_volume, fuse_volume_bands, fusion
from monai_diffdenoise.inferers.band_fusion import band_window
from monai_diffdenoise.transforms import AffineScaling
from monai_diffdenoise.transforms.noise import GaussianKernel
from tests.inferers.networks import noise

UNIT = AffineScaling(0.0, 1.0)
BLURRED = GaussianKernel(0.8)
CORRELATION = torch.tensor([[BLURRED.autocorrelation((a, b, 0)) for b in range(-6, 7)] for a in range(-6, 7)])


def blurred(seed: int, *shape: int) -> torch.Tensor:
    return BLURRED.draw((1, *shape), torch.Generator().manual_seed(seed))[0]


def mse(values: torch.Tensor, clean: torch.Tensor) -> float:
    return float((values - clean).square().mean())


@settings(deadline=None, max_examples=40)
@given(
    depth=st.integers(1, 20),
    axis=st.integers(-3, 2),
    run=st.integers(1, 20),
    matched=st.booleans(),
    in_place=st.booleans(),
)
def test_the_result_does_not_depend_on_the_runs(depth: int, axis: int, run: int, matched: bool, in_place: bool) -> None:
    shape = [5, 6]
    shape.insert(axis % 3, depth)
    noisy, denoised, scaling = 9 * noise(*shape) + 4, 5 * noise(*shape, seed=1), AffineScaling(4.0, 9.0)
    weight = noise(*shape, seed=2) > -0.5
    weight.movedim(axis, 0)[depth - 1 :] = False

    def fuse(out: torch.Tensor | None, share_out: torch.Tensor | None) -> tuple[torch.Tensor, float]:
        return fuse_volume_bands(
            noisy,
            denoised,
            weight if matched else None,
            0.5,
            scaling,
            axis,
            out=out,
            share_out=share_out,
            autocorrelation=CORRELATION,
        )

    expected, mean = fuse(None, None)
    share = torch.empty_like(noisy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fusion, "_RUN_VOXELS", 30 * run)
        patch.setattr(fusion, "_RUN_SLICES", 1)
        fused, put_back = fuse(denoised if in_place else None, share)
    assert torch.equal(fused, expected)
    assert put_back == mean == pytest.approx(float(share.double().mean()), abs=1e-9)
    assert (fused is denoised) == in_place
    assert 0 <= float(share.min()) <= float(share.max()) <= 1


@pytest.mark.parametrize("sigma", [0.0, 0.3])
@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 1, 9), (20, 24, 3)], ids=str)
def test_an_unchanged_volume_stays_unchanged(shape: tuple[int, int, int], sigma: float) -> None:
    volume = 1e4 * noise(*shape)
    assert torch.equal(fuse_volume_bands(volume, volume.clone(), None, sigma, UNIT)[0], volume)


def test_nothing_is_noise_where_sigma_is_zero() -> None:
    noisy, denoised = noise(12, 12, 6), noise(12, 12, 6, seed=1)
    fused, share = fuse_volume_bands(noisy, denoised, None, 0.0, UNIT)
    torch.testing.assert_close(fused, noisy, rtol=0, atol=1e-5)
    assert share == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("correlated", [False, True])
def test_noise_alone_is_not_let_back_in(correlated: bool) -> None:
    clean = torch.zeros(64, 64, 20)
    removed = 0.5 * (blurred(1, 64, 64, 20) if correlated else noise(64, 64, 20))
    correlation = CORRELATION if correlated else None
    fused, share = fuse_volume_bands(clean + removed, clean, None, 0.5, UNIT, autocorrelation=correlation)
    assert share < 0.02
    assert mse(fused, clean) < 0.003 * 0.25


def test_correlated_noise_taken_for_white_comes_back() -> None:
    # the control of the test above: it is the spectrum that keeps the noise out
    removed = blurred(1, 64, 64, 20)
    told = fuse_volume_bands(removed, torch.zeros_like(removed), None, 1.0, UNIT, autocorrelation=CORRELATION)[0]
    untold = fuse_volume_bands(removed, torch.zeros_like(removed), None, 1.0, UNIT)[0]
    assert float(untold.square().mean()) > 20 * float(told.square().mean())


def test_fine_structure_comes_back_without_the_noise_of_other_frequencies() -> None:
    stripes = torch.cos(torch.arange(96.0) * 2 * torch.pi / 2.5)[:, None, None].expand(96, 96, 20)
    noisy = stripes + 0.5 * noise(96, 96, 20)
    bands, share = fuse_volume_bands(noisy, torch.zeros_like(noisy), None, 0.5, UNIT)
    local, _ = fuse_volume(noisy, torch.zeros_like(noisy), None, 0.5, UNIT)
    assert mse(bands, stripes) < 0.6 * mse(local, stripes)
    assert share < 0.6


def test_white_errors_are_fused_about_as_voxel_by_voxel() -> None:
    noisy, denoised = 0.8 * noise(64, 64, 24), 0.6 * noise(64, 64, 24, seed=1)
    bands, share = fuse_volume_bands(noisy, denoised, None, 0.8, UNIT, margin=1.0)
    local, known = fuse_volume(noisy, denoised, None, 0.8, UNIT, margin=1.0)
    # the weight of y that minimizes the error is 0.36 / (0.36 + 0.64)
    assert share == pytest.approx(0.36, abs=0.03)
    assert share == pytest.approx(known, abs=0.03)
    clean = torch.zeros_like(noisy)
    assert mse(bands, clean) == pytest.approx(mse(local, clean), rel=0.03)


def test_a_larger_margin_puts_less_back() -> None:
    noisy, denoised = 0.8 * noise(32, 32, 8), 0.6 * noise(32, 32, 8, seed=1)
    shares = [fuse_volume_bands(noisy, denoised, None, 0.8, UNIT, margin=m)[1] for m in (1.0, 1.25, 1.5)]
    assert shares[0] > shares[1] + 0.05 > shares[2] + 0.1


def test_rows_and_columns_of_the_correlation_are_those_of_the_slices() -> None:
    # noise that is correlated along the first of the two axes that are left
    kernel = GaussianKernel(1.0, axes=(1,))
    removed = kernel.draw((1, 8, 64, 64), torch.Generator().manual_seed(0))[0]
    lags = torch.tensor([[kernel.autocorrelation((0, a, b)) for b in range(-6, 7)] for a in range(-6, 7)])
    zero = torch.zeros_like(removed)
    right = fuse_volume_bands(removed, zero, None, 1.0, UNIT, axis=0, autocorrelation=lags)[1]
    wrong = fuse_volume_bands(removed, zero, None, 1.0, UNIT, axis=0, autocorrelation=lags.T.contiguous())[1]
    assert right < 0.03
    assert wrong > 5 * right


def test_noise_that_depends_on_the_signal() -> None:
    bright = torch.cat([torch.full((48, 48, 10), 1.0), torch.full((48, 48, 10), 16.0)])
    noisy = bright + bright.sqrt() * noise(96, 48, 10)
    share = torch.empty_like(noisy)
    fuse_volume_bands(noisy, bright, None, 3.0, AffineScaling(2.0, 5.0), variance_at=lambda c: c, share_out=share)
    assert float(share[10:38].mean()) < 0.02
    assert float(share[58:86].mean()) < 0.02
    fuse_volume_bands(noisy, bright, None, 0.2, AffineScaling(2.0, 5.0), share_out=share)
    assert float(share[58:86].mean()) > 0.8


def test_bands_can_be_made_before() -> None:
    noisy, denoised = noise(20, 22, 5), noise(20, 22, 5, seed=1)
    bands = FrequencyBands.make((20, 22), CORRELATION)
    expected = fuse_volume_bands(noisy, denoised, None, 0.5, UNIT, autocorrelation=CORRELATION)[0]
    assert torch.equal(fuse_volume_bands(noisy, denoised, None, 0.5, UNIT, bands=bands)[0], expected)


def test_shapes_must_agree() -> None:
    with pytest.raises(InputError, match="expected two equal ones"):
        fuse_volume_bands(torch.zeros(4, 4, 4), torch.zeros(4, 4, 5), None, 1.0, UNIT)


@pytest.mark.parametrize(
    ("area", "window", "count"), [(1.0, (5, 5), 125), (9.0, (15, 15), 125), (400.0, (41, 41), 21), (0.2, (5, 5), 125)]
)
def test_windows_hold_enough_independent_values(area: float, window: tuple[int, int], count: float) -> None:
    found, values = band_window(area, (96, 96), 5)
    assert found == window
    assert values == pytest.approx(count, abs=0.5)


def test_windows_fit_the_slice() -> None:
    assert band_window(9.0, (8, 3), 1)[0] == (7, 3)
