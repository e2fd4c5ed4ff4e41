# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Recorrupted pairs: their moments, and that the target says of the noise in the image nothing at all."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monai_diffdenoise.data import PairDataset
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms import (
    BlindSpotPair,
    GammaRecorruption,
    GaussianRecorruption,
    PoissonRecorruption,
    RandPaird,
    Recorruptd,
    Recorruption,
    make_recorruption,
)
from monai_diffdenoise.transforms.noise import (
    GammaNoise,
    GaussianKernel,
    GaussianNoise,
    NoiseModel,
    PoissonGaussianNoise,
    PoissonNoise,
    White,
)

COUNT = 200_000
TAUS = [0.3, 0.5, 1.0, 2.0]

# noise, its recorruption, clean values, whether image and target are independent and not only uncorrelated
LAWS: dict[str, tuple[NoiseModel, Callable[[float], Recorruption], tuple[float, ...], bool]] = {
    "gaussian": (GaussianNoise(0.1), lambda tau: GaussianRecorruption(tau=tau, sigma=0.1), (-0.3, 0.7), True),
    "poisson": (PoissonNoise(0.02), lambda tau: PoissonRecorruption(tau=tau, gain=0.02), (0.05, 0.7), True),
    "gamma": (GammaNoise(3.0), lambda tau: GammaRecorruption(tau=tau, looks=3.0), (0.1, 0.7), True),
    "poisson-gaussian": (
        PoissonGaussianNoise(0.02, 0.05),
        lambda tau: GaussianRecorruption(tau=tau, sigma=0.05, gain=0.02),
        (0.3, 0.7),
        False,
    ),
}


def halves(law: str, tau: float, clean: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, float]:
    """Noise of image and target, and the variance of the noise they are made of."""
    noise, make, _, _ = LAWS[law]
    x = torch.full((1, COUNT), clean)
    noisy = noise.sample(x, torch.Generator().manual_seed(seed))
    image, target = make(tau).split(noisy, np.random.RandomState(seed + 1))
    variance = float(noise.variance(x)[0, 0])
    return (image[0].double() - clean).numpy(), (target[0].double() - clean).numpy(), variance


@pytest.mark.parametrize("tau", TAUS)
@pytest.mark.parametrize("law", LAWS)
def test_mean_and_variance_are_as_documented(law: str, tau: float) -> None:
    for clean in LAWS[law][2]:
        image, target, variance = halves(law, tau, clean)
        for noise, factor in ((image, 1 + tau**2), (target, 1 + 1 / tau**2)):
            spread = math.sqrt(factor * variance)
            assert noise.mean() == pytest.approx(0, abs=4 * spread / math.sqrt(COUNT))
            heavy = stats.kurtosis(noise) + 2
            assert noise.var() == pytest.approx(factor * variance, rel=5 * math.sqrt(heavy / COUNT))


@pytest.mark.parametrize("tau", TAUS)
@pytest.mark.parametrize("law", LAWS)
def test_image_and_target_are_uncorrelated(law: str, tau: float) -> None:
    for clean in LAWS[law][2]:
        image, target, _ = halves(law, tau, clean, seed=3)
        assert np.corrcoef(image, target)[0, 1] == pytest.approx(0, abs=4 / math.sqrt(COUNT))


@pytest.mark.parametrize("tau", [0.5, 1.0])
@pytest.mark.parametrize("law", [law for law in LAWS if LAWS[law][3]])
def test_the_mean_of_the_target_given_the_image_is_the_clean_value(law: str, tau: float) -> None:
    for clean in LAWS[law][2]:
        image, target, _ = halves(law, tau, clean, seed=5)
        # the last bits of equal counts differ by what float32 rounded off y
        image = image.round(6)
        edges = np.unique(np.quantile(image, np.linspace(0, 1, 13)))
        group = np.clip(np.searchsorted(edges, image, side="right") - 1, 0, len(edges) - 2)
        z, square = [], []
        for k in range(len(edges) - 1):
            part = target[group == k]
            z.append(part.mean() / (part.std() / math.sqrt(len(part))))
            square.append((part**2).mean() / (target**2).mean())
        assert (np.array(z) ** 2).sum() < stats.chi2(len(z)).ppf(0.9999)
        # nor does the image say anything of the target's spread
        assert np.array(square) == pytest.approx(1, abs=6 * math.sqrt((stats.kurtosis(target) + 2) * len(z) / COUNT))


@pytest.mark.parametrize("tau", [0.5, 1.0, math.sqrt(1.5)])
@pytest.mark.parametrize("sigma", [0.0, 0.1])
def test_what_is_left_of_dependence_is_as_documented(tau: float, sigma: float) -> None:
    # 100 quanta, so that no value falls below the offset
    gain, clean, count = 0.01, 1.0, 4_000_000
    noisy = PoissonGaussianNoise(gain, sigma).sample(torch.full((1, count), clean), torch.Generator().manual_seed(0))
    made = GaussianRecorruption(tau=tau, sigma=sigma, gain=gain)
    image, target = (half[0].double() - clean for half in made.split(noisy, np.random.RandomState(0)))
    product = image**2 * target
    expected = gain * ((tau**2 - 1) * gain * clean + (tau**2 - 2) * sigma**2)
    assert float(product.mean()) == pytest.approx(expected, abs=4 * float(product.std()) / math.sqrt(count))


def test_halves_of_counts_are_poisson_counts() -> None:
    noisy = PoissonNoise(0.5).sample(torch.full((1, 60_000), 2.0), torch.Generator().manual_seed(0))
    image, target = PoissonRecorruption(tau=1.0, gain=0.5).split(noisy, np.random.RandomState(0))
    assert torch.equal(image + target, 2 * noisy)
    for half in (image, target):
        counts = half[0].double()
        found = np.bincount(counts.long().numpy())
        expected = stats.poisson(2.0).pmf(np.arange(len(found))) * 60_000
        kept = expected > 10
        square = ((found - expected)[kept] ** 2 / expected[kept]).sum()
        assert (counts - counts.round()).abs().max() == 0
        assert stats.chi2(int(kept.sum())).sf(square) > 0.001


def test_halves_of_speckle_are_gamma_variables() -> None:
    noisy = GammaNoise(2.0).sample(torch.full((1, 50_000), 0.7), torch.Generator().manual_seed(1))
    image, target = GammaRecorruption(tau=2.0, looks=2.0).split(noisy, np.random.RandomState(1))
    assert stats.kstest(image[0].numpy() / 0.7, stats.gamma(0.4, scale=1 / 0.4).cdf).pvalue > 0.001
    assert stats.kstest(target[0].numpy() / 0.7, stats.gamma(1.6, scale=1 / 1.6).cdf).pvalue > 0.001


@pytest.mark.parametrize("tau", [0.5, 1.0])
def test_correlated_noise_is_split_whole(tau: float) -> None:
    texture = GaussianKernel(1.0)
    state, sums, count = np.random.RandomState(0), {}, 0
    for seed in range(60):
        noise = 0.1 * texture.draw((1, 64, 64), torch.Generator().manual_seed(seed))
        pair = GaussianRecorruption(tau=tau, sigma=0.1, texture=texture).split(noise, state)
        image, target = (half[0] / 0.1 for half in pair)
        for down, right in ((0, 0), (0, 1), (1, 1), (-1, 1), (2, 0), (0, 3)):
            for name, a, b in (("cross", image, target), ("image", image, image), ("target", target, target)):
                product = (a * b.roll((down, right), (0, 1)))[3:-3, 3:-3].mean()
                sums[name, down, right] = sums.get((name, down, right), 0.0) + float(product)
        count += 1
    scale = {"cross": 0.0, "image": 1 + tau**2, "target": 1 + 1 / tau**2}
    for (name, *lag), total in sums.items():
        expected = scale[name] * texture.autocorrelation(lag)
        # neighbors repeat each other, so a field of 58 x 58 pixels holds about 58 x 58 / 13 numbers
        error = math.sqrt((1 + tau**2) * (1 + 1 / tau**2)) * math.sqrt(2 * 13 / (58 * 58 * count))
        assert total / count == pytest.approx(expected, abs=4 * max(error, error * scale[name] / 2))


def test_white_recorruption_of_correlated_noise_is_told_from_the_right_one() -> None:
    # the check of the test above: the wrong covariance leaves image and target correlated
    noise = GaussianKernel(1.0).draw((1, 256, 256), torch.Generator().manual_seed(0))
    image, target = GaussianRecorruption(tau=0.5, sigma=1.0).split(noise, np.random.RandomState(0))
    assert float((image * target.roll(1, 2))[:, :, 1:].mean()) > 0.5


def test_a_measured_spectrum_becomes_the_noise() -> None:
    # a spectrum as NoiseSpectrum.power gives it: from an autocorrelation that is 0 beyond a few lags
    lags = torch.arange(-6, 7).double()
    correlation = torch.exp(-(lags[:, None] ** 2 + 2 * lags[None] ** 2) / 4)
    kernel = torch.zeros(33, 33, dtype=torch.float64)
    kernel[:13, :13] = correlation
    power = torch.fft.fft2(kernel.roll((-6, -6), (0, 1))).real.clamp(min=0)
    made = make_recorruption("gaussian", {"sigma": 0.2}, power=power / power.mean(), tau=1.0)
    assert isinstance(made, GaussianRecorruption)
    drawn = made.split(torch.zeros(40, 96, 96), np.random.RandomState(0))[0]
    assert float(drawn.std()) == pytest.approx(0.2, rel=0.02)
    for down, right in ((0, 1), (1, 0), (1, 1), (2, 0), (0, 2), (4, 0)):
        found = (drawn * drawn.roll((down, right), (1, 2)))[:, 6:, 6:].mean() / drawn.var()
        assert float(found) == pytest.approx(math.exp(-(down**2 + 2 * right**2) / 4), abs=0.02)


@given(tau=st.floats(0.05, 20))
def test_share_and_tau_say_the_same(tau: float) -> None:
    made = GammaRecorruption(tau=tau, looks=1.0)
    assert 1 / made.share == pytest.approx(1 + tau**2)
    assert 1 / (1 - made.share) == pytest.approx(1 + 1 / tau**2)


@pytest.mark.parametrize("law", LAWS)
def test_the_two_halves_make_the_whole(law: str) -> None:
    noisy = torch.rand(2, 9, 8) + 0.05
    made = LAWS[law][1](0.7)
    copy = noisy.clone()
    image, target = made.split(noisy, np.random.RandomState(0))
    assert torch.equal(noisy, copy)
    # the mean of both, weighted by what each knows, is what was split
    whole = made.share * image + (1 - made.share) * target
    assert torch.allclose(whole, noisy, atol=1e-5)


def test_values_that_are_no_counts_keep_their_rest() -> None:
    noisy = torch.tensor([[[-0.31, 0.004, 0.013, 0.5049]]])
    image, target = PoissonRecorruption(tau=1.0, gain=0.01, offset=0.0).split(noisy, np.random.RandomState(0))
    assert torch.equal(image[..., :2], noisy[..., :2]) and torch.equal(target[..., :2], noisy[..., :2])
    assert float(image[0, 0, 3]) == pytest.approx(
        0.0049 + 0.02 * round((float(image[0, 0, 3]) - 0.0049) / 0.02), abs=1e-6
    )
    below = PoissonRecorruption(tau=1.0, gain=0.01, offset=-1.0).split(noisy, np.random.RandomState(0))[0]
    assert (below != noisy).all()


def test_image_first_channels_and_target_are_replaced_and_the_rest_passed_on() -> None:
    image, target = torch.randn(5, 12, 12), torch.randn(1, 12, 12)
    pair = {"image": image, "target": target, "weight": torch.rand(1, 12, 12), "id": 3}
    made = Recorruptd(GaussianRecorruption(tau=0.5, sigma=0.3)).set_random_state(7)(pair)
    assert torch.equal(made["image"][1:], image[1:]) and made["weight"] is pair["weight"] and made["id"] == 3
    assert made["image"].shape == image.shape and made["target"].shape == target.shape
    z = (made["image"][:1] - target) / 0.5
    assert torch.allclose(made["target"], target - z / 0.5, atol=1e-5)
    assert float(z.std()) == pytest.approx(0.3, rel=0.3)
    assert pair["image"] is image and pair["target"] is target


@pytest.mark.parametrize("law", LAWS)
def test_the_number_decides_in_a_data_set(law: str) -> None:
    volumes = [{"image": torch.rand(1, 20, 20, 12) + 0.2}]
    make = LAWS[law][1](0.5)
    sets = [
        PairDataset(volumes, RandPaird(BlindSpotPair(context=2), patch_size=8, after=Recorruptd(made)), seed=2)
        for made in (make, pickle.loads(pickle.dumps(make)))
    ]
    backward = {k: sets[1][k] for k in (4, 1)}
    for k in (1, 4):
        assert all(torch.equal(sets[0][k][name], backward[k][name]) for name in ("image", "target", "weight"))
    assert not torch.equal(sets[0][1]["target"], sets[0][4]["target"])


def test_tau_follows_how_independent_the_halves_are() -> None:
    poisson = {"gain": 0.1, "sigma": 0.0}
    assert (
        make_recorruption("gaussian", {"sigma": 1.0}).tau == make_recorruption("poisson-gaussian", poisson).tau == 0.5
    )
    assert make_recorruption("poisson-gaussian", {"gain": 0.1, "sigma": 1.0}).tau == 1.0
    assert make_recorruption("poisson-gaussian", poisson, power=torch.ones(9, 9)).tau == 1.0


@pytest.mark.parametrize(
    ("family", "parameters", "expected"),
    [
        ("gaussian", {"sigma": 0.1}, GaussianRecorruption(tau=0.4, sigma=0.1)),
        ("gamma", {"looks": 4.0}, GammaRecorruption(tau=0.4, looks=4.0)),
        (
            "poisson-gaussian",
            {"gain": 0.2, "offset": -1.0, "sigma": 0.0},
            PoissonRecorruption(tau=0.4, gain=0.2, offset=-1.0),
        ),
        (
            "poisson-gaussian",
            {"gain": 0.2, "offset": 0.0, "sigma": 0.3},
            GaussianRecorruption(tau=0.4, sigma=0.3, gain=0.2),
        ),
    ],
)
def test_measured_families_have_their_recorruption(family: str, parameters: dict, expected: Recorruption) -> None:
    assert make_recorruption(family, parameters, tau=0.4) == expected


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: GaussianRecorruption(sigma=0.1, tau=0.0), "above 0, such as"),
        (lambda: GammaRecorruption(looks=1.0, tau=math.nan), "above 0, such as"),
        (lambda: GaussianRecorruption(sigma=-1.0), "at least 0"),
        (lambda: GaussianRecorruption(sigma=0.0), "not both 0"),
        (lambda: PoissonRecorruption(gain=0.0), "gain above 0"),
        (lambda: GammaRecorruption(looks=math.inf), "above 0"),
        (lambda: make_recorruption("rician", {"sigma": 1.0}), "stabilize it first"),
        (lambda: make_recorruption("gamma", {"looks": 1.0}, torch.ones(5, 5)), "stabilize it first"),
        (lambda: make_recorruption("laplace", {}), "expected gaussian"),
        (lambda: make_recorruption("gaussian", {"looks": 1.0}), "no sigma"),
        (lambda: Recorruptd(White()), "expected a Recorruption"),
    ],
)
def test_bad_arguments_are_the_users_mistake(call: Callable, match: str) -> None:
    with pytest.raises(InputError, match=match):
        call()
