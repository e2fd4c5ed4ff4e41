# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Conditional diffusion on noisy slices, small enough for one core: what makes the noise come back, and what does not.

    python -m benchmarks.diffusion_toy --data ../shared/data --out /tmp/toy [--sigma 25 6] [--only same independent]

Slices of the ICBM152 template with Gaussian noise of sigma / 255; a small blind-spot network makes the condition, a
small ``ConditionalDiffusion`` is trained on (condition, target) pairs of one crop, and both that crop ("seen") and
another one ("other") are scored where the template is above 0.15. The clean template is used for the scores alone.
Writes rows.jsonl (one line a score), table.md and the weights to --out; what is there already is not run again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.diffusion_toy_data import load, slices
from benchmarks.diffusion_toy_run import Scorer, Variant, fuse, run
from benchmarks.diffusion_toy_table import table

__all__ = ["VARIANTS", "main"]

_FREE = Variant("independent")
VARIANTS: dict[str, Variant] = {
    "regression": Variant(regression=True),
    "regression, noise 0.5": Variant(regression=True, noise=0.5),
    "regression, noise 1": Variant(regression=True, noise=1.0),
    "regression, independent": replace(_FREE, regression=True),
    "same, as published": Variant(residual=False, prediction="epsilon", p=1),
    "same, image state": Variant(residual=False),
    "same": Variant(full=True),
    "same, noise 0.5": Variant(noise=0.5),
    "same, noise 1": Variant(noise=1.0, full=True),
    "independent, image state": replace(_FREE, residual=False),
    "independent": replace(_FREE, full=True),
    "independent, x0": replace(_FREE, prediction="sample"),
    "independent, epsilon": replace(_FREE, prediction="epsilon"),
    "independent, cosine": replace(_FREE, schedule="cosine"),
    "independent, min-SNR": replace(_FREE, weighting="min_snr"),
    "independent, antithetic": replace(_FREE, antithetic=True),
    "recorrupted": Variant("recorrupted"),
    "recorrupted, tau 0.5": Variant("recorrupted", tau=0.5),
    "neighbor": Variant("neighbor"),
    "independent, noisy shown": replace(_FREE, show=True),
    "independent, noisy shown, late times": replace(_FREE, show=True, low=0.5),
    "regression, independent, noisy shown": replace(_FREE, show=True, regression=True),
    "recorrupted, noisy shown": Variant("recorrupted", show=True, tau=0.5),
    "recorrupted, noisy shown, late times": Variant("recorrupted", show=True, tau=0.5, low=0.5),
    "regression, recorrupted, noisy shown": Variant("recorrupted", show=True, tau=0.5, regression=True),
}
"""Names of what is compared; "noisy shown" conditions on the noisy slice, too, which only leak-free targets allow."""


def main() -> None:
    """Train and score the variants."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the class B volumes")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--sigma", type=float, nargs="+", default=[25.0, 6.0], help="noise, in 1/255")
    parser.add_argument("--only", nargs="+", default=list(VARIANTS), help="variants to run, by name; default all")
    parser.add_argument("--iterations", type=int, default=400, help="steps of each training")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = options.out / "rows.jsonl"
    found = [json.loads(line) for line in rows.read_text().splitlines()] if rows.exists() else []
    done = {(row["sigma"], row["method"].split(":")[0]) for row in found}
    for level in options.sigma:
        toy = load(options.data, level / 255, options.out, options.iterations)
        score = Scorer(toy, options.out)
        if (round(level), "noisy") not in done:
            noisy, blind = ({c: slices(v) for c, v in part.items()} for part in (toy.noisy, toy.condition))
            fused = {crop: fuse(noisy[crop], blind[crop], toy.sigma) for crop in noisy}
            for name, results in {"noisy": noisy, "BSN": blind, "BSN + fusion": fused}.items():
                score(name, results)
        for name in options.only:
            if (round(level), name) not in done:
                run(toy, name, replace(VARIANTS[name], iterations=options.iterations), score)
    (options.out / "table.md").write_text(table([json.loads(line) for line in rows.read_text().splitlines()]))


if __name__ == "__main__":
    main()
