# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monai_diffdenoise.data import read_volume
from monai_diffdenoise.errors import InputError

TIMES, SLICES = 3, 4


def series(**values):
    """Edit of a series of ``TIMES`` volumes, slice by slice, where each value is a function of (time, slice)."""

    def edit(ds, index):
        t, z = index // SLICES, index % SLICES
        ds.ImagePositionPatient = [0, 0, 2.5 * z]
        ds.InstanceNumber = 1
        for keyword, value in values.items():
            setattr(ds, keyword, value(t, z))

    return edit


def times_of(volume) -> list[list[int]]:
    """Index in the order of writing of every slice, from its instance UID."""
    return [[int(item.sop_instance.rsplit(".", 1)[1]) for item in moment] for moment in volume.source.slices]


WANTED = [[t * SLICES + z for z in range(SLICES)] for t in range(TIMES)]
WAYS = {
    "temporal position": {"TemporalPositionIdentifier": lambda t, z: t + 1},
    "acquisition number": {"AcquisitionNumber": lambda t, z: t + 5},
    "acquisition numbers that run on": {"AcquisitionNumber": lambda t, z: t * SLICES + z},
    "interleaved times": {"AcquisitionTime": lambda t, z: f"10101{t}.{(z * 2) % 4}"},
    "midnight": {
        "AcquisitionDate": lambda t, z: f"2020010{1 + (t > 1)}",
        "AcquisitionTime": lambda t, z: ["235950", "235958", "000003"][t],
    },
    "trigger delay": {"TriggerTime": lambda t, z: 33.3 * t + 0.4 * z},
    "instance number, volume by volume": {"InstanceNumber": lambda t, z: t * SLICES + z},
    "instance number, slice by slice": {"InstanceNumber": lambda t, z: z * TIMES + t},
    "b-value": {"DiffusionBValue": lambda t, z: 500.0 * t},
    "time before number": {
        "AcquisitionTime": lambda t, z: f"10101{t}",
        "InstanceNumber": lambda t, z: 100 - t,
    },
    "numbers that hide the b-value": {
        "DiffusionBValue": lambda t, z: 500.0 * t,
        "AcquisitionNumber": lambda t, z: (t + z) % TIMES,
    },
}


@pytest.mark.parametrize("name", WAYS)
def test_time_points(make_series, name):
    volume = read_volume(make_series(modality="MR", slices=TIMES * SLICES, edit=series(**WAYS[name])))
    assert volume.image.shape == (TIMES, 8, 6, SLICES) and volume.channels == "time"
    assert times_of(volume) == WANTED
    for t in range(TIMES):
        for z in range(SLICES):
            ds = pydicom.dcmread(volume.source.slices[t][z].fingerprint.path)
            np.testing.assert_array_equal(volume.image[t, :, :, z], ds.pixel_array.T)
    assert any("b-value (0, 500, 1000)" in note for note in volume.notes) == ("b-value" in name)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(TIMES)))
def test_directions_are_not_reordered(make_series, order):
    """Who has a list of directions by acquisition must find them in that order."""
    axes = [[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]]
    edit = series(
        AcquisitionTime=lambda t, z: f"1010{t}{z}",
        DiffusionGradientOrientation=lambda t, z: axes[order[t]],
        DiffusionBValue=lambda t, z: 700.0,
    )
    volume = read_volume(make_series(modality="MR", slices=TIMES * SLICES, edit=edit))
    assert times_of(volume) == WANTED and volume.notes == ()


def test_one_slice_in_time(make_series):
    def edit(ds, index):
        ds.ImagePositionPatient, ds.TriggerTime = [0, 0, 0], 40.0 * (5 - index)

    volume = read_volume(make_series(modality="MR", slices=5, edit=edit))
    assert volume.image.shape == (5, 8, 6, 1) and times_of(volume) == [[4], [3], [2], [1], [0]]


@pytest.mark.parametrize("lost", [TIMES * SLICES - 1, 5, 0])
def test_incomplete_volumes_are_refused(make_series, lost):
    edit = series(TemporalPositionIdentifier=lambda t, z: t + 1)
    folder = make_series(slices=TIMES * SLICES, edit=lambda ds, k: edit(ds, k) if k != lost else False)
    message = r"1 position.s. with 2 image.s., 3 position.s. with 3 image.s..*is a volume incomplete"
    with pytest.raises(InputError, match=message):
        read_volume(folder)


@pytest.mark.parametrize("keyword", ["DiffusionBValue", "TemporalPositionIdentifier"])
def test_images_that_do_not_go_together_are_refused(make_series, keyword):
    """Each position has three images, but of other weightings."""
    edit = series(**{keyword: lambda t, z: 3 if t == 2 and z == 1 else 1 + (t > 0)})
    with pytest.raises(InputError, match="the 3 images at each of 4 positions do not go together"):
        read_volume(make_series(modality="MR", slices=TIMES * SLICES, edit=edit))


def test_gradients_that_do_not_go_together_are_refused(make_series):
    edit = series(
        DiffusionGradientOrientation=lambda t, z: [1.0, 0, 0] if t == 1 and z == 2 else [0, 1.0, 0],
        DiffusionBValue=lambda t, z: 700.0,
    )
    with pytest.raises(InputError, match="do not go together"):
        read_volume(make_series(modality="MR", slices=TIMES * SLICES, edit=edit))


def test_numbers_that_run_through_the_slices_are_no_time_points(make_series):
    edit = series(TemporalPositionIdentifier=lambda t, z: t * SLICES + z)
    volume = read_volume(make_series(modality="MR", slices=TIMES * SLICES, edit=edit))
    assert times_of(volume) == WANTED
