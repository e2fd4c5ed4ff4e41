# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from monai_diffdenoise.data.tiff_meta import TiffMeta, axes_of_pages, voxel_size
from monai_diffdenoise.errors import InputError


@pytest.mark.parametrize(
    ("axes", "sizes", "shape", "flat", "kind", "second"),
    [
        ("", (), (1, 1), True, "time", None),
        ("Z", (6,), (1, 6), False, "time", 1),
        ("I", (6,), (1, 6), False, "time", 1),
        ("T", (6,), (6, 1), True, "time", None),
        ("C", (6,), (6, 1), True, "component", None),
        ("TZC", (2, 3, 1), (2, 3), False, "time", 1),
        ("TZC", (1, 3, 2), (2, 3), False, "component", 2),
        ("CZ", (2, 3), (2, 3), False, "component", 1),
        ("ZT", (3, 2), (2, 3), False, "time", 2),
    ],
)
def test_pages_become_channels_and_slices(axes, sizes, shape, flat, kind, second):
    grid, found_flat, found_kind = axes_of_pages(axes, sizes, range(int(np.prod(sizes))), "x")
    assert (grid.shape, found_flat, found_kind) == (shape, flat, kind)
    assert sorted(grid.ravel().tolist()) == list(range(grid.size))
    assert second is None or grid[0, 1] == second


def test_order_of_the_file_is_followed():
    assert axes_of_pages("Z", (3,), (2, 0, 1), "x")[0].tolist() == [[2, 0, 1]]


@pytest.mark.parametrize(("axes", "sizes"), [("TZC", (2, 2, 2)), ("ZI", (2, 2)), ("P", (3,)), ("TC", (2, 2))])
def test_other_pages_are_refused(axes, sizes):
    with pytest.raises(InputError, match="split it first"):
        axes_of_pages(axes, sizes, range(int(np.prod(sizes))), "x")


OME = (
    '<?xml?><OME><Image><Pixels PhysicalSizeX="0.5" {} SizeX="4" PhysicalSizeY="2e3" PhysicalSizeYUnit="nm"/>'
    "</Image></OME>"
)


@pytest.mark.parametrize(
    ("text", "resolution", "unit", "size", "notes"),
    [
        ("", (0, 0), 2, (1, 1, 1), ["x, y, z"]),
        ("", (254, 100), 2, (0.1, 0.254, 1), ["along z", "resolution"]),
        ("", (100, 50), 3, (0.1, 0.2, 1), ["along z", "resolution"]),
        ("", (100, 50), 1, (1, 1, 1), ["x, y, z"]),
        ("ImageJ=1.53\nunit=mm\nspacing=2.5\n", (2, 4), 1, (0.5, 0.25, 2.5), []),
        ("ImageJ=1.53\nunit=micron\nspacing=2500\n", (0.002, 0.004), 1, (0.5, 0.25, 2.5), []),
        ("ImageJ=1.53\nunit=\\u00B5m\nspacing=-1\n", (0.002, 0.004), 1, (0.5, 0.25, 1), ["along z"]),
        ("ImageJ=1.53\nunit=pixel\nspacing=3\n", (2, 4), 1, (1, 1, 1), ["x, y, z"]),
        ('{"shape": [2], "spacing": 0.3, "unit": "cm"}', (20, 40), 3, (0.5, 0.25, 3), []),
        ('{"shape": [2], "spacing": "x", "unit": 7}', (20, 40), 3, (0.5, 0.25, 1), ["along z", "resolution"]),
        ('{"broken', (20, 40), 3, (0.5, 0.25, 1), ["along z", "resolution"]),
        (OME.format('PhysicalSizeXUnit="mm" PhysicalSizeZ="2500"'), (1, 1), 1, (0.5, 2e-3, 2.5), []),
        (OME.format(""), (1, 1), 1, (5e-4, 2e-3, 1), ["along z"]),
        (OME.format('PhysicalSizeXUnit="pixel"'), (1, 1), 1, (1, 2e-3, 1), ["x, z"]),
        (OME.replace("0.5", "nan").format(""), (1, 1), 1, (1, 2e-3, 1), ["x, z"]),
    ],
)
def test_size_of_a_voxel(text, resolution, unit, size, notes):
    found, told = voxel_size(TiffMeta(text, resolution, unit), flat=False)
    assert found == pytest.approx(size)
    assert len(told) == len(notes) and all(note in told[i] for i, note in enumerate(notes))
    assert voxel_size(TiffMeta(text, resolution, unit), flat=True)[0] == pytest.approx(size[:2])
