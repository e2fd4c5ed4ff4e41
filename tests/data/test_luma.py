# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from monai_diffdenoise.data.luma import luma


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_gray_stays_what_it_was(dtype):
    values = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    gray = luma(np.stack([values, values, values, values[::-1]]))
    assert gray.dtype == dtype
    np.testing.assert_array_equal(gray, values)


def test_weights_of_the_standard():
    pure = np.array([[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 0]], np.uint8)
    assert luma(pure).tolist() == [76, 150, 29, 226]
