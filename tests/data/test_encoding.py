# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from monai_diffdenoise.data.encoding import OUTPUT_DTYPES, Block, Encoding, encode_block, fit_encoding, parse_dtype
from monai_diffdenoise.errors import InputError

INTEGERS = [name for name in OUTPUT_DTYPES if "int" in name]
SLOPES = st.floats(1e-6, 1e6) | st.floats(-1e6, -1e-6)
INTERS = st.floats(-1e9, 1e9)


def block(stored: np.ndarray, slope: float = 1.0, inter: float = 0.0, **kwargs) -> Block:
    return Block((slice(None),) * stored.ndim, stored, slope, inter, **kwargs)


@given(data=st.data(), name=st.sampled_from(OUTPUT_DTYPES), slope=SLOPES, inter=INTERS)
def test_untouched_voxels_keep_every_bit(data, name, slope, inter):
    stored = data.draw(hnp.arrays(name, (3, 4)))
    piece = block(stored, slope, inter)
    out, clipped = encode_block(piece, piece.float32(), piece.encoding)
    assert out.dtype == stored.dtype
    assert out.tobytes() == stored.tobytes()
    assert clipped == 0


@given(data=st.data(), name=st.sampled_from(["int8", "uint8", "int16", "uint16"]), slope=SLOPES, inter=INTERS)
def test_new_values_are_rounded_to_the_nearest_step(data, name, slope, inter):
    stored = data.draw(hnp.arrays(name, (3, 4)))
    piece = block(stored, slope, inter)
    shift = data.draw(hnp.arrays(np.float64, (3, 4), elements=st.floats(-50, 50))) * slope
    new = (piece.physical() + shift).astype(np.float32)
    out, clipped = encode_block(piece, new, piece.encoding)
    wanted = (new.astype(np.float64) + (piece.physical() - piece.float32()) - inter) / slope
    low, high = np.iinfo(name).min, np.iinfo(name).max
    touched = new != piece.float32()
    error = np.abs(out.astype(np.float64) - np.clip(wanted, low, high))
    # Half a step, and what float64 loses where the intercept dwarfs the step.
    assert error[touched].max(initial=0) <= 0.5 + 1e-6 + 1e-15 * abs(inter / slope)
    assert clipped == np.count_nonzero(touched & ((np.rint(wanted) < low) | (np.rint(wanted) > high)))


def test_half_steps_round_to_even_and_are_not_truncated():
    piece = block(np.zeros(5, np.int16))
    out, _ = encode_block(piece, np.array([0.5, 1.5, -0.6, 2.7, -2.7], np.float32), piece.encoding)
    assert out.tolist() == [0, 2, -1, 3, -3]


def test_clipping_is_counted_and_bounded():
    piece = block(np.array([10, 10, 4095, 10], np.uint16), limits=(0, 4095))
    out, clipped = encode_block(piece, np.array([-3, 5000, 4095, 4095.4], np.float32), piece.encoding)
    assert out.tolist() == [0, 4095, 4095, 4095]
    assert clipped == 2


def test_stored_numbers_beyond_the_limits_survive_untouched():
    piece = block(np.array([60000, 10], np.uint16), limits=(0, 4095))
    out, clipped = encode_block(piece, piece.float32(), piece.encoding)
    assert out.tolist() == [60000, 10]
    assert clipped == 0


def test_kept_voxels_ignore_new_values():
    piece = block(np.array([-2000, 5], np.int16), keep=np.array([True, False]))
    out, _ = encode_block(piece, np.array([0, 7], np.float32), piece.encoding)
    assert out.tolist() == [-2000, 7]


@pytest.mark.parametrize("name", ["int64", "uint64"])
def test_largest_integers_neither_wrap_nor_warn(name):
    top = np.iinfo(name).max
    piece = block(np.array([top, 0], name))
    with np.errstate(all="raise"):
        out, clipped = encode_block(piece, np.array([1e30, 1e30], np.float32), piece.encoding)
    assert clipped == 2
    assert all(value > top // 2 for value in out.tolist())


def test_nonfinite_voxels_return_as_they_were():
    stored = np.array([np.nan, np.inf, -np.inf, 1e300, 2.0])
    piece = block(stored)
    out, clipped = encode_block(piece, np.array([5, 5, 5, 5, 3], np.float32), piece.encoding)
    np.testing.assert_array_equal(out, [np.nan, np.inf, -np.inf, 1e300, 3.0])
    assert clipped == 0
    as32, clipped = encode_block(piece, np.array([5, 5, 5, 5, 3], np.float32), Encoding(np.dtype("float32")))
    np.testing.assert_array_equal(as32, np.array([np.nan, np.inf, -np.inf, np.finfo("f4").max, 3.0], np.float32))
    assert clipped == 1
    with pytest.raises(InputError, match="NaN"):
        encode_block(piece, np.zeros(5, np.float32), Encoding(np.dtype("int16")))


@given(
    name=st.sampled_from(INTEGERS),
    ends=st.tuples(st.floats(-(2**40), 2**40, width=32), st.floats(-(2**40), 2**40, width=32)).map(sorted),
)
def test_fitted_integers_hold_both_ends(name, ends):
    low, high = ends
    encoding = fit_encoding(np.dtype(name), low, high)
    assert np.float32(encoding.slope) == encoding.slope
    assert np.float32(encoding.inter) == encoding.inter
    least, most = encoding.limits
    for value in ends:
        stored = (value - encoding.inter) / encoding.slope
        assert least - 0.5 <= stored <= most + 0.5
    # The steps are no coarser than the type demands, as far as float32 can say where they start.
    assert encoding.slope <= 2.1 * max((high - low) / (most - least), abs(encoding.inter) * 1e-6, 1.0)


def test_fitting_keeps_slope_and_intercept_when_possible():
    native = Encoding(np.dtype("int32"), 0.5, -100.0)
    assert fit_encoding(np.dtype("int16"), -500, 500, native) == Encoding(np.dtype("int16"), 0.5, -100.0)
    assert fit_encoding(np.dtype("int8"), -500, 500, native).slope > 3
    assert fit_encoding(np.dtype("float64"), -500, 500, native) == Encoding(np.dtype("float64"))


def test_constant_values_fit():
    encoding = fit_encoding(np.dtype("uint8"), 7.5, 7.5)
    assert encoding.inter == 7.5 and encoding.slope != 0


@pytest.mark.parametrize("name", ["complex64", "float16", "bool", "nonsense", "U5"])
def test_unknown_dtypes_are_refused(name):
    with pytest.raises(InputError, match="expected one of"):
        parse_dtype(name)


@pytest.mark.parametrize("name", OUTPUT_DTYPES)
def test_known_dtypes(name):
    assert parse_dtype(name) == np.dtype(name)
    assert parse_dtype(np.dtype(name).newbyteorder(">")) == np.dtype(name)
