# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedUSVolumeStorage

from monai_diffdenoise.data import ReadOptions, Volume, read_volume
from monai_diffdenoise.errors import InputError
from tests.data.dicom_builders import SHARED, enhanced, grid, save


def pixels_of(ds: Dataset) -> np.ndarray:
    return np.frombuffer(ds.PixelData, np.uint16).reshape(ds.NumberOfFrames, ds.Rows, ds.Columns)


@pytest.mark.parametrize("modality", ["MR", "CT", "PT"])
def test_frames_become_slices_in_space(tmp_path, modality):
    frames = grid(5)
    ds = enhanced(frames[::-1], modality=modality)
    volume = read_volume(save(ds, tmp_path / "a"))
    assert volume.image.shape == (1, 8, 6, 5) and volume.spacing == (0.75, 0.5, 2.5)
    assert volume.source.layout == "enhanced" and volume.slice_axis == 2 and volume.notes == ()
    np.testing.assert_array_equal(volume.image[0], pixels_of(ds)[::-1].transpose(2, 1, 0))
    np.testing.assert_allclose(volume.image.affine[:3, 3], [5, 6, 0])


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(12)), name=st.sampled_from(["temporal", "acquired", "trigger", "b_value"]))
def test_time_points_whatever_the_order_of_frames(tmp_path, order, name):
    value = {
        "temporal": lambda t: t + 1,
        "acquired": lambda t: f"2020010123595{7 + t}.5" if t < 3 else "20200102000001",
        "trigger": lambda t: 20.5 * t,
        "b_value": lambda t: 300.0 * t,
    }[name]
    frames = [{"position": [0, 0, 2.5 * z], name: value(t)} for t in range(4) for z in range(3)]
    ds = enhanced([frames[k] for k in order])
    path = save(ds, tmp_path / "a")
    volume = read_volume(path)
    assert volume.image.shape == (4, 8, 6, 3) and volume.channels == "time"
    where = [order.index(k) for k in range(12)]
    wanted = pixels_of(ds)[where].reshape(4, 3, 6, 8).transpose(0, 3, 2, 1)
    np.testing.assert_array_equal(volume.image, wanted)
    assert any("b-value (0, 300, 600, 900)" in note for note in volume.notes) == (name == "b_value")


def test_rescale_of_each_frame(tmp_path):
    frames = [{**frame, "slope": 0.5 * (z + 1), "inter": -10.0 * z} for z, frame in enumerate(grid(3))]
    ds = enhanced(frames)
    volume = read_volume(save(ds, tmp_path / "a"))
    for z in range(3):
        np.testing.assert_array_equal(volume.image[0, :, :, z], pixels_of(ds)[z].T * (0.5 * (z + 1)) - 10.0 * z)
    assert volume.source.native.dtype == np.float32


def test_facts_may_be_shared_or_at_the_top(tmp_path):
    ds = enhanced(grid(2), shared={**SHARED, "slope": 3.0})
    ds.RescaleSlope, ds.RescaleIntercept = 7.0, 4.0
    volume = read_volume(save(ds, tmp_path / "a"))
    np.testing.assert_array_equal(volume.image[0], pixels_of(ds).transpose(2, 1, 0) * 3.0 + 4.0)


def test_the_frame_knows_better_than_all_frames(tmp_path):
    ds = enhanced([{**frame, "slope": 2.0} for frame in grid(2)], shared={**SHARED, "slope": 3.0})
    volume = read_volume(save(ds, tmp_path / "a"))
    np.testing.assert_array_equal(volume.image[0], pixels_of(ds).transpose(2, 1, 0) * 2.0)


def test_a_position_at_the_top_is_not_that_of_the_frames(tmp_path):
    ds = enhanced([{"temporal": k + 1} for k in range(3)])
    ds.ImagePositionPatient = [1, 2, 3]
    path = save(ds, tmp_path / "a")
    with pytest.raises(InputError, match="3 images .* no position in space.*--cine"):
        read_volume(path)
    assert read_volume(path, options=ReadOptions(cine="time")).image.shape == (3, 8, 6, 1)
    assert read_volume(path, options=ReadOptions(cine="slices")).image.shape == (1, 8, 6, 3)


def test_one_position_for_all_frames_is_a_time_series(tmp_path):
    ds = enhanced([{"temporal": k + 1} for k in range(3)], shared={**SHARED, "position": [1, 2, 3]})
    volume = read_volume(save(ds, tmp_path / "a"))
    assert volume.image.shape == (3, 8, 6, 1) and volume.spacing == (0.75, 0.5, 2.5)
    np.testing.assert_allclose(volume.image.affine[:3, 3], [-1, -2, 3])


def test_converted_objects_keep_their_facts_elsewhere(tmp_path):
    ds = enhanced(grid(2) + grid(2))
    for index, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
        item = Dataset()
        item.EchoTime = "20" if index < 2 else "80"
        group.UnassignedPerFrameConvertedAttributesSequence = [item]
    with pytest.raises(InputError, match="2 stacks.*echo time 20 ms.*echo time 80 ms"):
        read_volume(save(ds, tmp_path / "a"))


def test_ultrasound_volume_lies_in_its_own_space(tmp_path):
    ds = enhanced([{} for _ in range(3)], shared={"spacing": [0.5, 0.75]})
    ds.SOPClassUID = EnhancedUSVolumeStorage
    for z, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
        group.PlanePositionVolumeSequence, group.PlaneOrientationVolumeSequence = [Dataset()], [Dataset()]
        group.PlanePositionVolumeSequence[0].ImagePositionVolume = [0.0, 0.0, 1.5 * z]
        group.PlaneOrientationVolumeSequence[0].ImageOrientationVolume = [1.0, 0, 0, 0, 1.0, 0]
    volume = read_volume(save(ds, tmp_path / "a"))
    assert volume.spacing == (0.75, 0.5, 1.5) and "ultrasound" in " ".join(volume.notes)


def test_a_volume_spread_over_objects(tmp_path):
    """Newer scanners write an enhanced object per time point."""
    for number in range(3):
        frames = grid(2, acquired=f"2020010110000{3 - number}")
        save(enhanced(frames, number=number + 1, seed=number), tmp_path / f"name{(number * 2) % 3}")
    volume = read_volume(tmp_path)
    assert volume.image.shape == (3, 8, 6, 2)
    assert [volume.source.slices[t][0].sop_instance[-1] for t in range(3)] == ["3", "2", "1"]


def broken(name):
    ds = enhanced(grid(4))
    groups = list(ds.PerFrameFunctionalGroupsSequence)
    if name == "too few groups":
        ds.PerFrameFunctionalGroupsSequence = groups[:3]
    elif name == "no groups":
        del ds.PerFrameFunctionalGroupsSequence
    elif name == "frames that are not there":
        ds.NumberOfFrames = 5
    elif name == "millions of frames":
        ds.NumberOfFrames = 2_000_000
    elif name == "negative frames":
        ds.NumberOfFrames = -3
    elif name == "zero slope":
        groups[2].PixelValueTransformationSequence = [Dataset()]
        groups[2].PixelValueTransformationSequence[0].RescaleSlope = 0
    elif name == "empty sequence":
        groups[2].PlanePositionSequence = []
    return ds


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("too few groups", "declares 4 frames but describes 3"),
        ("no groups", "describes none of its 4 frames"),
        ("frames that are not there", "cut off or damaged: it declares 480 bytes"),
        ("millions of frames", "declares 2e[+]06 frames in a file of"),
        ("negative frames", "declares -3 frames"),
        ("zero slope", "frame 3 of instance number 1 has a rescale slope of 0"),
        ("empty sequence", "2 stacks"),
    ],
)
def test_unfit_objects_are_refused_in_one_line(tmp_path, name, message):
    with pytest.raises(InputError, match=message) as caught:
        read_volume(save(broken(name), tmp_path / "a"))
    assert "\n" not in str(caught.value) and "Doe" not in str(caught.value)


def test_frames_that_a_packed_file_cannot_hold(tmp_path):
    """A kilobyte must not ask for a hundred thousand frames, however small they are."""
    ds = enhanced(grid(1), shape=(1, 1))
    ds.file_meta.TransferSyntaxUID = pydicom.uid.RLELossless
    ds.PixelData = pydicom.encaps.encapsulate([b"\1\0\0\0\x40" + b"\0" * 61])
    ds["PixelData"].is_undefined_length = True
    ds.NumberOfFrames = 90_000
    with pytest.raises(InputError, match="declares 90000 frames in a file of"):
        read_volume(save(ds, tmp_path / "a"))


def agrees(volume: Volume, other: Any) -> None:
    """Same voxels at the same places; nibabel counts (row, column), speaks LPS and runs against the normal."""
    _, columns, rows, slices = volume.image.shape
    np.testing.assert_array_equal(volume.image[0], other.get_data().transpose(1, 0, 2)[:, :, ::-1])
    theirs = np.diag([-1, -1, 1, 1]) @ other.affine
    for x, y, z in ((0, 0, 0), (columns - 1, 0, 0), (3, rows - 1, slices - 1)):
        at = volume.image.affine.numpy() @ [x, y, z, 1]
        np.testing.assert_allclose(at, theirs @ [y, x, slices - 1 - z, 1], atol=1e-3)


@pytest.mark.filterwarnings("ignore:The DICOM readers are highly experimental")
@pytest.mark.parametrize("orientation", [[1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1], [0.6, 0.8, 0, 0.48, -0.36, -0.8]])
def test_affine_agrees_with_nibabel(tmp_path, orientation):
    from nibabel.nicom import dicomwrappers as wrappers

    cosines = np.array(orientation, float)
    normal = np.cross(cosines[:3], cosines[3:])
    frames = [{"position": list(10 + 2.5 * z * normal), "stack": "1"} for z in range(4)]
    ds = enhanced(frames, shared={**SHARED, "orientation": list(orientation)})
    pointers = []
    for z, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
        content = group.FrameContentSequence[0]
        content.InStackPositionNumber, content.DimensionIndexValues = z + 1, [1, z + 1]
    for keyword in ("StackID", "InStackPositionNumber"):
        pointer = Dataset()
        pointer.DimensionIndexPointer = pydicom.tag.Tag(keyword)
        pointer.FunctionalGroupPointer = pydicom.tag.Tag("FrameContentSequence")
        pointers.append(pointer)
    ds.DimensionIndexSequence = pointers
    path = save(ds, tmp_path / "a")
    agrees(read_volume(path), wrappers.wrapper_from_file(path))


@pytest.mark.filterwarnings("ignore:The DICOM readers are highly experimental")
def test_real_object_agrees_with_nibabel(dev_data):
    from nibabel.nicom import dicomwrappers as wrappers

    path = dev_data / "C_dcm_siemens_sola_enhanced_multiframe/1.dcm"
    agrees(read_volume(path), wrappers.wrapper_from_file(path))


def test_real_object_agrees_with_its_own_positions(dev_data):
    path = dev_data / "C_dcm_fakepixels_hyperfine_multiframe/001.dcm"
    volume, ds = read_volume(path), pydicom.dcmread(path)
    for z, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
        np.testing.assert_array_equal(volume.image[0, :, :, z], ds.pixel_array[z].T)
        place = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float) * [-1, -1, 1]
        np.testing.assert_allclose((volume.image.affine.numpy() @ [0, 0, z, 1])[:3], place, atol=1e-6)


def test_real_field_map_is_two_stacks(dev_data):
    path = dev_data / "C_dcm_philips_enhanced_fieldmap"
    with pytest.raises(InputError, match="2 stacks.*MAGNITUDE.*FIELD_MAP.*--stack"):
        read_volume(path)
    magnitude, field = (read_volume(path, options=ReadOptions(stack=k)) for k in (1, 2))
    assert magnitude.image.shape == field.image.shape == (1, 64, 64, 32)
    assert magnitude.image.min() == 0 and field.image.min() < -490 and field.image.max() > 490


@pytest.mark.parametrize("seed", range(60))
def test_random_damage_ends_in_an_input_error_or_an_image(tmp_path, seed):
    rng = np.random.default_rng(seed)
    ds = enhanced(grid(3, times=2, slope=2.0, inter=1.0, echo=20.0, component="MAGNITUDE"))
    path = save(ds, tmp_path / "a")
    raw = bytearray(path.read_bytes())
    header = raw.index(b"\xe0\x7f\x10\x00")
    for place in rng.integers(132, header, 1 + seed % 8):
        raw[place] = rng.integers(256)
    path.write_bytes(raw[: rng.integers(140, len(raw))] if seed % 5 == 0 else raw)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for options in (ReadOptions(), ReadOptions(stack=1, color="gray", cine="time", uneven="take")):
            try:
                volume = read_volume(path, options=options)
            except InputError as error:
                assert "\n" not in str(error) and "Doe" not in str(error)
            else:
                assert volume.image.numel() <= 6 * 8 * 6
