# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What a derived DICOM series loses or breaks: dciodvfy before and after, and a round trip through the writer.

    python -m benchmarks.dicom_conformance FOLDER [FOLDER ...]

Every DICOM series below the folders is read, every second voxel is changed a little, the result is written, checked and
read again. Prints two Markdown tables. dciodvfy comes with Debian's dicom3tools.
"""

from __future__ import annotations

import argparse
import collections
import re
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from monai_diffdenoise.data import ReadOptions, Volume, read_volume, write_volume
from monai_diffdenoise.data.dicom_files import is_dicom, read_dataset
from monai_diffdenoise.errors import InputError

__all__ = ["Trip", "complaints", "new_errors", "source_of", "stacks", "trip"]

# PS3.3 C.8.13.4 and C.7.6.18.3 let derived images keep what they require of original ones ("May be present otherwise");
# the dciodvfy of dicom3tools 1.00~20220618 does not know that of these two modules.
_DEFECT = re.compile(
    r"Attribute present when condition unsatisfied .* Module=<(MRPulseSequence|BulkMotionSynchronization)>"
)
_VALUE = re.compile(r"(?<== )<[^>]*>|(?<=value )<[^>]*>")
# A bad UID of the source stays bad where the derived object refers to it.
_PLACE = re.compile(r'(?<=for UID) - "[^"]*" in .*')
_MOST_STACKS = 20


def complaints(path: Path, kind: str = "Error") -> collections.Counter[str]:
    """What dciodvfy says of a file, without the values, and how often.

    Args:
        path: a DICOM file.
        kind: "Error" or "Warning".
    """
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, check=False)
    lines = (done.stdout + done.stderr).decode("latin-1").splitlines()
    found = (_PLACE.sub("", _VALUE.sub("<>", line.strip())) for line in lines if line.startswith(kind))
    return collections.Counter(line for line in found if not _DEFECT.search(line))


def new_errors(derived: Path, source: Path) -> collections.Counter[str]:
    """Errors of a derived file that its source does not have, or not as often."""
    return complaints(derived) - complaints(source)


def _checkable(source: Path, work: Path) -> Path:
    """The source, or a copy that says of what class it is where only its file header did: else nothing is checked."""
    dataset = pydicom.dcmread(source, force=True)
    if dataset.get("SOPClassUID") and dataset.get("SOPInstanceUID"):
        return source
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID
    copy = work / "checkable.dcm"
    dataset.save_as(copy, overwrite=True)
    return copy


def source_of(derived: Dataset) -> str:
    """SOP Instance UID of the object that a derived one was made of."""
    if "SourceImageEvidenceSequence" in derived:
        series = derived.SourceImageEvidenceSequence[-1].ReferencedSeriesSequence[0]
        return str(series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
    return str(derived.SourceImageSequence[0].ReferencedSOPInstanceUID)


def _inputs(folder: Path) -> Iterator[tuple[str, Path, ReadOptions]]:
    """Every series below a folder, as (name, path, options)."""
    series = set()
    for file in sorted(p for p in folder.rglob("*") if p.is_file() and is_dicom(p)):
        dataset = read_dataset(file, header_only=True)
        if dataset is not None and "Rows" in dataset:
            series.add(str(dataset.get("SeriesInstanceUID", "")))
    for number, uid in enumerate(sorted(series)):
        name = folder.name if len(series) == 1 else f"{folder.name} ({number + 1})"
        yield name, folder, ReadOptions(series=uid or None, burned_in="take", uneven="take", cine="time")


def _volumes(name: str, path: Path, options: ReadOptions) -> Iterator[tuple[str, Volume | str]]:
    """The stacks of a series, or why it is refused."""
    try:
        yield name, read_volume(path, options=options)
        return
    except InputError as error:
        text = str(error)
        if "--stack" not in text:
            yield name, text.replace(str(path), "...")
            return
    for stack in range(1, _MOST_STACKS):
        try:
            yield f"{name}, stack {stack}", read_volume(path, options=replace(options, stack=stack))
        except InputError as error:
            if "--stack" in str(error):
                return
            yield f"{name}, stack {stack}", str(error).replace(str(path), "...")


def _changed(volume: Volume) -> tuple[Volume, np.ndarray]:
    """The volume with every second column averaged with the next, and a mask of the voxels that were left alone."""
    image = np.array(volume.image.as_tensor().numpy())
    same = np.ones(image.shape, bool)
    same[:, ::2] = False
    image = np.where(same, image, (image + np.roll(image, 1, axis=1)) / 2).astype(np.float32)
    return volume.with_image(image), same


def _stored(volume: Volume) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The numbers on the disk, where they are padding, and the rescale unit."""
    shape = volume.image.shape
    out, padding, unit = np.empty(shape, np.int64), np.zeros(shape, bool), np.empty(shape)
    for block in volume.source.blocks():
        out[block.index], unit[block.index] = block.stored, abs(block.slope)
        if block.keep is not None:
            padding[block.index] = block.keep
    return out, padding, unit


def _tags(old: Dataset, new: Dataset) -> str:
    """Public attributes kept / changed / dropped / added, and how many of the private ones are kept."""
    private = [sum(tag.is_private for tag in list(dataset.keys())) for dataset in (old, new)]
    before, after = ({tag for tag in list(dataset.keys()) if not tag.is_private} for dataset in (old, new))
    with pydicom.config.disable_value_validation():
        kept = sum(_value(old, tag) == _value(new, tag) for tag in before & after)
    changed = len(before & after) - kept
    return f"{kept} / {changed} / {len(before - after)} / {len(after - before)}, {private[1]} of {private[0]}"


def _value(dataset: Dataset, tag: int) -> object:
    try:
        return dataset[tag].value
    except Exception:  # damaged values stay as they are, so what counts is that both are damaged
        return None


@dataclass(frozen=True)
class Trip:
    """What became of one stack on its way through the writer.

    Args:
        name: of the input.
        files: how many were written.
        errors: of dciodvfy, before and after.
        new_errors: errors of a derived file that its source does not have.
        warnings: of dciodvfy, before and after.
        shape: of the image.
        dtype: number type on the disk, before and after.
        affine: largest change, mm.
        error: largest difference between what was asked for and what was read again, in rescale units.
        exact: whether voxels that were left alone, and padding, came back bit for bit.
        tags: see :func:`_tags`.
    """

    name: str
    files: int
    errors: tuple[int, int]
    new_errors: collections.Counter[str]
    warnings: tuple[int, int]
    shape: tuple[int, ...]
    dtype: tuple[str, str]
    affine: float
    error: float
    exact: bool
    tags: str

    @property
    def conformance(self) -> str:
        """Row of the first table."""
        (a, b), (c, d) = self.errors, self.warnings
        return f"| {self.name} | {self.files} | {a} / {b} | {self.new_errors.total()} | {c} / {d} |"

    @property
    def round_trip(self) -> str:
        """Row of the second table."""
        shape, exact = "x".join(map(str, self.shape)), "yes" if self.exact else "NO"
        types = " / ".join(self.dtype)
        return f"| {self.name} | {shape} | {types} | {self.affine:.2g} | {self.error:.2f} | {exact} | {self.tags} |"


def trip(name: str, volume: Volume, work: Path) -> Trip:
    """Change a volume, write it, check every file and read it again.

    Args:
        name: of the input.
        volume: it came from DICOM.
        work: an empty folder.
    """
    changed, same = _changed(volume)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written = write_volume(changed, work / "out", derivation="check")
        back = read_volume(work / "out", options=ReadOptions(burned_in="take", uneven="take", cine="time"))
    items = volume.source.all_slices  # type: ignore[attr-defined]
    sources = {item.sop_instance: item.fingerprint.path for item in items}
    errors, cautions = np.zeros(2, int), np.zeros(2, int)
    fresh: collections.Counter[str] = collections.Counter()
    tags = ""
    files = sorted((work / "out").iterdir())
    for file in files:
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
        source = sources[source_of(dataset)]
        checked = _checkable(source, work)
        before, after = complaints(checked), complaints(file)
        errors += before.total(), after.total()
        fresh += after - before
        cautions += complaints(checked, "Warning").total(), complaints(file, "Warning").total()
        tags = tags or _tags(pydicom.dcmread(source, stop_before_pixels=True, force=True), dataset)
    (stored, padding, unit), (again, _, _) = _stored(volume), _stored(back)
    wanted, given = changed.image.numpy(), volume.image.numpy()
    # All sides are float32, whose last digit is not the writer's.
    digit = np.spacing(np.maximum(np.abs(wanted), np.abs(given)))
    error = (np.abs(back.image.numpy() - wanted) - digit) / unit
    return Trip(
        name=name,
        files=len(files),
        errors=(int(errors[0]), int(errors[1])),
        new_errors=fresh,
        warnings=(int(cautions[0]), int(cautions[1])),
        shape=tuple(volume.image.shape),
        dtype=(items[0].dtype.name, written.dtype),
        affine=float(np.abs(back.image.affine.numpy() - volume.image.affine.numpy()).max()),
        error=float(error[~padding].max()),
        exact=bool(np.array_equal(again[same | padding], stored[same | padding])),
        tags=tags,
    )


def stacks(folder: Path) -> Iterator[tuple[str, Volume | str]]:
    """Every stack of every series below a folder: its name, and the volume or why it is refused."""
    for name, path, options in _inputs(folder):
        yield from _volumes(name, path, options)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    trips, refused = [], []
    for folder in parser.parse_args().folders:
        for title, volume in stacks(folder):
            if isinstance(volume, str):
                refused.append(f"| {title} | {volume} |")
                continue
            with tempfile.TemporaryDirectory() as work:
                trips.append(trip(title, volume, Path(work)))
    print("| input | files | errors before / after | new errors | warnings before / after |\n|---|---|---|---|---|")
    print("\n".join(item.conformance for item in trips))
    print(
        "\n| input | shape | stored as, before / after | largest change of the affine, mm | "
        "largest error, rescale units | untouched voxels bit for bit | "
        "public attributes kept / changed / dropped / added, private kept |"
        "\n|---|---|---|---|---|---|---|"
    )
    print("\n".join(item.round_trip for item in trips))
    print("\n| refused | message |\n|---|---|")
    print("\n".join(refused))


if __name__ == "__main__":
    main()
