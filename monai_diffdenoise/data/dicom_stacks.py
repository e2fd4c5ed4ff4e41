# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Group the slices of one series into stacks: what lies in one stack may be compared, averaged, denoised together.

A stack has one size, orientation, pixel spacing and kind (see :mod:`monai_diffdenoise.data.dicom_kind`). Magnitude and
phase, echoes, the planes of a localizer, the clips of an ultrasound examination are stacks of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from monai_diffdenoise.data.dicom_geometry import count_positions, same_place
from monai_diffdenoise.data.dicom_images import FileImages, Layout
from monai_diffdenoise.data.dicom_kind import Moment
from monai_diffdenoise.data.dicom_slice import Slice
from monai_diffdenoise.errors import InputError

__all__ = ["Stack", "find_stacks", "pick_stack"]

_MAX_LISTED = 12
_MAX_SHOWN = 40
_TRACE = "ISOTROPIC"
_AXES = ("sagittal", "coronal", "axial")


@dataclass(eq=False)
class Stack:
    """Slices that belong together.

    Args:
        layout: how they lie in their files.
        kind: what tells the stack from others of its series, beside geometry.
        slices: in no particular order.
    """

    layout: Layout
    kind: tuple[tuple[str, str], ...]
    slices: list[Slice] = field(default_factory=list)

    @property
    def placed(self) -> bool:
        """Whether the slices say where they lie in space."""
        return self.slices[0].position is not None and self.slices[0].orientation is not None


def find_stacks(files: Iterable[FileImages]) -> list[Stack]:
    """Group the slices of a series.

    Args:
        files: its files, in any order.

    Returns:
        the stacks in the order of their first instance number, which does not depend on file names.
    """
    files = list(files)
    traces = _traces_stand_apart(item for file in files for item in file.slices)
    found: dict[object, list[Stack]] = {}
    for file in files:
        for item in file.slices:
            kind = tuple(pair for pair in item.kind if pair[0] != "diffusion" or (traces and pair[1] == _TRACE))
            placed = item.position is not None and item.orientation is not None
            # Frames without a place belong together by their file only.
            home = item.fingerprint.path if file.layout == "cine" else None
            alike = found.setdefault((file.layout, item.rows, item.columns, kind, placed, home), [])
            stack = next((stack for stack in alike if same_place(stack.slices[0], item)), None)
            if stack is None:
                stack = Stack(file.layout, kind)
                alike.append(stack)
            stack.slices.append(item)
    stacks = [stack for alike in found.values() for stack in alike]
    return sorted(stacks, key=lambda stack: (min(_order(item) for item in stack.slices), stack.kind))


def pick_stack(stacks: Sequence[Stack], number: int | None) -> Stack:
    """The stack that the user names, or the only one.

    Args:
        stacks: those of a series.
        number: from 1; None when the user named none.

    Raises:
        InputError: several stacks and none picked, or a number that is not there.
    """
    if number is None and len(stacks) > 1:
        raise InputError(
            f"the series holds {len(stacks)} stacks that must not be mixed: {_listing(stacks)}; "
            "pick one with --stack and its number"
        )
    if number is not None and not 1 <= number <= len(stacks):
        raise InputError(f"got --stack {number}, expected 1 to {len(stacks)}: {_listing(stacks)}")
    return stacks[(number or 1) - 1]


def _order(item: Slice) -> tuple[float, float]:
    moment = Moment(*item.moment)
    return moment.instance, moment.frame


def _traces_stand_apart(slices: Iterable[Slice]) -> bool:
    """Whether directional images and their average lie in one series; images without diffusion go with the former."""
    found = {value for item in slices for name, value in item.kind if name == "diffusion"}
    return _TRACE in found and bool(found & {"DIRECTIONAL", "BMATRIX"})


def _listing(stacks: Sequence[Stack]) -> str:
    facts = [_facts(stack) for stack in stacks]
    names = list(dict.fromkeys(name for fact in facts for name in fact))
    telling = [name for name in names if len({fact.get(name) for fact in facts}) > 1]
    entries = []
    for number, (stack, fact) in enumerate(zip(stacks, facts, strict=True), start=1):
        if number > _MAX_LISTED:
            entries.append(f"and {len(stacks) - _MAX_LISTED} more")
            break
        what = [f"{name} {fact[name][:_MAX_SHOWN]}" for name in telling if name in fact]
        entries.append(f"{number}: " + ", ".join([_size(stack), *what]))
    return "; ".join(entries)


def _size(stack: Stack) -> str:
    first, count = stack.slices[0], len(stack.slices)
    plane = f"{first.columns}x{first.rows}"
    if not stack.placed:
        return f"{plane}, {count} image(s) without a position"
    positions = count_positions(stack.slices)
    if count % positions:
        return f"{plane}, {count} images at {positions} positions"
    return f"{plane}, {positions} slice(s)" + (f" x {count // positions} time points" if count > positions else "")


def _facts(stack: Stack) -> dict[str, str]:
    """What may tell this stack from others, by name."""
    facts, first = dict(stack.kind), stack.slices[0]
    if first.spacing is not None:
        facts["pixels"] = f"{first.spacing[1]:.4g}x{first.spacing[0]:.4g} mm"
    if first.orientation is not None and stack.placed:
        facts["orientation"] = _orientation(first.orientation)
    if stack.layout == "cine":
        facts["instance number"] = f"{Moment(*first.moment).instance:g}"
    return facts


def _orientation(cosines: np.ndarray) -> str:
    normal = np.cross(cosines[:3], cosines[3:])
    axis = int(np.abs(normal).argmax())
    if abs(normal[axis]) > 0.999:
        return _AXES[axis]
    return f"{_AXES[axis]} oblique ({' '.join(f'{n:.2f}' for n in normal)})"
