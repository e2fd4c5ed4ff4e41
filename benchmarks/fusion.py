# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What posterior fusion gives and costs: one share for the volume, one for each place, one for each band and place.

    python -m benchmarks.fusion --out OUT [--data ../shared/data] [--high-snr]

Estimates of four kinds are fused with the noisy volume, with the noise that is measured in it: blurs that are too
strong, the mean of the neighboring slices (blind to the slice), and one that is nearly right (the clean volume, a
little blurred, with an error of its own), which fusion can easily harm. The phantom, and with class B volumes (data or
DIFFDENOISE_DATA) crops of them, under white and correlated noise. ``--high-snr`` does what the program does, on volumes
with little noise and on some with more: no result may be more than 0.1 dB below its input. "map" takes the noise from
differences of matched slices, the others from ``measure_noise``. The clean CT holds noise of its own, of
0.7 % of its range.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from scipy.ndimage import gaussian_filter

from benchmarks import cases
from benchmarks.fusion_high_snr import high_snr_rows, high_snr_table, markdown
from monai_diffdenoise.analysis import NoiseMeasurement, measure_noise
from monai_diffdenoise.data.phantom import make_phantom
from monai_diffdenoise.inferers import fuse_volume, fuse_volume_bands
from monai_diffdenoise.transforms import MatchedRegionWeight
from monai_diffdenoise.transforms.noise import FilteredBackprojection, GaussianKernel, Texture, White
from monai_diffdenoise.transforms.scaling import AffineScaling

__all__ = ["main"]

_TEXTURES: dict[str, Texture] = {
    "white": White(),
    "blurred 0.8 px": GaussianKernel(0.8),
    "CT ramp": FilteredBackprojection(),
}
_LEVELS = (0.02, 0.05, 0.1)
_CROPS = {"icbm152": "icbm152_crop96x96x40", "ct": "ct_mid122x101x64"}
_SLICES = slice(4, 28)
_INSIDE = 0.15
_UNIT = AffineScaling(0.0, 1.0)
Row = dict[str, Any]


def main() -> None:
    """Run what is asked for, write rows as JSON and tables as Markdown, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("DIFFDENOISE_DATA"), help="class B volumes")
    parser.add_argument("--out", type=Path, required=True, help="folder for the rows and tables")
    parser.add_argument("--high-snr", action="store_true", help="what the program does on volumes with little noise")
    parser.add_argument("--only", default="", help="only cases whose name holds this")
    parser.add_argument("--method", default="ns-n2n", choices=["ns-n2n", "bsn", "auto"], help="for --high-snr")
    parser.add_argument("--iterations", type=int, help="for --high-snr; none: those of the preset fast")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    name = "high_snr" if options.high_snr else "fusion"
    rows: list[Row] = []
    for row in high_snr_rows(options) if options.high_snr else _rows(options.data, options.only):
        rows.append(row)
        (options.out / f"{name}.json").write_text(json.dumps(rows, indent=1))
        print(" ".join(f"{key}={_short(value)}" for key, value in row.items()), flush=True)
    table = (high_snr_table if options.high_snr else _tables)(rows)
    (options.out / f"{name}.md").write_text(table)
    print(table)


def _short(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _clean_volumes(data: Path | None) -> Iterator[tuple[str, torch.Tensor]]:
    """Name and (X, Y, Z) in 0 to 1."""
    yield "phantom", make_phantom((96, 96, 32))[..., _SLICES].reshape(96, 96, -1).float()
    for name, key in _CROPS.items() if data is not None else ():
        case = cases.load_case(f"B_{key}_gaussian_0.1", Path(str(data)), 0)
        low = case.volume.image.as_tensor() * 0 + cases._CLEAN[key]["limits"][0]
        yield name, ((case.reference - low) / case.data_range)[0, :96, :96, _SLICES].contiguous()


def _blur(volume: torch.Tensor, width: float) -> torch.Tensor:
    return torch.from_numpy(gaussian_filter(volume.numpy(), (width, width, 0)))


def _estimates(noisy: torch.Tensor, clean: torch.Tensor, sigma: float) -> Iterator[tuple[str, torch.Tensor]]:
    yield "blur 2 px", _blur(noisy, 2.0)
    yield "blur 1 px", _blur(noisy, 1.0)
    depth = noisy.shape[2]
    before, after = ([abs(k + step) if k + step < depth else k - step for k in range(depth)] for step in (-1, 1))
    yield "neighbors", (noisy[..., before] + noisy[..., after]) / 2
    own = _blur(torch.randn(clean.shape, generator=torch.Generator().manual_seed(99)), 1.0)
    yield "nearly right", _blur(clean, 0.7) + 0.17 * sigma * own / own.std()


def _rows(data: Path | None, only: str) -> Iterator[Row]:
    for name, clean in _clean_volumes(data):
        for kind, texture in _TEXTURES.items():
            for sigma in _LEVELS:
                case = f"{name}, {kind}, {sigma}"
                if only not in case:
                    continue
                noise = sigma * texture.draw((1, *clean.shape), torch.Generator().manual_seed(1))[0]
                noisy = clean + noise
                measured = measure_noise(noisy[None], 2)
                weight = MatchedRegionWeight(2, 1, sigma=measured.sigma)(noisy[None])[0]
                for estimate, denoised in _estimates(noisy, clean, sigma):
                    row: Row = {"image": name, "noise": kind, "sigma": sigma, "estimate": estimate}
                    row["sigma_measured"] = measured.sigma
                    outputs = {"noisy": noisy, "estimate": denoised}
                    for fusion, work in _fusions(measured, weight).items():
                        start = time.perf_counter()
                        outputs[fusion] = work(noisy, denoised)
                        row[f"{fusion} seconds"] = time.perf_counter() - start
                    for output, values in outputs.items():
                        error, inside = (values - clean).double(), clean > _INSIDE
                        row[f"{output} PSNR"] = -10 * math.log10(float(error[inside].square().mean()))
                        row[f"{output} bias"] = float(error[inside].mean())
                        row[f"{output} gain"] = float((error * noise)[inside].sum() / noise[inside].square().sum())
                    yield row


def _fusions(
    measured: NoiseMeasurement, weight: torch.Tensor
) -> dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]]:
    sigma = measured.sigma

    def scalar(noisy: torch.Tensor, denoised: torch.Tensor) -> torch.Tensor:
        removed = noisy - denoised
        return denoised + max(0.0, 1 - sigma**2 / float(removed.square().mean())) * removed

    def local(noisy: torch.Tensor, denoised: torch.Tensor) -> torch.Tensor:
        return fuse_volume(noisy, denoised, None, sigma, _UNIT)[0]

    def mapped(noisy: torch.Tensor, denoised: torch.Tensor) -> torch.Tensor:
        return fuse_volume(noisy, denoised, weight, sigma, _UNIT)[0]

    def bands(noisy: torch.Tensor, denoised: torch.Tensor, margin: float = 1.25) -> torch.Tensor:
        correlation = measured.spectrum.autocorrelation
        return fuse_volume_bands(noisy, denoised, None, sigma, _UNIT, margin=margin, autocorrelation=correlation)[0]

    return {
        "scalar": scalar,
        "local map": mapped,
        "local": local,
        "bands": bands,
        "bands, margin 1": partial(bands, margin=1.0),
    }


def _mean(rows: list[Row], key: str) -> float:
    return sum(row[key] for row in rows) / len(rows)


def _tables(rows: list[Row]) -> str:
    kinds = ["noisy", "estimate", "scalar", "local map", "local", "bands", "bands, margin 1"]
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["noise"], f"{row['sigma']:g}", row["estimate"]), []).append(row)
    text = f"PSNR in dB, mean over {len({row['image'] for row in rows})} images\n\n"
    text += markdown(
        ["noise", "sigma", "estimate", *kinds],
        [[*key, *(f"{_mean(found, f'{kind} PSNR'):.2f}" for kind in kinds)] for key, found in groups.items()],
    )
    lines = []
    for kind in kinds[1:]:
        gains = [(row[f"{kind} PSNR"] - row["estimate PSNR"], row) for row in rows]
        least, worst = min(gains, key=lambda pair: pair[0])
        where = ", ".join(str(worst[part]) for part in ("image", "noise", "sigma", "estimate"))
        lines.append(
            [
                kind,
                f"{_mean(rows, f'{kind} PSNR'):.2f}",
                f"{least:+.2f} ({where})" if kind != "estimate" else "",
                f"{100 * max(abs(row[f'{kind} bias']) for row in rows):.2f}",
                f"{_mean(rows, f'{kind} gain'):.3f}",
                f"{_mean(rows, f'{kind} seconds'):.2f}" if kind != "estimate" else "",
            ]
        )
    text += "\nOver all cases; the least is against the estimate that was fused\n\n"
    return text + markdown(["", "PSNR dB", "least gained dB", "largest bias %", "noise gain", "seconds"], lines)


if __name__ == "__main__":
    main()
