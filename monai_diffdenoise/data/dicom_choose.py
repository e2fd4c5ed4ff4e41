# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""From a path to one stack of slices in order: everything that can be decided without decoding a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import EnhancedUSVolumeStorage

from monai_diffdenoise.data.dicom_cine import arrange_frames
from monai_diffdenoise.data.dicom_copies import without_copies
from monai_diffdenoise.data.dicom_files import DicomFile
from monai_diffdenoise.data.dicom_geometry import Arrangement, stack_slices
from monai_diffdenoise.data.dicom_images import FileImages, Layout, images_in
from monai_diffdenoise.data.dicom_pixels import require_decoder
from monai_diffdenoise.data.dicom_series import FoundSeries, find_series
from monai_diffdenoise.data.dicom_slice import Slice
from monai_diffdenoise.data.dicom_stacks import Stack, find_stacks, pick_stack
from monai_diffdenoise.data.dicom_unfit import CutOffError, refuse_size
from monai_diffdenoise.data.read_options import ReadOptions
from monai_diffdenoise.errors import InputError

__all__ = ["ChosenStack", "choose_stack"]


@dataclass(frozen=True, eq=False)
class ChosenStack:
    """The stack that is read.

    Args:
        placed: its slices in order, and where they lie.
        layout: how they lie in files.
        notes: what the user should know about the choice, one sentence each, nothing of the patient.
    """

    placed: Arrangement
    layout: Layout
    notes: tuple[str, ...] = ()


def choose_stack(path: Path, options: ReadOptions) -> ChosenStack:
    """Find the series and the stack that the user means, and refuse what must not be read.

    Args:
        path: a DICOM file or a folder.
        options: which series and stack, and how to take what can be taken in more than one way.

    Raises:
        InputError: no image, several series or stacks and none picked, or images that are not read.
    """
    found = find_series(path, options.series)
    lost = found.damaged
    try:
        files, cut = _whole_files(found.files, options)
        lost += len(cut)
        if not files:
            raise cut[0]
        kept = {id(file) for file in without_copies([file for file, _ in files])}
        stack = pick_stack(find_stacks(images for file, images in files if id(file) in kept), options.stack)
        for syntax in sorted({item.syntax for item in stack.slices}):
            require_decoder(syntax)
        _refuse_total(stack.slices)
        placed = (
            stack_slices(stack.slices, options.uneven) if stack.placed else arrange_frames(stack.slices, options.cine)
        )
        notes = [*_on_files(found, lost, len(files) - len(kept)), *_on_stack(stack), *placed.notes]
        return ChosenStack(placed, stack.layout, tuple(notes))
    except InputError as error:
        left_out = f" ({_damaged(lost)})" if lost and len(found.files) + found.damaged > lost else ""
        raise InputError(f"{path}: {error}{left_out}") from error


def _whole_files(
    files: list[DicomFile], options: ReadOptions
) -> tuple[list[tuple[DicomFile, FileImages]], list[CutOffError]]:
    """Files with what is in them, and why the others are cut off."""
    whole, cut = [], []
    for file in files:
        try:
            whole.append((file, images_in(file, options)))
        except CutOffError as error:
            cut.append(error)
    return whole, cut


def _refuse_total(slices: list[Slice]) -> None:
    """Each file may be plausible by itself while thousands of tiny ones ask for the whole memory."""
    sizes = {item.fingerprint.path: item.fingerprint.size for item in slices}
    pixels = sum(item.rows * item.columns * item.dtype.itemsize for item in slices)
    packed = next((item.syntax for item in slices if item.syntax.is_compressed or item.syntax.is_deflated), None)
    if packed is not None:
        refuse_size(sum(sizes.values()), pixels, packed, f"the stack of {len(slices)} slices")


def _damaged(count: int) -> str:
    return f"{count} file(s) look like DICOM images but are cut off or damaged, and were left out"


def _on_files(found: FoundSeries, lost: int, copies: int) -> list[str]:
    notes = [_damaged(lost)] if lost else []
    if copies:
        notes.append(f"{copies} file(s) are copies of another one, with the same pixels, and were left out")
    if found.links:
        notes.append(f"{found.links} symbolic link(s) were not followed")
    if found.closed:
        notes.append(f"{found.closed} file(s) or folder(s) could not be opened")
    return notes


def _on_stack(stack: Stack) -> list[str]:
    first, notes = stack.slices[0], []
    if first.samples > 1:
        notes.append("the images are in color: their luma was taken, one gray channel")
    if any(item.burned_in for item in stack.slices):
        notes.append("the images say that text is burned into their pixels, which may name the patient")
    if first.sop_class == EnhancedUSVolumeStorage:
        notes.append("positions of an ultrasound volume are those of its own box, not of the patient")
    if first.spacing is None:
        notes.append("the file gives no size of a pixel: 1 mm is assumed")
    return notes
