# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What comes back of a file: values, geometry, number type, header.

    python -m benchmarks.round_trip --data ../shared/data

The first table writes every class C and D input that is read, unchanged, in its own format (a file; DICOM series are
the affair of other tests) and in every other one, and reads it again. Told are the number type, the largest difference
of a value in units of the data (0 where every value is the same), and the largest difference of the affine in mm
(pictures: of the pixel size). The second table adds 1 to every voxel and asks other programs' readers what they find
before and after. MetaImage, NRRD and TIFF inputs are made by those programs from a NIfTI file of the data.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import nrrd
import numpy as np
import SimpleITK
import tifffile
from PIL import Image

from monai_diffdenoise.data import Volume, read_volume, write_volume
from monai_diffdenoise.data.formats import ending_of
from monai_diffdenoise.errors import InputError

__all__ = ["main"]

_ENDINGS = (".nii.gz", ".mha", ".nrrd", ".tif", ".png")
_PICTURES = (".tif", ".png")


def main() -> None:
    """Print both tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the class C and D inputs")
    options = parser.parse_args()
    # A lost position and clipped values are part of the tables.
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        print("| input | shape | stored as | own format | " + " | ".join(_ENDINGS) + " |")
        print("|---" * (4 + len(_ENDINGS)) + "|")
        for entry in sorted(options.data.iterdir()):
            if entry.name[:2] in ("C_", "D_"):
                print("| " + " | ".join(_conversions(entry, Path(folder))) + " |", flush=True)
        print("\n| format | read by | numbers | number type | geometry and header fields | other than before |")
        print("|---|---|---|---|---|---|")
        for path, reader, facts in _samples(options.data, Path(folder)):
            print("| " + " | ".join(_changed(path, reader, facts, Path(folder))) + " |", flush=True)


def _values(volume: Volume) -> np.ndarray:
    values = np.empty(tuple(volume.image.shape))
    for block in volume.source.blocks():
        values[block.index] = block.physical()
    return values


def _content(path: Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def _conversions(entry: Path, folder: Path) -> list[str]:
    try:
        volume = read_volume(entry)
    except InputError as error:
        return [entry.name, "refused: " + str(error).replace(str(entry.parent) + "/", "").replace("|", "/")]
    native, values = volume.source.native, _values(volume)
    scale = f" x {native.slope:.6g} {native.inter:+.6g}" if (native.slope, native.inter) != (1.0, 0.0) else ""
    row = [entry.name, "x".join(str(int(n)) for n in volume.image.shape), native.dtype.name + scale]
    row.append("-" if volume.source.format == "dicom" else _own(volume, entry, folder))
    for ending in _ENDINGS:
        try:
            write_volume(volume, folder / f"other{ending}", overwrite=True)
        except InputError:
            row.append("refused")
            continue
        back = read_volume(folder / f"other{ending}")
        other = _values(back).reshape(values.shape)
        same = np.array_equal(values, other, equal_nan=True)
        finite = np.isfinite(values)
        error = 0.0 if same else float(np.abs(values[finite] - other[finite]).max())
        if ending in _PICTURES:
            moved = np.abs(np.subtract(back.spacing[:2], volume.spacing[:2])).max()
        else:
            moved = np.abs(back.image.affine.numpy() - volume.image.affine.numpy()).max()
        row.append(f"{back.source.native.dtype.name}, {error:.1g}, {moved:.1g} mm")
    return row


def _own(volume: Volume, entry: Path, folder: Path) -> str:
    out = folder / f"own{ending_of(entry)}"
    write_volume(volume, out, overwrite=True)
    if _content(out) == _content(entry):
        return "every byte"
    pairs = zip(volume.source.blocks(), read_volume(out).source.blocks(), strict=True)
    return "every number" if all(a.stored.tobytes() == b.stored.tobytes() for a, b in pairs) else "DIFFERENT"


def _samples(data: Path, folder: Path) -> list[tuple[Path, str, Callable[[Path], tuple[np.ndarray, dict[str, Any]]]]]:
    origin = nib.load(data / "D_nii_example4d_aniso_int16.nii.gz")
    stored = np.asarray(origin.dataobj)[..., 0]
    image = SimpleITK.ReadImage(str(data / "D_nii_made_sclslope_inter.nii.gz"))
    oblique = SimpleITK.GetImageFromArray(stored.T)
    oblique.SetDirection(image.GetDirection())
    oblique.SetSpacing((2.0, 2.0, 2.2))
    oblique.SetOrigin((-117.8, 35.7, -7.2))
    oblique.SetMetaData("Modality", "MET_MOD_MR")
    for name, packed in (("raw.mha", False), ("packed.mha", True), ("raw.nrrd", False), ("packed.nrrd", True)):
        SimpleITK.WriteImage(oblique, str(folder / name), packed)
    picture = stored.T.astype("u2")
    meta = {"axes": "ZYX", "spacing": 2.2, "unit": "mm"}
    tifffile.imwrite(folder / "imagej.tif", picture, imagej=True, resolution=(0.5, 0.5), metadata=meta)
    tifffile.imwrite(
        folder / "ome.tif", picture, ome=True, compression="zlib", metadata={"axes": "ZYX", "PhysicalSizeX": 2000}
    )
    return [
        *((data / name, "nibabel", _by_nibabel) for name in _niftis(data)),
        (folder / "raw.mha", "SimpleITK", _by_itk),
        (folder / "packed.mha", "SimpleITK", _by_itk),
        (folder / "raw.nrrd", "pynrrd", _by_pynrrd),
        (folder / "packed.nrrd", "SimpleITK", _by_itk),
        (folder / "imagej.tif", "tifffile", _by_tifffile),
        (folder / "ome.tif", "tifffile", _by_tifffile),
        (data / "C_png_xray_nih_1.png", "Pillow", _by_pillow),
    ]


def _niftis(data: Path) -> list[str]:
    odd = ("empty", "truncated", "rgba")
    return sorted(path.name for path in data.glob("D_nii_*") if not any(word in path.name for word in odd))


def _changed(
    path: Path, reader: str, facts: Callable[[Path], tuple[np.ndarray, dict[str, Any]]], folder: Path
) -> list[str]:
    volume = read_volume(path)
    out = folder / f"changed{ending_of(path)}"
    # A few steps of the number type, so that rounding shows.
    step = 1.0 if volume.source.native.dtype.kind == "f" else abs(volume.source.native.slope) * 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written = write_volume(volume.with_image(volume.image + step), out, overwrite=True)
    (before, old), (after, new) = facts(path), facts(out)
    finite = np.isfinite(before)
    difference = after[finite].astype(np.float64) - before[finite] - step
    numbers = (
        f"+{step:g} within {np.abs(difference).max():.1g}" if not written.clipped else f"{written.clipped} clipped"
    )
    differ = {key.split(":")[-1]: 0 for key in {**old, **new} if str(old.get(key)) != str(new.get(key))}
    kind = f"{before.dtype.name}" if reader != "nibabel" else str(old["data_type as stored"])
    return [path.name, reader, numbers, kind, f"{len(old)}", ", ".join(differ) or "none"]


def _by_nibabel(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    image = nib.load(path)
    fields = {key: image.header[key].tolist() for key in image.header}
    extra = {
        "affine": image.affine.tolist(),
        "data_type as stored": image.get_data_dtype(),
        "order": image.header.endianness,
    }
    return image.get_fdata(), {**fields, **extra}


def _by_itk(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    image = SimpleITK.ReadImage(str(path))
    fields = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    place = {"spacing": image.GetSpacing(), "origin": image.GetOrigin(), "direction": image.GetDirection()}
    return SimpleITK.GetArrayFromImage(image), {**fields, **place, "type": image.GetPixelIDTypeAsString()}


def _by_pynrrd(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    values, header = nrrd.read(str(path))
    return values, dict(header)


def _by_tifffile(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    with tifffile.TiffFile(path) as tiff:
        tags = {f"{page.index}:{tag.name}": tag.value for page in tiff.pages for tag in page.tags}
        return tiff.asarray(), {**tags, "axes": tiff.series[0].axes, "order": tiff.byteorder}


def _by_pillow(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    with Image.open(path) as image:
        return np.asarray(image), {**image.info, "mode": image.mode, "size": image.size}


if __name__ == "__main__":
    main()
