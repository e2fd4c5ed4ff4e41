# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise by its power spectrum, of CT slices and of zero-filled MR images."""

from __future__ import annotations

import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise import FilteredBackprojection, PowerSpectrum, Texture, ZeroFilled, fbp_spectrum
from monai_diffdenoise.transforms.noise.spectra import APODIZATIONS, spectrum_kernel


def periodogram(texture: Texture, size: int, count: int = 2000) -> torch.Tensor:
    field = texture.draw((count, size, size), torch.Generator().manual_seed(0)).double()
    return torch.fft.fft2(field).abs().square().mean(0) / size**2


def smooth_spectrum(rows: int, columns: int) -> torch.Tensor:
    along = [torch.cos(2 * math.pi * torch.fft.fftfreq(n, dtype=torch.float64)) for n in (rows, columns)]
    return (1.5 + along[0])[:, None] * (1.2 - along[1])[None, :]


@pytest.mark.parametrize(
    ("texture", "shape"),
    [
        (PowerSpectrum(smooth_spectrum(8, 9)), (4, 6)),
        (PowerSpectrum(smooth_spectrum(8, 9), (2, 1)), (2, 5, 4)),
        (FilteredBackprojection(), (5, 6)),
        (FilteredBackprojection("hann", 0.4, (1, 2)), (2, 3, 4)),
        (FilteredBackprojection("none"), (4, 5, 2)),
        *((ZeroFilled((factor, 1.3)), shape) for factor in (1.0, 1.5, 2.0, 9.0) for shape in ((6, 5), (5, 4))),
        (ZeroFilled((2.0, 1.5), (-1, 0)), (3, 2, 4)),
        (ZeroFilled((1.7,)), (7, 2)),
    ],
)
def test_any_two_voxels_have_the_stated_covariance(texture: Texture, shape: tuple[int, ...], covariance_z) -> None:
    assert covariance_z(texture, shape) < 5


@pytest.mark.parametrize("shape", [(16,), (15, 16), (9, 8, 7)])
def test_a_spectrum_that_dies_away_is_met_exactly(shape: tuple[int, ...]) -> None:
    reach = [torch.fft.fftfreq(n, dtype=torch.float64) * n for n in shape]
    decay = torch.ones(())
    for axis, lag in enumerate(reach):
        decay = decay * torch.exp(-lag.square()).view([-1 if a == axis else 1 for a in range(len(shape))])
    power = torch.fft.fftn(decay).real.clamp(min=0)
    texture = PowerSpectrum(power)
    for lag in np.ndindex(*(3,) * len(shape)):
        assert texture.autocorrelation(lag) == pytest.approx(math.exp(-sum(step**2 for step in lag)), abs=1e-4)


def test_kernel_of_a_spectrum_has_it_and_its_middle_in_the_middle() -> None:
    power = smooth_spectrum(8, 9)
    kernel = spectrum_kernel(power)
    assert torch.allclose(torch.fft.fft2(kernel).abs().square(), power)
    assert int(kernel.abs().argmax()) == 4 * 9 + 4


@pytest.mark.parametrize(
    ("power", "message"),
    [
        (torch.zeros(4), "at least 0"),
        (torch.tensor([1.0, -1.0]), "at least 0"),
        (torch.tensor([1.0, math.nan]), "at least 0"),
        (torch.tensor(1.0), "at least 0"),
        (torch.tensor([1.0, 2.0, 3.0, 4.0]), "fftshift"),
        (torch.fft.fftshift(smooth_spectrum(9, 9)), "fftshift"),
    ],
)
def test_spectra_that_cannot_be_are_refused(power: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        PowerSpectrum(power)


@pytest.mark.parametrize("apodization", APODIZATIONS)
@pytest.mark.parametrize("cutoff", [0.5, 0.35])
def test_ct_noise_is_a_ramp_and_a_window(apodization: str, cutoff: float) -> None:
    size = 64
    along = torch.fft.fftfreq(size, dtype=torch.float64)
    radius = torch.hypot(along[:, None], along[None, :])
    share = (radius / cutoff).clamp(max=1.0)
    window = {
        "none": torch.ones_like(share),
        "shepp-logan": torch.sin(math.pi * share / 2) / (math.pi * share / 2).clamp(min=1e-9),
        "cosine": torch.cos(math.pi * share / 2),
        "hann": torch.cos(math.pi * share / 2) ** 2,
    }[apodization]
    expected = radius * window.square() * (radius <= cutoff)
    assert torch.allclose(fbp_spectrum(size, apodization, cutoff), expected / expected.max(), atol=1e-12)


@pytest.mark.parametrize(
    ("apodization", "error"), [("none", 0.01), ("shepp-logan", 0.01), ("cosine", 1e-4), ("hann", 3e-4)]
)
@pytest.mark.parametrize("cutoff", [0.5, 0.35])
def test_ct_noise_has_the_correlation_of_its_spectrum(apodization: str, error: float, cutoff: float) -> None:
    """Nothing that matters is lost by the size of the kernel, least with the windows that end softly."""
    correlation = torch.fft.ifft2(fbp_spectrum(512, apodization, cutoff)).real
    noise = FilteredBackprojection(apodization, cutoff)
    for lag in np.ndindex(8, 8):
        assert noise.autocorrelation(lag) == pytest.approx(float(correlation[lag] / correlation[0, 0]), abs=error)


def test_ct_noise_has_no_mean_over_a_large_area() -> None:
    assert abs(float(FilteredBackprojection().filter.kernel.sum())) < 1e-12


def test_ct_noise_is_round() -> None:
    noise = FilteredBackprojection()
    assert noise.autocorrelation((1, 0)) == pytest.approx(noise.autocorrelation((0, 1)), abs=1e-12)
    assert noise.autocorrelation((3, 4)) == pytest.approx(noise.autocorrelation((5, 0)), abs=2e-3)
    assert noise.autocorrelation((0, 0, 1)) == 0.0


def test_ct_noise_is_like_that_of_a_simulated_scanner(dev_data: Path) -> None:
    """Ten realizations of one FBP slice, made from simulated projections."""
    scans = nib.load(dev_data / "A_ct_lcd_simulated" / "noisy10.nii.gz").get_fdata()[64:192, 64:192, 0]
    noise = scans - scans.mean(-1, keepdims=True)
    for lag in (1, 2, 3):
        rows, columns = (noise[lag:] * noise[:-lag]).mean(), (noise[:, lag:] * noise[:, :-lag]).mean()
        measured = (rows + columns) / 2 / (noise**2).mean()
        assert measured == pytest.approx(FilteredBackprojection("cosine").autocorrelation((lag, 0)), abs=0.07)


@pytest.mark.parametrize(
    ("size", "cutoff", "name"), [(64, 0.0, "cosine"), (64, 0.51, "cosine"), (64, math.nan, "hann")]
)
def test_ct_noise_that_cannot_be_is_refused(size: int, cutoff: float, name: str) -> None:
    with pytest.raises(InputError, match="cutoff"):
        fbp_spectrum(size, name, cutoff)
    with pytest.raises(InputError, match="cutoff"):
        FilteredBackprojection(name, cutoff)


def test_unknown_window_is_refused() -> None:
    with pytest.raises(InputError, match="none, shepp-logan, cosine, hann"):
        FilteredBackprojection("hamming")


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.floats(1, 8), st.integers(-20, 20))
def test_zero_filled_correlation_is_that_of_the_kept_lines(size: int, factor: float, lag: int) -> None:
    kept = max(1, round(size / factor))
    lines = np.arange(kept) - kept // 2
    expected = np.exp(2j * np.pi * lines * lag / size).mean().real
    found = ZeroFilled((factor,)).autocorrelation((lag,), (size,))
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("size", "kept"), [(48, 32), (48, 31), (45, 30), (45, 31)])
def test_zero_filled_noise_has_no_power_outside_the_kept_lines(size: int, kept: int) -> None:
    found = periodogram(ZeroFilled((size / kept, size / kept)), size, 500)
    index = (torch.fft.fftfreq(size) * size).abs()
    outside = (index[:, None] > kept / 2) | (index[None, :] > kept / 2)
    assert float(found[outside].max()) < 1e-9
    inner = (index[:, None] < kept / 2) & (index[None, :] < kept / 2)
    assert float(found[inner].mean()) == pytest.approx((size / kept) ** 2, rel=0.01)


def test_zero_filled_correlation_of_a_large_image_is_a_sinc() -> None:
    noise = ZeroFilled((2.0, 1.0))
    for lag in ((1, 0), (3, 0), (1, 1)):
        expected = float(np.sinc(lag[0] / 2) * np.sinc(lag[1]))
        assert noise.autocorrelation(lag) == pytest.approx(expected, abs=1e-12)
        assert noise.autocorrelation(lag, (512, 512)) == pytest.approx(expected, abs=1e-3)
    assert noise.autocorrelation((1, 0, 1)) == 0.0


def test_factor_1_is_white_noise() -> None:
    shape = (1, 6, 7)
    white = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(ZeroFilled((1.0, 1.0)).draw(shape, torch.Generator().manual_seed(0)), white)


@pytest.mark.parametrize("factors", [(), (0.5,), (1.0, math.nan), (math.inf,)])
def test_factors_that_cannot_be_are_refused(factors: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="factors"):
        ZeroFilled(factors)


def test_more_factors_than_axes_are_refused() -> None:
    with pytest.raises(InputError, match="along 3 axes"):
        ZeroFilled((2.0, 2.0, 2.0)).draw((1, 8, 8), torch.Generator())
