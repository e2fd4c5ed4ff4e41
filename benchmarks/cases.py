# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The cases of the first-light benchmark: noisy volumes with what is needed to score a denoised one.

Class A has real noise and is scored as the README of the data says (mask, range, gain and offset, independent repeats);
what is measured and listed there is read from its MANIFEST.json. Class B is a clean volume plus noise of a known
strength.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import binary_erosion

from monai_diffdenoise.data import Volume, read_volume, volume_from_array
from monai_diffdenoise.data.phantom import add_noise

__all__ = ["CASES", "ICBM_CROP", "Case", "known_case", "load_case", "real_case"]


@dataclass(frozen=True, eq=False)
class Case:
    """A noisy volume and how to score what comes of it.

    Args:
        volume: what a method gets, and all that it gets.
        reference: what the output is compared with, (C, *S).
        mask: where, (1, *S) or (C, *S).
        data_range: for PSNR and SSIM.
        sigma: strength of the noise, told to the baselines that ask for it (not to ours).
        pick: the part of the output that the reference shows.
        noise: what was added, where that is known, (C, *S).
        fit_gain: whether gain and offset are fitted to the reference before PSNR and SSIM.
        repeat_sigma: standard deviation of a reference that is a second noisy repeat; its square is taken off the mean
            squared error. 0 for a cleaner reference.
        ssim: whether SSIM means something here.
        listed: PSNR that the MANIFEST lists for noisy, gauss and nlm.
    """

    volume: Volume
    reference: torch.Tensor
    mask: torch.Tensor
    data_range: float
    sigma: float
    pick: Callable[[torch.Tensor], torch.Tensor] = lambda output: output
    noise: torch.Tensor | None = None
    fit_gain: bool = False
    repeat_sigma: float = 0.0
    ssim: bool = True
    listed: dict[str, float] = field(default_factory=dict)


def load_case(name: str, data: Path, seed: int) -> Case:
    """Load one of :data:`CASES`; the seed draws the noise of class B."""
    return CASES[name](data, seed)


def _entry(data: Path, file: str) -> dict[str, Any]:
    entries = json.loads((data / "MANIFEST.json").read_text())["entries"]
    return next(entry for entry in entries if entry["file"] == file)


def _tensor(path: Path) -> torch.Tensor:
    return read_volume(path).image.as_tensor()


def real_case(
    data: Path,
    seed: int,
    *,
    folder: str,
    noisy: str,
    reference: str,
    mask: Callable[[Path, torch.Tensor], torch.Tensor] | None = None,
    listed_under: str = "",
    first_channel: bool = False,
    pick: Callable[[torch.Tensor], torch.Tensor] = lambda output: output,
    repeats: bool = False,
    **how: Any,
) -> Case:
    """A case of class A. Range and sigma are those of the MANIFEST; the seed changes nothing."""
    volume = read_volume(data / folder / noisy)
    if first_channel:
        volume = volume_from_array(volume.image.as_tensor()[:1], volume.image.affine, volume.slice_axis)
    truth = _tensor(data / folder / reference)
    truth = pick(truth) if truth.shape == volume.image.shape else truth
    entry = _entry(data, f"{folder}/{listed_under or noisy}")
    listed = entry["baselines"]
    return Case(
        volume,
        truth,
        (mask or _threshold_mask)(data / folder, truth),
        data_range=listed["range"],
        sigma=entry["noise"]["sigma_robust"],
        pick=pick,
        repeat_sigma=entry["noise"]["sigma"] if repeats else 0.0,
        listed={"noisy": listed["noisy"], "gauss": listed["best_gauss2d"][1], "nlm": listed["nlm2d"]},
        **how,
    )


def _mask_file(name: str, folder: Path, reference: torch.Tensor) -> torch.Tensor:
    return _tensor(folder / name) > 0


def _threshold_mask(folder: Path, reference: torch.Tensor) -> torch.Tensor:
    """The object without its rim: the rule that gives the MANIFEST's range and PSNR where there is no mask file."""
    values = reference.numpy()
    inside = values > 0.3 * np.percentile(values, 99)
    return torch.from_numpy(binary_erosion(inside, np.ones((1, 3, 3, 1), dtype=bool), iterations=2))


def known_case(
    data: Path,
    seed: int,
    *,
    file: str,
    limits: tuple[float, float],
    crop: tuple[slice, slice, slice],
    kind: str,
    strength: float,
) -> Case:
    """A case of class B: scaled to 0..1, noise, scaled back; scored where the clean volume is above 0.15.

    Args:
        data: folder of the data.
        seed: for the noise.
        file: the clean volume.
        limits: what is 0 and what is 1.
        crop: the part that is used.
        kind: of the phantoms' noise.
        strength: sigma as a share of the range.
    """
    whole = read_volume(data / file)
    low, full = limits[0], limits[1] - limits[0]
    # A magnitude has no negative values, so the clean volume must not have any, either.
    clean = ((whole.image.as_tensor()[(slice(None), *crop)] - low) / full).clamp(min=0.0)
    noisy = add_noise(clean, kind, strength, seed)
    affine = np.asarray(whole.image.affine, dtype=np.float64).copy()
    affine[:3, 3] += affine[:3, :3] @ [part.start or 0 for part in crop]
    return Case(
        volume_from_array(noisy * full + low, affine, slice_axis=2),
        clean * full + low,
        clean > 0.15,
        data_range=full,
        sigma=strength * full,
        noise=(noisy - clean) * full,
    )


def _middle(sizes: tuple[int, int, int], part: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    starts = [max(0, (n - p) // 2) for n, p in zip(sizes, part, strict=True)]
    x, y, z = (slice(start, start + min(n, p)) for start, n, p in zip(starts, sizes, part, strict=True))
    return x, y, z


# Limits: 0 and maximum for the template, as in the table of the design; percentiles 0.1 and 99.9 for the other two,
# whose maximum is a few voxels of vessel or metal.
_CLEAN: dict[str, dict[str, Any]] = {
    "icbm152_crop96x96x40": {
        "file": "B_clean_icbm152_t1_uint8.nii.gz",
        "limits": (0.0, 90.739),
        "crop": (slice(55, 151), slice(80, 176), slice(44, 84)),
    },
    "icbm152_mid160x160x64": {
        "file": "B_clean_icbm152_t1_uint8.nii.gz",
        "limits": (0.0, 90.739),
        "crop": _middle((207, 256, 128), (160, 160, 64)),
    },
    "t1_mid160x160x32": {
        "file": "B_clean_t1_mprage_prisma_crop.nii.gz",
        "limits": (0.0, 629.0),
        "crop": _middle((256, 256, 32), (160, 160, 64)),
    },
    "ct_mid122x101x64": {
        "file": "B_clean_ct_body_3mm_int32.nii.gz",
        "limits": (-1023.0, 781.0),
        "crop": _middle((122, 101, 112), (160, 160, 64)),
    },
}

ICBM_CROP = _CLEAN["icbm152_crop96x96x40"]
"""Arguments of :func:`known_case` for the central voxels of the template."""

CASES: dict[str, Callable[[Path, int], Case]] = {
    f"B_{name}_{kind}_{strength}": partial(known_case, kind=kind, strength=strength, **how)
    for name, how in _CLEAN.items()
    for kind in ("gaussian", "rician")
    for strength in (0.05, 0.1)
}
"""Name to a function of (folder of the data, seed)."""

CASES |= {
    # Five B-scans, of which the third has a reference: an average of many, with another brightness mapping.
    "A_oct_duke_s02": partial(
        real_case,
        folder="A_oct_duke_s02",
        noisy="vol5_frames.nii.gz",
        listed_under="noisy.nii.gz",
        reference="ref_matched.nii.gz",
        mask=partial(_mask_file, "mask_tissue.nii.gz"),
        pick=lambda output: output[..., 2:3],
        fit_gain=True,
    ),
    # Channel 0 has another contrast (b = 0) and stronger noise: given to the methods, not scored.
    "A_mri_dwi_trio": partial(
        real_case,
        folder="A_mri_dwi_trio",
        noisy="dwi_rep1.nii.gz",
        reference="dwi_rep2.nii.gz",
        mask=partial(_mask_file, "mask_brain.nii.gz"),
        pick=lambda output: output[1:],
        repeats=True,
        ssim=False,
    ),
    "A_mri_asl_pcasl3d": partial(
        real_case,
        folder="A_mri_asl_pcasl3d",
        noisy="pwi_noisy_pair1.nii.gz",
        reference="pwi_ref_mean_pairs2to8.nii.gz",
        mask=partial(_mask_file, "mask_brain.nii.gz"),
    ),
    # The reference is the mean of the other 19 volumes of the series, so a method gets the first one only.
    "A_mri_phantom_philips_highsnr": partial(
        real_case,
        folder="A_mri_phantom_philips_highsnr",
        noisy="ctl20.nii.gz",
        reference="ref_mean_2to20.nii.gz",
        mask=_threshold_mask,
        first_channel=True,
    ),
    # Another kernel: edges differ, so only the noise in a uniform region is compared.
    "A_ct_headphantom": partial(
        real_case,
        folder="A_ct_headphantom_bone_vs_idose",
        noisy="bone_kernel_noisy.nii.gz",
        reference="std_idose_lownoise.nii.gz",
        mask=partial(_mask_file, "mask_uniform.nii.gz"),
        ssim=False,
    ),
}
