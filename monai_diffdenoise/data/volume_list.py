# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""From one name, a file, a folder or the built-in phantom, to the list of volumes that a bundle works on."""

from __future__ import annotations

import os
from pathlib import Path

from monai_diffdenoise.data.dicom_files import is_dicom
from monai_diffdenoise.data.formats import ending_of, format_of_name, known_endings
from monai_diffdenoise.data.io import check_output, read_volume
from monai_diffdenoise.data.nifti import is_nifti
from monai_diffdenoise.data.phantom import add_noise, phantom_volume
from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.errors import InputError

__all__ = ["PHANTOM", "open_volume", "volume_datalist", "volume_paths"]

PHANTOM = "phantom"
"""The word that stands for the built-in phantom with Gaussian noise of 0.1, so that a bundle runs without data."""


def open_volume(path: str | os.PathLike[str], series: str | None = None) -> Volume:
    """Read a volume with :func:`~monai_diffdenoise.data.read_volume`; the word ``phantom`` makes one.

    Args:
        path: image file, DICOM file, folder with one DICOM series, or ``phantom``.
        series: which series of a folder.

    Returns:
        the volume as read.
    """
    if str(path) == PHANTOM:
        volume = phantom_volume()
        return volume.with_image(add_noise(volume.image, "gaussian", 0.1, seed=1))
    return read_volume(path, series=series)


def volume_paths(dataset_dir: str | os.PathLike[str]) -> list[str]:
    """List the volumes of a data set, sorted by name.

    Args:
        dataset_dir: one file; a folder whose files are one DICOM series; a folder with image files, or with folders
            that hold one DICOM series each; or the word ``phantom``. Hidden files are passed over, data files that a
            header (.mhd, .nhdr, .hdr) speaks for, and pictures (PNG, TIFF) where anything else is a volume.

    Returns:
        names that :func:`open_volume` takes, at least one.

    Raises:
        InputError: nothing there that could be read.
    """
    root = Path(str(dataset_dir))
    if str(dataset_dir) == PHANTOM or root.is_file():
        return [str(dataset_dir)]
    if not root.is_dir():
        raise InputError(
            f"got dataset_dir {root}, which does not exist; expected an image or DICOM file, a folder of volumes, or "
            f"the word {PHANTOM}"
        )
    entries = sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    files = [entry for entry in entries if entry.is_file()]
    volumes = [file for file in files if _is_volume(file)]
    if not volumes and any(is_dicom(file) for file in files):
        return [str(root)]
    volumes += [folder for folder in entries if folder.is_dir() and _holds_dicom(folder)]
    volumes = volumes or [file for file in files if _is_picture(file)]
    if not volumes:
        raise InputError(
            f"got dataset_dir {root}, in which no volume was found; expected files ({known_endings()}), a DICOM "
            "series, or folders with one DICOM series each"
        )
    return [str(volume) for volume in sorted(volumes)]


def volume_datalist(
    dataset_dir: str | os.PathLike[str],
    output_dir: str | os.PathLike[str] | None = None,
    postfix: str = "_denoised",
    overwrite: bool = False,
) -> list[dict[str, str]]:
    """MONAI's list of dictionaries for a data set, with the place of each result, checked before work starts.

    Args:
        dataset_dir: see :func:`volume_paths`.
        output_dir: folder of the results; None for none. It need not exist yet.
        postfix: goes between the name and the ending of a result, so that none takes the name of its input.
        overwrite: whether existing results may be replaced.

    Returns:
        dictionaries with ``image`` and, if ``output_dir`` is given, ``output``: a file of the same format for a file, a
        folder (with a slash at its end) for DICOM.

    Raises:
        InputError: no volume, results that would lie among the inputs, or a result that exists already.
    """
    paths = volume_paths(dataset_dir)
    if output_dir is None:
        return [{"image": path} for path in paths]
    folder = Path(str(output_dir))
    if not postfix or Path(postfix).name != postfix:
        raise InputError(f"got postfix {postfix!r}; expected a few letters that may stand in a file name")
    data = Path(str(dataset_dir)).resolve()
    if (
        str(dataset_dir) != PHANTOM
        and Path(str(dataset_dir)).is_dir()
        and data in (folder.resolve(), *folder.resolve().parents)
    ):
        raise InputError(
            f"got output_dir {folder}, which lies in dataset_dir {dataset_dir}; expected a folder of its own, since "
            "results must not be taken for inputs"
        )
    datalist = [{"image": path, "output": str(folder / _result_name(path, postfix)) + _slash(path)} for path in paths]
    taken = [item["output"] for item in datalist]
    if clash := next((name for name in taken if taken.count(name) > 1), None):
        raise InputError(f"got two volumes in {dataset_dir} whose results would both be {clash}; rename one of them")
    if folder.is_dir():
        for item in datalist:
            sources = [] if item["image"] == PHANTOM else [item["image"]]
            check_output(item["output"], sources, overwrite=overwrite)
    return datalist


def _is_volume(file: Path) -> bool:
    kind = format_of_name(file.name)
    if kind is None or kind.picture:
        return False
    # Many programs call their headers .hdr.
    return ".hdr" not in kind.endings or is_nifti(file)


def _is_picture(file: Path) -> bool:
    kind = format_of_name(file.name)
    return kind is not None and kind.picture


def _result_name(path: str, postfix: str) -> str:
    if path == PHANTOM:
        return f"{PHANTOM}{postfix}.nii.gz"
    name, ending = Path(path).resolve().name, ending_of(Path(path).name)
    kind = format_of_name(path)
    return name.removesuffix(ending) + postfix + ((kind and kind.written_as) or ending)


def _slash(path: str) -> str:
    return "" if path == PHANTOM or ending_of(Path(path).name) else "/"


def _holds_dicom(folder: Path) -> bool:
    for parent, subfolders, names in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        if any(is_dicom(Path(parent, name)) for name in names if not name.startswith(".")):
            return True
    return False
