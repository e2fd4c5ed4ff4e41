# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of monai_diffdenoise.pipeline.run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_diffdenoise import denoise, read_volume, write_volume
from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.metrics import psnr
from monai_diffdenoise.metrics.verdict import Evidence, Verdict
from monai_diffdenoise.pipeline import DenoiseSettings, denoise_volume

TINY = {
    "method": "ns-n2n",
    "iterations": 4,
    "channels": 4,
    "levels": 2,
    "patch_size": 16,
    "batch_size": 2,
    "validate_every": 2,
}


@pytest.fixture(scope="module")
def noisy() -> torch.Tensor:
    return add_noise(make_phantom((32, 32, 12), seed=0), "gaussian", 0.1, seed=1)


def _smooth(shape: tuple[int, int, int]) -> torch.Tensor:
    """Blobs that change slowly, a disk with an edge: what a short training can learn."""
    x, y, z = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in shape), indexing="ij")
    disk = ((x - shape[0] / 2) ** 2 + (y - shape[1] / 2) ** 2 < (shape[0] / 3) ** 2).float()
    return 0.3 + 0.4 * disk + 0.1 * torch.sin(x / 6 + z / 20) * torch.cos(y / 7)


def test_a_short_run_already_removes_noise() -> None:
    clean = _smooth((48, 48, 16))
    image = add_noise(clean, "gaussian", 0.1, seed=1)
    result = denoise(image, method="ns-n2n", iterations=120, patch_size=32, learning_rate=4e-3)
    before, after = (psnr(x, clean[None], 1.0) for x in (image[None], result.image.as_tensor()))
    assert after > before + 4
    assert result.report["scores"]["pair_error"] < result.report["scores"]["input_error"]


def test_units_geometry_and_type_are_kept(noisy: torch.Tensor) -> None:
    affine = torch.diag(torch.tensor([2.0, 2.0, 3.0, 1.0], dtype=torch.float64))
    result = denoise(MetaTensor(1000 * noisy - 500, affine=affine), **TINY)
    assert result.image.shape == (1, *noisy.shape)
    assert torch.equal(torch.as_tensor(result.image.affine), affine)
    assert torch.allclose(result.image.as_tensor() + result.residual, result.noisy.as_tensor(), atol=1e-3)


def test_the_input_is_not_changed(noisy: torch.Tensor) -> None:
    image = noisy.clone()
    denoise(image, **TINY)
    assert torch.equal(image, noisy)


def test_the_same_seed_gives_the_same_bits(noisy: torch.Tensor) -> None:
    first, again, other = (denoise(noisy, seed=seed, **TINY).image.as_tensor() for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_report_is_json_and_complete(noisy: torch.Tensor) -> None:
    report = denoise(noisy, **TINY).report
    assert json.loads(json.dumps(report))["plan"]["method"] == "ns-n2n"
    for part in ("plan", "settings", "seed", "versions", "timings_s", "scores", "warnings", "input", "device"):
        assert part in report
    assert report["plan"]["reasons"]


@pytest.mark.parametrize("best", ["ns-n2n", "ns-n2n + fusion"])
def test_fusion_is_left_out_where_it_does_harm(noisy: torch.Tensor, monkeypatch: pytest.MonkeyPatch, best: str) -> None:
    gains = {"ns-n2n": 0.0, "ns-n2n + fusion": 0.0} | {best: 1.0}

    def evidence(job: Any, how: object, fuse: bool | None = None) -> Verdict:
        gain = gains["ns-n2n" + (" + fusion" if fuse else "")] * job.noise.sigma(0) ** 2
        return Verdict("better", 0.01, (Evidence("sure", gain, gain, "better", ""),))

    monkeypatch.setattr("monai_diffdenoise.pipeline.choose_candidate.judge", evidence)
    bare = denoise(noisy, fusion=False, **TINY)
    result = denoise_volume(volume_from_array(noisy[None]), DenoiseSettings(**TINY), keep_share=True)
    assert result.report["scores"]["choice"]["returned"] == best
    fused = best.endswith("fusion")
    assert torch.equal(result.image.as_tensor(), bare.image.as_tensor()) != fused
    assert bool(result.share.any()) == fused
    assert ("put_back" in result.report["scores"]) == fused


def test_progress_counts_up_to_the_end(noisy: torch.Tensor) -> None:
    seen: dict[str, tuple[int, int]] = {}
    denoise(noisy, progress=lambda stage, done, total: seen.__setitem__(stage, (done, total)), **TINY)
    assert {"training", "denoising"} <= set(seen)
    assert all(done == total for done, total in seen.values())


@pytest.mark.parametrize("pairing", ["neighbor", "slice-blind"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_every_axis_and_pairing(noisy: torch.Tensor, pairing: str, axis: int) -> None:
    result = denoise(noisy, pairing=pairing, axis=axis, **TINY)
    assert result.image.shape == (1, *noisy.shape)
    assert result.report["plan"]["axis"] == axis


def test_repeats_of_a_series() -> None:
    clean = make_phantom((24, 24, 4), seed=0)
    series = torch.stack([add_noise(clean, "correlated", 0.1, seed=k) for k in range(4)])
    result = denoise(series, pairing="repeat", **{**TINY, "iterations": 60, "validate_every": 20})
    truth = clean[None].expand_as(series)
    assert psnr(result.image.as_tensor(), truth, 1.0) > psnr(series, truth, 1.0)


def test_a_series_is_denoised_volume_by_volume(noisy: torch.Tensor) -> None:
    series = torch.stack([noisy, 2 * noisy + 1])
    assert denoise(series, **TINY).image.shape == series.shape


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 1)])
def test_too_few_slices_get_a_clear_answer(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="1 slice"):
        denoise(volume_from_array(torch.rand(1, *shape)), **TINY)


def test_two_slices_are_denoised_with_a_warning() -> None:
    image = torch.randn(64, 64, 2, generator=torch.Generator().manual_seed(0)) + 100
    assert any("2 slices" in warning for warning in denoise(image, **TINY).warnings)


def test_slices_far_apart_are_refused_with_the_measured_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(6, 1, 8, 8, generator=generator)
    unrelated = torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bicubic")[:, 0].movedim(0, -1)
    noisy = unrelated + 0.02 * torch.randn(unrelated.shape, generator=generator)
    with pytest.raises(InputError, match="too far apart"):
        denoise(noisy, **TINY)


def test_repeats_need_a_series(noisy: torch.Tensor) -> None:
    with pytest.raises(InputError, match="repeat"):
        denoise(noisy, pairing="repeat", **TINY)


def test_unknown_settings_are_named(noisy: torch.Tensor) -> None:
    with pytest.raises(InputError, match="iteration"):
        denoise(noisy, iteration=3)


def test_a_result_that_scores_worse_than_the_input_is_not_returned(
    noisy: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from monai_diffdenoise.pipeline import zero_shot

    worse = {"pair_error": 2.0, "input_error": 1.0, "skipped_iterations": 0}
    original = zero_shot.ZeroShot.train

    def train(self: zero_shot.ZeroShot) -> torch.nn.Module:
        network = original(self)
        self.scores = worse
        return network

    monkeypatch.setattr(zero_shot.ZeroShot, "train", train)
    result = denoise(noisy, **TINY)
    assert torch.equal(result.image.as_tensor(), result.noisy.as_tensor())
    assert any("unchanged" in warning for warning in result.warnings)


def test_voxels_without_a_value_come_back(tmp_path: Path, noisy: torch.Tensor) -> None:
    values = noisy.numpy().copy()
    values[3:5, 4, 2], values[0, 0, 0] = np.nan, np.inf
    nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "in.nii.gz")
    result = denoise(tmp_path / "in.nii.gz", **TINY)
    write_volume(result.volume, tmp_path / "out.nii.gz")
    written = np.asanyarray(nib.load(tmp_path / "out.nii.gz").dataobj)
    assert np.array_equal(np.isfinite(written), np.isfinite(values))
    assert any("no finite value" in warning for warning in result.warnings)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32, np.float64])
def test_an_untrained_network_returns_the_file_bit_for_bit(
    tmp_path: Path, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read, scale, tile, stitch, write: an identity denoiser changes no bit."""
    from monai_diffdenoise.networks import ResidualDenoiser
    from monai_diffdenoise.pipeline import zero_shot

    def untrained(self: zero_shot.ZeroShot) -> torch.nn.Module:
        self.scores = {"pair_error": 0.5, "input_error": 1.0, "skipped_iterations": 0}
        return ResidualDenoiser(channels=4, levels=3)

    monkeypatch.setattr(zero_shot.ZeroShot, "train", untrained)
    random = np.random.default_rng(0)
    values = (random.normal(100, 20, (37, 50, 9))).astype(dtype)
    image = nib.Nifti1Image(values, np.diag([1.0, 1.1, 3.0, 1.0]))
    if np.issubdtype(dtype, np.integer):
        image.header.set_slope_inter(0.37, -52.5)
    nib.save(image, tmp_path / "in.nii.gz")
    source = nib.load(tmp_path / "in.nii.gz")
    for tile in (512, 16):
        volume = read_volume(tmp_path / "in.nii.gz")
        result = denoise_volume(volume, DenoiseSettings(method="ns-n2n", tile=tile, axis=2, distance=1))
        write_volume(result.volume, tmp_path / f"out{tile}.nii.gz")
        written = nib.load(tmp_path / f"out{tile}.nii.gz")
        assert written.get_data_dtype() == source.get_data_dtype()
        assert np.array_equal(np.asarray(written.dataobj), np.asarray(source.dataobj))


@pytest.mark.parametrize("unit", [1e20, 1e-24])
def test_the_unit_of_the_values_does_not_matter(noisy: torch.Tensor, unit: float) -> None:
    expected = denoise(noisy, **TINY)
    scaled = denoise(noisy * unit, **TINY)
    assert torch.allclose(scaled.image.as_tensor() / unit, expected.image.as_tensor(), atol=1e-3)
    assert scaled.report["scores"]["put_back"] == pytest.approx(expected.report["scores"]["put_back"], abs=0.01)
