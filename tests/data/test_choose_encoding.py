# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from monai_diffdenoise.data import read_volume, volume_from_array
from monai_diffdenoise.data.choose_encoding import Holds, choose_encoding
from monai_diffdenoise.data.encoding import OUTPUT_DTYPES, Encoding
from monai_diffdenoise.errors import InputError

ALL = Holds("NRRD")
SCALED = Holds("NIfTI", OUTPUT_DTYPES, scaled=True)
PICTURE = Holds("PNG", ("uint8", "uint16"))


def volume(make_nifti, stored, **kwargs):
    return read_volume(make_nifti(stored.reshape(2, 3, -1), **kwargs))


@pytest.mark.parametrize("name", OUTPUT_DTYPES)
def test_the_source_decides(make_nifti, name):
    source = volume(make_nifti, np.arange(24).astype(name))
    assert choose_encoding(source, None, ALL) == choose_encoding(source, None, SCALED) == Encoding(np.dtype(name))


@pytest.mark.parametrize(
    ("name", "slope", "inter", "wanted"),
    [
        ("uint16", 1, -1024, "int32"),
        ("int16", 1, -100, "int32"),
        ("uint8", 1, -100, "int16"),
        ("uint8", 2, 0, "uint16"),
        ("uint8", -1, 0, "int16"),
        ("uint8", 0.37, -52.5, "float32"),
        ("int16", 0.37, 0, "float32"),
        ("int32", 0.37, 0, "float64"),
        ("float32", 0.37, 0, "float64"),
        ("int64", 3, 0, "float64"),
    ],
)
def test_without_a_scale_every_value_still_fits(make_nifti, name, slope, inter, wanted):
    source = volume(make_nifti, np.arange(24).astype(name), slope=slope, inter=inter)
    assert choose_encoding(source, None, ALL) == Encoding(np.dtype(wanted))
    kept = choose_encoding(source, None, SCALED)
    assert kept.dtype == name and (kept.slope, kept.inter) == (np.float32(slope), np.float32(inter))


def test_what_a_format_lacks_is_refused(make_nifti):
    with pytest.raises(InputError, match=r"PNG holds uint8, uint16.*int16.*output data type"):
        choose_encoding(volume(make_nifti, np.arange(24, dtype=np.int16)), None, PICTURE)
    with pytest.raises(InputError, match="float32: expected one that PNG holds"):
        choose_encoding(volume(make_nifti, np.arange(24, dtype=np.int16)), "float32", PICTURE)


@pytest.mark.parametrize(
    ("values", "wanted", "message"),
    [
        (np.arange(24), "uint8", None),
        (np.arange(24) * 0.5 + 100, "uint8", "steps"),
        (np.arange(24) * 5.5, "uint8", None),
        (np.arange(24) / 24, "uint8", "1 steps"),
        (np.arange(24) * 20.5, "uint8", "run from 0 to 471.5, uint8 holds 0 to 255"),
        (np.arange(24) * 20.5, "uint16", None),
        (np.arange(24) - 1.0, "uint16", "run from -1 to 22"),
        (np.array([0, 1] * 12), "uint8", None),
        (np.array([0, np.nan] * 12), "uint8", "NaN"),
    ],
)
def test_whole_numbers_stand_for_themselves(make_nifti, values, wanted, message):
    source = volume(make_nifti, values.astype(np.float32))
    if message is None:
        assert choose_encoding(source, wanted, PICTURE) == Encoding(np.dtype(wanted))
        # What is decided before the work holds after it.
        assert choose_encoding(source.with_image(source.image + 0.3), wanted, PICTURE) == Encoding(np.dtype(wanted))
    else:
        with pytest.raises(InputError, match=message):
            choose_encoding(source, wanted, PICTURE)


def test_with_a_scale_integers_stand_for_any_values():
    source = volume_from_array(np.linspace(0, 1, 24).reshape(1, 2, 3, 4))
    encoding = choose_encoding(source, "uint8", SCALED)
    assert encoding.dtype == np.uint8 and abs(encoding.slope - 1 / 255) < 1e-6
