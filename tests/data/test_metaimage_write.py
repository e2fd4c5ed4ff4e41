# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monai_diffdenoise.data import ReadOptions, check_conversion, read_volume, volume_from_array, write_volume
from monai_diffdenoise.data.encoding import OUTPUT_DTYPES
from monai_diffdenoise.errors import InputError

sitk = pytest.importorskip("SimpleITK")
RNG = np.random.default_rng(0)
DIRECTION, _ = np.linalg.qr(RNG.normal(size=(3, 3)))


def itk_image(array: np.ndarray, vector: bool = False):
    """An image of ITK: array (z, y, x), or (z, y, x, parts), with an oblique geometry and a field of its own."""
    image = sitk.GetImageFromArray(array, isVector=vector)
    if image.GetDimension() == 3:
        image.SetDirection(DIRECTION.ravel().tolist())
        image.SetSpacing((1.5, 2.25, 3.1))
        image.SetOrigin((-4.0, 5.5, 7.25))
    image.SetMetaData("Foo", "bar = baz")
    return image


def numbers(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def assert_same_place(image, volume) -> None:
    for index in ((0, 0, 0), (1, 2, 3), (3, 0, 1)):
        point = np.array(image.TransformIndexToPhysicalPoint(index)) * [-1, -1, 1]
        np.testing.assert_allclose(volume.image.affine.numpy() @ [*index, 1], [*point, 1], rtol=1e-9)


@pytest.mark.parametrize("name", OUTPUT_DTYPES)
@pytest.mark.parametrize("packed", [False, True])
def test_itk_agrees_in_both_directions(tmp_path, name, packed):
    array = RNG.integers(0, 120, (4, 5, 6)).astype(name)
    image = itk_image(array)
    sitk.WriteImage(image, str(tmp_path / "in.mha"), packed)
    volume = read_volume(tmp_path / "in.mha")
    np.testing.assert_array_equal(volume.image[0].numpy(), array.T)
    assert_same_place(image, volume)
    np.testing.assert_allclose(volume.spacing, image.GetSpacing())
    write_volume(volume, tmp_path / "same.mha")
    if not packed:
        assert (tmp_path / "same.mha").read_bytes() == (tmp_path / "in.mha").read_bytes()
    write_volume(volume.with_image(volume.image + 1), tmp_path / "new.mha")
    again = sitk.ReadImage(str(tmp_path / "new.mha"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(again), array + np.array(1, name))
    assert again.GetMetaData("Foo") == "bar = baz" and again.GetDirection() == pytest.approx(image.GetDirection())
    assert again.GetSpacing() == image.GetSpacing() and again.GetOrigin() == image.GetOrigin()


@pytest.mark.parametrize("packed", [False, True])
def test_header_of_two_becomes_one_file(tmp_path, packed):
    array = RNG.integers(0, 120, (4, 5, 6)).astype("int16")
    sitk.WriteImage(itk_image(array), str(tmp_path / "in.mhd"), packed)
    volume = read_volume(tmp_path / "in.mhd")
    np.testing.assert_array_equal(volume.image[0].numpy(), array.T)
    with pytest.raises(InputError, match=r"two files.*name a \.mha"):
        write_volume(volume, tmp_path / "out.mhd")
    write_volume(volume, tmp_path / "out.mha")
    np.testing.assert_array_equal(numbers(tmp_path / "out.mha"), array)
    assert sitk.ReadImage(str(tmp_path / "out.mha")).GetMetaData("Foo") == "bar = baz"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("channels", [2, 3])
def test_vectors(tmp_path, packed, channels):
    array = RNG.normal(size=(4, 5, 6, channels)).astype("float32")
    image = itk_image(array, vector=True)
    sitk.WriteImage(image, str(tmp_path / "in.mha"), packed)
    volume = read_volume(tmp_path / "in.mha")
    assert volume.channels == "component"
    np.testing.assert_array_equal(volume.image.numpy(), array.transpose(3, 2, 1, 0))
    write_volume(volume, tmp_path / "same.mha")
    if not packed:
        assert (tmp_path / "same.mha").read_bytes() == (tmp_path / "in.mha").read_bytes()
    made = replace(volume_from_array(volume.image), channels="component")
    write_volume(made, tmp_path / "made.mha")
    for name in ("same.mha", "made.mha"):
        np.testing.assert_array_equal(numbers(tmp_path / name), array)
        assert_same_place(sitk.ReadImage(str(tmp_path / name)), volume)


@pytest.mark.parametrize("shape", [(1, 4, 5), (1, 4, 5, 6), (3, 4, 5, 6), (3, 4, 5)])
def test_new_headers(tmp_path, shape):
    affine = np.array([[1.9, 0, 0.1, 5], [0, -2.5, 0.2, 6], [0, 0, 3, 7], [0, 0, 0, 1.0]])
    if len(shape) == 3:
        affine = np.diag([1.9, -2.5, 1.0, 1.0])
    volume = volume_from_array(RNG.random(shape), affine)
    write_volume(volume, tmp_path / "out.mha")
    image = sitk.ReadImage(str(tmp_path / "out.mha"))
    values = sitk.GetArrayFromImage(image)
    np.testing.assert_array_equal(values.T.reshape(*shape[1:], shape[0]), np.moveaxis(volume.image.numpy(), 0, -1))
    index = [1, 2, 3, 0][: image.GetDimension()]
    place = [*(index + [0])[:3], 1] if len(shape) == 4 else [1, 2, 0, 1]
    if shape == (3, 4, 5):
        index = [1, 2, 0, 2]
    point = image.TransformIndexToPhysicalPoint(index)
    wanted = (affine @ place)[:3] * [-1, -1, 1]
    np.testing.assert_allclose(np.resize([*point, 0.0], 3)[: min(len(point), 3)], wanted[: min(len(point), 3)])
    back = read_volume(tmp_path / "out.mha")
    np.testing.assert_allclose(back.image.affine, affine, atol=1e-12)
    np.testing.assert_array_equal(back.image.numpy().reshape(shape), volume.image.numpy())


@pytest.mark.parametrize("packed", [False, True])
def test_other_number_type(tmp_path, packed):
    array = RNG.integers(0, 120, (4, 5, 6)).astype("uint8")
    image = itk_image(array)
    sitk.WriteImage(image, str(tmp_path / "in.mha"), packed)
    volume = read_volume(tmp_path / "in.mha")
    write_volume(volume.with_image(volume.image + 0.25), tmp_path / "out.mha", output_dtype="float32")
    again = sitk.ReadImage(str(tmp_path / "out.mha"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(again), array + 0.25)
    assert again.GetMetaData("Foo") == "bar = baz"


def test_number_type_keeps_the_byte_order(tmp_path):
    head = (
        b"NDims = 2\nDimSize = 2 2\nBinaryDataByteOrderMSB = True\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    )
    (tmp_path / "in.mha").write_bytes(head + bytes([1, 2, 3, 4]))
    write_volume(read_volume(tmp_path / "in.mha"), tmp_path / "out.mha", output_dtype="int16")
    raw = (tmp_path / "out.mha").read_bytes()
    assert raw == head.replace(b"UCHAR", b"SHORT") + bytes([0, 1, 0, 2, 0, 3, 0, 4])


def test_gray_of_color_gets_a_new_header(tmp_path):
    array = RNG.integers(0, 256, (4, 5, 6, 3)).astype("uint8")
    sitk.WriteImage(itk_image(array, vector=True), str(tmp_path / "in.mha"))
    volume = read_volume(tmp_path / "in.mha", options=ReadOptions(color="gray"))
    write_volume(volume, tmp_path / "out.mha")
    again = numbers(tmp_path / "out.mha")
    assert again.dtype == np.uint8 and again.shape == (4, 5, 6)
    np.testing.assert_allclose(again, array @ [0.299, 0.587, 0.114], atol=0.51)


def test_same_volume_gives_the_same_bytes(tmp_path):
    volume = volume_from_array(RNG.random((1, 4, 5, 6)))
    for name in ("a.mha", "b.mha"):
        write_volume(volume, tmp_path / name)
    assert (tmp_path / "a.mha").read_bytes() == (tmp_path / "b.mha").read_bytes()


def test_data_of_the_input_are_not_overwritten(tmp_path):
    array = RNG.integers(0, 120, (4, 5, 6)).astype("int16")
    sitk.WriteImage(itk_image(array), str(tmp_path / "in.mhd"))
    text = (tmp_path / "in.mhd").read_text().replace("in.raw", "in.mha")
    (tmp_path / "in.mhd").write_text(text)
    (tmp_path / "in.raw").rename(tmp_path / "in.mha")
    with pytest.raises(InputError, match="holds the data of the input"):
        write_volume(read_volume(tmp_path / "in.mhd"), tmp_path / "in.mha", overwrite=True)


@pytest.mark.parametrize("channels", [3, 4])
def test_components_that_would_be_read_as_color_are_refused(tmp_path, channels):
    volume = replace(volume_from_array(RNG.integers(0, 99, (channels, 4, 5, 6))), channels="component")
    for refuse in (check_conversion, write_volume):
        with pytest.raises(InputError, match="read as color.*int16"):
            refuse(volume, tmp_path / "out.mha", "uint8")
    assert not list(tmp_path.iterdir())
    write_volume(volume, tmp_path / "out.mha", "int16")
    write_volume(volume, tmp_path / "out.nrrd", "uint8")
    for name in ("out.mha", "out.nrrd"):
        back = read_volume(tmp_path / name)
        assert back.channels == "component"
        np.testing.assert_array_equal(back.image, volume.image)
