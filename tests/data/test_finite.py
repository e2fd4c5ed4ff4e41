# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_diffdenoise.data import fill_nonfinite, storage
from monai_diffdenoise.data.finite import _median, count_nonfinite
from monai_diffdenoise.errors import InputError


@pytest.mark.parametrize("shape", [(1, 5, 6), (2, 5, 6, 4)])
def test_finite_image_is_untouched(shape):
    image = torch.rand(shape)
    before = image.clone()
    assert fill_nonfinite(image) is None
    assert torch.equal(image, before)


def test_single_hole_gets_the_local_median():
    image = torch.zeros(1, 7, 7)
    image[0, 2:5, 2:5] = torch.tensor([[1.0, 2, 3], [4, float("nan"), 6], [7, 8, 9]])
    finite = fill_nonfinite(image)
    # The lower of the two middle values of 1 2 3 4 6 7 8 9.
    assert image[0, 3, 3] == 4
    assert int((~finite).sum()) == 1 and not finite[0, 3, 3]


def test_hole_at_the_edge_does_not_wrap_around():
    image = torch.full((1, 4, 4), 5.0)
    image[0, -1, :] = 100.0
    image[0, 0, 0] = float("inf")
    fill_nonfinite(image)
    assert image[0, 0, 0] == 5.0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_large_hole_grows_from_its_rim_then_takes_the_median(bad):
    image = torch.full((1, 40, 40, 3), 2.0)
    image[:, 10:30, 10:30] = bad
    image[:, 9] = 8.0
    finite = fill_nonfinite(image)
    assert torch.isfinite(image).all()
    assert int((~finite).sum()) == 400 * 3
    assert image[0, 20, 20, 1] == 2.0
    assert image[0, 10, 20, 1] == 8.0


def test_whole_slice_is_filled_from_its_neighbors():
    image = torch.ones(1, 6, 6, 5)
    image[..., 1], image[..., 3] = 3.0, 3.0
    image[..., 2] = float("nan")
    fill_nonfinite(image)
    assert (image[..., 2] == 3.0).all()


def test_channel_without_values_takes_the_median_of_all():
    image = torch.full((2, 4, 4), 6.0)
    image[1] = float("nan")
    fill_nonfinite(image)
    assert (image == 6.0).all()


def test_nothing_finite_is_refused():
    with pytest.raises(InputError, match="no finite voxel"):
        fill_nonfinite(torch.full((1, 3, 3), float("nan")))


def filled_at_once(image: np.ndarray) -> np.ndarray:
    """What fill_nonfinite promises, voxel by voxel."""
    image, known = image.copy(), np.isfinite(image)
    everywhere = image[known]
    for c, channel in enumerate(image):
        values = channel[known[c]] if known[c].any() else everywhere
        median = np.sort(values)[(values.size - 1) // 2]
        filled = known[c].copy()
        for _ in range(4):
            before, old = channel.copy(), filled.copy()
            for place in np.argwhere(~old):
                around = tuple(slice(max(i - 1, 0), i + 2) for i in place)
                near = np.sort(before[around][old[around]])
                if near.size:
                    channel[tuple(place)], filled[tuple(place)] = near[(near.size - 1) // 2], True
        channel[~filled] = median
    return image


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_filling_in_runs_is_filling_at_once(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from([(1, 9, 7), (2, 4, 5, 6), (1, 3, 4, 12), (2, 1, 1, 9), (1, 12, 12, 1)]))
    random = np.random.default_rng(data.draw(st.integers(0, 999)))
    values = np.round(random.normal(size=shape), 1).astype(np.float32)
    values[random.uniform(size=shape) < data.draw(st.sampled_from([0.05, 0.5, 0.97]))] = np.nan
    if data.draw(st.booleans()):
        values[0] = np.inf
    if not np.isfinite(values).any():
        values.flat[0] = 1.0
    axis = data.draw(st.integers(-3, 2))
    with pytest.MonkeyPatch.context() as patch, storage.memory_limit(data.draw(st.sampled_from([0, 1000]))):
        patch.setattr(storage, "_RUN_VOXELS", data.draw(st.integers(1, 100)))
        image = storage.allocate(shape, axis)
        image[:] = torch.from_numpy(values)
        finite = fill_nonfinite(image, axis)
    np.testing.assert_array_equal(image.numpy(), filled_at_once(values))
    assert (finite is None) == np.isfinite(values).all()
    if finite is not None:
        np.testing.assert_array_equal(finite.numpy(), np.isfinite(values))


@settings(deadline=None, max_examples=60)
@given(
    values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=40),
    voxels=st.integers(1, 50),
)
def test_the_median_is_exact(values: list[float], voxels: int) -> None:
    image = torch.tensor(values).reshape(1, 1, 1, -1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "_RUN_VOXELS", voxels)
        assert _median(image, torch.ones_like(image, dtype=torch.bool), 2) == float(torch.tensor(values).median())


@pytest.mark.parametrize("voxels", [1, 40, 1 << 20])
def test_voxels_without_a_value_are_counted_where_sums_overflow_too(
    voxels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_RUN_VOXELS", voxels)
    image = torch.full((2, 3, 4, 5), 3e38)
    assert count_nonfinite(image) == 0
    image[1, 2, 3, :3] = torch.tensor([float("nan"), float("inf"), -float("inf")])
    assert count_nonfinite(image) == 3
