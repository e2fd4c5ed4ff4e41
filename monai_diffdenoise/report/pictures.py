# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a run for a page: before and after, and the maps that go with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from monai_diffdenoise.data.volume import Volume
from monai_diffdenoise.metrics.gates import NoiseLevel
from monai_diffdenoise.report.planes import PlaneView, data_address, gray, gray_limits, plane_views
from monai_diffdenoise.report.residual_figures import removed_energy

__all__ = ["picture_values", "thumbnail"]

# Dark to bright, steady in lightness, also for the color-blind.
_RAMP = ("#0d0829", "#3b0f70", "#8c2981", "#de4968", "#fe9f6d", "#fcfdbf")
_GRAYS = ("#000000", "#808080", "#ffffff")
_SIDES = ("left", "right", "top", "bottom")
# Maps are smooth: a quarter of the pixels shows them.
_MAP_PIXELS = 1 << 16
_THUMBNAIL = 192


def picture_values(
    volume: Volume,
    noisy: torch.Tensor,
    level: NoiseLevel | None,
    maps: Mapping[str, torch.Tensor],
    stages: Mapping[str, torch.Tensor],
) -> dict[str, Any]:
    """Values of a report's template that are pictures.

    Args:
        volume: denoised.
        noisy: (C, *S).
        level: of the noise.
        maps: "share" and "uncertainty", those that there are, each (C, *S).
        stages: what each stage made, by name, each (C, *S).
    """
    image, channel = volume.image.as_tensor(), volume.image.shape[0] // 2
    place = (volume.image.affine, volume.spacing, volume.slice_axis)
    views = plane_views(image, *place)
    low, high = gray_limits(image, volume.slice_axis)
    pairs = [(view.cut(noisy, channel), view.cut(image, channel)) for view in views]
    compare = [
        {
            **_frame(view, image),
            "before": data_address(gray(one, low, high)),
            "after": data_address(gray(two, low, high)),
        }
        for view, (one, two) in zip(views, pairs, strict=True)
    ]
    steps = max(view.step for view in views)
    shown = {"noisy": noisy, **stages, "returned": image} if stages else {}
    return {
        "compare": compare,
        "window": (f"{low:.4g}", f"{high:.4g}"),
        "steps": "" if steps == 1 else f"Of large planes, one in {steps} pixels is shown along each side.",
        "stages": [
            {
                **_frame(views[0], image),
                "name": name,
                "address": data_address(gray(views[0].cut(one, channel), low, high)),
            }
            for name, one in shown.items()
        ],
        "layers": [
            _residual(views, pairs, image),
            *([] if level is None else [_energy(views[0], pairs[0], image, level)]),
            *_maps(maps, plane_views(image, *place, _MAP_PIXELS), image, channel),
        ],
    }


def thumbnail(volume: Volume) -> str:
    """The middle slice of a volume, in its proportions and at most 192 pixels wide or tall, as an address."""
    image = volume.image.as_tensor()
    view = plane_views(image, volume.image.affine, volume.spacing, volume.slice_axis)[0]
    picture = view.cut(image, image.shape[0] // 2)[None, None]
    tall, wide = (1.0, view.aspect) if view.aspect < 1 else (1 / view.aspect, 1.0)
    size = [max(round(_THUMBNAIL * side), 1) for side in (tall, wide)]
    small = torch.nn.functional.interpolate(picture, size, mode="area")[0, 0]
    return data_address(gray(small, *gray_limits(image, volume.slice_axis)))


def _frame(view: PlaneView, image: torch.Tensor) -> dict[str, Any]:
    count = "" if view.axis is None else f"slice {view.index + 1} of {image.shape[view.axis + 1]}"
    return {
        "name": view.name,
        "aspect": f"{view.aspect:.4f}",
        "place": count,
        "ends": [(side, letter) for side, letter in zip(_SIDES, view.ends, strict=True) if letter],
    }


def _residual(
    views: list[PlaneView], pairs: list[tuple[torch.Tensor, torch.Tensor]], image: torch.Tensor
) -> dict[str, Any]:
    removed = [one - two for one, two in pairs]
    reach = max(float(torch.quantile(removed[0].abs().flatten()[:: 1 + removed[0].numel() // 500_000], 0.995)), 1e-12)
    return {
        "title": "Noisy minus denoised",
        "text": "Should look like noise alone, the same everywhere. Outlines are anatomy that was removed.",
        "low": f"-{reach:.3g}",
        "high": f"+{reach:.3g}",
        "colors": _GRAYS,
        "pictures": [
            {**_frame(view, image), "address": data_address(gray(part, -reach, reach))}
            for view, part in zip(views, removed, strict=True)
        ],
    }


def _energy(
    view: PlaneView, pair: tuple[torch.Tensor, torch.Tensor], image: torch.Tensor, level: NoiseLevel
) -> dict[str, Any]:
    energy = removed_energy(pair[0][None], pair[1][None], level)[0]
    return {
        "title": "Removed, relative to the noise",
        "text": "How much was removed around each pixel, over the noise that is expected there. 1 is the noise; bright "
        "lines along edges are lost structure; dark places kept much of their noise.",
        "low": "0",
        "high": "2",
        "colors": _RAMP,
        "pictures": [{**_frame(view, image), "address": _colored(energy, 0.0, 2.0)}],
    }


def _maps(
    maps: Mapping[str, torch.Tensor], views: list[PlaneView], image: torch.Tensor, channel: int
) -> list[dict[str, Any]]:
    found = []
    if "share" in maps:
        found.append(
            _layer(
                "Put back",
                "Share of what the network removed that fusion put back: it did not look like noise.",
                maps["share"], views, image, channel, 1.0,
            )
        )  # fmt: skip
    if "uncertainty" in maps:
        pictures = [view.cut(maps["uncertainty"], channel) for view in views]
        high = max(float(torch.quantile(pictures[0].flatten()[::7], 0.995)), 1e-12)
        found.append(
            _layer(
                "Uncertainty",
                "Standard deviation over draws of the diffusion model, input units. Bright: the model can't be sure.",
                maps["uncertainty"], views, image, channel, high,
            )
        )  # fmt: skip
    return found


def _layer(
    title: str, text: str, values: torch.Tensor, views: list[PlaneView], image: torch.Tensor, channel: int, high: float
) -> dict[str, Any]:
    pictures = [{**_frame(view, image), "address": _colored(view.cut(values, channel), 0.0, high)} for view in views]
    return {"title": title, "text": text, "low": "0", "high": f"{high:.3g}", "colors": _RAMP, "pictures": pictures}


def _colored(picture: torch.Tensor, low: float, high: float) -> str:
    """A picture in the colors of the ramp."""
    stops = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in _RAMP], dtype=np.float64)
    at = np.linspace(0, 255, len(stops))
    table = np.stack([np.interp(np.arange(256), at, stops[:, c]) for c in range(3)], axis=1).round().astype(np.uint8)
    return data_address(table[gray(picture, low, high)])
