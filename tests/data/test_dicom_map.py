# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from pydicom.dataset import Dataset

from benchmarks.dicom_conformance import complaints
from monai_diffdenoise.data import read_volume, volume_from_array
from monai_diffdenoise.data.dicom_map import write_parametric_map
from monai_diffdenoise.data.dicom_quantities import QUANTITIES
from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.errors import InputError
from tests.data.dicom_out_builders import describe, hand_volume, make_cine, make_enhanced, make_mosaic, mosaic_volume
from tests.data.test_dicom_derive_groups import stack

pytest.importorskip("highdicom")


def some_values(volume: Volume, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, volume.image.shape).astype(np.float32)


def frames(dataset: Dataset) -> dict[tuple[float, ...], np.ndarray]:
    """Position -> float32 (rows, columns) of every frame."""
    assert "PixelData" not in dataset and dataset.BitsAllocated == 32
    shape = (dataset.NumberOfFrames, dataset.Rows, dataset.Columns)
    pixels = np.frombuffer(dataset.FloatPixelData, "<f4").reshape(shape)
    groups = dataset.PerFrameFunctionalGroupsSequence
    places = [tuple(float(v) for v in g.PlanePositionSequence[0].ImagePositionPatient) for g in groups]
    return dict(zip(places, pixels, strict=True))


@pytest.mark.parametrize("step", [(0.0, 0.0, 2.5), (0.0, 1.25, -2.5)])
def test_values_and_geometry_of_a_classic_series(make_series, tmp_path, step):
    volume = read_volume(make_series(step=step))
    values = some_values(volume)
    written = write_parametric_map(volume, values, tmp_path / "map.dcm", quantity="uncertainty")
    assert (written.path, written.dtype) == (tmp_path / "map.dcm", "float32")
    new = pydicom.dcmread(tmp_path / "map.dcm")
    found = frames(new)
    assert len(found) == 4
    for position, item in enumerate(volume.source.slices[0]):
        old = pydicom.dcmread(item.fingerprint.path)
        np.testing.assert_array_equal(found[tuple(old.ImagePositionPatient)], values[0, :, :, position].T)
    shared = new.SharedFunctionalGroupsSequence[0]
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == old.ImageOrientationPatient
    assert shared.PixelMeasuresSequence[0].PixelSpacing == old.PixelSpacing
    assert shared.PixelMeasuresSequence[0].SliceThickness == old.SliceThickness
    for keyword in ("FrameOfReferenceUID", "StudyInstanceUID", "PatientName", "PatientID", "StudyDate"):
        assert new[keyword].value == old[keyword].value
    assert new.SOPClassUID.name == "Parametric Map Storage" and new.SeriesInstanceUID != old.SeriesInstanceUID


def test_every_frame_names_its_source(make_series, tmp_path):
    volume = read_volume(make_series(step=(0.0, 0.0, -2.5)))
    write_parametric_map(volume, some_values(volume), tmp_path / "map.dcm", quantity="residual", derivation="ns-n2n")
    new = pydicom.dcmread(tmp_path / "map.dcm")
    places = {
        str(ds.SOPInstanceUID): tuple(ds.ImagePositionPatient)
        for ds in (pydicom.dcmread(item.fingerprint.path) for item in volume.source.all_slices)
    }
    for group in new.PerFrameFunctionalGroupsSequence:
        (step,) = group.DerivationImageSequence
        (source,) = step.SourceImageSequence
        place = tuple(group.PlanePositionSequence[0].ImagePositionPatient)
        assert places[source.ReferencedSOPInstanceUID] == place and step.DerivationDescription == "ns-n2n"
        assert "ReferencedFrameNumber" not in source
    listed = [item.ReferencedSOPInstanceUID for item in new.SourceImageSequence]
    series = new.ReferencedSeriesSequence[0]
    assert set(listed) == set(places) == {i.ReferencedSOPInstanceUID for i in series.ReferencedInstanceSequence}
    assert series.SeriesInstanceUID == volume.source.all_slices[0].series
    assert "2.25." not in str(new)


def test_frames_of_an_enhanced_object(tmp_path):
    path = make_enhanced(tmp_path / "mr.dcm")
    volume = hand_volume(path, stack(path, 1), "enhanced")
    values = some_values(volume)
    write_parametric_map(volume, values, tmp_path / "maps", quantity="share")
    files = sorted((tmp_path / "maps").iterdir())
    assert [file.name for file in files] == ["MAP0001.dcm", "MAP0002.dcm"]
    maps = [pydicom.dcmread(file) for file in files]
    assert len({new.SeriesInstanceUID for new in maps}) == 1 and len({new.SOPInstanceUID for new in maps}) == 2
    for time, new in enumerate(maps):
        assert new.InstanceNumber == time + 1 and len(new.SourceImageSequence) == 1
        for position in range(3):
            np.testing.assert_array_equal(frames(new)[0.0, 0.0, 3.0 * position], values[time, :, :, position].T)
        for group in new.PerFrameFunctionalGroupsSequence:
            number = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
            item = volume.source.slices[time][int(group.PlanePositionSequence[0].ImagePositionPatient[2] / 3)]
            assert number == item.frame + 1


def test_tiles_of_a_mosaic(tmp_path):
    paths = make_mosaic(tmp_path / "in", times=1)
    volume = mosaic_volume(paths)
    values = some_values(volume)
    write_parametric_map(volume, values, tmp_path / "map.dcm", quantity="share")
    new = pydicom.dcmread(tmp_path / "map.dcm")
    assert (new.Rows, new.Columns, new.NumberOfFrames) == (4, 6, 5)
    np.testing.assert_array_equal(frames(new)[0.0, 0.0, 12.0], values[0, :, :, 4].T)
    source = new.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    assert "ReferencedFrameNumber" not in source


@pytest.mark.parametrize(
    ("quantity", "unit", "code", "contrast"),
    [
        ("uncertainty", None, "[hnsf'U]", "STD_DEVIATION"),
        ("share", None, "1", "QUANTITY"),
        ("residual", "[arb'U]", "[arb'U]", "SUBTRACTION"),
    ],
)
def test_what_the_values_mean(make_series, tmp_path, quantity, unit, code, contrast):
    volume = read_volume(make_series())
    values = some_values(volume)
    write_parametric_map(volume, values, tmp_path / "map.dcm", quantity=quantity, unit=unit)
    new = pydicom.dcmread(tmp_path / "map.dcm")
    (mapping,) = new.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)
    first, last = mapping.DoubleFloatRealWorldValueFirstValueMapped, mapping.DoubleFloatRealWorldValueLastValueMapped
    assert (first, last) == (values.min(), values.max())
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == code
    concept = mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0]
    assert (concept.CodeValue, concept.CodingSchemeDesignator, concept.CodeMeaning) == QUANTITIES[quantity].code
    assert list(new.ImageType) == ["DERIVED", "PRIMARY", "VOLUME", contrast]
    assert new.ContentLabel == QUANTITIES[quantity].label and "not for diagnostic use" in new.SeriesDescription


@pytest.mark.parametrize(("units", "code"), [("BQML", "Bq/ml"), ("CNTS", "{counts}"), ("ODD", "[arb'U]")])
def test_unit_of_pet(make_series, tmp_path, units, code):
    volume = read_volume(make_series(modality="MR", edit=lambda ds, index: setattr(ds, "Units", units)))
    write_parametric_map(volume, some_values(volume), tmp_path / "map.dcm", quantity="uncertainty")
    mapping = pydicom.dcmread(tmp_path / "map.dcm").SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == code


def test_series_of_the_maps_stand_beside_each_other(make_series, tmp_path):
    volume = read_volume(make_series())
    seen = {}
    for quantity in QUANTITIES:
        write_parametric_map(volume, some_values(volume), tmp_path / f"{quantity}.dcm", quantity=quantity)
        new = pydicom.dcmread(tmp_path / f"{quantity}.dcm")
        seen[new.SeriesInstanceUID, new.SOPInstanceUID] = new.SeriesNumber
    assert list(seen.values()) == [9005, 9006, 9007]
    first = (tmp_path / "share.dcm").read_bytes()
    write_parametric_map(volume, some_values(volume), tmp_path / "share.dcm", quantity="share", overwrite=True)
    again, before = pydicom.dcmread(tmp_path / "share.dcm"), first
    assert again.SOPInstanceUID.encode() in before
    assert again.DimensionIndexSequence[0].DimensionOrganizationUID.encode() in before


def test_bytes_of_names_and_de_identification_are_kept(make_series, tmp_path):
    name = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B= "

    def edit(ds, index):
        ds.SpecificCharacterSet, ds.PatientName = ["", "ISO 2022 IR 87"], "Q" * len(name)
        ds.PatientIdentityRemoved, ds.DeidentificationMethod = "YES", "basic"
        ds.StationName, ds.OperatorsName, ds.InstitutionName = "STATION", "Operator", "Hospital"

    folder = make_series(slices=2, edit=edit)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"Q" * len(name), name))
    volume = read_volume(folder)
    write_parametric_map(volume, some_values(volume), tmp_path / "map.dcm", quantity="share")
    raw, new = (tmp_path / "map.dcm").read_bytes(), pydicom.dcmread(tmp_path / "map.dcm")
    assert name in raw
    assert (new.PatientIdentityRemoved, new.DeidentificationMethod) == ("YES", "basic")
    assert "InstanceCreationDate" not in new and new.ContentDate == "20200102"
    for word in (b"STATION", b"Operator", b"Hospital"):
        assert word not in raw


def test_values_that_are_all_alike(make_series, tmp_path):
    volume = read_volume(make_series(slices=1))
    write_parametric_map(volume, torch.zeros(volume.image.shape[1:]), tmp_path / "map.dcm", quantity="residual")
    assert not any(frame.any() for frame in frames(pydicom.dcmread(tmp_path / "map.dcm")).values())


def test_refusals(make_series, tmp_path, monkeypatch):
    volume = read_volume(make_series())
    values, target = some_values(volume), tmp_path / "map.dcm"
    with pytest.raises(InputError, match="expected one of uncertainty, share, residual"):
        write_parametric_map(volume, values, target, quantity="noise")
    with pytest.raises(InputError, match="expected .1, 8, 6, 4."):
        write_parametric_map(volume, values[:, :4], target, quantity="share")
    with pytest.raises(InputError, match="expected finite"):
        write_parametric_map(volume, np.where(values > 0, values, np.nan), target, quantity="share")
    with pytest.raises(InputError, match="the input is not DICOM"):
        write_parametric_map(volume_from_array(values), values, target, quantity="share")
    cine = make_cine(tmp_path / "us.dcm")
    moving = hand_volume(cine, [[describe(cine, frame=k, position=None)] for k in range(5)], "cine")
    with pytest.raises(InputError, match="says nothing of its place"):
        write_parametric_map(moving, some_values(moving), target, quantity="share")
    path = make_enhanced(tmp_path / "mr.dcm")
    several = hand_volume(path, stack(path, 0), "enhanced")
    with pytest.raises(InputError, match="2 time points: name a folder"):
        write_parametric_map(several, some_values(several), target, quantity="share")
    placeless = read_volume(make_series("placeless", edit=lambda ds, index: delattr(ds, "FrameOfReferenceUID")))
    with pytest.raises(InputError, match="no frame of reference"):
        write_parametric_map(placeless, values, target, quantity="share")
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(InputError, match=r"monai-diffdenoise\[dicom-maps\]"):
        write_parametric_map(volume, values, target, quantity="share")
    assert not target.exists()


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_dciodvfy_finds_no_error(make_series, tmp_path: Path, modality):
    volume = read_volume(make_series(modality=modality))
    for quantity in QUANTITIES:
        path = tmp_path / f"{quantity}.dcm"
        write_parametric_map(volume, some_values(volume), path, quantity=quantity, derivation="check")
        assert not complaints(path)
