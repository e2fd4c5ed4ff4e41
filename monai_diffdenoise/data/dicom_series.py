# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Find the DICOM images below a path and pick one series of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID

from monai_diffdenoise.data.dicom_attributes import Attributes
from monai_diffdenoise.data.dicom_files import DicomFile, quiet, read_header
from monai_diffdenoise.data.fingerprint import Fingerprint
from monai_diffdenoise.errors import InputError

__all__ = ["FoundSeries", "find_series"]

_MAX_LISTED = 12
# Headers are kept until a series is picked, some 12 kB each.
_MAX_IMAGES = 100_000


@dataclass(frozen=True, eq=False)
class FoundSeries:
    """What the search for one series found.

    Args:
        files: its image files, in no particular order.
        damaged: files that look like DICOM images, of this series or of none that they say, but cannot be read.
        links: symbolic links that were not followed.
        closed: files and folders that could not be opened.
    """

    files: list[DicomFile]
    damaged: int = 0
    links: int = 0
    closed: int = 0


def find_series(path: Path, series: str | None = None) -> FoundSeries:
    """Collect the images of one series.

    Args:
        path: a DICOM file, or a folder that is searched with all folders below it. Hidden files and folders, symbolic
            links, files that are not DICOM and DICOM objects that are not images (reports, presentation states,
            directories) are passed over.
        series: Series Instance UID, or the unique end of it.

    Raises:
        InputError: no image, far too many, or several series and none picked.
    """
    search = _Search()
    groups: dict[str, list[DicomFile]] = {}
    damaged: list[str | None] = []
    for count, file in enumerate(_images(path, search, damaged)):
        if count >= _MAX_IMAGES:
            raise InputError(f"{path} holds more than {_MAX_IMAGES} DICOM images: give the folder of one series")
        groups.setdefault(_text(file.header, "SeriesInstanceUID"), []).append(file)
    if not groups:
        what = "no readable DICOM image in it" if path.is_dir() else "not a readable DICOM image"
        if damaged:
            what += f" ({len(damaged)} file(s) look like DICOM but are cut off or damaged)"
        if search.links:
            what += f" ({search.links} symbolic link(s) not followed)"
        raise InputError(f"{path}: {what}; expected a DICOM file, or a folder with one series")
    uid = _pick(path, groups, series)
    # A file that was cut off before it says its series may belong to this one.
    lost = sum(owner is None or owner == uid for owner in damaged)
    return FoundSeries(groups[uid], lost, search.links, search.closed)


def _pick(path: Path, groups: dict[str, list[DicomFile]], series: str | None) -> str:
    if series is not None:
        matches = [uid for uid in groups if uid == series] or [uid for uid in groups if uid.endswith(series)]
        if len(matches) != 1 or not series:
            raise InputError(f"{path}: {len(matches)} series end in {series!r}, expected one of: {_listing(groups)}")
        return matches[0]
    if len(groups) > 1:
        raise InputError(
            f"{path} holds {len(groups)} series: {_listing(groups)}; "
            "pick one with --series and its UID, or the end of the UID as shown"
        )
    return next(iter(groups))


def _images(path: Path, search: _Search, damaged: list[str | None]) -> Iterator[DicomFile]:
    """The image files below a path; for each damaged one its series, if it says one, is noted."""
    for file in search.files(path):
        found = read_header(file)
        if found is not None and _is_image(found[0]):
            yield DicomFile(Fingerprint.of(file, "a file of the series"), *found)
        elif _is_damaged(file, None if found is None else found[0]):
            damaged.append(None if found is None else _text(found[0], "SeriesInstanceUID") or None)


class _Search:
    """Walk below a path without leaving it; counts what it did not open."""

    def __init__(self) -> None:
        self.links = 0
        self.closed = 0

    def files(self, path: Path) -> Iterator[Path]:
        """Regular files, sorted within their folder. A link that the user names himself is followed."""
        if not path.is_dir():
            yield path
            return
        for folder, subfolders, names in os.walk(path, onerror=self._count_closed):
            visible = sorted(name for name in subfolders if not name.startswith("."))
            self.links += sum(os.path.islink(os.path.join(folder, name)) for name in visible)
            subfolders[:] = visible
            for name in sorted(names):
                file = Path(folder, name)
                if name.startswith(".") or name.upper() == "DICOMDIR":
                    continue
                if file.is_symlink():
                    self.links += 1
                elif file.is_file():
                    if os.access(file, os.R_OK):
                        yield file
                    else:
                        self.closed += 1

    def _count_closed(self, error: OSError) -> None:
        self.closed += 1


def _is_image(dataset: Dataset) -> bool:
    return all(keyword in dataset for keyword in ("Rows", "Columns", "BitsAllocated"))


def _is_damaged(file: Path, dataset: FileDataset | None) -> bool:
    """Whether a file that is no image was meant to be one: DICOM by its first bytes, and an image by its class."""
    if dataset is None:
        return _marked(file)
    with quiet():
        sop_class = Attributes("", dataset).text("SOPClassUID")
        sop_class = sop_class or Attributes("", dataset.file_meta).text("MediaStorageSOPClassUID")
        # Without a class it was cut off before it could say one; files without a mark are more likely no DICOM at all.
        return "Image Storage" in UID(sop_class).name if sop_class else _marked(file)


def _marked(file: Path) -> bool:
    try:
        with open(file, "rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _text(dataset: Dataset, keyword: str) -> str:
    with quiet():
        return Attributes("", dataset).text(keyword)


def _listing(groups: dict[str, list[DicomFile]]) -> str:
    digits = _unique_ending(list(groups))
    entries = []
    for uid, files in list(groups.items())[:_MAX_LISTED]:
        with quiet():
            header = Attributes("", files[0].header)
            number = header.shown("SeriesNumber")[:16] or "without number"
            modality = header.shown("Modality")[:16] or "unknown modality"
            count = sum(int(Attributes("", file.header).number("NumberOfFrames") or 1) for file in files)
        entries.append(f"series {number} {modality} {count} slice(s) UID ...{uid[-digits:]}")
    if len(groups) > _MAX_LISTED:
        entries.append(f"and {len(groups) - _MAX_LISTED} more")
    return "; ".join(entries)


def _unique_ending(uids: list[str]) -> int:
    longest = max(len(uid) for uid in uids)
    for digits in range(6, longest):
        if len({uid[-digits:] for uid in uids}) == len(uids):
            return digits
    return max(longest, 1)
