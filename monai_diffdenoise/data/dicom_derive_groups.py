# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The functional groups of a derived multi-frame object: those of the frames that are taken, marked as derived.

The groups keep the order of the source, and everything in them (position, rescale, diffusion, timing) stays but for
the frame type, the derivation, and dimension indices that would no longer start at one.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from monai_diffdenoise.data.dicom_reencode import public_vr
from monai_diffdenoise.data.dicom_references import smoothing, source_image
from monai_diffdenoise.data.dicom_slice import Slice
from monai_diffdenoise.errors import InputError

__all__ = ["derive_groups"]

_PER_FRAME, _SHARED = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"
# Their index values are the attributes' own values, by definition.
_ORDINALS = (Tag("InStackPositionNumber"), Tag("TemporalPositionIndex"))
# One value for the whole object, "MIXED" where frames differ; the frame type sequences hold each frame's own.
_SUMMARIES = (
    "PixelPresentation",
    "VolumetricProperties",
    "VolumeBasedCalculationTechnique",
    "ComplexImageComponent",
    "AcquisitionContrast",
)
_MIXED = "MIXED"


def derive_groups(
    dataset: Dataset, item: Slice, chosen: Sequence[int], total: int, *, text: str, keep_private: bool
) -> bool:
    """Reduce a multi-frame dataset to some of its frames and mark each as derived.

    Args:
        dataset: changed in place; one without functional groups stays as it is.
        item: a slice of it.
        chosen: indices of the frames that are kept, ascending.
        total: how many frames there are.
        text: what was done.
        keep_private: whether dimensions that private attributes describe are kept.

    Returns:
        whether the frames say themselves what they come from, so that the object as a whole need not.

    Raises:
        InputError: frames would have to be dropped from an object that does not describe them one by one.
    """
    groups = list(dataset.get(_PER_FRAME) or [])
    if len(groups) != total or not groups:
        if list(chosen) != list(range(total)):
            raise InputError(
                f"only {len(chosen)} of {total} frames were read of an object that does not describe its frames one by "
                "one, so no derived object can hold them alone: write a .nii.gz file instead"
            )
        return False
    own = [groups[index] for index in chosen]
    shared = list(dataset.get(_SHARED) or [])
    for group in [*shared, *own]:
        for types in _frame_types(group):
            types.FrameType = _derived_type([str(value) for value in types.FrameType])
    _summarise(dataset, shared, own)
    _renumber(dataset, own, keep_private)
    _describe(dataset, item, shared, own, chosen, text)
    dataset[_PER_FRAME].value = own
    dataset.NumberOfFrames = len(own)
    if len(own) < total and "DimensionOrganizationType" in dataset:
        # It says that frames fill a grid of positions and times, which a part of them need not do.
        del dataset["DimensionOrganizationType"]
    return True


def _frame_types(group: Dataset) -> list[Dataset]:
    """The items of a functional group that hold a frame type: one sequence per kind of image."""
    found = []
    for tag in list(group.keys()):
        if public_vr(tag) == "SQ":
            found += [item for item in group[tag].value or [] if item.get("FrameType")]
    return found


def _derived_type(values: list[str]) -> list[str]:
    # Value 4 is the derived contrast, NONE for original images only. What else stands there names a kind of image.
    last = ["FILTERED" if value == "NONE" else value for value in values[3:4]]
    return ["DERIVED", *values[1:3], *last, *values[4:]]


def _summarise(dataset: Dataset, shared: Sequence[Dataset], own: Sequence[Dataset]) -> None:
    """Make the values that stand for all frames true of those that are left."""
    common = [item for group in shared for item in _frame_types(group)]
    items = common or [item for group in own for item in _frame_types(group)]
    if not items or not (common or len(items) >= len(own)):
        return
    kinds = {tuple(str(value) for value in item.FrameType) for item in items}
    if len({len(kind) for kind in kinds}) == 1:
        dataset.ImageType = [values[0] if len(set(values)) == 1 else _MIXED for values in zip(*kinds, strict=True)]
    for keyword in _SUMMARIES:
        values = {str(item.get(keyword) or "") for item in items}
        if dataset.get(keyword) == _MIXED and len(values) == 1 and "" not in values:
            setattr(dataset, keyword, values.pop())


def _renumber(dataset: Dataset, own: Sequence[Dataset], keep_private: bool) -> None:
    """Let every dimension index count from one without gaps over the frames that are left.

    A dimension that a private attribute describes goes with that attribute when it no longer tells frames apart.
    """
    dimensions = list(dataset.get("DimensionIndexSequence") or [])
    contents = [(group.get("FrameContentSequence") or [Dataset()])[0] for group in own]
    rows = [content.get("DimensionIndexValues") for content in contents]
    rows = [[row] if isinstance(row, int) else list(row or []) for row in rows]
    if not dimensions or any(len(row) != len(dimensions) for row in rows):
        return
    columns, kept = [], []
    for dimension, column in zip(dimensions, zip(*rows, strict=True), strict=True):
        private = bool(dimension.get("DimensionIndexPrivateCreator"))
        if private and not keep_private and len(set(column)) == 1:
            continue
        ranks = {value: rank + 1 for rank, value in enumerate(sorted(set(column)))}
        kept.append(dimension)
        columns.append(column if dimension.get("DimensionIndexPointer") in _ORDINALS else [ranks[v] for v in column])
    if not kept:
        return
    dataset.DimensionIndexSequence = kept
    for content, values in zip(contents, zip(*columns, strict=True), strict=True):
        content.DimensionIndexValues = list(values)


def _describe(
    dataset: Dataset, item: Slice, shared: Sequence[Dataset], own: Sequence[Dataset], chosen: Sequence[int], text: str
) -> None:
    """Name the source frame of every frame, behind what the source says of its own derivation."""
    earlier: list[Dataset] = []
    for group in shared:
        # A functional group stands in one place only: for all frames at once, or for each.
        if "DerivationImageSequence" in group:
            earlier += list(group.DerivationImageSequence or [])
            del group["DerivationImageSequence"]
    for group, frame in zip(own, chosen, strict=True):
        step = Dataset()
        step.DerivationDescription = text
        step.DerivationCodeSequence = [smoothing()]
        step.SourceImageSequence = [source_image(item, frame)]
        group.DerivationImageSequence = [*(group.get("DerivationImageSequence") or earlier), step]
    evidence, series, instance = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = item.sop_class, item.sop_instance
    series.SeriesInstanceUID, series.ReferencedSOPSequence = item.series, [instance]
    evidence.StudyInstanceUID, evidence.ReferencedSeriesSequence = item.study, [series]
    dataset.SourceImageEvidenceSequence = [*(dataset.get("SourceImageEvidenceSequence") or []), evidence]
