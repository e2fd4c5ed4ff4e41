# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Cases for the gates: phantoms with all kinds of noise, clean volumes with added noise, and real scans."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.cases import CASES, load_case
from monai_diffdenoise.data import Volume, read_volume, volume_from_array
from monai_diffdenoise.data.phantom import add_noise, make_phantom

__all__ = ["GateCase", "gate_cases"]

_SIDE, _SLICES = 192, 16
_KINDS = ("gaussian", "rician", "correlated", "poisson", "gamma", "ct", "varying", "zero-filled")
_CLEAN = {
    "icbm152": ("B_clean_icbm152_t1_uint8.nii.gz", (0.0, 90.739), np.s_[40:168, 60:188, 44:60]),
    "t1": ("B_clean_t1_mprage_prisma_crop.nii.gz", (0.0, 629.0), np.s_[64:192, 64:192, 8:24]),
    "ct": ("B_clean_ct_body_3mm_int32.nii.gz", (-1023.0, 781.0), np.s_[0:122, 0:101, 40:56]),
}
# Real scans beyond those of benchmarks/cases.py: each with the kind of data it stands for.
_SCANS = {
    "A_mri_snrpair_siemens_aera/acq1": "MR",
    "A_mri_snrpair_sola_body/acq1": "MR",
    "A_oct_duke_s03/noisy.nii.gz": "OCT",
    "A_oct_duke_s08/noisy.nii.gz": "OCT",
    "A_ct_ldct_L506_1mm/QD": "CT",
    "A_ct_ldct_L506_3mm/s18_QD.nii.gz": "CT",
    "A_ct_ldct_L506_3mm/s88_QD.nii.gz": "CT",
    "A_ct_ldct_L506_3mm/s167_QD.nii.gz": "CT",
    "A_ct_ldct_L506_3mm/s176_QD.nii.gz": "CT",
    "A_ct_lcd_simulated/noisy1.nii.gz": "CT",
    "C_dcm_ge_fse_pd": "MR",
    "C_dcm_ct_siemens_j2k": "CT",
    "C_dcm_pet_nema_recon2_8slices": "PET",
    "C_png_xray_nih_1.png": "X-ray",
}


# The reference has the same contrast and brightness.
_COMPARABLE = ("A_mri_asl_pcasl3d", "A_mri_phantom_philips_highsnr")


@dataclass(frozen=True, eq=False)
class GateCase:
    """A noisy volume, and the truth where it is known.

    Args:
        name: for tables.
        kind: what data it stands for.
        volume: the noisy volume.
        truth: (C, *S), clean, or cleaner; None where there is none that can be compared with.
        mask: where to compare; None for everywhere.
    """

    name: str
    kind: str
    volume: Volume
    truth: torch.Tensor | None = None
    mask: torch.Tensor | None = None

    def error(self, image: torch.Tensor) -> float:
        """Mean squared error in the mask."""
        if self.truth is None:
            return 0.0
        error = (image - self.truth).square()
        return float(error.mean() if self.mask is None else error[self.mask.expand(error.shape)].mean())


def gate_cases(data: Path | None) -> list[GateCase]:
    """All cases; phantoms alone without a folder of data."""
    cases = []
    for seed, kind in enumerate(_KINDS):
        clean = make_phantom((96, 96, 16), seed=seed)
        for strength in (0.05, 0.1):
            noisy = add_noise(clean, kind, strength, seed=seed)
            cases.append(GateCase(f"phantom-{kind}-{strength}", "phantom", volume_from_array(noisy[None]), clean[None]))
    if data is None:
        return cases
    for name, (file, (low, high), crop) in _CLEAN.items():
        clean = ((read_volume(data / file).image.as_tensor()[0][crop] - low) / (high - low)).clamp(min=0.0)
        for kind in ("gaussian", "rician", "correlated", "ct"):
            for strength in (0.05, 0.1):
                noisy = add_noise(clean, kind, strength, seed=1) * (high - low) + low
                truth = (clean * (high - low) + low)[None]
                cases.append(
                    GateCase(
                        f"{name}-{kind}-{strength}", "added noise", volume_from_array(noisy[None], slice_axis=2), truth
                    )
                )
    for name in CASES:
        if name.startswith("A_"):
            kind = "OCT" if "oct" in name else "CT" if "_ct_" in name else "MR"
            case = load_case(name, data, 0)
            like = name in _COMPARABLE and case.reference.shape == case.volume.image.shape
            truth, mask = (_cut_image(t, case.volume) if like else None for t in (case.reference, case.mask))
            cases.append(GateCase(name, kind, _cut(case.volume), truth, mask))
    for name, kind in _SCANS.items():
        cases.append(GateCase(name.replace("/", "-"), kind, _cut(read_volume(data / name))))
    return cases


def _cut(volume: Volume) -> Volume:
    """The middle of a volume: its first time point, so many slices, so many pixels."""
    return volume_from_array(_cut_image(volume.image.as_tensor(), volume), volume.image.affine, volume.slice_axis)


def _cut_image(image: torch.Tensor, volume: Volume) -> torch.Tensor:
    image = image[:1]
    for axis in range(1, image.dim()):
        most = _SLICES if image.dim() == 4 and axis == 1 + volume.slice_axis else _SIDE
        start = max(0, (image.shape[axis] - most) // 2)
        image = image.narrow(axis, start, min(most, image.shape[axis]))
    return image.contiguous()
