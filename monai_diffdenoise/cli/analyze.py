# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""``diffdenoise analyze INPUT``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from monai_diffdenoise.data.read_options import ReadOptions
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.settings import DenoiseSettings

if TYPE_CHECKING:
    from monai_diffdenoise.analysis import NoiseMeasurement

__all__ = ["Analyze"]


@dataclass(frozen=True)
class Analyze:
    """Measure the noise of a volume, series or image, and say what denoise would do with it, and why."""

    input: Annotated[
        tyro.conf.Positional[Path], tyro.conf.arg(metavar="INPUT", help="Image file, DICOM file or folder.")
    ]
    json: Annotated[Path | None, tyro.conf.arg(help="Write measurement and plan here (.json).")] = None
    figure: Annotated[Path | None, tyro.conf.arg(help="Draw the measurement here (.png, .svg or .pdf).")] = None
    reading: tyro.conf.OmitArgPrefixes[ReadOptions] = field(default_factory=ReadOptions)
    overwrite: Annotated[bool, tyro.conf.arg(help="Allow replacing existing outputs.")] = False

    def check(self) -> None:
        """Refuse outputs that could not be written, before any work."""
        for path, name, endings in ((self.json, "--json", (".json",)), (self.figure, "--figure", _FIGURES)):
            if path is None:
                continue
            if path.suffix.lower() not in endings:
                raise InputError(f"got {name} {path}; expected a name that ends in {', '.join(endings)}")
            if path.exists() and not self.overwrite:
                raise InputError(f"output {path} exists already: choose another name or allow overwriting")
            if not path.absolute().parent.is_dir():
                raise InputError(f"got {name} {path}, whose folder does not exist; make it first")

    def run(self) -> int:
        """Do it; returns the exit code."""
        self.check()
        from rich.console import Console

        from monai_diffdenoise.cli.denoise import say, write_json
        from monai_diffdenoise.data import read_volume
        from monai_diffdenoise.pipeline.noise_advice import advise, measure_volume
        from monai_diffdenoise.pipeline.plan import make_plan

        volume = read_volume(self.input, options=self.reading)
        noise = measure_volume(volume)
        advice = advise(noise)
        plan, refusal = None, None
        try:
            plan = make_plan(volume, DenoiseSettings(), noise)
        except InputError as error:
            refusal = str(error)
        console = Console(highlight=False, soft_wrap=True)
        console.print(_table(noise))
        for note in volume.notes:
            say(f"note: {note}")
        if plan is not None:
            console.print(f"plan: {plan.summary}", markup=False)
            for line in (*plan.reasons, *(f"warning: {warning}" for warning in plan.warnings)):
                console.print(f"  {line}", markup=False)
        else:
            console.print(f"plan: none; {refusal}", markup=False)
        console.print("what the noise asks for:", markup=False)
        for reason in advice.reasons.values():
            console.print(f"  {reason}", markup=False)
        if self.json is not None:
            chosen = None if plan is None else {k: v for k, v in asdict(plan).items() if k not in ("noise", "advice")}
            report = {
                "input": volume.summary(),
                "noise": noise.to_json(),
                "plan": chosen,
                "advice": asdict(advice),
                "refusal": refusal,
                "notes": list(volume.notes),
            }
            write_json(report, self.json, self.overwrite)
        if self.figure is not None:
            from monai_diffdenoise.report import save_noise_figure

            save_noise_figure(noise, self.figure, overwrite=self.overwrite)
        return 0


_FIGURES = (".png", ".svg", ".pdf")


def _table(noise: NoiseMeasurement) -> Any:
    from rich.table import Table

    table = Table(title="Noise", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for name, value in _rows(noise):
        table.add_row(name, value)
    return table


def _rows(noise: NoiseMeasurement) -> list[tuple[str, str]]:
    """The measurement in words."""
    s, law = noise.spectrum, noise.family
    parameters = ", ".join(f"{name} {value:.4g}" for name, value in law.parameters.items())
    rows = [
        ("sigma", f"{noise.sigma:.4g}" + ("" if noise.certain else " at most: anatomy could not be told from noise")),
        (
            "seen in",
            {"slices": "differences of slices", "repeats": "differences of repeats"}.get(
                noise.basis, "flat places of single images"
            ),
        ),
        ("law", f"{law.name} ({parameters}), misfit {law.misfit:.0%}"),
        ("estimates", ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in noise.estimates.items())),
        (
            "within slices",
            ("white" if s.white else "correlated")
            + f": lag 1 {s.lag(1, 0):.2f} and {s.lag(0, 1):.2f}, lag 2 {s.lag(2, 0):.2f} and {s.lag(0, 2):.2f}",
        ),
    ]
    limits = s.band_limit
    if min(limits) < 0.4:
        rows.append(
            (
                "resampling",
                f"noise ends at {limits[0]:.2f} and {limits[1]:.2f} cycles per pixel: "
                "interpolated, zero-filled or smoothed",
            )
        )
    near = noise.across.at[0]
    rows.append(
        (
            "across slices",
            "not measurable" if near != near else f"{near:.2f} at distance 1, {noise.across.at[1]:.2f} at distance 2",
        )
    )
    if noise.skewness is not None:
        rows.append(("skewness", f"{noise.skewness[0]:.2f} +- {noise.skewness[1]:.2f} (0 is symmetric)"))
    if noise.variation is not None:
        v = noise.variation
        rows.append(
            (
                "over the volume",
                f"{'varies' if v.varies else 'even'}: regions from {v.lowest:.2f} to {v.highest:.2f} of the mean",
            )
        )
    i = noise.intensities
    ends = [
        f"{name} end ({share:.1%} of the voxels)"
        for name, share, cut in (("lower", i.at_lowest, i.clipped_low), ("upper", i.at_highest, i.clipped_high))
        if cut
    ]
    rows.append(
        (
            "values",
            f"{i.lowest:.4g} to {i.highest:.4g}"
            + (f", steps of {i.step:.4g}" if i.step else "")
            + (f", clipped or masked at the {' and the '.join(ends)}" if ends else ""),
        )
    )
    return rows
