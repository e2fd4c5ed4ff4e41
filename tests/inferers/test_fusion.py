# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Posterior fusion against closed forms and against noise whose strength is known."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.inferers import fuse_volume, fusion, local_noise_variance, posterior_fusion
from monai_diffdenoise.transforms import AffineScaling


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("distance", [1, 2])
def test_variance_of_white_noise_is_found_whatever_sigma_was_said(axis: int, distance: int) -> None:
    volume = 3 * noise(24, 24, 24)
    weight = torch.ones_like(volume)
    weight.movedim(axis, 0)[-distance:] = 0
    variance = local_noise_variance(volume, weight, sigma=3.0, axis=axis, distance=distance)
    assert float(variance.mean()) == pytest.approx(9, rel=0.05)
    assert float((variance - 9).abs().max()) < 2.5
    assert float(local_noise_variance(volume, weight, 300.0, axis, distance, prior=1e-6).mean()) == pytest.approx(
        9, rel=0.06
    )


def test_variance_in_closed_form() -> None:
    # slices 0, 2, 2: the pair (0, 1) differs by 2, the pair (1, 2) by nothing; each pair counts at both its slices
    volume = torch.tensor([0.0, 2.0, 2.0]).expand(1, 1, 3)
    weight = torch.tensor([1.0, 1.0, 0.0]).expand(1, 1, 3)
    variance = local_noise_variance(volume, weight, sigma=3.0, window=1, prior=0.5)
    expected = [(2 + 0.5 * 9) / 1.5, (2 + 0.5 * 9) / 2.5, (0.5 * 9) / 1.5]
    torch.testing.assert_close(variance.flatten(), torch.tensor(expected))


def test_variance_where_nothing_is_matched_is_the_volumes_own() -> None:
    volume = noise(10, 10, 10)
    variance = local_noise_variance(volume, torch.zeros_like(volume), sigma=0.7)
    torch.testing.assert_close(variance, torch.full_like(volume, 0.49))


def test_variance_ignores_what_is_not_matched() -> None:
    volume = noise(12, 12, 12)
    volume[:6] += 100 * torch.arange(12.0)
    weight = torch.ones_like(volume)
    weight[:6] = 0
    assert float(local_noise_variance(volume, weight, 1.0, window=3).max()) < 5


def test_variance_follows_noise_that_varies_in_space() -> None:
    strength = torch.cat([torch.full((20, 20, 20), 1.0), torch.full((20, 20, 20), 4.0)])
    variance = local_noise_variance(strength * noise(40, 20, 20), torch.ones(40, 20, 20), sigma=2.0)
    assert float(variance[:8].mean()) == pytest.approx(1, rel=0.25)
    assert float(variance[-8:].mean()) == pytest.approx(16, rel=0.15)


def test_variance_of_a_single_slice_is_the_volumes_own() -> None:
    variance = local_noise_variance(noise(5, 5, 1), torch.ones(5, 5, 1), sigma=2.0)
    torch.testing.assert_close(variance, torch.full((5, 5, 1), 4.0))


def test_share_in_closed_form() -> None:
    noisy, denoised = torch.zeros(1, 1, 2), torch.tensor([2.0, -4.0]).expand(1, 1, 2)
    fused, share = posterior_fusion(noisy, denoised, 2.0, window=1, margin=1.0)
    torch.testing.assert_close(share, torch.tensor([[[1 - 2 / 4, 1 - 2 / 16]]]))
    torch.testing.assert_close(fused, torch.tensor([[[1.0, -0.5]]]))


def test_noise_alone_is_not_let_back_in() -> None:
    clean, removed = noise(20, 20, 20, seed=1), 0.5 * noise(20, 20, 20, seed=2)
    fused, share = posterior_fusion(clean + removed, clean, 0.25)
    assert float(share.mean()) < 0.02
    torch.testing.assert_close(fused, clean, rtol=0, atol=0.3)


def test_lost_structure_comes_back_and_the_error_falls() -> None:
    clean = 5 * noise(24, 24, 24, seed=3)
    noisy = clean + 0.5 * noise(24, 24, 24, seed=4)
    blurred = torch.zeros_like(clean)
    fused, share = posterior_fusion(noisy, blurred, 0.25)
    assert float(share.mean()) > 0.95
    assert float((fused - clean).square().mean()) < 1.05 * float((noisy - clean).square().mean())


def test_unit_margin_is_the_posterior_mean_for_an_independent_error() -> None:
    clean = torch.zeros(30, 30, 30)
    noisy, denoised = clean + 0.8 * noise(30, 30, 30, seed=5), clean + 0.6 * noise(30, 30, 30, seed=6)
    _, share = posterior_fusion(noisy, denoised, 0.64, window=15, margin=1.0)
    # the weight of y that minimises the error is 0.36 / (0.36 + 0.64)
    assert float(share[10:20, 10:20, 10:20].mean()) == pytest.approx(0.36, abs=0.03)


def test_a_variance_map_counts_voxel_by_voxel() -> None:
    noisy, denoised = noise(6, 6, 6, seed=7), noise(6, 6, 6, seed=8)
    variance = torch.full((6, 6, 6), 1e9)
    variance[3:] = 0
    fused, share = posterior_fusion(noisy, denoised, variance)
    assert torch.equal(fused[:3], denoised[:3])
    torch.testing.assert_close(fused[3:], noisy[3:])
    assert set(share.flatten().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("variance", [0.0, 0.3])
def test_an_unchanged_volume_stays_unchanged(variance: float) -> None:
    volume = 1e4 * noise(5, 1, 9)
    assert torch.equal(posterior_fusion(volume, volume.clone(), variance)[0], volume)


@pytest.mark.parametrize("shapes", [((4, 4, 4), (4, 4, 5)), ((1, 4, 4, 4), (1, 4, 4, 4))], ids=str)
def test_shapes_must_agree(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(InputError, match="expected two equal ones"):
        posterior_fusion(torch.zeros(shapes[0]), torch.zeros(shapes[1]), 1.0)


@pytest.mark.parametrize("window", [0, 4, -3])
def test_a_window_has_a_middle(window: int) -> None:
    with pytest.raises(InputError, match="odd number"):
        posterior_fusion(torch.zeros(4, 4, 4), torch.zeros(4, 4, 4), 1.0, window=window)


@settings(deadline=None, max_examples=80)
@given(
    depth=st.integers(1, 40),
    axis=st.integers(-3, 2),
    distance=st.integers(1, 3),
    run=st.integers(1, 20),
    matched=st.booleans(),
    in_place=st.booleans(),
)
def test_fusion_in_runs_is_fusion_at_once(
    depth: int, axis: int, distance: int, run: int, matched: bool, in_place: bool
) -> None:
    shape = [5, 6]
    shape.insert(axis % 3, depth)
    noisy, denoised, scaling = 9 * noise(*shape) + 4, 5 * noise(*shape, seed=1), AffineScaling(4.0, 9.0)
    weight = noise(*shape, seed=2) > -0.5
    weight.movedim(axis, 0)[max(depth - distance, 0) :] = False
    variance: torch.Tensor | float = 0.25
    if matched:
        variance = local_noise_variance(scaling.apply(noisy), weight.float(), 0.5, axis, distance)
    removed = noisy - denoised
    _, share = posterior_fusion(removed / scaling.scale, torch.zeros_like(removed), variance)
    expected = denoised + share * removed
    seen: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fusion, "_RUN_VOXELS", 30 * run)
        patch.setattr(fusion, "_RUN_SLICES", 1)
        fused, put_back = fuse_volume(
            noisy,
            denoised,
            weight if matched else None,
            0.5,
            scaling,
            axis,
            distance,
            out=denoised if in_place else None,
            progress=lambda *done: seen.append(done),
        )
    assert torch.equal(fused, expected)
    assert (fused is denoised) == in_place
    assert put_back == pytest.approx(float(share.double().mean()), abs=1e-12)
    assert seen == [(min(stop, depth), depth) for stop in range(run, depth + run, run)]


def test_the_share_is_an_output() -> None:
    noisy, denoised = noise(9, 8, 7), noise(9, 8, 7, seed=1)
    share = torch.empty_like(noisy)
    _, put_back = fuse_volume(noisy, denoised, None, 0.5, AffineScaling(0.0, 1.0), share_out=share)
    assert torch.equal(share, posterior_fusion(noisy, denoised, 0.25)[1])
    assert put_back == pytest.approx(float(share.mean()))


@pytest.mark.parametrize("margin", [1.0, 1.25, 2.0])
def test_the_margin_is_an_argument(margin: float) -> None:
    noisy, denoised = noise(9, 8, 7), noise(9, 8, 7, seed=1)
    fused, _ = fuse_volume(noisy, denoised, None, 0.5, AffineScaling(0.0, 1.0), margin=margin)
    assert torch.equal(fused, posterior_fusion(noisy, denoised, 0.25, margin=margin)[0])


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("in_place", [False, True])
def test_noise_may_depend_on_the_signal(axis: int, in_place: bool) -> None:
    noisy, denoised, scaling = 5 * noise(9, 8, 30), 3 * noise(9, 8, 30, seed=1), AffineScaling(1.0, 4.0)
    expected = posterior_fusion(noisy / 4, denoised / 4, (0.1 + denoised.square()) / 16)[0] * 4
    fused, _ = fuse_volume(
        noisy,
        denoised,
        None,
        99.0,
        scaling,
        axis,
        out=denoised if in_place else None,
        variance_at=lambda values: 0.1 + values.square(),
    )
    torch.testing.assert_close(fused, expected)


def test_the_local_variance_has_a_ceiling() -> None:
    # structure that changes from slice to slice passes for noise where it is matched
    noisy, denoised = 3 * noise(20, 20, 20), torch.zeros(20, 20, 20)
    weight = torch.ones_like(noisy)
    weight[..., -1] = 0
    unit = AffineScaling(0.0, 1.0)
    assert fuse_volume(noisy, denoised, weight, 0.5, unit)[1] < 0.05
    capped = fuse_volume(noisy, denoised, weight, 0.5, unit, ceiling=2.0)[0]
    torch.testing.assert_close(capped, posterior_fusion(noisy, denoised, 0.5)[0])
    law = fuse_volume(noisy, denoised, weight, 0.5, unit, ceiling=2.0, variance_at=torch.ones_like)[0]
    torch.testing.assert_close(law, posterior_fusion(noisy, denoised, 2.0)[0])
    assert fuse_volume(noisy, denoised, weight, 3.0, unit, ceiling=100.0)[1] < 0.05


def test_shapes_of_volumes_must_agree() -> None:
    with pytest.raises(InputError, match="expected two equal ones"):
        fuse_volume(
            torch.zeros(4, 4, 4), torch.zeros(4, 4, 4), None, 1.0, AffineScaling(0.0, 1.0), share_out=torch.zeros(4)
        )
