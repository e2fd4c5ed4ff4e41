# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Scaling: reversible, robust, and never clipping."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.data import MetaTensor
from monai.transforms import Compose

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.scaling import AffineScaling, RobustScale, RobustScaled, robust_scaling


@pytest.fixture
def image() -> torch.Tensor:
    return 200 * torch.rand(2, 20, 30, 7, generator=torch.Generator().manual_seed(0)) - 50


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8))
def test_invert_undoes_apply(offset: float, scale: float, values: list[float]) -> None:
    scaling = AffineScaling(offset, scale)
    image = np.array(values)
    assert np.allclose(scaling.invert(scaling.apply(image)), image, rtol=1e-9, atol=1e-9)


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_residual_is_the_difference_of_inverses(offset: float, scale: float) -> None:
    scaling = AffineScaling(offset, scale)
    a, b = np.array([0.25, -3.0]), np.array([0.5, 7.0])
    assert np.allclose(scaling.invert_residual(a - b), scaling.invert(a) - scaling.invert(b))


@pytest.mark.parametrize(("offset", "scale"), [(0.0, 0.0), (0.0, -1.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_scaling_that_cannot_be_inverted_is_refused(offset: float, scale: float) -> None:
    with pytest.raises(InputError, match="scale above 0"):
        AffineScaling(offset, scale)


def test_percentiles_become_0_and_1_and_nothing_is_clipped(image: torch.Tensor) -> None:
    scaled = robust_scaling(image).apply(image)
    assert np.allclose(np.percentile(scaled.numpy(), [0.5, 99.5]), [0, 1], atol=1e-3)
    assert scaled.min() < 0 and scaled.max() > 1


@pytest.mark.parametrize("convert", [np.asarray, MetaTensor, lambda t: t.double(), lambda t: t.round().int()])
def test_every_kind_of_array_is_scaled_alike(image: torch.Tensor, convert) -> None:
    expected, got = robust_scaling(image), robust_scaling(convert(image))
    assert got.offset == pytest.approx(expected.offset, abs=0.6)
    assert got.scale == pytest.approx(expected.scale, abs=1.1)


def test_outliers_and_missing_values_do_not_set_the_scale(image: torch.Tensor) -> None:
    spoilt = image.clone()
    spoilt.view(-1)[:4] = torch.tensor([float("nan"), float("inf"), -1e9, 1e9])
    assert robust_scaling(spoilt).scale == pytest.approx(robust_scaling(image).scale, rel=0.01)


@pytest.mark.parametrize("background", [0.0, -3024.0])
def test_object_in_a_large_masked_frame_sets_the_scale(background: float) -> None:
    volume = torch.full((100, 100), background)
    volume[:6, :6] = torch.linspace(100, 200, 36).view(6, 6)
    scaling = robust_scaling(volume)
    assert scaling.offset == pytest.approx(100, abs=3)
    assert scaling.scale == pytest.approx(100, abs=6)


def test_few_odd_voxels_on_a_constant_are_scaled_by_the_extremes() -> None:
    volume = torch.zeros(100, 100)
    volume[0, :3], volume[1, :2] = -1.0, 3.0
    assert robust_scaling(volume) == AffineScaling(-1.0, 4.0)


@pytest.mark.parametrize("value", [0.0, 7e-9, -1e20, 3.0])
def test_constant_image_has_scale_1(value: float) -> None:
    scaling = robust_scaling(torch.full((4, 5), value))
    assert scaling.scale == 1.0
    assert torch.equal(scaling.apply(torch.full((4, 5), value)), torch.zeros(4, 5))


@pytest.mark.parametrize("size", [1e-30, 1e-9, 1e9, 1e30])
def test_tiny_and_huge_values_come_to_0_and_1(image: torch.Tensor, size: float) -> None:
    scaled = robust_scaling(image * size).apply(image * size)
    assert float(scaled.quantile(0.995)) == pytest.approx(1, abs=1e-2)


def test_sample_of_a_large_image_stands_for_all_of_it() -> None:
    # a ramp along an axis whose length is a power of two: a sample in step with it would see one column
    ramp = torch.linspace(0, 1, 2048).repeat(2048, 1)
    scaling = robust_scaling(ramp)
    assert scaling.offset == pytest.approx(0.005, abs=2e-3)
    assert scaling.scale == pytest.approx(0.99, abs=4e-3)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume of a few thousand voxels counts as a large one."""
    monkeypatch.setattr("monai_diffdenoise.transforms.scaling._FEW", 1000)
    monkeypatch.setattr("monai_diffdenoise.transforms.scaling._SAMPLE", 4000)
    monkeypatch.setattr("monai_diffdenoise.transforms.scaling._SLICES", 8)


def test_a_few_slices_stand_for_a_large_volume(large: None) -> None:
    volume = torch.randn(40, 50, 60, generator=torch.Generator().manual_seed(0))
    expected = np.percentile(volume.numpy(), [0.5, 99.5])
    for axis in range(3):
        found = robust_scaling(volume.movedim(axis, 0).contiguous().movedim(0, axis))
        assert found.offset == pytest.approx(expected[0], abs=0.3)
        assert found.scale == pytest.approx(expected[1] - expected[0], abs=0.4)


def test_a_large_volume_is_not_read_as_a_whole(large: None) -> None:
    volume = torch.zeros(60, 10, 10)
    picked = torch.linspace(0, 59, 8).round().long()
    volume[picked] = torch.rand(8, 10, 10, generator=torch.Generator().manual_seed(0))
    volume[(picked + 1)[:-1]] = 1e6
    assert robust_scaling(volume).scale < 1
    assert robust_scaling(volume.movedim(0, 2)) == robust_scaling(volume)


def test_where_the_chosen_slices_hold_nothing_all_are_asked(large: None) -> None:
    volume = torch.full((60, 10, 10), float("nan"))
    volume[30] = torch.linspace(1, 3, 100).view(10, 10)
    found = robust_scaling(volume)
    assert (found.offset, found.scale) == (pytest.approx(1, abs=0.1), pytest.approx(2, abs=0.2))
    # nor in the sample of all slices
    volume[30] = float("nan")
    volume[30, 1, 1:3] = torch.tensor([4.0, 8.0])
    assert robust_scaling(volume) == AffineScaling(4.0, 4.0)
    # constant where it was looked at: the extremes are those of the whole
    volume[:] = 5.0
    volume[30, 2, 3], volume[31, 4, 4] = 7.0, float("inf")
    assert robust_scaling(volume) == AffineScaling(5.0, 2.0)


@pytest.mark.parametrize(
    ("values", "limits", "message"),
    [
        (torch.full((3,), float("nan")), {}, "3 values, none of them finite"),
        (torch.empty(0), {}, "0 values"),
        (torch.rand(9), {"lower": 60, "upper": 40}, "lower=60"),
        (torch.rand(9), {"lower": 1, "upper": 101}, "upper=101"),
    ],
)
def test_what_cannot_be_scaled_is_refused(values: torch.Tensor, limits: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        robust_scaling(values, **limits)


def test_transform_keeps_its_numbers_and_undoes_itself(image: torch.Tensor) -> None:
    affine = torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0]))
    volume = MetaTensor(image, affine=affine)
    transform = RobustScale()
    scaled = transform(volume)
    expected = robust_scaling(image)
    assert scaled.meta["scaling"] == {"offset": expected.offset, "scale": expected.scale}
    assert torch.equal(scaled.affine, volume.affine)
    assert "scaling" not in volume.meta and not volume.applied_operations
    restored = transform.inverse(scaled)
    assert torch.allclose(restored.as_tensor(), image, atol=1e-4)
    assert "scaling" not in restored.meta and not restored.applied_operations


@pytest.mark.parametrize(("given", "dtype"), [(torch.int16, torch.float32), (torch.float64, torch.float64)])
def test_transform_returns_floating_point(image: torch.Tensor, given: torch.dtype, dtype: torch.dtype) -> None:
    assert RobustScale()(image.to(given)).dtype == dtype


def test_dictionary_transform_scales_each_key_and_composes(image: torch.Tensor) -> None:
    data = {"image": MetaTensor(image), "other": MetaTensor(3 * image + 5), "name": "a"}
    pipeline = Compose([RobustScaled(["image", "other"], lower=1, upper=99)])
    scaled = pipeline(data)
    assert torch.allclose(scaled["image"], scaled["other"], atol=1e-4)
    assert scaled["image"].meta["scaling"] != scaled["other"].meta["scaling"]
    restored = pipeline.inverse(scaled)
    assert torch.allclose(restored["other"].as_tensor(), 3 * image + 5, atol=1e-3)
    assert restored["name"] == "a"


def test_missing_key_is_an_error_unless_allowed(image: torch.Tensor) -> None:
    with pytest.raises(KeyError):
        RobustScaled(["image", "label"])({"image": image})
    assert "label" not in RobustScaled(["image", "label"], allow_missing_keys=True)({"image": image})
