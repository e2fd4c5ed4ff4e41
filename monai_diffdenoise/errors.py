# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The one exception type for mistakes that the user can put right."""

from __future__ import annotations

__all__ = ["InputError"]


class InputError(ValueError):
    """A mistake in what the user gave: a file, a setting, a shape.

    The message is one line that says what was got, what was expected and what to do. The command line prints it and
    exits with code 2. It must never hold patient data.

    Args:
        message: the text; line breaks and runs of blanks are folded, so that it always prints as one line.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(str(message).split()))
