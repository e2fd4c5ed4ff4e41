# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monai_diffdenoise.data import ReadOptions, read_volume, volume_from_array, write_volume
from monai_diffdenoise.data.encoding import OUTPUT_DTYPES
from monai_diffdenoise.errors import InputError

sitk = pytest.importorskip("SimpleITK")
nrrd = pytest.importorskip("nrrd")
RNG = np.random.default_rng(0)
DIRECTION, _ = np.linalg.qr(RNG.normal(size=(3, 3)))


def itk_image(array: np.ndarray, vector: bool = False):
    image = sitk.GetImageFromArray(array, isVector=vector)
    image.SetDirection(DIRECTION.ravel().tolist())
    image.SetSpacing((1.5, 2.25, 3.1))
    image.SetOrigin((-4.0, 5.5, 7.25))
    image.SetMetaData("Foo", "bar: baz")
    return image


def numbers(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def assert_same_place(image, volume) -> None:
    for index in ((0, 0, 0), (1, 2, 3), (3, 0, 1)):
        point = np.array(image.TransformIndexToPhysicalPoint(index)) * [-1, -1, 1]
        np.testing.assert_allclose(volume.image.affine.numpy() @ [*index, 1], [*point, 1], rtol=1e-9)


@pytest.mark.parametrize("name", OUTPUT_DTYPES)
@pytest.mark.parametrize("packed", [False, True])
def test_itk_and_pynrrd_agree_in_both_directions(tmp_path, name, packed):
    array = RNG.integers(0, 120, (4, 5, 6)).astype(name)
    image = itk_image(array)
    sitk.WriteImage(image, str(tmp_path / "in.nrrd"), packed)
    volume = read_volume(tmp_path / "in.nrrd")
    np.testing.assert_array_equal(volume.image[0].numpy(), array.T)
    assert_same_place(image, volume)
    write_volume(volume, tmp_path / "same.nrrd")
    if not packed:
        assert (tmp_path / "same.nrrd").read_bytes() == (tmp_path / "in.nrrd").read_bytes()
    write_volume(volume.with_image(volume.image + 1), tmp_path / "new.nrrd")
    again = sitk.ReadImage(str(tmp_path / "new.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(again), array + np.array(1, name))
    assert again.GetMetaData("Foo") == "bar: baz"
    assert_same_place(again, volume)
    values, header = nrrd.read(str(tmp_path / "new.nrrd"))
    np.testing.assert_array_equal(values, array.T + np.array(1, name))
    assert str(header) == str(nrrd.read_header(str(tmp_path / "in.nrrd")))


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
@pytest.mark.parametrize("endian", ["little", "big"])
@pytest.mark.parametrize("two", [False, True])
def test_every_line_of_the_header_is_kept(tmp_path, encoding, endian, two):
    array = RNG.integers(-120, 120, (6, 5, 4)).astype("int32")
    header = {
        "space": "right-anterior-superior",
        "space directions": np.array([[2.0, 0, 0.1], [0, -3, 0], [0, 0, 4]]),
        "space origin": [1, 2, 3],
        "measurement frame": np.eye(3),
        "content": "what it is",
        "endian": endian,
        "encoding": encoding,
        "DWMRI_gradient_0000": "0 0 1",
    }
    name = "in.nhdr" if two else "in.nrrd"
    nrrd.write(str(tmp_path / name), array, header)
    volume = read_volume(tmp_path / name)
    np.testing.assert_array_equal(volume.image[0].numpy(), array)
    np.testing.assert_array_equal(volume.image.affine[:3, 0], [2, 0, 0.1])
    if two:
        with pytest.raises(InputError, match=r"two files.*name a \.nrrd"):
            write_volume(volume, tmp_path / "out.nhdr")
    write_volume(volume.with_image(volume.image + 1), tmp_path / "out.nrrd")
    np.testing.assert_array_equal(nrrd.read(str(tmp_path / "out.nrrd"))[0], array + 1)
    old, new = ((tmp_path / n).read_bytes().partition(b"\n\n")[0].splitlines() for n in (name, "out.nrrd"))
    assert new == [line for line in old if not line.startswith(b"data file")]


@pytest.mark.parametrize("packed", [False, True])
def test_vectors(tmp_path, packed):
    array = RNG.normal(size=(4, 5, 6, 3)).astype("float32")
    sitk.WriteImage(itk_image(array, vector=True), str(tmp_path / "in.nrrd"), packed)
    volume = read_volume(tmp_path / "in.nrrd")
    assert volume.channels == "component"
    np.testing.assert_array_equal(volume.image.numpy(), array.transpose(3, 2, 1, 0))
    write_volume(volume, tmp_path / "same.nrrd")
    if not packed:
        assert (tmp_path / "same.nrrd").read_bytes() == (tmp_path / "in.nrrd").read_bytes()
    write_volume(replace(volume_from_array(volume.image), channels="component"), tmp_path / "made.nrrd")
    for name in ("same.nrrd", "made.nrrd"):
        np.testing.assert_array_equal(numbers(tmp_path / name), array)
        assert_same_place(sitk.ReadImage(str(tmp_path / name)), volume)


@pytest.mark.parametrize("place", [0, 1, 2, 3])
@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_a_list_anywhere_comes_back_there(tmp_path, place, encoding):
    sizes, kinds = [4, 5, 6], ["domain"] * 3
    sizes.insert(place, 7)
    kinds.insert(place, "list")
    array = RNG.integers(0, 99, sizes).astype("int16")
    nrrd.write(str(tmp_path / "in.nrrd"), array, {"kinds": kinds, "encoding": encoding})
    volume = read_volume(tmp_path / "in.nrrd")
    np.testing.assert_array_equal(volume.image.numpy(), np.moveaxis(array, place, 0))
    write_volume(volume.with_image(volume.image + 1), tmp_path / "out.nrrd")
    np.testing.assert_array_equal(nrrd.read(str(tmp_path / "out.nrrd"))[0], array + 1)


@pytest.mark.parametrize("shape", [(1, 4, 5), (1, 4, 5, 6), (3, 4, 5, 6), (3, 4, 5)])
def test_new_headers(tmp_path, shape):
    affine = np.array([[1.9, 0, 0.1, 5], [0, -2.5, 0.2, 6], [0, 0, 3, 7], [0, 0, 0, 1.0]])
    if len(shape) == 3:
        affine = np.diag([1.9, -2.5, 1.0, 1.0])
    volume = volume_from_array(RNG.random(shape), affine)
    write_volume(volume, tmp_path / "out.nrrd")
    values, header = nrrd.read(str(tmp_path / "out.nrrd"))
    np.testing.assert_array_equal(
        values if shape[0] > 1 else values[..., None], np.moveaxis(volume.image.numpy(), 0, -1)
    )
    assert header.get("space", "left-posterior-superior") == "left-posterior-superior"
    image = sitk.ReadImage(str(tmp_path / "out.nrrd"))
    index = [1, 2, 3][: image.GetDimension()]
    point = image.TransformIndexToPhysicalPoint(index)
    wanted = (affine @ [*(index + [0])[:3], 1])[:3] * [-1, -1, 1]
    np.testing.assert_allclose(point, wanted[: len(point)])
    back = read_volume(tmp_path / "out.nrrd")
    np.testing.assert_allclose(back.image.affine, affine, atol=1e-12)
    np.testing.assert_array_equal(back.image.numpy(), volume.image.numpy())


def test_other_number_type(tmp_path):
    array = RNG.integers(0, 99, (4, 5, 6)).astype("uint8")
    sitk.WriteImage(itk_image(array), str(tmp_path / "in.nrrd"))
    assert b"endian" not in (tmp_path / "in.nrrd").read_bytes()
    volume = read_volume(tmp_path / "in.nrrd")
    for name in OUTPUT_DTYPES:
        write_volume(volume, tmp_path / f"{name}.nrrd", output_dtype=name)
        values = numbers(tmp_path / f"{name}.nrrd")
        assert values.dtype == name
        np.testing.assert_array_equal(values, array)


def test_gray_of_color_gets_a_new_header(tmp_path):
    array = RNG.integers(0, 256, (3, 5, 6)).astype("uint8")
    nrrd.write(str(tmp_path / "in.nrrd"), array, {"kinds": ["RGB-color", "domain", "domain"]})
    volume = read_volume(tmp_path / "in.nrrd", options=ReadOptions(color="gray"))
    write_volume(volume, tmp_path / "out.nrrd")
    values, header = nrrd.read(str(tmp_path / "out.nrrd"))
    np.testing.assert_allclose(values, np.moveaxis(array, 0, -1) @ [0.299, 0.587, 0.114], atol=0.51)
    assert header["dimension"] == 2 and values.dtype == np.uint8


def test_same_volume_gives_the_same_bytes(tmp_path):
    volume = volume_from_array(RNG.random((1, 4, 5, 6)))
    for name in ("a.nrrd", "b.nrrd"):
        write_volume(volume, tmp_path / name)
    assert (tmp_path / "a.nrrd").read_bytes() == (tmp_path / "b.nrrd").read_bytes()


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_what_was_skipped_is_not_written(tmp_path, encoding):
    array = np.arange(60, dtype="<i2").reshape(3, 4, 5)
    body = b"xyz" + array.tobytes(order="F")
    text = "NRRD0004\ntype: short\ndimension: 3\nsizes: 3 4 5\nline skip: 1\nbyte skip: 3\nendian: little\n"
    packed = gzip.compress(body) if encoding == "gzip" else body
    (tmp_path / "in.nrrd").write_bytes(f"{text}encoding: {encoding}\n\nline\n".encode() + packed)
    write_volume(read_volume(tmp_path / "in.nrrd"), tmp_path / "out.nrrd")
    values, header = nrrd.read(str(tmp_path / "out.nrrd"))
    np.testing.assert_array_equal(values, array)
    assert "byte skip" not in header and "line skip" not in header
