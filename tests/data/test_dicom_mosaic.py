# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, EnhancedMRImageStorage, ImplicitVRLittleEndian

from monai_diffdenoise.data.dicom_geometry import stack_slices
from monai_diffdenoise.data.dicom_mosaic import is_mosaic, mosaic_slices
from monai_diffdenoise.data.dicom_pixels import read_frame
from monai_diffdenoise.data.dicom_series import find_series
from monai_diffdenoise.errors import InputError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # nibabel calls its DICOM readers experimental
    from nibabel.nicom.dicomwrappers import wrapper_from_file

OBLIQUE = [1, 0, 0, 0, math.cos(0.2), -math.sin(0.2)]
SAGITTAL = [0, 1, 0, 0, 0, -1]


def tiles_of(path: Path) -> list:
    (file,) = find_series(path).files
    assert is_mosaic(file.header)
    return mosaic_slices(file)


def check_against_nibabel(path: Path) -> None:
    """Positions, direction and pixels are those of nibabel's MosaicWrapper."""
    tiles, theirs = tiles_of(path), wrapper_from_file(path)
    assert theirs.is_mosaic and theirs.image_shape == (tiles[0].rows, tiles[0].columns, len(tiles))
    np.testing.assert_allclose(tiles[0].position, theirs.image_position, atol=1e-9)
    for one, following in zip(tiles[:-1], tiles[1:], strict=True):
        expected = theirs.slice_normal * theirs.voxel_sizes[2]
        np.testing.assert_allclose(following.position - one.position, expected, atol=1e-5)
    assert tiles[0].thickness == pytest.approx(theirs.voxel_sizes[2], abs=1e-5)
    try:
        pixels = theirs.get_unscaled_data()
    except Exception:  # compressed pixels that pydicom alone does not decode
        return
    for index, tile in enumerate(tiles):
        np.testing.assert_array_equal(read_frame(tile), pixels[:, :, index])


@pytest.mark.parametrize("orientation", [OBLIQUE, SAGITTAL, [1, 0, 0, 0, 1, 0]])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("count", [1, 2, 7, 9])
def test_tiles_lie_where_nibabel_says(make_mosaic, orientation, sign, count):
    check_against_nibabel(make_mosaic(orientation=orientation, sign=sign, count=count))


def test_first_position_by_hand(make_mosaic):
    """9 tiles of 4 x 6 in 12 x 18 pixels of 2 x 1.5 mm: half of the surplus is 9 mm along a row, 8 mm down a column."""
    tiles = tiles_of(make_mosaic(orientation=[1, 0, 0, 0, 1, 0], count=9, sign=-1))
    np.testing.assert_allclose(tiles[0].position, [-90 + 9, -80 + 8, 12.5])
    np.testing.assert_allclose(tiles[8].position, [-81, -72, 12.5 - 8 * 3.6])
    assert [tile.tile for tile in tiles[:5]] == [(0, 0), (0, 6), (0, 12), (4, 0), (4, 6)]
    assert tiles[3].label == "tile 4 of the mosaic with instance number 1"
    assert {(tile.rows, tile.columns, tile.thickness, tile.frame) for tile in tiles} == {(4, 6, 3.6, 0)}


@pytest.mark.parametrize("sign", [1, -1])
def test_tiles_make_a_stack(make_mosaic, sign):
    placed = stack_slices(tiles_of(make_mosaic(sign=sign)))
    (ordered,), affine = placed.slices, placed.affine
    assert placed.spacing == pytest.approx((1.5, 2.0, 3.6), abs=1e-6)
    labels = [int(re.match(r"tile (\d+)", item.label)[1]) for item in ordered]
    assert labels == sorted(labels, reverse=sign < 0)
    np.testing.assert_allclose(affine[:3, 3] * [-1, -1, 1], ordered[0].position)


def test_reversed_image_numbering_moves_nothing(make_mosaic):
    plain = tiles_of(make_mosaic("a.dcm", sign=-1))
    numbered = tiles_of(make_mosaic("b.dcm", sign=-1, csa={"ProtocolSliceNumber": ["6"]}))
    for one, other in zip(plain, numbered, strict=True):
        np.testing.assert_array_equal(one.position, other.position)


@pytest.mark.parametrize(
    "options",
    [
        {"block": 0x11},
        {"stated": None},
        {"csa": {"NumberOfImagesInMosaic": []}},
        {"syntax": ImplicitVRLittleEndian},
        {"syntax": DeflatedExplicitVRLittleEndian},
    ],
    ids=["another block", "count in the CSA header", "count beside it", "implicit", "deflated"],
)
def test_other_ways_to_write_the_same(make_mosaic, options):
    plain, other = tiles_of(make_mosaic("a.dcm")), tiles_of(make_mosaic("b.dcm", **options))
    assert len(plain) == len(other) == 7
    for one, twin in zip(plain, other, strict=True):
        np.testing.assert_allclose(one.position, twin.position)
        np.testing.assert_array_equal(read_frame(one), read_frame(twin))


def without(keyword: str) -> Callable[[Dataset], object]:
    return lambda ds: delattr(ds, keyword)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"csa": {"NumberOfImagesInMosaic": []}, "stated": None}, "how many slices"),
        ({"stated": 5}, "how many slices"),
        ({"stated": 0, "csa": {"NumberOfImagesInMosaic": ["0"]}}, "how many slices"),
        ({"stated": None, "csa": {"NumberOfImagesInMosaic": ["nan"]}}, "how many slices"),
        ({"stated": None, "csa": {"NumberOfImagesInMosaic": ["6.5"]}}, "how many slices"),
        ({"csa": {"SliceNormalVector": []}}, "slice normal of Siemens' private CSA header"),
        ({"csa": {"SliceNormalVector": ["0", "1"]}}, "slice normal of Siemens' private CSA header"),
        ({"csa": {"SliceNormalVector": ["1", "0", "0"]}}, "does not stand on its rows"),
        ({"csa": {"SliceNormalVector": ["inf", "0", "0"]}}, "does not stand on its rows"),
        ({"stated": 10, "csa": {"NumberOfImagesInMosaic": ["10"]}}, "cannot hold 4 x 4 tiles"),
        ({"edit": without("SpacingBetweenSlices")}, "Spacing Between Slices"),
        ({"edit": without("ImagePositionPatient")}, "where it lies"),
        ({"edit": without("ImageOrientationPatient")}, "where it lies"),
        ({"edit": without("PixelSpacing")}, "where it lies"),
        ({"edit": lambda ds: setattr(ds, "SOPClassUID", EnhancedMRImageStorage)}, "enhanced mosaic"),
        ({"edit": lambda ds: setattr(ds, "NumberOfFrames", 4)}, "enhanced mosaic"),
    ],
)
def test_what_does_not_say_enough_is_refused(make_mosaic, options, message):
    path = make_mosaic(**options)
    with pytest.raises(InputError, match=message) as caught:
        tiles_of(path)
    assert "mosaic with instance number 1" in str(caught.value) and "\n" not in str(caught.value)


def test_frames_at_several_places_are_no_mosaic():
    """The XA series unpacks mosaics into frames and keeps the word in Image Type."""
    header = Dataset()
    assert not is_mosaic(header)
    header.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    assert is_mosaic(header)
    groups = []
    for place in ([0, 0, 0], [0, 0, 0], [0, 0, 3]):
        group, plane = Dataset(), Dataset()
        plane.ImagePositionPatient = place
        group.PlanePositionSequence = [plane]
        groups.append(group)
    header.PerFrameFunctionalGroupsSequence = groups[:2]
    assert is_mosaic(header)
    header.PerFrameFunctionalGroupsSequence = [*groups, Dataset()]
    assert not is_mosaic(header)
    header.ImageType = "MOSAIC"
    del header.PerFrameFunctionalGroupsSequence
    assert is_mosaic(header)
    header.ImageType = "ORIGINAL"
    assert not is_mosaic(header)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_moments_order_the_time_points(make_mosaic):
    def moment(acquisition: object, time: str, instance: int) -> tuple[float, ...]:
        def edit(ds: Dataset) -> None:
            ds.AcquisitionNumber, ds.AcquisitionTime, ds.InstanceNumber = acquisition, time, instance

        return tiles_of(make_mosaic(edit=edit))[0].moment

    made = [
        moment(1, "095959.9975", 1),
        moment(1, "100000", 2),
        moment(1, "100000", 3),
        moment(2, "0959", 4),
        moment(3, "235959.5", 5),
        moment(4, "000001", 6),
    ]
    assert made == sorted(made) and len(set(made)) == 6
    assert made[0] == (1, 9 * 3600 + 59 * 60 + 59.9975, 1) and made[3][1] == 9 * 3600 + 59 * 60
    assert moment(None, "noon", 1) == (0, 0, 1)


def test_the_header_of_the_file_stays_as_it_was(make_mosaic):
    (file,) = find_series(make_mosaic()).files
    mosaic_slices(file)
    assert list(file.header.ImageType) == ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]


def test_a_changed_file_is_noticed(make_mosaic):
    (file,) = find_series(make_mosaic()).files
    file.path.write_bytes(file.path.read_bytes() + b"\0")
    with pytest.raises(InputError, match="mosaic with instance number 1 changed"):
        mosaic_slices(file)


def test_real_mosaics_lie_where_nibabel_and_the_protocol_say(dev_data):
    folder = dev_data / "C_dcm_transfer_syntaxes"
    for number in range(1, 10):
        check_against_nibabel(folder / f"{number}.dcm")
    tiles = tiles_of(folder / "1.dcm")
    assert len(tiles) == 35
    # Siemens' own list of the slices' centers: a source that nibabel does not use.
    protocol = bytes(pydicom.dcmread(folder / "1.dcm")[0x0029, 0x1020].value)
    for index in (0, 1, 17, 34):
        tile = tiles[index]
        row, column = tile.orientation[:3] * tile.spacing[1], tile.orientation[3:] * tile.spacing[0]
        center = tile.position + row * tile.columns / 2 + column * tile.rows / 2
        for name, value in zip(("dSag", "dCor", "dTra"), center, strict=True):
            found = re.search(rb"asSlice\[%d\]\.sPosition\.%s\s*=\s*(\S+)" % (index, name.encode()), protocol)
            assert value == pytest.approx(float(found[1]) if found else 0.0, abs=1e-4)


@pytest.mark.parametrize("name", ["siemens_dwi_0.dcm.gz", "siemens_dwi_1000.dcm.gz", "csa_slice_norm.dcm"])
def test_nibabels_own_mosaics(tmp_path, name):
    source = Path(nibabel.__file__).parent / "nicom" / "tests" / "data" / name
    if not source.exists():
        pytest.skip("this nibabel comes without its samples")
    path = tmp_path / "x.dcm"
    path.write_bytes(gzip.decompress(source.read_bytes()) if name.endswith("gz") else source.read_bytes())
    if name == "csa_slice_norm.dcm":  # it comes without pixels
        dataset = pydicom.dcmread(path)
        dataset.add_new("PixelData", "OW", bytes(2 * dataset.Rows * dataset.Columns))
        dataset.save_as(path)
    check_against_nibabel(path)
