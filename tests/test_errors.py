# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from monai_diffdenoise.errors import InputError


def test_message_is_one_line():
    error = InputError("got\n  a name\tthat spans\r\nlines")
    assert str(error) == "got a name that spans lines"
    assert isinstance(error, ValueError)
