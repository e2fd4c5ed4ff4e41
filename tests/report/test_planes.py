# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import io
import itertools

import numpy as np
import pytest
import torch

from monai_diffdenoise.report.planes import data_address, gray, gray_limits, plane_views


def _marked() -> torch.Tensor:
    """RAS volume (1, 30, 32, 34) that is brightest at the right, the front and the head."""
    x, y, z = (torch.linspace(0, 1, n) for n in (30, 32, 34))
    return (x[:, None, None] + 10 * y[:, None] + 100 * z)[None] + 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_anatomy_lies_the_same_way_whatever_the_axes(order: tuple[int, int, int], signs: tuple[int, int, int]) -> None:
    image, affine = _marked().permute(0, *(axis + 1 for axis in order)), torch.zeros(4, 4)
    affine[3, 3] = 1
    flipped = [axis + 1 for axis in range(3) if signs[axis] < 0]
    image = image.flip(flipped) if flipped else image
    for axis, world in enumerate(order):
        affine[world, axis] = 2.0 * signs[axis]
    views = {view.name: view for view in plane_views(image, affine, (2.0, 2.0, 2.0), 2)}
    assert set(views) == {"axial", "coronal", "sagittal"}
    sizes = {"axial": (32, 30), "coronal": (34, 30), "sagittal": (34, 32)}
    for name, view in views.items():
        picture = view.cut(image, 0)
        assert tuple(picture.shape) == sizes[name]
        # the brightest corner is up and left: head or front up, right or front at the left
        assert int(picture.argmax()) == 0
        assert int(picture.argmin()) == picture.numel() - 1
        assert view.aspect == pytest.approx(sizes[name][1] / sizes[name][0])
    assert views["axial"].ends == ("R", "L", "A", "P")
    assert views["coronal"].ends == ("R", "L", "S", "I")
    assert views["sagittal"].ends == ("A", "P", "S", "I")


def test_the_slices_come_first_and_thin_planes_do_not() -> None:
    affine = torch.eye(4)
    assert [v.name for v in plane_views(torch.rand(1, 40, 41, 5), affine, (1, 1, 1), 2)] == ["axial"]
    assert next(v.name for v in plane_views(torch.rand(1, 40, 41, 42), affine, (1, 1, 1), 0)) == "sagittal"
    assert len(plane_views(torch.rand(1, 200, 200, 30), affine, (1, 1, 1), 2)) == 1
    assert len(plane_views(torch.rand(1, 200, 200, 30), affine, (1, 1, 4), 2)) == 3


def test_planes_pass_through_the_object() -> None:
    image = torch.zeros(1, 60, 60, 60)
    image[:, 10:20, 30:50, 40:50] = 1
    places = {view.axis: view.index for view in plane_views(image, torch.eye(4), (1, 1, 1), 2)}
    assert all(low <= places[axis] < high for axis, (low, high) in enumerate([(10, 20), (30, 50), (40, 50)]))


def test_large_planes_are_thinned() -> None:
    view = plane_views(torch.rand(1, 900, 450, 1), torch.eye(4), (1, 1, 1), 2, pixels=10_000)[0]
    picture = view.cut(torch.rand(1, 900, 450, 1), 0)
    assert picture.numel() <= 20_500
    assert view.step > 1


def test_two_axes() -> None:
    (view,) = plane_views(torch.rand(1, 30, 20), torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0])), (1, 1), 0)
    assert (view.name, view.axis) == ("image", None)
    image = torch.arange(600.0).reshape(1, 30, 20)
    # a picture's first axis runs to the right, its second one down
    assert torch.equal(view.cut(image, 0), image[0].T)


def test_gray_limits_are_those_of_the_object() -> None:
    image = torch.full((1, 64, 64, 8), -1000.0)
    image[:, 16:48, 16:48] = torch.linspace(-100, 200, 32)[:, None, None]
    low, high = gray_limits(image, 2)
    assert -250 < low < -50
    assert 150 < high <= 200
    low, high = gray_limits(torch.full((1, 64, 64, 8), 3.0), 2)
    assert high > low


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_address_holds_the_picture(shape: tuple[int, ...]) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    address = data_address(pixels)
    assert address.startswith("data:image/png;base64,")
    decoded = np.asarray(image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))))
    assert np.array_equal(decoded, pixels)


def test_gray_is_clipped_not_wrapped() -> None:
    assert gray(torch.tensor([[-1.0, 0.0, 0.5, 1.0, 2.0]]), 0.0, 1.0).tolist() == [[0, 0, 128, 255, 255]]
