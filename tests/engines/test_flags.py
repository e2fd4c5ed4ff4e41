# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from monai_diffdenoise.engines import flag
from monai_diffdenoise.errors import InputError


@pytest.mark.parametrize("value", [True, 1, "1", "true", "True", " yes ", "ON"])
def test_yes(value: Any) -> None:
    assert flag(value) is True


@pytest.mark.parametrize("value", [False, 0, "0", "false", "FALSE", "no", "off"])
def test_no(value: Any) -> None:
    assert flag(value) is False


@pytest.mark.parametrize("value", ["", "maybe", None, 2, "None", []])
def test_neither(value: Any) -> None:
    with pytest.raises(InputError, match="expected True or False"):
        flag(value)
