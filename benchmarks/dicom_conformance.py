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
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from monai_diffdenoise.data import ReadOptions, Volume, read_volume, write_volume
from monai_diffdenoise.data.dicom_files import is_dicom, read_dataset
from monai_diffdenoise.errors import InputError

__all__ = ["complaints", "new_errors"]

# PS3.3 C.8.13.4 lets derived images keep what it requires of original ones ("May be present otherwise"); the dciodvfy
# of dicom3tools 1.00~20220618 does not know that of this one module.
_DEFECT = re.compile(r"Attribute present when condition unsatisfied .* Module=<MRPulseSequence>")
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


def _stored(volume: Volume) -> tuple[np.ndarray, np.ndarray]:
    """The numbers on the disk, and where they are padding."""
    out, padding = np.empty(volume.image.shape, np.int64), np.zeros(volume.image.shape, bool)
    for block in volume.source.blocks():
        out[block.index] = block.stored
        if block.keep is not None:
            padding[block.index] = block.keep
    return out, padding


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


def _row(name: str, volume: Volume, work: Path) -> tuple[str, str]:
    changed, same = _changed(volume)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written = write_volume(changed, work / "out", derivation="check")
        back = read_volume(work / "out", options=ReadOptions(burned_in="take", uneven="take", cine="time"))
    sources = {item.sop_instance: item.fingerprint.path for item in volume.source.all_slices}  # type: ignore[attr-defined]
    old, new, fresh, before, after = 0, 0, 0, 0, 0
    tags = ""
    for file in sorted((work / "out").iterdir()):
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
        source = sources[source_of(dataset)]
        checked = _checkable(source, work)
        a, b = complaints(checked), complaints(file)
        old, new, fresh = old + a.total(), new + b.total(), fresh + (b - a).total()
        before, after = before + complaints(checked, "Warning").total(), after + complaints(file, "Warning").total()
        tags = tags or _tags(pydicom.dcmread(source, stop_before_pixels=True, force=True), dataset)
    files = len(list((work / "out").iterdir()))
    unit = np.abs([item.slope for item in volume.source.all_slices]).max()  # type: ignore[attr-defined]
    (stored, padding), (again, _) = _stored(volume), _stored(back)
    error = np.abs(back.image.numpy() - changed.image.numpy())[~padding].max() / unit
    place = np.abs(back.image.affine.numpy() - volume.image.affine.numpy()).max()
    exact = np.array_equal(again[same | padding], stored[same | padding])
    first = f"| {name} | {files} | {old} / {new} | **{fresh}** | {before} / {after} |"
    shape = "x".join(map(str, volume.image.shape))
    second = f"| {name} | {shape} | {written.dtype} | {place:.2g} | {error:.2f} | {'yes' if exact else 'NO'} | {tags} |"
    return first, second


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    first, second, refused = [], [], []
    for folder in parser.parse_args().folders:
        for name, path, options in _inputs(folder):
            for title, volume in _volumes(name, path, options):
                if isinstance(volume, str):
                    refused.append(f"| {title} | {volume} |")
                    continue
                with tempfile.TemporaryDirectory() as work:
                    one, two = _row(title, volume, Path(work))
                first.append(one)
                second.append(two)
    print("| input | files | errors before / after | new errors | warnings before / after |\n|---|---|---|---|---|")
    print("\n".join(first))
    print(
        "\n| input | shape | stored as | largest change of the affine, mm | largest error, rescale units | "
        "untouched voxels bit for bit | public attributes kept / changed / dropped / added, private kept |"
        "\n|---|---|---|---|---|---|---|"
    )
    print("\n".join(second))
    print("\n| refused | message |\n|---|---|")
    print("\n".join(refused))


if __name__ == "__main__":
    main()
