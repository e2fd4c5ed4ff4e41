# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.data.anatomy import LPS, ras_affine, space_axes, stated_spacing, warn_of_lost_place
from monai_diffdenoise.errors import InputError


def test_lps_becomes_ras():
    steps = np.array([[1.0, 0, 0.2], [0, 2, 0], [0, 0, 3]])
    affine = ras_affine(steps, (10, 20, 30), LPS, "x")
    np.testing.assert_array_equal(affine @ [0, 1, 0, 1], [-10, -22, 30, 1])
    np.testing.assert_allclose(affine @ [0, 0, 1, 1], [-10.2, -20, 33, 1])


def test_a_plane_in_space_gets_its_normal():
    affine = ras_affine(np.array([[0.0, 0], [2, 0], [0, 3]]), (1, 2, 3), (1, 1, 1), "x")
    np.testing.assert_array_equal(affine[:3, 2], [1, 0, 0])
    flat = ras_affine(np.diag([2.0, 3]), (1, 2), LPS, "x")
    np.testing.assert_array_equal(flat, [[-2, 0, 0, -1], [0, -3, 0, -2], [0, 0, 1, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, 1e200])
def test_damaged_geometry_is_refused(bad):
    with pytest.raises(InputError, match="damaged geometry"):
        ras_affine(np.diag([1.0, bad, 1.0]), (0, 0, 0), LPS, "x")
    if bad:
        with pytest.raises(InputError, match="damaged geometry"):
            ras_affine(np.eye(3), (0, 0, bad), LPS, "x")


@pytest.mark.parametrize("dims", [2, 3])
def test_there_and_back(dims):
    rng = np.random.default_rng(0)
    steps, origin = rng.normal(size=(dims, dims)), rng.normal(size=dims)
    volume = volume_from_array(np.zeros((1, 4, 5, 6)[: dims + 1]), ras_affine(steps, origin, LPS, "x"))
    again = space_axes(volume)
    assert again[2] == dims
    np.testing.assert_array_equal(again[0], steps)
    np.testing.assert_array_equal(again[1], origin)


def test_a_plane_that_is_tilted_needs_three_axes():
    tilted = np.eye(4)
    tilted[2, 0] = 0.1
    steps, origin, dims = space_axes(volume_from_array(np.zeros((1, 4, 5)), tilted))
    assert dims == 3 and steps.shape == (3, 3) and origin.shape == (3,)


def test_spacing_in_the_digits_of_the_source():
    volume = volume_from_array(np.zeros((1, 4, 5, 6)), np.diag([0.7, 0.7, 3.0, 1.0]))
    volume = replace(volume, spacing=(0.70000001, 0.8, 3.0))
    assert stated_spacing(volume, np.diag([0.7, 0.7, 3.0])).tolist() == [0.70000001, 0.7, 3.0]


def test_a_lost_place_is_told(recwarn):
    warn_of_lost_place(volume_from_array(np.zeros((1, 4, 5, 6)), np.diag([-2.0, -3.0, 4.0, 1.0])), "PNG")
    assert not recwarn.list
    shifted = np.diag([-2.0, -3.0, 4.0, 1.0])
    shifted[0, 3] = 5
    for affine in (shifted, np.diag([2.0, -3.0, 4.0, 1.0])):
        with pytest.warns(UserWarning, match="orientation in the patient are lost"):
            warn_of_lost_place(volume_from_array(np.zeros((1, 4, 5, 6)), affine), "PNG")
