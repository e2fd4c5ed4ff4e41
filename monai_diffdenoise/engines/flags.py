# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Yes or no, as typed on the command line of ``monai.bundle``."""

from __future__ import annotations

from monai_diffdenoise.errors import InputError

__all__ = ["flag"]


def flag(value: bool | int | str) -> bool:
    """Read a yes or no; ``--resume true`` reaches a configuration as the text "true", which Python takes for yes.

    So it does "false". This function reads both as they are meant.

    Args:
        value: True, False, 1, 0, or the text true, false, yes, no, on or off in any case.

    Returns:
        what was meant.

    Raises:
        InputError: anything else.
    """
    word = str(value).strip().lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise InputError(f"got {value!r} for a switch; expected True or False")
