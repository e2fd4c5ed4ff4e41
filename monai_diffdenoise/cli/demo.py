# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""``diffdenoise demo``: the whole way on the built-in phantom."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from monai_diffdenoise.cli.denoise import say, write_json
from monai_diffdenoise.errors import InputError

__all__ = ["Demo"]

_FILES = ("clean.nii.gz", "noisy.nii.gz", "denoised.nii.gz", "report.json")

# The names of ``transforms.noise.NOISE_KINDS``, which cannot be asked for without loading torch.
NoiseKind = Literal[
    "gaussian",
    "rician",
    "correlated",
    "poisson",
    "poisson-gaussian",
    "gamma",
    "noncentral-chi",
    "ct",
    "zero-filled",
    "varying",
]


@dataclass(frozen=True)
class Demo:
    """Make a noisy phantom, denoise it from itself alone, and compare with the truth, which only the scores see."""

    out: Annotated[
        Path, tyro.conf.arg(help="Folder for clean, noisy and denoised volume and report; its own files are replaced.")
    ] = Path("diffdenoise-demo")
    preset: Annotated[Literal["fast", "balanced", "best"], tyro.conf.arg(help="How much time to spend.")] = "fast"
    noise: Annotated[NoiseKind, tyro.conf.arg(help="Kind of noise.")] = "gaussian"
    sigma: Annotated[float, tyro.conf.arg(help="Standard deviation of the noise, as a share of the range.")] = 0.1
    seed: Annotated[int, tyro.conf.arg(help="Seed of phantom, noise and training.")] = 0
    device: Annotated[str, tyro.conf.arg(help="auto, cpu, cuda ...")] = "auto"

    def run(self) -> int:
        """Do it; returns the exit code."""
        started = time.perf_counter()
        from monai_diffdenoise.data import read_volume, volume_from_array, write_volume
        from monai_diffdenoise.data.phantom import add_noise, make_phantom
        from monai_diffdenoise.engines import ProgressDisplay
        from monai_diffdenoise.metrics.reference import reference_scores
        from monai_diffdenoise.pipeline.run import denoise_volume
        from monai_diffdenoise.pipeline.settings import DenoiseSettings

        if not 0 < self.sigma <= 1:
            raise InputError(f"got sigma = {self.sigma}; expected a number above 0, at most 1")
        if self.out.exists() and not self.out.is_dir():
            raise InputError(f"got --out {self.out}, which is a file; expected a folder")
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"got --out {self.out}, which cannot be made ({error.strerror}); choose another place"
            ) from error
        files = {name: self.out / name for name in _FILES}
        clean = make_phantom(seed=self.seed)
        noisy = add_noise(clean, self.noise, self.sigma, seed=self.seed + 1)
        for name, array in (("clean.nii.gz", clean), ("noisy.nii.gz", noisy)):
            write_volume(volume_from_array(array[None]), files[name], overwrite=True)
        # from here on as any user's file: read from the disk, no knowledge of the truth
        volume = read_volume(files["noisy.nii.gz"])
        with ProgressDisplay() as display:
            settings = DenoiseSettings(preset=self.preset, seed=self.seed, device=self.device)
            result = denoise_volume(volume, settings, progress=display)
        write_volume(result.volume, files["denoised.nii.gz"], overwrite=True)
        truth, mask = clean[None], clean[None] > 0.15
        before = reference_scores(noisy[None], truth, data_range=1.0, mask=mask)
        after = reference_scores(result.image.as_tensor(), truth, data_range=1.0, mask=mask)
        report = result.report
        report["timings_s"]["total"] = round(time.perf_counter() - started, 3)
        report["before"], report["after"] = before.as_dict(), after.as_dict()
        write_json(report, files["report.json"], overwrite=True)
        shape = " x ".join(map(str, clean.shape))
        print(
            f"phantom {shape}, {self.noise} noise of {self.sigma:g}, scored where the truth is above 0.15, data range 1"
        )
        print(
            f"PSNR {before.psnr:.2f} -> {after.psnr:.2f} dB   SSIM {before.ssim:.3f} -> {after.ssim:.3f}   "
            f"bias {after.bias:+.4f}"
        )
        for warning in report["warnings"]:
            say(f"warning: {warning}")
        print(f"{report['timings_s']['total']:.0f} s; volumes and report in {self.out}/")
        return 0
