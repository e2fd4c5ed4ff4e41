# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Objects of many frames: what is left of their functional groups, and that their pixels come back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from monai_diffdenoise.data.dicom_slice import Slice
from monai_diffdenoise.data.dicom_write import write_dicom
from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.errors import InputError
from tests.data.dicom_out_builders import code, describe, enhanced_frames, hand_volume, item, make_cine, make_enhanced


def stack(path: Path, component: int, times: int = 2, positions: int = 3) -> list[list[Slice]]:
    """slices[time][position] of one component of :func:`make_enhanced`."""
    frames = enhanced_frames(path)[component * times * positions :][: times * positions]
    return [
        [
            next(f for f in frames if f.frame % times == time and f.position[2] == 3 * place)
            for place in range(positions)
        ]
        for time in range(times)
    ]


def phase(tmp_path: Path, **kwargs) -> Volume:
    path = make_enhanced(tmp_path / "mr.dcm", **kwargs)
    return hand_volume(path, stack(path, 1), "enhanced")


def written(volume: Volume, target: Path, **kwargs) -> tuple[Dataset, Dataset]:
    """Source and derived object of a volume in one file."""
    write_dicom(volume, target, **kwargs)
    return pydicom.dcmread(volume.source.all_slices[0].fingerprint.path), pydicom.dcmread(target)


def test_only_the_frames_of_the_stack_are_written_in_the_order_of_the_source(tmp_path):
    volume = phase(tmp_path)
    old, new = written(volume.with_image(volume.image + 3), tmp_path / "out.dcm", derivation="check")
    assert (old.NumberOfFrames, new.NumberOfFrames) == (12, 6)
    # The phase has a slope of 0.5: 3 units are 6 stored ones.
    np.testing.assert_array_equal(new.pixel_array, np.minimum(old.pixel_array[6:] + 6, 4095))
    assert len(new.PerFrameFunctionalGroupsSequence) == 6
    same = ("PlanePositionSequence", "PixelValueTransformationSequence")
    for before, after in zip(
        old.PerFrameFunctionalGroupsSequence[6:], new.PerFrameFunctionalGroupsSequence, strict=True
    ):
        for keyword in same:
            assert after[keyword].value[0] == before[keyword].value[0]
        a, b = before.FrameContentSequence[0], after.FrameContentSequence[0]
        for keyword in ("StackID", "InStackPositionNumber", "TemporalPositionIndex", "FrameAcquisitionDateTime"):
            assert b[keyword].value == a[keyword].value
        # The stack was the second: it is the only one now. Position and time are what their attributes say.
        assert list(b.DimensionIndexValues) == [1, b.InStackPositionNumber, b.TemporalPositionIndex]


def test_untouched_frames_keep_their_bytes(tmp_path):
    volume = phase(tmp_path)
    old, new = written(volume, tmp_path / "out.dcm")
    assert new.PixelData == old.PixelData[-len(new.PixelData) :]
    for keyword in ("SOPClassUID", "StudyInstanceUID", "FrameOfReferenceUID", "BitsStored", "Modality"):
        assert new[keyword].value == old[keyword].value
    assert new.SOPInstanceUID != old.SOPInstanceUID and new.SeriesInstanceUID != old.SeriesInstanceUID


def test_image_and_frames_are_marked_as_derived(tmp_path):
    _, new = written(phase(tmp_path), tmp_path / "out.dcm")
    assert list(new.ImageType) == ["DERIVED", "PRIMARY", "OTHER", "FILTERED"]
    for group in new.PerFrameFunctionalGroupsSequence:
        kind = group.MRImageFrameTypeSequence[0]
        assert list(kind.FrameType) == ["DERIVED", "PRIMARY", "OTHER", "FILTERED"]
        assert kind.ComplexImageComponent == "PHASE"
    # MIXED in the source, which held magnitude, too.
    assert new.ComplexImageComponent == "PHASE"


def test_a_contrast_that_means_something_stays(tmp_path):
    def edit(ds):
        for group in ds.PerFrameFunctionalGroupsSequence:
            group.MRImageFrameTypeSequence[0].FrameType = ["DERIVED", "PRIMARY", "OTHER", "MEAN"]
        ds.ImageType = ["DERIVED", "PRIMARY", "OTHER", "MIXED"]

    _, new = written(phase(tmp_path, edit=edit), tmp_path / "out.dcm")
    assert list(new.ImageType) == ["DERIVED", "PRIMARY", "OTHER", "MEAN"]


def test_frames_of_different_type_make_a_mixed_image(tmp_path):
    def edit(ds):
        for index, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
            group.MRImageFrameTypeSequence[0].FrameType = ["ORIGINAL", "PRIMARY", f"X{index % 2}", "NONE"]

    _, new = written(phase(tmp_path, edit=edit), tmp_path / "out.dcm")
    assert list(new.ImageType) == ["DERIVED", "PRIMARY", "MIXED", "FILTERED"]


def test_every_frame_names_its_source_frame(tmp_path):
    old, new = written(phase(tmp_path), tmp_path / "out.dcm", derivation="ns-n2n")
    for index, group in enumerate(new.PerFrameFunctionalGroupsSequence):
        (step,) = group.DerivationImageSequence
        assert step.DerivationCodeSequence[0].CodeValue == "113087" and "ns-n2n" in step.DerivationDescription
        (source,) = step.SourceImageSequence
        assert (source.ReferencedSOPInstanceUID, source.ReferencedFrameNumber) == (old.SOPInstanceUID, index + 7)
        assert source.ReferencedSOPClassUID == old.SOPClassUID
    series = new.SourceImageEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert new.SourceImageEvidenceSequence[0].StudyInstanceUID == old.StudyInstanceUID
    assert series.SeriesInstanceUID == old.SeriesInstanceUID
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == old.SOPInstanceUID
    # Not attributes of this class at the top level.
    assert "SourceImageSequence" not in new and "DerivationCodeSequence" not in new
    assert new.ContributingEquipmentSequence[-1].ManufacturerModelName == "monai-diffdenoise"


def test_an_earlier_derivation_moves_from_the_shared_groups_to_the_frames(tmp_path):
    def edit(ds):
        earlier = item(DerivationCodeSequence=[code("113072", "Multiplanar reformatting")], SourceImageSequence=[])
        ds.SharedFunctionalGroupsSequence[0].DerivationImageSequence = [earlier]
        ds.SourceImageEvidenceSequence = [item(StudyInstanceUID="1.2.3")]

    _, new = written(phase(tmp_path, edit=edit), tmp_path / "out.dcm")
    assert "DerivationImageSequence" not in new.SharedFunctionalGroupsSequence[0]
    for group in new.PerFrameFunctionalGroupsSequence:
        assert [s.DerivationCodeSequence[0].CodeValue for s in group.DerivationImageSequence] == ["113072", "113087"]
    assert [e.StudyInstanceUID for e in new.SourceImageEvidenceSequence][0] == "1.2.3"
    assert len(new.SourceImageEvidenceSequence) == 2


def add_private_dimension(ds: Dataset) -> None:
    """A fourth dimension that a private attribute describes, counted from zero; the value tells components apart."""
    dimension = item(DimensionIndexPointer=0x20051011, DimensionIndexPrivateCreator="Philips MR Imaging DD 001")
    dimension.DimensionOrganizationUID = ds.DimensionIndexSequence[0].DimensionOrganizationUID
    ds.DimensionIndexSequence.append(dimension)
    for index, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
        content = group.FrameContentSequence[0]
        content.DimensionIndexValues = [*content.DimensionIndexValues, 5 * (index // 6)]


@pytest.mark.parametrize(("keep", "columns"), [(False, 3), (True, 4)])
def test_a_private_dimension_goes_with_the_private_attributes(tmp_path, keep, columns):
    _, new = written(phase(tmp_path, edit=add_private_dimension), tmp_path / "out.dcm", keep_private=keep)
    assert len(new.DimensionIndexSequence) == columns
    for group in new.PerFrameFunctionalGroupsSequence:
        values = list(group.FrameContentSequence[0].DimensionIndexValues)
        assert len(values) == columns and values[3:] == [1] * (columns - 3)


def test_a_private_dimension_that_tells_frames_apart_stays(tmp_path):
    path = make_enhanced(tmp_path / "mr.dcm", edit=add_private_dimension)
    both = [stack(path, 0)[0], stack(path, 1)[0]]
    _, new = written(hand_volume(path, both, "enhanced"), tmp_path / "out.dcm")
    values = [list(g.FrameContentSequence[0].DimensionIndexValues) for g in new.PerFrameFunctionalGroupsSequence]
    # From 0 and 5 to 1 and 2: indices count from one.
    assert [v[3] for v in values] == [1, 1, 1, 2, 2, 2] and [v[0] for v in values] == [1, 1, 1, 2, 2, 2]


def test_a_whole_object_keeps_its_organization_and_a_part_does_not(tmp_path):
    def edit(ds):
        ds.DimensionOrganizationType = "3D_TEMPORAL"

    path = make_enhanced(tmp_path / "ct.dcm", "CT", times=1, edit=edit)
    whole = [sorted(enhanced_frames(path), key=lambda f: f.position[2])]
    _, new = written(hand_volume(path, whole, "enhanced"), tmp_path / "whole.dcm")
    assert new.DimensionOrganizationType == "3D_TEMPORAL" and new.NumberOfFrames == 3
    _, new = written(phase(tmp_path, edit=edit), tmp_path / "part.dcm")
    assert "DimensionOrganizationType" not in new


def test_shared_frame_types_are_marked_too(tmp_path):
    def edit(ds):
        ds.SharedFunctionalGroupsSequence[0].CTImageFrameTypeSequence = [
            ds.PerFrameFunctionalGroupsSequence[0].CTImageFrameTypeSequence[0]
        ]
        for group in ds.PerFrameFunctionalGroupsSequence:
            del group["CTImageFrameTypeSequence"]

    path = make_enhanced(tmp_path / "ct.dcm", "CT", times=1, edit=edit)
    volume = hand_volume(path, [sorted(enhanced_frames(path), key=lambda f: f.position[2])], "enhanced")
    _, new = written(volume.with_image(volume.image + 0.7), tmp_path / "out.dcm")
    kind = new.SharedFunctionalGroupsSequence[0].CTImageFrameTypeSequence[0]
    assert list(kind.FrameType) == list(new.ImageType) == ["DERIVED", "PRIMARY", "AXIAL", "FILTERED"]


def test_concatenations_are_dissolved(tmp_path):
    def edit(ds):
        ds.ConcatenationUID, ds.SOPInstanceUIDOfConcatenationSource = "1.2.3", "1.2.4"
        ds.InConcatenationNumber, ds.InConcatenationTotalNumber, ds.ConcatenationFrameOffsetNumber = 1, 2, 0

    old, new = written(phase(tmp_path, edit=edit), tmp_path / "out.dcm")
    assert {e.keyword for e in old if "Concatenation" in e.keyword} and not [e for e in new if "Concaten" in e.keyword]


def test_cine_keeps_all_frames(tmp_path):
    path = make_cine(tmp_path / "us.dcm")
    volume = hand_volume(path, [[describe(path, frame=k)] for k in range(5)], "cine")
    image = volume.image.clone()
    image[3] += 2
    old, new = written(volume.with_image(image), tmp_path / "out.dcm")
    wanted = old.pixel_array.copy()
    wanted[3] += 2
    np.testing.assert_array_equal(new.pixel_array, wanted)
    assert (new.NumberOfFrames, new.FrameTime, new.FrameIncrementPointer) == (5, 40, 0x00181063)
    assert new.SourceImageSequence[0].ReferencedSOPInstanceUID == old.SOPInstanceUID
    assert list(new.ImageType) == ["DERIVED", "PRIMARY", "", "0001"] and new["PixelData"].VR == "OB"


def test_a_part_of_a_cine_is_refused(tmp_path):
    path = make_cine(tmp_path / "us.dcm")
    volume = hand_volume(path, [[describe(path, frame=k)] for k in range(3)], "cine")
    with pytest.raises(InputError, match="only 3 of 5 frames"):
        write_dicom(volume, tmp_path / "out.dcm")
    assert not (tmp_path / "out.dcm").exists()


def test_frames_of_several_files_give_several_files(tmp_path):
    first, second = make_enhanced(tmp_path / "a.dcm"), make_enhanced(tmp_path / "b.dcm")
    ds = pydicom.dcmread(second)
    ds.SOPInstanceUID = "1.2.3.4"
    ds.save_as(second)
    volume = hand_volume(tmp_path, [*stack(first, 0), *stack(second, 0)], "enhanced")
    write_dicom(volume, tmp_path / "out")
    new = [pydicom.dcmread(p) for p in sorted((tmp_path / "out").iterdir())]
    assert [ds.NumberOfFrames for ds in new] == [6, 6]
    assert len({ds.SeriesInstanceUID for ds in new}) == 1 and len({ds.SOPInstanceUID for ds in new}) == 2
    assert [ds.InstanceNumber for ds in new] == [1, 2]
