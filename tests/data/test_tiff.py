# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys

import numpy as np
import pytest

from monai_diffdenoise.data import ReadOptions, read_volume
from monai_diffdenoise.data.tiff import is_tiff
from monai_diffdenoise.errors import InputError

tifffile = pytest.importorskip("tifffile")
Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(0)
DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
STACK = RNG.integers(0, 100, (2, 3, 20, 17))  # time, z, y, x


def save(folder, array, name="a.tif", **kwargs):
    tifffile.imwrite(folder / name, array, photometric=kwargs.pop("photometric", "minisblack"), **kwargs)
    return folder / name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("more", [{}, {"bigtiff": True, "rowsperstrip": 3}, {"tile": (16, 16), "compression": "zlib"}])
def test_pages_are_slices(tmp_path, dtype, order, more):
    path = save(tmp_path, STACK[0].astype(dtype), byteorder=order, **more)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.image[0].numpy(), STACK[0].T)
    assert volume.source.native.dtype == dtype and volume.slice_axis == 2 and volume.source.format == "tiff"
    np.testing.assert_array_equal(volume.image.affine, np.diag([-1.0, -1, 1, 1]))


@pytest.mark.parametrize(
    ("axes", "index", "shape", "kind"),
    [
        ("YX", (0, 0), (1, 17, 20), "time"),
        ("ZYX", (0,), (1, 17, 20, 3), "time"),
        ("TYX", (0,), (3, 17, 20), "time"),
        ("CYX", (0,), (3, 17, 20), "component"),
        ("TZYX", (), (2, 17, 20, 3), "time"),
        ("ZCYX", (), (3, 17, 20, 2), "component"),
    ],
)
@pytest.mark.parametrize("kind_of_file", ["imagej", "ome", "shaped"])
def test_axes_of_imagej_and_ome(tmp_path, axes, index, shape, kind, kind_of_file):
    array = STACK[index].astype("u2")
    path = save(tmp_path, array, **{kind_of_file: True} if kind_of_file != "shaped" else {}, metadata={"axes": axes})
    volume = read_volume(path)
    assert volume.image.shape == shape and volume.channels == kind
    letters = {"C": "C", "T": "C"}
    names = [letters.get(letter, letter) for letter in axes]
    wanted = np.einsum(array, [ord(n) - ord("A") for n in names], [ord(n) - ord("A") for n in "CXYZ" if n in names])
    np.testing.assert_array_equal(volume.image.numpy().reshape(wanted.shape), wanted)


def test_voxel_size(tmp_path):
    path = save(
        tmp_path,
        STACK[0].astype("u2"),
        imagej=True,
        resolution=(2, 4),
        metadata={"axes": "ZYX", "spacing": 3, "unit": "mm"},
    )
    volume = read_volume(path)
    assert volume.spacing == (0.5, 0.25, 3) and not volume.notes
    np.testing.assert_array_equal(volume.image.affine, np.diag([-0.5, -0.25, 3, 1]))
    volume = read_volume(save(tmp_path, STACK[0, 0].astype("u2"), resolution=(100, 50), resolutionunit="CENTIMETER"))
    assert volume.spacing == (0.1, 0.2) and "screen" in volume.notes[0]


def test_white_zero_is_told_and_not_turned(tmp_path):
    volume = read_volume(save(tmp_path, STACK[0, 0].astype("u2"), photometric="miniswhite"))
    np.testing.assert_array_equal(volume.image[0].numpy(), STACK[0, 0].T)
    assert "MinIsWhite" in volume.notes[0]


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("samples", [3, 4])
def test_color_is_refused_or_gray(tmp_path, planar, samples):
    color = RNG.integers(0, 256, (20, 17, samples)).astype("u1")
    array = color if planar == "contig" else np.moveaxis(color, -1, 0)
    path = save(tmp_path, array, photometric="rgb", planarconfig=planar)
    with pytest.raises(InputError, match="--color gray"):
        read_volume(path)
    volume = read_volume(path, options=ReadOptions(color="gray"))
    np.testing.assert_allclose(volume.image[0].numpy().T, color[..., :3] @ [0.299, 0.587, 0.114], atol=0.51)
    assert volume.source.native.dtype == np.uint8


def test_palette_is_color(tmp_path):
    image = Image.fromarray(RNG.integers(0, 256, (20, 17, 3)).astype("u1")).convert("P", palette=Image.Palette.ADAPTIVE)
    image.save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="--color gray"):
        read_volume(tmp_path / "a.tif")
    volume = read_volume(tmp_path / "a.tif", options=ReadOptions(color="gray"))
    wanted = np.asarray(image.convert("RGB")) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(volume.image[0].numpy().T, wanted, atol=0.51)


PLANE = STACK[0, 0].astype("u1")


def append(folder, other):
    path = save(folder, PLANE)
    tifffile.imwrite(path, other, append=True)
    return path


def pyramid(folder):
    with tifffile.TiffWriter(folder / "a.tif") as out:
        out.write(PLANE, subifds=1, photometric="minisblack")
        out.write(PLANE[::2, ::2], subfiletype=1, photometric="minisblack")
    return folder / "a.tif"


def by_pillow(folder, array, **kwargs):
    Image.fromarray(array).save(folder / "a.tif", **kwargs)
    return folder / "a.tif"


def plain(folder, raw):
    (folder / "a.tif").write_bytes(raw)
    return folder / "a.tif"


# What is not read: how such a file is made, and what the message says.
REFUSED = {
    "lzw": (lambda d: by_pillow(d, PLANE, compression="tiff_lzw"), r"LZW.*pip install imagecodecs"),
    "one bit": (lambda d: by_pillow(d, PLANE > 50), "1 bits"),
    "complex": (lambda d: save(d, PLANE.astype("c8")), "64 bits"),
    "color of 16 bits": (lambda d: save(d, np.zeros((8, 9, 3), "u2"), photometric="rgb"), "plain gray or 8-bit RGB"),
    "two samples": (lambda d: save(d, np.zeros((8, 9, 2), "u1"), planarconfig="contig"), "2 samples"),
    "two sizes": (lambda d: append(d, PLANE[:9]), "different sizes"),
    "two types": (lambda d: append(d, PLANE.astype("u2")), "different sizes or kinds"),
    "two ways of cutting": (lambda d: tiled_and_not(d), "different ways"),
    "too many axes": (
        lambda d: save(d, np.zeros((2, 3, 2, 8, 9), "u2"), imagej=True, metadata={"axes": "TZCYX"}),
        "split it first",
    ),
    "one directory": (lambda d: save(d, STACK[0].astype("u1"), truncate=True), "a directory for each"),
    "pyramid": (pyramid, "smaller copies"),
    "cut": (lambda d: plain(d, save(d, PLANE).read_bytes()[:-30]), "behind its end"),
    "magic only": (lambda d: plain(d, b"II*\0"), "damaged TIFF"),
    "other": (lambda d: plain(d, b"P5 3 4 255 " + bytes(99)), "not a TIFF"),
    "empty": (lambda d: plain(d, b""), "empty"),
}


def tiled_and_not(folder):
    path = save(folder, PLANE)
    tifffile.imwrite(path, PLANE, append=True, rowsperstrip=4, photometric="minisblack")
    return path


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(tmp_path, name):
    make, message = REFUSED[name]
    with pytest.raises(InputError, match=message) as caught:
        read_volume(make(tmp_path))
    assert "\n" not in str(caught.value)


def test_other_files_of_an_ome_tiff_are_not_opened(tmp_path, monkeypatch):
    data = "".join(
        f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1"><UUID FileName="{z}.ome.tif">urn:uuid:{z}</UUID></TiffData>'
        for z in range(2)
    )
    for z in range(2):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{z}"><Image ID="Image:0">'
            '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="17" SizeY="20" SizeZ="2" SizeC="1" '
            f'SizeT="1">{data}</Pixels></Image></OME>'
        )
        tifffile.imwrite(tmp_path / f"{z}.ome.tif", PLANE, description=xml, metadata=None)
    opened = []
    original = tifffile.tifffile.FileHandle.open
    monkeypatch.setattr(tifffile.tifffile.FileHandle, "open", lambda self: opened.append(self) or original(self))
    tifffile.imread(tmp_path / "0.ome.tif")
    assert len(opened) > 1, "tifffile itself does"
    opened.clear()
    volume = read_volume(tmp_path / "0.ome.tif")
    # Once for the pages, once for the pixels: the page that this file holds.
    assert {handle.name for handle in opened} == {"0.ome.tif"} and volume.image.shape == (1, 17, 20)


def test_nothing_is_printed(tmp_path, capfd, caplog):
    path = save(tmp_path, STACK[0].astype("u1"))
    raw = bytearray(path.read_bytes())
    raw[40:60] = bytes(20)
    path.write_bytes(raw)
    with pytest.raises(InputError):
        read_volume(path)
    assert not caplog.records and capfd.readouterr() == ("", "")


def test_content_tells_the_format(tmp_path):
    bare = save(tmp_path, STACK[0].astype("u1")).rename(tmp_path / "bare")
    assert is_tiff(bare) and read_volume(bare).source.format == "tiff"
    with pytest.raises(InputError, match="--cine"):
        read_volume(bare, options=ReadOptions(cine="time"))


def test_without_tifffile_the_extra_is_named(tmp_path, monkeypatch):
    path = save(tmp_path, STACK[0].astype("u1"))
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(InputError, match=r"monai-diffdenoise\[images\]"):
        read_volume(path)
