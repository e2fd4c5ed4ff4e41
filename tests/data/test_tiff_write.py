# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monai_diffdenoise.data import ReadOptions, read_volume, volume_from_array, write_volume
from monai_diffdenoise.data.encoding import OUTPUT_DTYPES
from monai_diffdenoise.errors import InputError

tifffile = pytest.importorskip("tifffile")
Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 100, (2, 3, 20, 17))  # time, z, y, x


def save(folder, array, **kwargs):
    tifffile.imwrite(folder / "in.tif", array, photometric=kwargs.pop("photometric", "minisblack"), **kwargs)
    return folder / "in.tif"


def tags(path):
    """Every tag of every page but those that say where the pixels are and how they are packed."""
    with tifffile.TiffFile(path) as tiff:
        placed = (259, 273, 279, 317, 324, 325)
        return [[(t.code, t.dtype, t.count, t.value) for t in p.tags if t.code not in placed] for p in tiff.pages]


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"bigtiff": True, "rowsperstrip": 3},
        {"tile": (16, 16)},
        {"tile": (16, 16), "compression": "zlib", "bigtiff": True},
        {"compression": "zlib", "rowsperstrip": 7},
        {"description": "kept", "resolution": (100, 50), "datetime": "2020:01:02 03:04:05", "metadata": None},
    ],
)
def test_everything_but_the_pixels_is_kept(tmp_path, dtype, order, more):
    array = STACK[0].astype(dtype)
    path = save(tmp_path, array, byteorder=order, extratags=[(65000, "s", 0, "private", True)], **more)
    volume = read_volume(path)
    write_volume(volume, tmp_path / "same.tif")
    same = (tmp_path / "same.tif").read_bytes() == path.read_bytes()
    assert same or "compression" in more
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "same.tif"), array)
    write_volume(volume.with_image(volume.image + 1), tmp_path / "new.tif")
    values = tifffile.imread(tmp_path / "new.tif")
    assert values.dtype == array.dtype
    np.testing.assert_array_equal(values, array + np.array(1, dtype))
    assert tags(tmp_path / "new.tif") == tags(path)
    with tifffile.TiffFile(tmp_path / "new.tif") as tiff:
        assert tiff.byteorder == order and tiff.is_bigtiff == bool(more.get("bigtiff"))


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4"])
@pytest.mark.parametrize("grown", [False, True])
def test_predictors_and_sizes_of_compressed_pixels(tmp_path, dtype, grown):
    array = np.zeros((3, 40, 37), dtype) if grown else RNG.integers(0, 99, (3, 40, 37)).astype(dtype)
    path = save(tmp_path, array, compression="zlib", predictor=True, rowsperstrip=16)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.image[0].numpy(), array.T)
    new = RNG.integers(0, 99, (1, 37, 40, 3)) if grown else np.zeros((1, 37, 40, 3))
    write_volume(volume.with_image(new.astype("f4")), tmp_path / "out.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), new[0].T)
    assert tags(tmp_path / "out.tif") == tags(path)


def test_old_pixels_do_not_stay_in_the_file(tmp_path):
    array = RNG.integers(0, 256, (40, 37)).astype("u1")
    path = save(tmp_path, array, compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        offset, count = tiff.pages[0].dataoffsets[0], tiff.pages[0].databytecounts[0]
    old = path.read_bytes()[offset : offset + count]
    volume = read_volume(path)
    write_volume(volume.with_image(volume.image * 0), tmp_path / "out.tif")
    raw = (tmp_path / "out.tif").read_bytes()
    assert old[-200:] not in raw and len(raw) == len(path.read_bytes())


def test_packbits_becomes_deflate(tmp_path):
    Image.fromarray(STACK[0, 0].astype("u1")).save(tmp_path / "in.tif", compression="packbits")
    volume = read_volume(tmp_path / "in.tif")
    write_volume(volume.with_image(volume.image + 1), tmp_path / "out.tif")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.tif")), STACK[0, 0] + 1)


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_descriptions_are_kept(tmp_path, kind):
    meta = {"axes": "TZYX", "spacing": 2.5, "unit": "mm"} if kind == "imagej" else {"axes": "TZYX", "PhysicalSizeX": 3}
    path = save(tmp_path, STACK.astype("u2"), **{kind: True}, metadata=meta)
    volume = read_volume(path)
    write_volume(volume.with_image(volume.image + 1), tmp_path / "out.tif")
    with tifffile.TiffFile(path) as old, tifffile.TiffFile(tmp_path / "out.tif") as new:
        assert old.pages[0].description == new.pages[0].description
        assert new.series[0].axes == "TZYX" and new.is_ome == (kind == "ome")
        np.testing.assert_array_equal(new.asarray(), STACK + 1)


@pytest.mark.parametrize("name", OUTPUT_DTYPES)
@pytest.mark.parametrize("shape", [(1, 17, 20), (1, 17, 20, 3), (2, 17, 20, 3), (2, 17, 20)])
@pytest.mark.parametrize("channels", ["time", "component"])
def test_new_files(tmp_path, name, shape, channels):
    image = RNG.integers(0, 100, shape)
    affine = np.diag([-0.74, -0.3, 2.5, 1.0])
    volume = replace(volume_from_array(image, affine, slice_axis=2 if len(shape) == 4 else 0), channels=channels)
    written = write_volume(volume, tmp_path / "out.tif", output_dtype=name)
    assert written.dtype == name
    back = read_volume(tmp_path / "out.tif")
    assert back.source.native.dtype == name
    np.testing.assert_array_equal(back.image.numpy(), image)
    assert back.spacing == pytest.approx(volume.spacing, rel=1e-12) and back.channels == (
        channels if shape[0] > 1 else "time"
    )
    np.testing.assert_allclose(
        back.image.affine[:3], affine[:3] if len(shape) == 4 else np.diag([-0.74, -0.3, 1, 1])[:3]
    )


def test_imagej_shows_the_voxel_size(tmp_path):
    volume = volume_from_array(STACK[0].transpose(2, 1, 0)[None] * 1.0, np.diag([-0.5, -0.25, 3, 1]))
    write_volume(volume, tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        assert tiff.is_imagej and tiff.imagej_metadata["spacing"] == 3 and tiff.imagej_metadata["unit"] == "mm"
        assert tiff.pages[0].resolution == (2, 4)


def test_a_lost_place_is_told(tmp_path):
    with pytest.warns(UserWarning, match="TIFF keeps the size of the voxels only"):
        write_volume(volume_from_array(np.ones((1, 4, 5, 6))), tmp_path / "out.tif")


def test_gray_of_color_gets_a_new_file(tmp_path):
    color = RNG.integers(0, 256, (20, 17, 3)).astype("u1")
    volume = read_volume(save(tmp_path, color, photometric="rgb"), options=ReadOptions(color="gray"))
    write_volume(volume, tmp_path / "out.tif")
    np.testing.assert_allclose(tifffile.imread(tmp_path / "out.tif"), color @ [0.299, 0.587, 0.114], atol=0.51)


def test_same_volume_gives_the_same_bytes(tmp_path):
    volume = volume_from_array(STACK.transpose(0, 3, 2, 1) * 1.0, np.diag([-1.0, -1, 1, 1]))
    for name in ("a.tif", "b.tif"):
        write_volume(volume, tmp_path / name)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_failure_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    volume = read_volume(save(tmp_path, STACK[0].astype("u2")))
    other = volume_from_array(np.ones((1, 4, 5, 6)), np.diag([-1.0, -1, 1, 1]))

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("monai_diffdenoise.data.encoded.encode_block", fail)
    for source in (volume, other):
        with pytest.raises(InputError, match="No space left"):
            write_volume(source, tmp_path / "out.tif")
    assert [p.name for p in tmp_path.iterdir()] == ["in.tif"]
