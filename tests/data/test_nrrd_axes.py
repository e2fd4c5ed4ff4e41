# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from monai_diffdenoise.data.nrrd_axes import read_axes
from monai_diffdenoise.errors import InputError

IN_SPACE = {"space": "LPS", "spacedirections": "(2,0,0) (0,3,0) (0,0,4)", "spaceorigin": "(10,20,30)"}


def axes(sizes: str, **fields: str):
    names = {key.replace("_", ""): value for key, value in fields.items()}
    return read_axes({"dimension": str(len(sizes.split())), "sizes": sizes, **names}, "x.nrrd")


@pytest.mark.parametrize(
    ("sizes", "fields", "spatial", "channels", "place", "kind"),
    [
        ("4 5", {}, (4, 5), 1, 2, "time"),
        ("4 5 6", {}, (4, 5, 6), 1, 3, "time"),
        ("4 5 6", {"kinds": "domain domain domain"}, (4, 5, 6), 1, 3, "time"),
        ("4 5 6 7", {}, (4, 5, 6), 7, 3, "time"),
        ("4 5 6 7", {"kinds": "domain domain domain domain"}, (4, 5, 6), 7, 3, "time"),
        ("4 5 6 7", {"kinds": "space space space time"}, (4, 5, 6), 7, 3, "time"),
        ("4 5 6 7", {"kinds": "domain domain domain list"}, (4, 5, 6), 7, 3, "time"),
        ("7 4 5 6", {"kinds": "list domain domain domain"}, (4, 5, 6), 7, 0, "time"),
        ("4 5 7 6", {"kinds": "domain domain list domain"}, (4, 5, 6), 7, 2, "time"),
        ("3 4 5 6", {"kinds": "vector domain domain domain"}, (4, 5, 6), 3, 0, "component"),
        ("4 5 6 3", {"kinds": "domain domain domain 3-vector"}, (4, 5, 6), 3, 3, "component"),
        ("3 4 5", {"kinds": "vector domain domain"}, (4, 5), 3, 0, "component"),
        ("4 5 6 1", {"kinds": "domain domain domain stub"}, (4, 5, 6), 1, 4, "time"),
        ("1 4 5 6", {"kinds": "stub domain domain domain"}, (4, 5, 6), 1, 3, "time"),
        ("7 4 5 6", {"space_directions": "none (1,0,0) (0,1,0) (0,0,1)"}, (4, 5, 6), 7, 0, "component"),
        ("4 5 6 7", {"space_directions": "(1,0,0) (0,1,0) (0,0,1) none"}, (4, 5, 6), 7, 3, "time"),
        (
            "4 5 6 7",
            {
                "space": "LPST",
                "space_directions": "(1,0,0,0) (0,1,0,0) (0,0,1,0) (0,0,0,2)",
                "space_origin": "(0,0,0,9)",
            },
            (4, 5, 6),
            7,
            3,
            "time",
        ),
        ("4 5", {"space_directions": "(1,0) (0,1)"}, (4, 5), 1, 2, "time"),
    ],
)
def test_what_the_axes_are(sizes, fields, spatial, channels, place, kind):
    found = axes(sizes, **fields)
    assert (found.spatial, found.channels, found.kind) == (spatial, channels, kind)
    assert channels == 1 or found.channel_axis == place


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (-1, -1, 1)),
        ("LPS", (-1, -1, 1)),
        ("RAS", (1, 1, 1)),
        ("Right-Anterior-Superior", (1, 1, 1)),
        ("left-anterior-superior", (-1, 1, 1)),
        ("LAS", (-1, 1, 1)),
        ("RAST", (1, 1, 1)),
        ("left-anterior-superior-time", (-1, 1, 1)),
        ("scanner-xyz", (-1, -1, 1)),
        ("", (-1, -1, 1)),
    ],
)
def test_spaces(space, signs):
    found = axes("4 5 6", **{**IN_SPACE, "space": space})
    np.testing.assert_array_equal(found.affine[:3, 3], np.array(signs) * [10, 20, 30])
    np.testing.assert_array_equal(found.affine[:3, :3], np.diag(np.array(signs) * [2, 3, 4]))
    assert found.spacing == (2, 3, 4)
    assert bool(found.notes) == (space in ("scanner-xyz", ""))


@pytest.mark.parametrize(
    ("fields", "spacing", "origin"),
    [
        ({"spacings": "2 3 4"}, (2, 3, 4), (0, 0, 0)),
        ({"spacings": "2 nan 4"}, (2, 1, 4), (0, 0, 0)),
        ({"spacings": "2 3 4", "axis_mins": "5 6 7"}, (2, 3, 4), (-6, -7.5, 9)),
        ({"spacings": "2 3 4", "axis_mins": "5 6 nan", "centers": "node cell cell"}, (2, 3, 4), (-5, -7.5, 0)),
        ({"spacings": "200 300 400", "units": '"um" "um" "um"'}, (0.2, 0.3, 0.4), (0, 0, 0)),
        ({**IN_SPACE, "space_units": '"cm" "cm" "cm"'}, (20, 30, 40), (-100, -200, 300)),
        ({**IN_SPACE, "space_units": '"parsec" "parsec" "parsec"'}, (2, 3, 4), (-10, -20, 30)),
    ],
)
def test_distances(fields, spacing, origin):
    found = axes("4 5 6", **fields)
    np.testing.assert_allclose(found.spacing, spacing)
    np.testing.assert_allclose(found.affine[:3, 3], origin)


def test_a_plane_in_space():
    found = axes("4 5", space="RAS", space_directions="(0,2,0) (0,0,3)", space_origin="(1,2,3)")
    np.testing.assert_array_equal(found.affine, [[0, 0, 1, 1], [2, 0, 0, 2], [0, 3, 0, 3], [0, 0, 0, 1]])


@pytest.mark.parametrize("kind", ["RGB-color", "RGBA-color", "3-color"])
def test_color(kind):
    assert axes("3 4 5", kinds=f"{kind} domain domain").color


@pytest.mark.parametrize(
    ("sizes", "fields", "message"),
    [
        ("4", {}, "1 of them in space"),
        ("4 5 6", {"dimension": "4"}, "4 axes but 3 sizes"),
        ("4 5 6", {"dimension": "99"}, "99 axes"),
        ("4 5 6", {"dimension": "x"}, "'x'"),
        ("4 0 6", {}, "'0'"),
        ("4 -5 6", {}, "'-5'"),
        ("4 5 6 2 3", {}, "at most one other"),
        ("2 3 4 5 6", {"kinds": "vector list domain domain domain"}, "at most one other"),
        ("4 5 6", {"kinds": "domain domain"}, "another number of axes"),
        ("4 5 6", {"space_directions": "(1,0,0) (0,1,0)"}, "another number of axes"),
        ("2 4 5 6", {"kinds": "complex domain domain domain"}, "'complex'"),
        ("3 4 5", {"kinds": "HSV-color domain domain"}, "'hsv-color'"),
        ("4 5 6", {"spacings": "1 0 1"}, "other than 0"),
        ("4 5 6", {"spacings": "1 1"}, "one number per axis"),
        ("4 5 6", {"spacings": "1 x 1"}, "one number per axis"),
        ("4 5 6", {**IN_SPACE, "space_directions": "(1,0,0) (0,1,0) (0,1,0)"}, "span the space"),
        ("4 5 6", {**IN_SPACE, "space_directions": "(1,0,0) (0,1) (0,0,1)"}, "different lengths"),
        ("4 5 6", {**IN_SPACE, "space_directions": "(1,0,0) (0,nan,0) (0,0,1)"}, "finite"),
        ("4 5 6", {**IN_SPACE, "space_directions": "(1,0,0) (0,x,0) (0,0,1)"}, "not a vector"),
        ("4 5 6", {**IN_SPACE, "space_origin": "(1,2)"}, "origin of 2"),
        ("4 5 6", {**IN_SPACE, "space_directions": "(0,0,0) (0,1,0) (0,0,1)"}, "span the space"),
    ],
)
def test_refusals(sizes, fields, message):
    with pytest.raises(InputError, match=message) as caught:
        axes(sizes, **fields)
    assert "x.nrrd" in str(caught.value)
