# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_diffdenoise.data import ReadOptions, check_conversion, read_volume, volume_from_array, write_volume
from monai_diffdenoise.data.png_chunks import parse_png
from monai_diffdenoise.errors import InputError

Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(0)
KEPT = [
    (b"gAMA", b"\0\0\xb1\x8f"),
    (b"sRGB", b"\0"),
    (b"pHYs", b"\0\0\7\xd0\0\0\7\xd0\1"),
    (b"tEXt", b"a\0b"),
    (b"iTXt", b"c\0\0\0\0\0d"),
]


def chunks(path: Path) -> list[tuple[bytes, bytes]]:
    layout = parse_png(path.read_bytes(), str(path))
    return [(chunk.kind, chunk.data) for chunk in (*layout.before[1:], *layout.after)]


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("size", [(5, 1), (5, 3), (13, 11), (16, 64)])
@pytest.mark.parametrize("interlaced", [False, True])
def test_samples_depth_and_chunks_are_kept(tmp_path, make_png, depth, size, interlaced):
    rows = RNG.integers(0, 2**depth, size).astype("u2" if depth == 16 else "u1")
    more = [*KEPT, (b"sBIT", bytes([1])), (b"bKGD", b"\0\1")]
    path = make_png(rows, depth, interlaced=interlaced, chunks=more, after=[(b"eXIf", b"II")])
    volume = read_volume(path)
    write_volume(volume, tmp_path / "out.png")
    assert chunks(tmp_path / "out.png") == chunks(path)
    layout = parse_png((tmp_path / "out.png").read_bytes(), "out")
    assert (layout.depth, layout.interlaced) == (depth, False)
    np.testing.assert_array_equal(read_volume(tmp_path / "out.png").image, volume.image)
    if depth >= 8:
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.png")), rows)


@pytest.mark.parametrize(("depth", "top"), [(1, 1), (4, 15), (8, 255), (16, 65535)])
def test_new_values_are_rounded_and_stay_in_the_depth(tmp_path, make_png, depth, top):
    rows = RNG.integers(0, 2**depth, (6, 7)).astype("u2" if depth == 16 else "u1")
    rows[0, 0] = top
    volume = read_volume(make_png(rows, depth))
    with pytest.warns(UserWarning, match="did not fit"):
        written = write_volume(volume.with_image(volume.image + 0.7), tmp_path / "out.png")
    assert written.clipped == (rows == top).sum()
    np.testing.assert_array_equal(read_volume(tmp_path / "out.png").image[0].T, np.minimum(rows + 1.0, top))


def test_chunks_that_are_no_longer_true_are_dropped(tmp_path, make_png):
    untrue = [(b"tIME", bytes(7)), (b"prVW", b"unsafe"), (b"saFe", b"safe")]
    path = make_png(RNG.integers(0, 256, (6, 7)).astype("u1"), chunks=[*KEPT, *untrue, (b"sBIT", b"\7")])
    volume = read_volume(path)
    write_volume(volume, tmp_path / "out.png")
    assert chunks(tmp_path / "out.png") == [*KEPT, (b"saFe", b"safe"), (b"sBIT", b"\7")]
    write_volume(volume, tmp_path / "deep.png", output_dtype="uint16")
    assert chunks(tmp_path / "deep.png") == [*KEPT, (b"saFe", b"safe")]
    assert np.asarray(Image.open(tmp_path / "deep.png")).dtype == np.uint16


def test_gray_of_color_drops_what_speaks_of_color(tmp_path, make_png):
    rows = RNG.integers(0, 256, (6, 21)).astype("u1")
    path = make_png(rows, color=2, width=7, chunks=[*KEPT[:1], (b"iCCP", b"a\0\0b"), (b"bKGD", bytes(6)), *KEPT[2:]])
    volume = read_volume(path, options=ReadOptions(color="gray"))
    write_volume(volume, tmp_path / "out.png")
    assert chunks(tmp_path / "out.png") == [KEPT[0], *KEPT[2:]]
    np.testing.assert_array_equal(read_volume(tmp_path / "out.png").image, volume.image)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_plane_from_elsewhere(tmp_path, make_nifti, dtype):
    stored = RNG.integers(0, 200, (5, 6, 1)).astype(dtype)
    path = make_nifti(stored, affine=np.diag([-0.5, -0.25, 1, 1]))
    write_volume(read_volume(path), tmp_path / "out.png")
    back = read_volume(tmp_path / "out.png")
    np.testing.assert_array_equal(back.image[0], stored[..., 0].astype(np.float32))
    assert back.spacing == (0.5, 0.25) and back.source.native.dtype == dtype


@pytest.mark.parametrize(
    ("shape", "dtype", "wanted", "message"),
    [
        ((5, 6, 4), "uint8", None, "one plane"),
        ((5, 6, 1, 2), "uint8", None, "one plane"),
        ((5, 6, 1), "int16", None, "give an output data type"),
        ((5, 6, 1), "float32", None, "give an output data type"),
        ((5, 6, 1), "float32", "float32", "PNG holds"),
        ((5, 6, 1), "int16", "uint8", "PNG keeps no scale"),
    ],
)
def test_what_no_png_holds_is_refused_before_the_work(tmp_path, make_nifti, shape, dtype, wanted, message):
    stored = np.arange(np.prod(shape)).reshape(shape).astype(dtype) * 20
    volume = read_volume(make_nifti(stored))
    for refuse in (
        lambda: check_conversion(volume, "out.png", wanted),
        lambda: write_volume(volume, tmp_path / "out.png", wanted),
    ):
        with pytest.raises(InputError, match=message):
            refuse()
    assert not (tmp_path / "out.png").exists()


def test_whole_numbers_of_other_types(tmp_path, make_nifti):
    stored = np.arange(30, dtype=np.int16).reshape(5, 6, 1)
    with pytest.warns(UserWarning, match="position and orientation"):
        write_volume(read_volume(make_nifti(stored)), tmp_path / "out.png", "uint8")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.png")), stored[..., 0].T)


def test_a_size_that_cannot_be_said(tmp_path):
    volume = volume_from_array(np.zeros((1, 4, 5)), np.diag([-5000.0, -1, 1, 1]))
    write_volume(volume, tmp_path / "out.png", "uint8")
    assert not chunks(tmp_path / "out.png")


def test_failure_in_the_middle_leaves_nothing(tmp_path, make_png, monkeypatch):
    volume = read_volume(make_png(RNG.integers(0, 256, (6, 7)).astype("u1"), name="in.png"))

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("monai_diffdenoise.data.encoded.encode_block", fail)
    with pytest.raises(InputError, match="No space left"):
        write_volume(volume, tmp_path / "out.png")
    assert [p.name for p in tmp_path.iterdir()] == ["in.png"]
