# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Maps that go with a denoised volume (uncertainty, fusion share, residual) as DICOM Parametric Maps.

highdicom builds the object; it sees placeholders instead of the source's datasets. Who the patient is and what the map
was made of is filled in afterwards from the source: its bytes are copied, not parsed, checked and written anew.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from pydicom.dataset import Dataset, FileDataset
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage, generate_uid

from monai_diffdenoise.data.atomic import atomic_file, atomic_folder
from monai_diffdenoise.data.dicom_derive import (
    PRODUCT,
    SERIES_NUMBER_OFFSET,
    DerivedSeries,
    equipment,
    product_version,
    stamp,
    texts,
)
from monai_diffdenoise.data.dicom_files import quiet
from monai_diffdenoise.data.dicom_quantities import QUANTITIES, UNITS, groups_of, unit_of
from monai_diffdenoise.data.dicom_read import DicomSource
from monai_diffdenoise.data.dicom_reencode import to_explicit_little
from monai_diffdenoise.data.dicom_references import source_image
from monai_diffdenoise.data.dicom_slice import Slice
from monai_diffdenoise.data.volume import Volume, Written
from monai_diffdenoise.errors import InputError

__all__ = ["write_parametric_map"]


# Attributes of the study, and of the place, that a map shares with its source; patient attributes are whole groups.
_SHARED = (
    *("SpecificCharacterSet", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription"),
    *("AccessionNumber", "IssuerOfAccessionNumberSequence", "ReferringPhysicianName", "ProcedureCodeSequence"),
    *("PhysiciansOfRecord", "TimezoneOffsetFromUTC", "BodyPartExamined", "Laterality", "FrameOfReferenceUID"),
    *("PositionReferenceIndicator", "PatientPosition", "LongitudinalTemporalInformationModified"),
    *("BurnedInAnnotation", "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
)
_PATIENT_GROUPS = (0x0010, 0x0012)


def write_parametric_map(
    volume: Volume,
    values: np.ndarray | torch.Tensor,
    path: str | os.PathLike[str],
    *,
    quantity: str,
    unit: str | None = None,
    overwrite: bool = False,
    derivation: str = "",
) -> Written:
    """Write a map as a float32 Parametric Map in the source's study and frame of reference.

    Args:
        volume: what the map belongs to; it came from DICOM with positions in space.
        values: (C, x, y, z) of the volume's shape, or (x, y, z) for a single time point; finite.
        path: a file ending in .dcm, or a new folder that gets one file per time point.
        quantity: one of :data:`~monai_diffdenoise.data.dicom_quantities.QUANTITIES`.
        unit: UCUM code of the values' unit; default the source's unit, or none for a share.
        overwrite: whether an existing output may be replaced.
        derivation: what was done, one line without patient data.

    Returns:
        what was written.

    Raises:
        InputError: highdicom is not installed, the volume has no place in space, or the values do not go with it.
    """
    path = Path(path)
    if quantity not in QUANTITIES:
        raise InputError(f"map of {quantity!r} is not known: expected one of {', '.join(QUANTITIES)}")
    source, array = _check(volume, values, path)
    digest = hashlib.sha256(array.data).hexdigest()
    first = source.slices[0][0]
    uid = generate_uid(entropy_srcs=[first.series, first.sop_instance, digest, quantity, product_version(), derivation])
    series = DerivedSeries(uid, derivation)
    if path.suffix.lower() == ".dcm":
        with atomic_file(path, overwrite=overwrite) as stream:
            _write(source, array, 0, quantity, unit, series, stream)
    else:
        with atomic_folder(path, overwrite=overwrite) as folder:
            for time in range(len(array)):
                with open(folder / f"MAP{time + 1:04d}.dcm", "wb") as stream:
                    _write(source, array, time, quantity, unit, series, stream)
    return Written(path, "float32")


def _check(volume: Volume, values: np.ndarray | torch.Tensor, path: Path) -> tuple[DicomSource, np.ndarray]:
    source = volume.source
    if not isinstance(source, DicomSource):
        raise InputError(f"output {path} would be a DICOM map, but the input is not DICOM: name a .nii.gz file")
    if any(item.position is None or item.orientation is None or item.spacing is None for item in source.all_slices):
        raise InputError(f"output {path}: the source says nothing of its place in space: name a .nii.gz file")
    array = np.asarray(torch.as_tensor(values).detach().cpu().float().as_subclass(torch.Tensor).numpy())
    if array.ndim == volume.image.dim() - 1:
        array = array[None]
    if array.shape != tuple(volume.image.shape):
        raise InputError(f"map has shape {array.shape}: expected {tuple(volume.image.shape)}, that of its volume")
    if not np.isfinite(array).all():
        raise InputError("map holds NaN or infinite values: expected finite ones")
    if path.suffix.lower() == ".dcm" and len(array) > 1:
        raise InputError(f"output {path} is one file, but the map has {len(array)} time points: name a folder")
    return source, np.ascontiguousarray(array)


def _write(
    source: DicomSource,
    array: np.ndarray,
    time: int,
    quantity: str,
    unit: str | None,
    series: DerivedSeries,
    stream: BinaryIO,
) -> None:
    items = list(source.slices[time])
    with quiet():
        header = source.dataset(items[0])
        for keyword, name in (("StudyInstanceUID", "study UID"), ("FrameOfReferenceUID", "frame of reference")):
            if not "".join(texts(header, keyword)):
                raise InputError(f"the source has no {name}, which a map needs: write a .nii.gz file instead")
        if "PixelData" in header:
            del header["PixelData"]
        to_explicit_little(header)
        # (z, rows, columns): DICOM's rows run along the image's second axis.
        frames = np.ascontiguousarray(array[time].transpose(2, 1, 0))
        name = unit if unit is not None else unit_of(header, items[0], quantity)
        built = _build(frames, items, header, quantity, name, series, time)
        _take_identity(built, header, items, series, source.layout == "enhanced")
        # The source's bytes are written as they are only if nothing seems left to be encoded.
        correct_ambiguous_vr(built, is_little_endian=True)
        built.set_original_encoding(False, True, built._character_set)
        built.save_as(stream, enforce_file_format=True)


def _build(
    frames: np.ndarray, items: list[Slice], header: Dataset, quantity: str, unit: str, series: DerivedSeries, time: int
) -> Any:
    try:
        import highdicom
        from highdicom.pm import ParametricMap, RealWorldValueMapping
    except ImportError as error:
        raise InputError(
            "DICOM Parametric Maps need highdicom: install the extra (pip install 'monai-diffdenoise[dicom-maps]'), "
            "or write a .nii.gz file"
        ) from error
    what = QUANTITIES[quantity]
    low, high = float(frames.min()), float(frames.max())
    mapping = RealWorldValueMapping(
        lut_label=what.label,
        lut_explanation=what.explanation,
        unit=highdicom.sr.CodedConcept(unit, "UCUM", UNITS.get(unit, unit)),
        value_range=(low, high),
        slope=1.0,
        intercept=0.0,
        quantity_definition=highdicom.sr.CodedConcept(*what.code),
    )
    number = (texts(header, "SeriesNumber") or ["0"])[0]
    place = 1 + list(QUANTITIES).index(quantity)
    return ParametricMap(
        source_images=[_placeholder(item, index, header, len(items)) for index, item in enumerate(items)],
        pixel_array=frames,
        series_instance_uid=series.uid,
        series_number=(int(number) if number.isdigit() else 0) + SERIES_NUMBER_OFFSET + place,
        sop_instance_uid=generate_uid(entropy_srcs=[series.uid, str(time)]),
        instance_number=time + 1,
        manufacturer=f"{PRODUCT} contributors",
        manufacturer_model_name=PRODUCT,
        software_versions=product_version(),
        device_serial_number=product_version(),
        contains_recognizable_visual_features=texts(header, "RecognizableVisualFeatures") != ["NO"],
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[
            highdicom.VOILUTTransformation(
                window_center=(low + high) / 2, window_width=max(high - low, 1e-6), voi_lut_function="LINEAR_EXACT"
            )
        ],
        content_label=what.label,
        content_description=what.explanation,
        derived_pixel_contrast=what.contrast,
        series_description=f"{what.title} (not for diagnostic use)",
    )


def _placeholder(item: Slice, index: int, header: Dataset, count: int) -> Dataset:
    """A classic image at the place of a slice, of nobody."""
    assert item.orientation is not None and item.position is not None and item.spacing is not None
    stub = Dataset()
    stub.SOPClassUID, stub.SOPInstanceUID = CTImageStorage, f"2.25.{index + 1}"
    stub.StudyInstanceUID, stub.SeriesInstanceUID, stub.FrameOfReferenceUID = "2.25.1", "2.25.2", "2.25.3"
    stub.PatientID, stub.PatientName, stub.PatientBirthDate, stub.PatientSex = "", "", None, ""
    stub.AccessionNumber, stub.StudyID, stub.StudyDate, stub.StudyTime = "", "", None, None
    stub.Rows, stub.Columns = item.rows, item.columns
    stub.PixelSpacing = [f"{length:.10g}" for length in item.spacing]
    thickness, distance = (_measure(header, item, key) for key in ("SliceThickness", "SpacingBetweenSlices"))
    stub.SliceThickness = thickness or f"{item.thickness or 1.0:.10g}"
    if distance and count == 1:
        # Of several slices highdicom sees it from their positions.
        stub.SpacingBetweenSlices = distance
    stub.ImageOrientationPatient = [f"{cosine:.10g}" for cosine in item.orientation]
    stub.ImagePositionPatient = [f"{place:.10g}" for place in item.position]
    return stub


def _measure(header: Dataset, item: Slice, keyword: str) -> str:
    """A length that classic images hold themselves and frames in their functional groups; empty if absent."""
    found = texts(header, keyword)
    for group in groups_of(header, item):
        for measures in group.get("PixelMeasuresSequence") or []:
            found = texts(measures, keyword) or found
    return found[0] if found else ""


def _take_identity(built: Any, header: FileDataset, items: list[Slice], series: DerivedSeries, framed: bool) -> None:
    """Put the patient, the study and the true source images in the places of the placeholders."""
    for tag in list(built.keys()):
        if tag.group in _PATIENT_GROUPS:
            del built[tag]
    shared = {Tag(keyword) for keyword in _SHARED}
    for tag in list(header.keys()):
        if tag in shared or (tag.group in _PATIENT_GROUPS and not tag.is_private):
            built._dict[tag] = header.get_item(tag)
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
        if keyword not in built:
            setattr(built, keyword, "")
    _name_sources(built, items, series.derivation, framed)
    measures = built.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    if len(items) == 1 and not _measure(header, items[0], "SpacingBetweenSlices"):
        # highdicom makes up 1 mm for a slice that stands alone.
        measures.pop("SpacingBetweenSlices", None)
    # A random one would make the same result differ from run to run.
    organization = generate_uid(entropy_srcs=[series.uid, "dimensions"])
    for entry in (*built.DimensionOrganizationSequence, *built.DimensionIndexSequence):
        entry.DimensionOrganizationUID = organization
    built.ContributingEquipmentSequence = [equipment()]
    shown = (texts(header, "ContentDate") or texts(header, "StudyDate") or [""])[0]
    stamp(built, series.now)
    if "InstanceCreationDate" not in built and shown:
        # The source hides its dates, and a map must have one: it takes the one that the source shows.
        built.ContentDate, built.ContentTime = shown, "000000"


def _name_sources(built: Any, items: list[Slice], derivation: str, framed: bool) -> None:
    """Name the source of every frame, which so far is the number of its placeholder, and of the whole."""
    for group in built.PerFrameFunctionalGroupsSequence:
        step = group.DerivationImageSequence[0]
        index = int(str(step.SourceImageSequence[0].ReferencedSOPInstanceUID).rpartition(".")[2]) - 1
        step.SourceImageSequence = [source_image(items[index], items[index].frame if framed else None)]
        if derivation:
            step.DerivationDescription = derivation[:1024]
    unique = {item.sop_instance: source_image(item) for item in items}
    built.SourceImageSequence = list(unique.values())
    instances = []
    for item in unique.values():
        reference = Dataset()
        reference.ReferencedSOPClassUID = item.ReferencedSOPClassUID
        reference.ReferencedSOPInstanceUID = item.ReferencedSOPInstanceUID
        instances.append(reference)
    built.ReferencedSeriesSequence[0].SeriesInstanceUID = items[0].series
    built.ReferencedSeriesSequence[0].ReferencedInstanceSequence = instances
