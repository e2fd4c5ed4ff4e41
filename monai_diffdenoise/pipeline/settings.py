# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Every number a user can set, with its default and its help: one source for command line, Python and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal

import tyro

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.presets import PRESETS
from monai_diffdenoise.pipeline.stage_presets import STAGE_PRESETS

__all__ = ["LATER_STAGES", "DenoiseSettings", "resolve"]

LATER_STAGES = (
    *("target", "show_noisy", "recorruption_tau", "recorruptions", "condition_noise"),
    *("sampler", "diffusion_iterations", "diffusion_channels", "sampling_steps", "symmetric_pairs"),
    *("student", "student_iterations", "student_size", "student_channels"),
)
"""Settings that only ``method diffdenoise`` looks at, and only after its blind-spot network."""


def _by_preset(name: str, text: str) -> Any:
    """Help of a setting that the preset fills in; one number where it is the same for all presets of a method."""
    parts = []
    for method, presets in PRESETS.items():
        values = {preset: str(chosen[name]) for preset, chosen in presets.items()}
        same = len(set(values.values())) == 1
        parts.append(f"{method} " + (values["fast"] if same else ", ".join(" ".join(pair) for pair in values.items())))
    return tyro.conf.arg(help=f"{text} None: by preset ({'; '.join(parts)}).")


def _by_stage_preset(name: str, text: str) -> Any:
    """The same for a later stage of diffdenoise."""
    values = [str(chosen[name]) for chosen in STAGE_PRESETS.values()]
    told = values[0] if len(set(values)) == 1 else ", ".join(map(" ".join, zip(STAGE_PRESETS, values, strict=True)))
    return tyro.conf.arg(help=f"{text} None: by preset ({told}).")


def _help(text: str) -> Any:
    return tyro.conf.arg(help=text)


@dataclass(frozen=True)
class DenoiseSettings:
    """How a volume is denoised. All lengths are in pixels or slices, all intensities relative to the volume's range."""

    method: Annotated[
        Literal["auto", "ns-n2n", "bsn", "diffdenoise"],
        _help(
            "Method: ns-n2n learns from pairs of neighboring slices or of repeats; bsn is a network that is blind to "
            "the pixel it estimates, and also works on single images; diffdenoise adds conditional diffusion and a "
            "student to bsn, and returns what scores best. auto chooses by measurement and says why."
        ),
    ] = "auto"
    preset: Annotated[
        Literal["fast", "balanced", "best"],
        _help("How much time to spend; sets what stands with 'by preset' below."),
    ] = "balanced"
    pairing: Annotated[
        Literal["auto", "neighbor", "slice-blind", "repeat"],
        _help(
            "Noisy pairs of ns-n2n: neighbor = slice i and i + distance; slice-blind = slice i from its four "
            "neighbors; repeat = two time points of a 4D series that repeats one image. auto = neighbor. A choice here "
            "also chooses ns-n2n."
        ),
    ] = "auto"
    network: Annotated[
        Literal["auto", "stack", "puca", "lg-bpn"],
        _help(
            "Network of bsn: stack = small, for CPUs, any blind spot; puca = PUCA, blind to one pixel; lg-bpn = "
            "LG-BPN, blind to a square. auto = by noise and device."
        ),
    ] = "auto"
    context: Annotated[
        int | None,
        _help("Neighboring slices that bsn sees beside its own: 0, 2 or 4. None: 4, or fewer where they do not help."),
    ] = None
    companions: Annotated[
        int | None,
        _help("Other time points of a 4D series that bsn sees, too. None: 6, but none where they repeat one image."),
    ] = None
    blind_spot: Annotated[
        int | None,
        _help(
            "Side in pixels of the square that bsn does not see, an odd number; 0 is the whole slice (it then sees its "
            "neighbors only). None: by the measured correlation."
        ),
    ] = None
    stride: Annotated[
        int | None,
        _help("Pixel shuffle of bsn: its network sees every n-th pixel. None: 1, but for puca on correlated noise."),
    ] = None
    inference_stride: Annotated[
        int | None, _help("Pixel shuffle when slices are denoised; smaller keeps more detail. None: as in training.")
    ] = None
    refine: Annotated[
        int, _help("Random-replacing refinement of bsn (R3): number of masks, 8 is usual; 0 for none.")
    ] = 0
    augment_inference: Annotated[
        bool | None,
        _by_preset("augment_inference", "Denoise each slice in its eight orientations and take the mean."),
    ] = None
    stabilize: Annotated[
        Literal["auto", "on", "off"],
        _help(
            "Bring signal-dependent noise (Poisson, speckle, Rician) to one strength before denoising, and back. auto "
            "= only magnitudes near their floor, where it takes away a bias."
        ),
    ] = "auto"
    axis: Annotated[
        int | None,
        _help("Axis (0, 1, 2) along which slices are paired. None: the axis the slices were acquired along."),
    ] = None
    axes: Annotated[
        Literal["auto", "one", "all"],
        _help(
            "Whether bsn sees slices along one axis or along all three, whose mean it then takes. auto = all where "
            "voxels are nearly cubes and noise is white."
        ),
    ] = "auto"
    distance: Annotated[
        int | None,
        _help("Slices from one to its partner. None: the smallest of 1 to 3 at which their noise is independent."),
    ] = None
    tau: Annotated[
        float | None,
        _help("Largest difference of the guides in matched regions. None: from the measured noise."),
    ] = None
    iterations: Annotated[int | None, _by_preset("iterations", "Optimizer steps.")] = None
    channels: Annotated[int | None, _by_preset("channels", "Features of the network's first level.")] = None
    levels: Annotated[int, _help("Resolution levels of the U-Net of ns-n2n.")] = 4
    batch_size: Annotated[int | None, _by_preset("batch_size", "Pairs a step.")] = None
    patch_size: Annotated[int | None, _by_preset("patch_size", "Side of the training patches.")] = None
    optimizer: Annotated[
        Literal["muon", "adamw"],
        _help("muon = orthogonalized steps, which learn two to three times as fast as AdamW's."),
    ] = "muon"
    learning_rate: Annotated[float | None, _by_preset("learning_rate", "Peak learning rate.")] = None
    weight_decay: Annotated[float, _help("Weight decay.")] = 1e-5
    lambda_rc: Annotated[float, _help("Weight of the regional consistency loss (published: 0.5).")] = 0.0
    lambda_ic: Annotated[float, _help("Weight of the inter-slice continuity loss (published: 1.0).")] = 0.0
    ema_decay: Annotated[float, _help("Long-run decay of the averaged weights.")] = 0.99
    validate_every: Annotated[int, _help("Steps from one validation and checkpoint to the next.")] = 50
    validation_pairs: Annotated[int, _help("Held-out noisy patches a validation.")] = 16
    patience: Annotated[int, _help("Validations without a better score before stopping; 0 never stops early.")] = 12
    training_volumes: Annotated[int, _help("Most time points of a 4D series to train on, evenly spaced.")] = 16
    target: Annotated[
        Literal["recorrupted", "neighbor", "repeat", "same"],
        _help(
            "What the diffusion model of diffdenoise learns: recorrupted = the image with noise of the measured law "
            "taken off, given one with more of it; neighbor = the next slice; repeat = another time point of a 4D "
            "series that repeats one image; same = the image itself, as published: its noise then comes back."
        ),
    ] = "recorrupted"
    show_noisy: Annotated[
        bool, _help("Show the diffusion model the noisy slice beside the blind-spot network's; not with target same.")
    ] = True
    recorruption_tau: Annotated[
        float, _help("Recorrupted targets: strength of the noise that is added, as a share of that of the image.")
    ] = 0.5
    recorruptions: Annotated[
        int | None,
        _by_stage_preset(
            "recorruptions", "Recorrupted targets: draws of that noise, shared by all volumes and time points."
        ),
    ] = None
    condition_noise: Annotated[
        float, _help("White noise on what the diffusion model sees of the blind-spot network, in units of sigma.")
    ] = 0.0
    sampler: Annotated[
        Literal["mean", "srds"],
        _help(
            "What the conditional model of diffdenoise is: mean = it learns the mean of its target, and gives it at "
            "once; srds = diffusion with symmetric sampling, as published, which tends to the same mean, and is slower."
        ),
    ] = "mean"
    diffusion_iterations: Annotated[
        int | None, _by_stage_preset("diffusion_iterations", "Optimizer steps of the diffusion model.")
    ] = None
    diffusion_channels: Annotated[
        int | None,
        _by_stage_preset("diffusion_channels", "Features of the diffusion model's first level, a multiple of 8."),
    ] = None
    sampling_steps: Annotated[
        int | None, _by_stage_preset("sampling_steps", "Sampler srds: evaluations of the model a draw.")
    ] = None
    symmetric_pairs: Annotated[
        int | None, _by_stage_preset("symmetric_pairs", "Sampler srds: symmetric pairs of draws whose mean is taken.")
    ] = None
    student: Annotated[
        bool | None, _by_stage_preset("student", "Train a small network on what was sampled (distillation).")
    ] = None
    student_iterations: Annotated[
        int | None, _by_stage_preset("student_iterations", "Optimizer steps of the student.")
    ] = None
    student_size: Annotated[
        Literal["small", "medium", "large"] | None,
        _by_stage_preset("student_size", "Size of the student; large has the published widths, and asks for a GPU."),
    ] = None
    student_channels: Annotated[
        int | None, _help("Features of the student's first level. None: those of its size.")
    ] = None
    fusion: Annotated[
        bool, _help("Put back what was removed beyond the measured noise (posterior fusion); do-no-harm step.")
    ] = True
    tile: Annotated[int, _help("Largest side of a tile when slices are denoised.")] = 512
    inference_batch: Annotated[
        int, _help("Slices or tiles a pass when slices are denoised; on a CPU at most 512 x 512 pixels.")
    ] = 8
    num_workers: Annotated[int, _help("Processes that draw training pairs.")] = 0
    amp: Annotated[bool, _help("bfloat16 on a CUDA GPU.")] = True
    compile: Annotated[bool, _help("torch.compile the network.")] = False
    memory: Annotated[
        float | None,
        _help(
            "Megabytes of memory for volumes. Beyond that they lie in scratch files in TMPDIR, else /var/tmp, with the "
            "same result. None: half of what is available."
        ),
    ] = None
    device: Annotated[str, _help("auto, cpu, cuda, cuda:1, mps ...")] = "auto"
    seed: Annotated[int, _help("Seed of weights and pairs. On a CPU the same seed gives the same bits.")] = 0

    def check(self) -> None:
        """Raise InputError for a value that no run can use; :func:`resolve` calls it."""
        at_least = {
            "iterations": 1, "channels": 4, "levels": 1, "batch_size": 1, "patch_size": 8, "distance": 1,
            "validate_every": 1, "validation_pairs": 1, "patience": 0, "training_volumes": 1, "tile": 16,
            "inference_batch": 1, "num_workers": 0, "memory": 0, "seed": 0, "lambda_rc": 0, "lambda_ic": 0,
            "weight_decay": 0, "stride": 1, "inference_stride": 1, "companions": 0, "refine": 0, "recorruptions": 1,
            "condition_noise": 0, "diffusion_iterations": 1, "diffusion_channels": 8, "sampling_steps": 1,
            "symmetric_pairs": 1, "student_iterations": 1, "student_channels": 2,
        }  # fmt: skip
        for name, least in at_least.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise InputError(f"got {name.replace('_', '-')} = {value}; expected at least {least}")
        for name in ("learning_rate", "tau", "recorruption_tau"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"got {name.replace('_', '-')} = {value}; expected a number above 0")
        if self.condition_noise and self.sampler == "mean":
            raise InputError("got condition-noise with sampler mean, which has none: choose sampler srds, or 0")
        if self.diffusion_channels is not None and self.diffusion_channels % 8:
            raise InputError(f"got diffusion-channels = {self.diffusion_channels}; expected a multiple of 8")
        if self.axis is not None and self.axis not in (0, 1, 2):
            raise InputError(f"got axis = {self.axis}; expected 0, 1 or 2")
        if self.context not in (None, 0, 2, 4):
            raise InputError(f"got context = {self.context}; expected 0, 2 or 4 neighboring slices")
        if self.blind_spot is not None and not (self.blind_spot == 0 or (self.blind_spot > 0 and self.blind_spot % 2)):
            raise InputError(
                f"got blind-spot = {self.blind_spot}; expected an odd number of pixels, or 0 for the slice"
            )
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(
                    f"got {name} = {getattr(self, name)!r}; expected one of {', '.join(filter(None, choices))}"
                )

    def to_json(self, without: tuple[str, ...] = ()) -> str:
        """All settings but some as one line of JSON, keys sorted."""
        return json.dumps({k: v for k, v in asdict(self).items() if k not in without}, sort_keys=True)


_CHOICES: dict[str, tuple[str | None, ...]] = {
    "method": ("auto", "ns-n2n", "bsn", "diffdenoise"),
    "sampler": ("mean", "srds"),
    "target": ("recorrupted", "neighbor", "repeat", "same"),
    "preset": ("fast", "balanced", "best"),
    "pairing": ("auto", "neighbor", "slice-blind", "repeat"),
    "network": ("auto", "stack", "puca", "lg-bpn"),
    "axes": ("auto", "one", "all"),
    "optimizer": ("muon", "adamw"),
    "stabilize": ("auto", "on", "off"),
    "student_size": (None, "small", "medium", "large"),
}


def resolve(settings: DenoiseSettings, preset_of: str = "ns-n2n") -> DenoiseSettings:
    """Check all values, and replace every None that the preset stands for.

    Args:
        settings: what the user asked for.
        preset_of: whose preset, a key of ``PRESETS``; the plan's ``preset_of``.

    Returns:
        settings without a None that a preset fills in.

    Raises:
        InputError: for a value out of its range.
    """
    settings.check()
    # later stages make up less for a weak first one than the same time spent on the first one does
    longer = settings.method == "diffdenoise" and settings.preset == "fast"
    values = PRESETS[preset_of]["balanced" if longer else settings.preset] | STAGE_PRESETS[settings.preset]
    return replace(settings, **{name: value for name, value in values.items() if getattr(settings, name) is None})
