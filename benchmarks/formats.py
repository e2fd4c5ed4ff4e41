# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Every odd input of the development data, one line each: ``DIFFDENOISE_DATA=... python -m benchmarks.formats``.

Each input of class C (DICOM, 2D) and D (odd, broken) is read and denoised with a few iterations (this is about files,
not about quality), under the options that it needs, or the refusal is printed. Then a round trip of each file format
and DICOM layout: what of geometry, number type and stored values comes back.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_diffdenoise.data import ReadOptions, read_volume, write_volume
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline import DenoiseSettings, denoise_volume

__all__ = ["main"]

# What the user has to say so that an input is taken; without it, it is refused with a hint.
NEEDS: dict[str, dict[str, Any]] = {
    "C_dcm_philips_enhanced_fieldmap": {"stack": 1},
    "C_dcm_fakepixels_mixed_orientations": {"stack": 1},
    "C_dcm_rgb_j2k": {"color": "gray"},
    "C_dcm_us_sonosite_ybr_30frames": {"color": "gray", "cine": "time"},
}
_ITERATIONS = 20


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    name: str
    options: str
    shape: str
    spacing: str
    outcome: str


def _message(error: Exception, source: Path) -> str:
    return " ".join(str(error).split()).replace(str(source) + ": ", "").replace(str(source), source.name)


def _attempt(source: Path, options: dict[str, Any], name: str) -> Line:
    said = " ".join(f"--{key} {value}" for key, value in options.items())
    try:
        volume = read_volume(source, options=ReadOptions(**options))
    except InputError as error:
        return Line(name, said, "", "", f"refused: {_message(error, source)}")
    channels = len(volume.image)
    shape = " x ".join(map(str, volume.image.shape[1:])) + (f", {channels} channels" if channels > 1 else "")
    spacing = " x ".join(f"{s:.3g}" for s in volume.spacing)
    try:
        settings = DenoiseSettings(preset="fast", iterations=_ITERATIONS, validate_every=10, channels=4)
        result = denoise_volume(volume, settings)
    except InputError as error:
        return Line(name, said, shape, spacing, f"read; not denoised: {_message(error, source)}")
    returned = any("returned unchanged" in warning for warning in result.report["warnings"])
    return Line(name, said, shape, spacing, "denoised" + (" (no gain found, returned unchanged)" if returned else ""))


def sources(data: Path) -> list[Path]:
    """Classes C and D; a folder with several encodings of one image counts as one input each."""
    found = []
    for path in sorted(entry for entry in data.iterdir() if entry.name.startswith(("C_", "D_"))):
        if path.name == "C_dcm_transfer_syntaxes":
            found += sorted(path.iterdir())
        else:
            found.append(path)
    return found


def print_inputs(data: Path) -> None:
    """The table of inputs."""
    print("| input | options | voxels | mm | outcome |")
    print("|---|---|---|---|---|")
    for source in sources(data):
        name = source.relative_to(data).as_posix()
        tries = [{}, NEEDS[source.name]] if source.name in NEEDS else [{}]
        for options in tries:
            line = _attempt(source, options, name)
            print(f"| {line.name} | {line.options} | {line.shape} | {line.spacing} | {line.outcome} |", flush=True)


def print_encodings(data: Path) -> None:
    """Whether all encodings of one image give the same pixels."""
    folder = data / "C_dcm_transfer_syntaxes"
    volumes = [read_volume(path) for path in sorted(folder.iterdir())]
    same = [torch.equal(volume.image.as_tensor(), volumes[0].image.as_tensor()) for volume in volumes]
    print(f"\nencodings of C_dcm_transfer_syntaxes with identical pixels: {sum(same)} of {len(same)}")


def _round_trip(name: str, source: Path, ending: str, options: dict[str, Any]) -> str:
    volume = read_volume(source, options=ReadOptions(**options))
    image = volume.image.as_tensor().clone()
    # One voxel in a hundred becomes the middle of the range; the others must come back bit for bit.
    touched = torch.rand(image.shape, generator=torch.Generator().manual_seed(0)) < 0.01
    middle = (image.max() + image.min()) / 2
    changed = torch.where(touched, middle, image)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "out" + ending)
        try:
            written = write_volume(volume.with_image(changed), target)
            again = read_volume(target)
        except InputError as error:
            return f"| {name} | {ending or 'series'} | refused: {_message(error, source)} | | | | |"
        kept = np.allclose(np.asarray(again.image.affine), np.asarray(volume.image.affine), atol=1e-4)
        if again.image.shape != volume.image.shape:
            return f"| {name} | {ending or 'series'} | shape {tuple(again.image.shape)} | | | | |"
        rest = ~touched if volume.finite is None else ~touched & volume.finite
        untouched = torch.equal(again.image.as_tensor()[rest], image[rest])
        slope = max(abs(volume.source.native.slope), 1e-30)
        error = float((again.image.as_tensor() - changed)[touched].abs().max()) / slope
        return (
            f"| {name} | {ending or 'series'} | {'same' if kept else 'changed'} | {volume.source.native.dtype.name} -> "
            f"{written.dtype} | {'bit for bit' if untouched else 'changed'} | {error:.3g} | "
            f"{volume.nonfinite} -> {again.nonfinite} |"
        )


ROUND_TRIPS: list[tuple[str, str, dict[str, Any]]] = [
    ("D_nii_made_sclslope_inter.nii.gz", ".nii.gz", {}),
    ("D_nii_bigendian_float_zstat.nii.gz", ".nii.gz", {}),
    ("D_nii_made_nan_inf.nii.gz", ".nii.gz", {}),
    ("D_nii_made_float64_1e-9.nii.gz", ".nii", {}),
    ("D_nii_example4d_aniso_int16.nii.gz", ".mha", {}),
    ("D_nii_example4d_aniso_int16.nii.gz", ".nrrd", {}),
    ("D_nii_made_nan_inf.nii.gz", ".mha", {}),
    ("D_nii_fieldmap_hz_signed.nii", ".tif", {}),
    ("C_png_xray_nih_1.png", ".png", {}),
    ("C_png_xray_nih_1.png", ".tif", {}),
    ("C_dcm_philips_dstream_acr_rescale", "", {}),
    ("C_dcm_ct_siemens_j2k", "", {}),
    ("C_dcm_ct_philips_gantry_tilt", "", {}),
    ("C_dcm_pet_nema_recon2_8slices", "", {}),
    ("C_dcm_hitachi", "", {}),
    ("C_dcm_siemens_sola_enhanced_multiframe", "", {}),
    ("C_dcm_philips_enhanced_fieldmap", "", {"stack": 1}),
    ("C_dcm_ct_siemens_j2k", ".nii.gz", {}),
    ("C_dcm_ct_siemens_j2k", ".nrrd", {}),
]


def print_round_trips(data: Path) -> None:
    """The table of round trips."""
    print(
        "\n| input | written as | affine | stored as | untouched voxels | touched: error, stored units | no value |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, ending, options in ROUND_TRIPS:
        print(_round_trip(name, data / name, ending, options), flush=True)
    mosaic = sorted((data / "C_dcm_transfer_syntaxes").iterdir())[0]
    print(_round_trip("C_dcm_transfer_syntaxes (mosaic)", mosaic, "", {}))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("inputs", "encodings", "round-trips"))
    chosen = parser.parse_args()
    folder = os.environ.get("DIFFDENOISE_DATA")
    if not folder:
        raise SystemExit("set DIFFDENOISE_DATA to the folder of the development data")
    warnings.simplefilter("ignore")
    parts = {"inputs": print_inputs, "encodings": print_encodings, "round-trips": print_round_trips}
    for name, part in parts.items():
        if chosen.only in (None, name):
            part(Path(folder))


if __name__ == "__main__":
    main()
