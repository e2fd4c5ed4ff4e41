# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from monai_diffdenoise.data import ReadOptions, read_volume
from monai_diffdenoise.data.png import is_png
from monai_diffdenoise.errors import InputError

Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(0)


def picture(depth: int, shape: tuple[int, int] = (13, 11)) -> np.ndarray:
    return RNG.integers(0, 2**depth, shape).astype("u2" if depth == 16 else "u1")


@pytest.mark.parametrize("depth", [1, 8, 16])
def test_pillow_agrees(tmp_path, depth):
    rows = picture(depth)
    (Image.fromarray(rows.astype(bool)) if depth == 1 else Image.fromarray(rows)).save(tmp_path / "a.png")
    volume = read_volume(tmp_path / "a.png")
    np.testing.assert_array_equal(volume.image[0], rows.T.astype(np.float32))
    assert volume.spatial_dims == 2 and volume.source.format == "png" and volume.source.native.dtype == rows.dtype
    assert volume.spacing == (1, 1) and "1 mm" in volume.notes[0]
    # x to the left of the patient and y to the back, as for a DICOM picture without a position.
    np.testing.assert_array_equal(volume.image.affine, np.diag([-1.0, -1, 1, 1]))


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("width", [1, 3, 8, 11])
def test_every_depth_is_taken_as_it_is_stored(tmp_path, make_png, depth, width):
    rows = picture(depth, (5, width))
    volume = read_volume(make_png(rows, depth))
    np.testing.assert_array_equal(volume.image[0], rows.T.astype(np.float32))
    (block,) = volume.source.blocks()
    assert block.limits == (0, 2**depth - 1)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (8, 8), (13, 11)])
@pytest.mark.parametrize("depth", [1, 8, 16])
def test_interlaced(tmp_path, make_png, size, depth):
    rows = picture(depth, size)
    np.testing.assert_array_equal(
        read_volume(make_png(rows, depth, interlaced=True)).image[0], rows.T.astype(np.float32)
    )


@pytest.mark.parametrize(
    ("per_meter", "unit", "spacing"),
    [((2000, 4000), 1, (0.5, 0.25)), ((2000, 4000), 0, (1, 1)), ((0, 4000), 1, (1, 1))],
)
def test_pixel_size(make_png, per_meter, unit, spacing):
    size = per_meter[0].to_bytes(4, "big") + per_meter[1].to_bytes(4, "big") + bytes([unit])
    volume = read_volume(make_png(picture(8), chunks=[(b"pHYs", size)]))
    assert volume.spacing == spacing
    assert ("pHYs" in volume.notes[0]) == (spacing != (1, 1))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA"])
def test_color_is_refused_or_gray(tmp_path, mode):
    color = RNG.integers(0, 256, (6, 7, 3)).astype("u1")
    image = (
        Image.fromarray(color).convert("P", palette=Image.Palette.ADAPTIVE) if mode == "P" else Image.fromarray(color)
    )
    image = image.convert(mode)
    image.save(tmp_path / "a.png")
    with pytest.raises(InputError, match="--color gray"):
        read_volume(tmp_path / "a.png")
    volume = read_volume(tmp_path / "a.png", options=ReadOptions(color="gray"))
    wanted = np.asarray(image.convert("RGB")) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(volume.image[0].T, wanted, atol=0.51)
    assert "written as gray" in volume.notes[0]


def test_gray_with_a_transparent_value_is_no_plain_gray(make_png):
    path = make_png(picture(8), chunks=[(b"tRNS", b"\0\7")])
    with pytest.raises(InputError, match="opacity"):
        read_volume(path)
    assert read_volume(path, options=ReadOptions(color="gray")).image.shape == (1, 11, 13)


def test_color_of_16_bits_is_refused(make_png):
    with pytest.raises(InputError, match="16 bits"):
        read_volume(make_png(picture(16, (4, 6)), 16, color=2, width=2), options=ReadOptions(color="gray"))


def test_content_tells_the_format(tmp_path, make_png):
    bare = make_png(picture(8)).rename(tmp_path / "bare")
    assert is_png(bare) and read_volume(bare).source.format == "png"
    with pytest.raises(InputError, match="--cine"):
        read_volume(bare, options=ReadOptions(cine="time"))
    (tmp_path / "a.png").touch()
    with pytest.raises(InputError, match="empty"):
        read_volume(tmp_path / "a.png")


def test_without_pillow_the_extra_is_named(make_png, monkeypatch):
    path = make_png(picture(8))
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(InputError, match=r"monai-diffdenoise\[images\]"):
        read_volume(path)


def test_texts_that_are_bombs_do_not_matter(make_png):
    import zlib

    bomb = (b"zTXt", b"a\0\0" + zlib.compress(bytes(300_000_000), 9))
    assert read_volume(make_png(picture(8), chunks=[bomb])).image.shape == (1, 11, 13)


def test_the_real_one(dev_data: Path):
    volume = read_volume(dev_data / "C_png_xray_nih_1.png")
    np.testing.assert_array_equal(volume.image[0].T, np.asarray(Image.open(dev_data / "C_png_xray_nih_1.png")))
